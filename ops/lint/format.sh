#!/usr/bin/env bash
# format.sh [--fix]: clang-format over all C sources. Exit 1 if something is not formatted, 77 if this clang-format is another one.
#
# Versions differ in details, so only 14 (Debian 12) decides.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

tool=$(command -v clang-format-14 || command -v clang-format || true)
[ -n "$tool" ] || { echo "clang-format is missing: run ops/dev/setup" && exit 77; }
[[ $("$tool" --version) == *" 14."* ]] || { echo "not clang-format 14: nothing checked" && exit 77; }

mode=(--dry-run -Werror)
[ "${1:-}" != --fix ] || mode=(-i)
find common schema worker ops tests -name '*.[ch]' -print0 2>/dev/null | xargs -0 -r "$tool" --style=file "${mode[@]}" 2>&1 |
    awk -F: '/error: code should be clang-formatted/ && !seen[$1]++ { print $1 ":" $2 ": not formatted: run ops/lint/format.sh --fix" }
        END { exit length(seen) > 0 }'
