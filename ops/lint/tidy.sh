#!/usr/bin/env bash
# tidy.sh BUILD [FILE…]: clang-tidy with .clang-tidy, over the sources that BUILD (a build folder made with clang) compiles,
# but for the tests' own. Exit 1 on a finding.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

build=${1:?usage: tidy.sh BUILD [FILE…]}
shift
if [ $# -eq 0 ]; then
    mapfile -t files < <(jq -r '.[].file' "$build/compile_commands.json" | grep '\.c$' |
        grep -vE '/tests/(unit|step|sim|it|fuzz)/' | sort -u)
else
    files=("$@")
fi
out=$(printf '%s\0' "${files[@]}" | xargs -0 -P "$(nproc)" -n 4 clang-tidy -p "$build" --quiet 2>/dev/null |
    grep -E '(warning|error): ' | sed "s#^$PWD/##" | sort -u) || true
[ -n "$out" ] || exit 0
echo "$out"
exit 1
