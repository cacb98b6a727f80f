#!/usr/bin/env bash
# The official Python SDKs, unchanged, against azure-sim: each module of sdk/ on a simulator of its own, all at the same time.
# Their traffic stays in $CW_BUILD/conformance for test_openapi.sh.  [MODULE…] runs only these.
# timeout: 600
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export CW_ROOT=${CW_ROOT:-$(cd "$here/../.." && pwd)}
export CW_BUILD=${CW_BUILD:-$CW_ROOT/build/asan}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

"$here/enter" || exit
modules=("$@")
[ $# -gt 0 ] || mapfile -t modules < <(cd "$here/sdk" && printf '%s\n' sdk_*.py | sed 's/^sdk_//;s/\.py$//')
"$here/enter" sh -c 'pip list --format=freeze 2>/dev/null | grep -E "^(azure-identity|azure-mgmt-|databricks-sdk)"' | sed 's/^/# /'
for module in "${modules[@]}"; do
    "$here/enter" python "$here/sdk/sdk_$module.py" >"$out/$module" 2>"$out/$module.err" &
    echo $! >"$out/$module.pid"
done

failed=0
total=0
for module in "${modules[@]}"; do
    status=0
    wait "$(cat "$out/$module.pid")" || status=$?
    sed -n "s/^\(not ok\|ok\|skip\) - test_/\1 - $module: /p;/^#/p" "$out/$module"
    total=$((total + $(grep -cE '^(not )?ok - test_' "$out/$module" || true)))
    [ $status = 0 ] && continue
    failed=1
    if ! grep -q '^not ok' "$out/$module"; then
        echo "not ok - $module: ended with status $status"
        tail -n 20 "$out/$module.err" | sed 's/^/# /'
    fi
    sed -n "s/^not ok - azure-sim/not ok - $module: azure-sim/p" "$out/$module"
done
echo "1..$total"
exit $failed
