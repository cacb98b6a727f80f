#!/usr/bin/env bash
# cppcheck.sh: cppcheck over our sources. Exit 1 on a finding. Silence a false one with a comment: /* cppcheck-suppress ID */
#
# Not over the unit tests, which plant faults. autoVariables: a fiber waits on its own stack. invalidFunctionArg: mmap takes fd -1.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

dirs=()
for dir in common schema worker ops tests/azure tests/world tests/lib; do
    [ ! -d $dir ] || dirs+=("$dir")
done
exec cppcheck -q -j "$(nproc)" -I . --std=c11 --library=posix --enable=warning,portability --inline-suppr --error-exitcode=1 \
    -D__GNUC__=12 -D__linux__ -D__x86_64__ -U__SANITIZE_ADDRESS__ -U__SANITIZE_THREAD__ \
    --suppress=unknownMacro --suppress=missingIncludeSystem --suppress=internalAstError --suppress=autoVariables --suppress=invalidFunctionArg --suppress=normalCheckLevelMaxBranches \
    --template='{file}:{line}: {id}: {message}' "${dirs[@]}"
