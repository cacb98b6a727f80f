#!/usr/bin/env bash
# timeout: 540
# A short chaos run. CW_SEED repeats one; a longer one: tests/chaos/run --minutes 30.
exec "$(dirname "${BASH_SOURCE[0]}")/run" --minutes 1.2 --requests 24 ${CW_SEED:+--seed "$CW_SEED"}
