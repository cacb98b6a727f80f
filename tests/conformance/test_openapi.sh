#!/usr/bin/env bash
# Everything that clients sent to azure-sim and that it answered, against Microsoft's OpenAPI files: the traffic of the SDK suites and
# of workers (integration tests of the same run, else the examples). Made here when there is none of this build.
# timeout: 900
# after: all others
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export CW_ROOT=${CW_ROOT:-$(cd "$here/../.." && pwd)}
export CW_BUILD=${CW_BUILD:-$CW_ROOT/build/asan}
specification=${CW_OPENAPI:-$CW_ROOT/../shared/reference/openapi/specification}
records=$CW_BUILD/conformance

if [ ! -d "$specification" ]; then
    echo "skip - openapi: Microsoft's files are not there: $specification (another place: CW_OPENAPI)"
    exit 77
fi
"$here/enter" || exit
mkdir -p "$records"

# fresh PATTERN: a record of this build's azure-sim is there.
fresh() { [ -n "$(find "$records" -name "$1" -size +0 -newer "$CW_BUILD/azure-sim" -print -quit)" ]; }

if ! fresh workspaces.jsonl || ! fresh network.jsonl; then
    echo "# driving the SDKs"
    "$here/test_sdk.sh" >"$records/sdk.log" 2>&1 || echo "# test_sdk.sh failed, see $records/sdk.log"
fi
failed=0
if [ ! -x "$CW_BUILD/causeway-worker" ]; then
    echo "skip - openapi, requests of workers: no causeway-worker in $CW_BUILD"
elif ! fresh 'stack-*.jsonl'; then
    rm -f "$records"/stack-*.jsonl
    python3 "$here/openapi/worker_traffic.py" "$records" 2>&1 || { failed=1 && echo "not ok - openapi: a worker does the examples"; }
fi

"$here/enter" python "$here/openapi/selftest.py" "$specification" || failed=1
# Planned faults make answers that no description allows.
mapfile -t files < <(find "$records" -name '*.jsonl' ! -name 'faults.jsonl' ! -name 'bad_clients*' | sort)
"$here/enter" python "$here/openapi/validate.py" "$specification" "${files[@]}" || failed=1
exit $failed
