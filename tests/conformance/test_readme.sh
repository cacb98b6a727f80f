#!/usr/bin/env bash
# The README's page on the simulated Azure, followed to the letter: its ```sh blocks, one after the other in one shell.
# timeout: 180
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export CW_ROOT=${CW_ROOT:-$(cd "$here/../.." && pwd)}
export CW_BUILD=${CW_BUILD:-$CW_ROOT/build/asan}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"$here/enter" || exit
# The page is followed in a folder that looks like a clone with its build.
mkdir "$folder/build"
ln -s "$CW_BUILD" "$folder/build/release"
ln -s "$CW_ROOT/tests" "$folder/tests"
{
    echo 'set -eo pipefail; trap "kill %1 2>/dev/null; wait" EXIT'
    sed -n '/^## The simulated Azure/,/^## /p' "$CW_ROOT/README.md" | sed -n '/^```sh$/,/^```$/{/^```/d;p}'
    echo 'trap - EXIT; wait %1 && echo "azure-sim ended well"'
} >"$folder/page.sh"
if (cd "$folder" && "$here/enter" bash page.sh) >"$folder/out" 2>&1 &&
    grep -q '^try is RUNNING' "$folder/out" && grep -q 'azure-sim ended well' "$folder/out"; then
    echo "ok - the README's page on the simulated Azure does what it says"
else
    sed 's/^/# /' "$folder/out" | tail -n 40
    echo "not ok - the README's page on the simulated Azure does what it says"
    exit 1
fi
