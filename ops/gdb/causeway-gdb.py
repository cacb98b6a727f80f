"""The fibers of a running or dumped process.

    (gdb) source ops/gdb/causeway-gdb.py
    (gdb) info cw-fibers              number, state, deadline, name
    (gdb) cw-fiber 3                  backtrace of fiber 3
    (gdb) cw-fiber 3 info locals      any command, in the frame where the fiber waits
    (gdb) cw-fiber 3 2 info locals    the same, two frames further out

Nothing in the process is changed: an unwinder presents the parked registers as the caller of the current frame, so it works
on core files, too. The structures are those of common/fiber/sched.h and switch.h.
"""

import gdb
import gdb.unwinder

STATES = ("ready", "running", "waiting", "ended")
NEVER = 2**63 - 1
REGISTERS = {
    "i386:x86-64": ("rip", "rsp", ("rbx", "rbp", "r12", "r13", "r14", "r15"), "rip"),
    "aarch64": ("pc", "sp", tuple("x%d" % n for n in range(19, 31)), "x30"),
}


def scheduler():
    symbol = gdb.lookup_static_symbol("cw_current_sched")
    if symbol is None:
        raise gdb.GdbError("no symbol cw_current_sched: not a Causeway process, or built without -g")
    sched = symbol.value()
    if int(sched) == 0:
        raise gdb.GdbError("there is no scheduler")
    return sched.dereference()


def fibers():
    """Every fiber that has not ended, oldest first."""
    fiber = scheduler()["first"]
    while int(fiber) != 0:
        if STATES[int(fiber["state"])] != "ended":
            yield fiber.dereference()
        fiber = fiber["next"]


def name_of(fiber):
    return fiber["name"].string("utf-8", "replace")


class FrameId:
    """What gdb tells frames apart by."""

    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


class ParkedUnwinder(gdb.unwinder.Unwinder):
    """While a fiber is chosen, the innermost frame seems to have been called from where that fiber is parked."""

    def __init__(self):
        super().__init__("causeway parked fiber")
        self.enabled = False
        self.real_sp = None
        self.sp = None
        self.frame = None

    def choose(self, fiber):
        self.enabled = False
        gdb.invalidate_cached_frames()
        newest = gdb.newest_frame()
        architecture = newest.architecture().name()
        if architecture not in REGISTERS:
            raise gdb.GdbError("no register layout for %s" % architecture)
        self.names = REGISTERS[architecture]
        self.real_sp = int(newest.read_register(self.names[1]))
        pointer = gdb.lookup_type("struct cw_switch_frame").pointer()
        self.frame = fiber["sp"].cast(pointer).dereference()
        self.sp = int(fiber["sp"]) + self.frame.type.sizeof
        self.enabled = True
        gdb.invalidate_cached_frames()

    def release(self):
        self.enabled = False
        gdb.invalidate_cached_frames()

    def __call__(self, pending):
        pc_name, sp_name, saved, return_field = self.names
        real_sp = pending.read_register(sp_name)
        if int(real_sp) != self.real_sp:
            return None
        # An address inside the fiber's own parked registers: it must lie below the frames that follow.
        here = gdb.Value(self.sp - self.frame.type.sizeof).cast(real_sp.type)
        info = pending.create_unwind_info(FrameId(here, pending.read_register(pc_name)))
        for name in saved:
            register = pending.read_register(name)
            info.add_saved_register(name, self.frame[name].cast(register.type))
        pc_type = pending.read_register(pc_name).type
        info.add_saved_register(pc_name, gdb.Value(int(self.frame[return_field])).cast(pc_type))
        info.add_saved_register(sp_name, gdb.Value(self.sp).cast(real_sp.type))
        return info


UNWINDER = ParkedUnwinder()
gdb.unwinder.register_unwinder(None, UNWINDER, replace=True)


def print_backtrace(frame):
    number = 0
    while frame is not None:
        frame.select()
        text = gdb.execute("frame", to_string=True).splitlines()[0]
        gdb.write("#%-3d%s\n" % (number, text.split(None, 1)[1] if text.startswith("#") else text))
        number += 1
        frame = frame.older()


def run_in_frame(frame, command):
    words = command.split(None, 1)
    up = 0
    if words[0].isdigit() and len(words) == 2:
        up, command = int(words[0]), words[1]
    for _ in range(up):
        frame = frame.older()
        if frame is None:
            raise gdb.GdbError("the fiber has fewer frames")
    frame.select()
    gdb.execute(command)


class InfoFibers(gdb.Command):
    """List the fibers: number, state, deadline (milliseconds on the monotonic clock), name."""

    def __init__(self):
        super().__init__("info cw-fibers", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        count = 0
        for number, fiber in enumerate(fibers()):
            state = STATES[int(fiber["state"])]
            until = int(fiber["until"]["mono_ms"])
            due = "until %d" % until if state == "waiting" and until != NEVER else ""
            reason = int(fiber["cancel_reason"])
            cancelled = " cancelled(%d)" % reason if reason != 0 else ""
            gdb.write("%-5d %-8s %-18s %s%s\n" % (number, state, due, name_of(fiber), cancelled))
            count += 1
        gdb.write("%d fibers\n" % count)


class Fiber(gdb.Command):
    """cw-fiber NUMBER [[FRAME] COMMAND]: backtrace of a fiber, or a command in one of its frames."""

    def __init__(self):
        super().__init__("cw-fiber", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        words = argument.split(None, 1)
        if not words or not words[0].isdigit():
            raise gdb.GdbError("cw-fiber NUMBER [[FRAME] COMMAND]; see info cw-fibers")
        for number, fiber in enumerate(fibers()):
            if number == int(words[0]):
                self.show(fiber, words[1] if len(words) == 2 else "bt")
                return
        raise gdb.GdbError("there is no fiber %s" % words[0])

    def show(self, fiber, command):
        is_parked = STATES[int(fiber["state"])] != "running"
        selected = gdb.selected_frame()
        level = selected.level()
        if is_parked:
            UNWINDER.choose(fiber)
        try:
            frame = gdb.newest_frame().older() if is_parked else gdb.newest_frame()
            if frame is None:
                raise gdb.GdbError("the fiber's frames cannot be read")
            if command in ("bt", "backtrace", "where"):
                gdb.write("fiber %s\n" % name_of(fiber))
                print_backtrace(frame)
            else:
                run_in_frame(frame, command)
        finally:
            if is_parked:
                UNWINDER.release()
            gdb.execute("frame %d" % level, to_string=True)


InfoFibers()
Fiber()
