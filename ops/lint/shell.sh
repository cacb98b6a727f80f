#!/usr/bin/env bash
# shell.sh: bash -n and shellcheck over every shell script. Exit 1 on a finding.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

mapfile -d '' scripts < <(find .ci ops tests -type f -print0 2>/dev/null | sort -z | xargs -0 -r grep -lZE -m1 '^#!/(usr/bin/env bash|bin/(ba)?sh)')
bad=0
for script in "${scripts[@]}"; do
    bash -n "$script" || bad=1
done
if command -v shellcheck >/dev/null; then
    # SC1091: files that are sourced from elsewhere
    shellcheck -x -S warning -e SC1091 -f gcc "${scripts[@]}" || bad=1
fi
exit $bad
