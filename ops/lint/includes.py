"""The arrows between our folders, as a table, and a check of every #include against it.

A finding is one line: FILE:LINE: WHAT: REMEDY. Exit code 1 if there is one.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TREES = ("common", "schema", "worker", "ops", "tests")

NET = {"common", "common/fiber", "common/net"}
AZURE = NET | {"common/azure"}
WORKER = AZURE | {"schema", "worker", "worker/engine", "worker/steps"}

# Folder -> folders whose headers it may include, next to its own. The longest matching folder counts.
ARROWS = {
    "common": set(),
    "common/fiber": {"common"},
    "common/net": {"common", "common/fiber"},
    "common/azure": NET,
    "schema": {"common"},
    "schema/print": {"common", "schema"},
    "worker": WORKER,
    "worker/engine": AZURE | {"schema", "worker/steps/step.h"},
    "worker/steps": {"common", "common/azure", "schema"},
    "ops/ctl": AZURE | {"schema"},
    "ops/dev/broker": {"common"},
    "ops/bench": WORKER,
    "tests": None,  # everything
}

# Files that may see more than their folder, each for a reason.
EXCEPTIONS = {
    # One table of settings for the worker and the command; it fills the option structs of the doors.
    r"common/settings\.[ch]": {"common/net", "common/azure", "common/fiber"},
}

# Library header -> files that may include it. In headers only where the pattern says so.
# *_impl.h and *_uv.h are private to their folder, so they may name a library.
NET_C = r"common/net/[^/]+\.c|common/net/[^/]+_(?:impl|uv)\.h|ops/bench/[^/]+\.c"
LIBRARIES = {
    r"uv\.h": NET_C,
    r"curl/": NET_C,
    r"hiredis/|hiredis": NET_C,
    r"ares": NET_C,
    r"microhttpd\.h": NET_C,
    r"librdkafka/": NET_C + r"|ops/dev/broker/[^/]+\.c",
    r"openssl/": NET_C + r"|common/digest\.c|common/azure/[^/]+\.c",
    r"gnutls/": r"",
    r"jansson\.h": r"common/json\.[ch]|common/json_[a-z_]+\.[ch]",
    r"cmocka\.h": r"",
    r"lua\.h|lualib\.h|lauxlib\.h": r"",
    r"ucontext\.h|sanitizer/|valgrind/": r"common/fiber/[^/]+\.[ch]|common/sanitize\.h",
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def zone_of(path):
    """The longest folder of ARROWS that holds this file."""
    best = ""
    for zone in ARROWS:
        if path.startswith(zone + "/") and len(zone) > len(best):
            best = zone
    return best


def folder_of(path):
    return path.rsplit("/", 1)[0]


def is_step(path):
    """A step's source exports one `const struct cw_step`, and steps don't know each other."""
    source = ROOT / (path[:-2] + ".c")
    return path.startswith("worker/steps/") and source.exists() and "\nconst struct cw_step " in source.read_text("utf-8")


def arrow_finding(path, target):
    zone = zone_of(path)
    allowed = ARROWS.get(zone)
    if not zone:
        return f"{path} is in no known folder", "add its folder to ops/lint/includes.py"
    if allowed is None:
        return None
    for pattern, more in EXCEPTIONS.items():
        if re.fullmatch(pattern, path):
            allowed = allowed | more
    folder = folder_of(target)
    if folder == "tests" or folder.startswith("tests/"):
        return f"includes {target}", "nothing outside tests may use tests"
    if re.search(r"_(impl|uv)\.h$", target) and folder != folder_of(path):
        return f"includes {target}, which is private to {folder}", "use the folder's public header"
    if folder == zone and is_step(target):
        return f"a step includes the step {target}", "put what both need into a client or into schema"
    if folder == zone or folder == folder_of(path) or folder in allowed or target in allowed:
        return None
    names = ", ".join(sorted(allowed)) or "nothing else of ours"
    return f"{zone} may not include {target}", f"{zone} may include {names}; move the code or turn the arrow"


def library_finding(path, header):
    if path.startswith("tests/"):
        return None
    for pattern, where in LIBRARIES.items():
        if re.match(pattern, header) and not re.fullmatch(where, path):
            return f"includes the library header <{header}>", "use our header for it; libraries stay behind common/json.h and common/net"
    return None


def check(path, includes):
    findings = []
    ours = [(n, t) for n, kind, t in includes if kind == '"']
    for number, kind, target in includes:
        if kind == "<":
            found = library_finding(path, target)
        elif not (ROOT / target).exists():
            found = (f'"{target}" does not exist', "write the header's path from the root, or add the header")
        else:
            found = arrow_finding(path, target)
        if found:
            findings.append((path, number, *found))
    own = path[:-2] + ".h"
    if path.endswith(".c") and (ROOT / own).exists() and includes and includes[0][2] != own:
        line = next((n for n, t in ours if t == own), includes[0][0])
        findings.append((path, line, f"{own} is not the first include", "include a source's own header first"))
    return findings


def cycles(graph):
    """Headers that include each other, each cycle once."""
    findings, state = [], {}

    def visit(path, trail):
        state[path] = "open"
        for number, target in graph.get(path, ()):
            if state.get(target) == "open":
                ring = trail[trail.index(target):] + [target]
                findings.append((path, number, "include cycle " + " -> ".join(ring), "forward declare a struct instead"))
            elif target not in state:
                visit(target, trail + [target])
        state[path] = "done"

    for path in sorted(graph):
        if path not in state:
            visit(path, [path])
    return findings


def main():
    files = sorted(p for tree in TREES for p in (ROOT / tree).rglob("*.[ch]"))
    findings, graph = [], {}
    for file in files:
        path = file.relative_to(ROOT).as_posix()
        includes = []
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
            match = INCLUDE.match(line)
            if match:
                includes.append((number, match[1], match[2]))
        findings += check(path, includes)
        if path.endswith(".h"):
            graph[path] = [(n, t) for n, kind, t in includes if kind == '"']
    findings += cycles(graph)
    for path, number, what, remedy in findings:
        print(f"{path}:{number}: {what}: {remedy}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
