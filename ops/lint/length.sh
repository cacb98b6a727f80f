#!/usr/bin/env bash
# length.sh: functions of at most 70 lines, files of at most 800. Prints FILE:LINE: WHAT: REMEDY; exits 1 on a finding.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

find common schema worker ops tests -name '*.[ch]' -print0 2>/dev/null | sort -z | xargs -0 -r awk '
    function flush_file() {
        if (file != "" && lines > 800) { printf "%s:1: %d lines: split the file, 800 is the limit\n", file, lines; bad = 1 }
    }
    FNR == 1 { flush_file(); file = FILENAME; open = 0; head = "" }
    { lines = FNR }
    # House style: the brace of a function stands alone in the first column, and so does the one that ends it.
    /^\{$/ { open = FNR; next }
    /^\}/ && open {
        if (FNR - open - 1 > 70) {
            printf "%s:%d: %s has %d lines: split it, 70 is the limit\n", FILENAME, open, name, FNR - open - 1; bad = 1
        }
        open = 0
    }
    !open && /^[A-Za-z_].*\(/ { name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name) }
    END { flush_file(); exit bad }
'
