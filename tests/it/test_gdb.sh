#!/bin/bash
# The fiber commands of ops/gdb on a live process and on a core file. TAP on standard output.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
if ! command -v gdb >/dev/null; then
    if [ -n "${CI:-}" ]; then
        echo "1..1"
        echo "not ok 1 - gdb is missing"
        exit 1
    fi
    echo "1..0 # SKIP gdb is missing"
    exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
count=0
failed=0

# check NAME PATTERN FILE: an extended regular expression is somewhere in FILE.
check() {
    count=$((count + 1))
    if grep -qE -- "$2" "$3"; then
        echo "ok $count - $1"
    else
        failed=$((failed + 1))
        echo "not ok $count - $1"
        echo "# no line matches: $2"
        sed 's/^/# /' "$3"
    fi
}

if ! (cd "$root" && ${CC:-cc} -std=gnu17 -g -O1 -fno-omit-frame-pointer -D_GNU_SOURCE= -I. -o "$work/parked" \
    tests/it/parked_fibers.c common/fiber/*.c common/fiber/*.S \
    common/{base,err,str,utf8,time,deadline}.c) >"$work/build" 2>&1; then
    echo "1..1"
    echo "not ok 1 - the program builds"
    sed 's/^/# /' "$work/build"
    exit 1
fi

cat >"$work/commands" <<COMMANDS
set pagination off
set confirm off
set width 0
source $root/ops/gdb/causeway-gdb.py
info cw-fibers
echo == first ==\n
cw-fiber 0
echo == locals ==\n
cw-fiber 0 2 info locals
cw-fiber 0 3 info locals
echo == fresh ==\n
cw-fiber 2
echo == none ==\n
python
try:
    gdb.execute("cw-fiber 9")
except gdb.error as e:
    print(e)
end
echo == after ==\n
backtrace
COMMANDS
{
    echo "break parked_here"
    echo "run"
    cat "$work/commands"
    echo "continue"
} >"$work/live"
gdb -nx -q -batch -x "$work/live" "$work/parked" >"$work/live.out" 2>&1

# The kernel's core file: gdb's own generate-core-file cannot read past guard areas. Where the system takes cores elsewhere,
# that half is left out.
(cd "$work" && ulimit -c unlimited && ./parked abort; true) >/dev/null 2>&1
hows=live
core=$(find "$work" -maxdepth 1 -name 'core*' | head -1)
if [ -n "$core" ]; then
    hows="live core"
    gdb -nx -q -batch -x "$work/commands" "$work/parked" "$core" >"$work/core.out" 2>&1
fi

# part FILE NAME: the lines between "== NAME ==" and the next heading.
part() {
    awk -v name="== $2 ==" '$0 == name {on = 1; next} /^== / {on = 0} on' "$1" >"$1.$2"
    echo "$1.$2"
}

for how in $hows; do
    out=$work/$how.out
    check "$how: waiting fibers are listed" '^0 +waiting +job-one$' "$out"
    check "$how: a deadline is shown" '^1 +waiting +until [0-9]+ +job-two$' "$out"
    check "$how: a fresh fiber is ready" '^2 +ready +job-fresh$' "$out"
    check "$how: all are counted" '^3 fibers$' "$out"
    check "$how: the backtrace reaches the function that waits" ' in wait_inside \(secret_number=(secret_number@entry=)?21\) at .*parked_fibers.c' \
        "$(part "$out" first)"
    check "$how: and its caller" ' in first \(' "$(part "$out" first)"
    check "$how: and ends at the fiber's first frame" '^#[0-9]+ .* cw_switch_boot \(\)' "$(part "$out" first)"
    check "$how: locals can be read" 'local_number = 42' "$(part "$out" locals)"
    check "$how: a fresh fiber shows its entry" '^#0 .* cw_switch_boot \(\)' "$(part "$out" fresh)"
    check "$how: an unknown number is an error" 'there is no fiber 9' "$(part "$out" none)"
    check "$how: the selected frame is as before" ' parked_here \(' "$(part "$out" after)"
done
if [ -z "$core" ]; then
    count=$((count + 1))
    echo "ok $count - core # SKIP this system keeps no core file in the working directory"
fi
check "live: the process goes on" 'exited normally' "$work/live.out"
echo "1..$count"
exit $((failed > 0))
