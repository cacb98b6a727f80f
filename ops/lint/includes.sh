#!/usr/bin/env bash
# includes.sh: which folder may include what, own header first, no cycles. Prints FILE:LINE: WHAT: REMEDY; exits 1 on a finding.
exec python3 "$(dirname "${BASH_SOURCE[0]}")/includes.py" "$@"
