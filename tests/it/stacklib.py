"""What the integration tests share: the development stack as a fixture, Kafka through kcat, events, TAP output.

A test is a function whose name begins with test_; main() runs those of its module and prints TAP. Nothing waits for luck:
every wait is for a condition with a deadline.
"""
import concurrent.futures
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("CW_BUILD", ROOT / "build" / "asan"))
SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"
# Sanitizers and a loaded machine make everything slower; deadlines are for hangs, not for speed.
PATIENCE = float(os.environ.get("CW_PATIENCE", "1"))


# A panic says where; on a fiber ASan adds a warning about the stack that it does not know, and no report.
REPORT = re.compile(r"ERROR: \w+Sanitizer|^\S+:\d+:\d+: runtime error:|^\S+: \S+\.[ch]:\d+: (?:precondition|postcondition|bug) ", re.M)

local = threading.local()


def say(text):
    """A line of the running test's output; tests run side by side, so it is printed when the test has ended."""
    print(f"# {text}", file=getattr(local, "out", sys.stdout))


def workspace_id(name, group=None):
    return (f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group or 'rg-' + name}"
            f"/providers/Microsoft.Databricks/workspaces/{name}")


def event(kind, request_id, workspace, **data):
    """A CloudEvent in structured mode; data is merged into {workspaceId}."""
    ws = workspace if workspace.startswith("/") else workspace_id(workspace)
    return {"specversion": "1.0", "id": request_id, "source": "/tests/it", "subject": ws,
            "type": f"causeway.workspace.{kind}.v1", "datacontenttype": "application/json", "data": {"workspaceId": ws, **data}}


def side_by_side(function, items):
    """The results of function(item), all running at the same time."""
    with concurrent.futures.ThreadPoolExecutor(len(items)) as pool:
        return list(pool.map(function, items))


def until(what, condition, seconds):
    """Wait until condition() is true; its value. Fails by name after the deadline."""
    deadline = time.monotonic() + seconds * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds * PATIENCE:.0f} s: {what}")
        time.sleep(0.05)


class Tail:
    """All records of a topic, as they come, read by kcat; a kcat that ends (the broker went away) is started again."""

    def __init__(self, brokers, topic):
        self.records = []
        self.seen = set()
        self.command = ["kcat", "-C", "-b", brokers, "-t", topic, "-o", "beginning", "-J", "-u", "-q", "-X",
                        "fetch.wait.max.ms=20", "-X", "topic.metadata.refresh.interval.ms=1000"]
        self.is_closed = False
        self.process = self._open()
        threading.Thread(target=self._read, daemon=True).start()

    def _open(self):
        return subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def _read(self):
        while not self.is_closed:
            for line in self.process.stdout:
                self._take(json.loads(line))
            self.process.wait()
            time.sleep(0.2)
            if not self.is_closed:
                self.process = self._open()

    def _take(self, record):
        place = record["partition"], record["offset"]
        if place in self.seen:
            return
        self.seen.add(place)
        headers = record.get("headers") or {}
        record["headers"] = headers if isinstance(headers, dict) else dict(zip(headers[::2], headers[1::2]))
        try:
            record["data"] = json.loads(record["payload"]) if record.get("payload") else None
        except ValueError:
            record["data"] = None
        self.records.append(record)

    def close(self):
        self.is_closed = True
        self.process.kill()
        self.process.wait()


class Stack:
    """ops/dev/stack in a folder of its own. Use as a context manager."""

    def __init__(self, broker="mock", state=None, workers=1, scale=120, settings=None):
        self.dir = Path(tempfile.mkdtemp(prefix="causeway-it.", dir=os.environ.get("TMPDIR", "/tmp"))) / "causeway-stack"
        self.options = ["--broker", broker, "--workers", str(workers), "--scale", str(scale)]
        if state is not None:
            self.options += ["--state", str(self._state_file(state))]
        self.environment = {**os.environ, "CAUSEWAY_BUILD": str(BUILD), **(settings or {})}
        self.tails = {}

    def _state_file(self, state):
        if isinstance(state, dict):
            path = self.dir.parent / "state.json"
            path.write_text(json.dumps(state))
            return path
        return ROOT / "tests" / "azure" / "states" / state

    def stack(self, *args):
        run = subprocess.run([ROOT / "ops/dev/stack", *args, "--dir", self.dir], env=self.environment, text=True,
                             capture_output=True, stdin=subprocess.DEVNULL)
        if run.returncode != 0:
            raise AssertionError(f"stack {' '.join(map(str, args))}: {run.stderr or run.stdout}")
        return run.stdout

    def __enter__(self):
        try:
            self.stack("up-quiet", *self.options)
            self.env = dict(line.removeprefix("export ").split("=", 1) for line in self.stack("env").splitlines())
            self.brokers = self.env["CAUSEWAY_KAFKA_BROKERS"]
            for name in ("progress", "results", "deadletter"):
                self.tails[name] = Tail(self.brokers, f"causeway.{name}")
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind, value, trace):
        for tail in self.tails.values():
            tail.close()
        if kind is not None:
            self.show_logs()
        else:
            self.stack("stop-workers")  # leaks are told at the exit
        reports = self.sanitizer_reports()
        self.stack("down")
        shutil.rmtree(self.dir.parent, ignore_errors=True)
        for report in reports:
            for line in report.splitlines():
                say(line)
        assert not reports, f"{len(reports)} sanitizer reports"

    def sanitizer_reports(self):
        """What sanitizers and panics wrote into the logs."""
        found = []
        for log in self.dir.glob("*.log"):
            text = log.read_text(errors="replace")
            found += [f"{log.name}: {text[m.start():][:4000]}" for m in REPORT.finditer(text)]
        return found

    def show_logs(self):
        for log in sorted(self.dir.glob("*.log")):
            if not log.name.startswith("worker"):
                continue
            lines = log.read_text(errors="replace").splitlines()[-8:]
            for line in lines:
                say(f"{log.name}: {line[:250]}")

    # --- parts -----------------------------------------------------------------------------------------------------------

    def pid(self, name):
        return int((self.dir / f"{name}.pid").read_text())

    def kill(self, name):
        self.stack("kill", name)

    def stop(self, name):
        self.stack("stop", name)

    def start_again(self, name):
        self.stack("restart", name)

    def add_worker(self, name):
        self.stack("worker", name)

    def restart_kafka(self):
        """Stop and start the real broker; its data stay."""
        for verb in ("stop", "start"):
            subprocess.run([ROOT / "ops/dev/kafka/run", verb, self.dir / "kafka"], check=True, capture_output=True)

    def pause(self, name):
        os.kill(self.pid(name), signal.SIGSTOP)

    def go_on(self, name):
        os.kill(self.pid(name), signal.SIGCONT)

    def redis(self, *args):
        port = self.env["CAUSEWAY_REDIS_URL"].rsplit(":", 1)[1].split("/")[0]
        password = self.env["CAUSEWAY_REDIS_URL"].split("@")[0].rsplit(":", 1)[1]
        run = subprocess.run(["redis-cli", "-p", port, *args], capture_output=True, text=True,
                             env={**os.environ, "REDISCLI_AUTH": password})
        return run.stdout.strip()

    # --- Kafka -----------------------------------------------------------------------------------------------------------

    def causeway(self, *args):
        """The operator's command against this stack, to its end."""
        env = {**os.environ, "CAUSEWAY_KAFKA_BROKERS": self.brokers}
        return subprocess.run([str(BUILD / "causeway"), *args], env=env, text=True, capture_output=True, timeout=200, check=False)

    def send(self, *events, topic="causeway.requests"):
        """Publish events (dicts) under their workspace's key."""
        for e in events:
            self.send_raw(json.dumps(e), key=e["data"]["workspaceId"].lower(), topic=topic)

    def send_raw(self, payload, key="some-key", topic="causeway.requests", headers=()):
        args = ["kcat", "-P", "-b", self.brokers, "-t", topic, "-k", key, "-X", "message.max.bytes=2000000"]
        for header in headers:
            args += ["-H", header]
        with tempfile.NamedTemporaryFile(dir=self.dir.parent) as file:
            file.write(payload if isinstance(payload, bytes) else payload.encode())
            file.flush()
            subprocess.run([*args, file.name], check=True, capture_output=True)

    def verdicts(self, request_id):
        return [r for r in self.tails["results"].records if r["data"] and r["data"].get("requestId") == request_id]

    def verdict(self, request_id, seconds=90):
        """The data of the request's verdict, once it comes. All copies of it must be equal."""
        found = until(f"verdict of {request_id}", lambda: self.verdicts(request_id), seconds)
        assert len({r["payload"] for r in found}) == 1, f"different verdicts of {request_id}"
        assert len({r["headers"]["ce_id"] for r in found}) == 1, f"different event ids of {request_id}"
        return found[0]["data"]

    def progress(self, request_id):
        return [r for r in self.tails["progress"].records if r["data"] and r["data"].get("requestId") == request_id]

    def until_step(self, request_id, step, kind="started", seconds=60):
        """The progress event of that step, once it comes."""
        def look():
            return [r for r in self.progress(request_id)
                    if r["data"].get("step") == step and r["headers"]["ce_type"] == f"causeway.step.{kind}.v1"]
        return until(f"{step} {kind} for {request_id}", look, seconds)[0]

    def dead_letters(self):
        return self.tails["deadletter"].records

    # --- the simulated Azure -----------------------------------------------------------------------------------------------

    def admin(self, path, method="GET", body=None):
        request = urllib.request.Request(self.env["CAUSEWAY_SIM_ADMIN"] + path, method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            text = answer.read()
            return json.loads(text) if text else None

    def ledger(self, resource=""):
        return self.admin(f"/ledger?resource={resource}")["entries"]

    def writes(self, resource=""):
        """Accepted changes under a resource, oldest first."""
        return [e for e in self.ledger(resource)
                if e["method"] in ("PUT", "PATCH", "DELETE", "POST") and e["status"] < 400 and e.get("changed")]

    def resource_changes(self):
        """Accepted changes of ARM resources: what a proof does with its own cluster is not among them."""
        return [e for e in self.writes() if e["method"] != "POST"]

    def fault(self, **rule):
        self.admin("/faults", "POST", rule)

    def metric(self, name, worker="worker1"):
        """Sum over the labels of one metric of a worker."""
        port = (self.dir / f"{worker}.port").read_text().strip()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0].split(" ")[0] == name)


def run_one(name, function):
    """The test's output, and whether it passed."""
    local.out = io.StringIO()
    started = time.monotonic()
    try:
        function()
        verdict = f"ok - {name} ({time.monotonic() - started:.1f} s)"
    except BaseException as problem:  # a failed test must not hide the ones beside it
        for line in "".join(traceback.format_exception(problem)).splitlines():
            say(line)
        verdict = f"not ok - {name}"
    return local.out.getvalue() + verdict, verdict.startswith("ok")


def main(module):
    """Run the module's tests, or those whose names contain one of the arguments, a few at a time: each has a stack of its own
    and mostly waits. TAP on standard output."""
    tests = [(n, f) for n, f in vars(module).items() if n.startswith("test_") and callable(f)]
    wanted = [a for a in sys.argv[1:] if not a.startswith("-")]
    if wanted:
        tests = [(n, f) for n, f in tests if any(w in n for w in wanted)]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("CW_STACKS", "3"))) as pool:
        for done in concurrent.futures.as_completed([pool.submit(run_one, n, f) for n, f in tests]):
            text, passed = done.result()
            failed += not passed
            print(text, flush=True)
    print(f"1..{len(tests)}", flush=True)
    return 1 if failed else 0
