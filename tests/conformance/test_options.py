#!/usr/bin/env python3
"""azure-sim's command line as a hasty user meets it: each mistake ends with the documented exit code and a line that says what
was wrong and what would be right. And the admin interface: what is refused changes nothing."""
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("CW_BUILD", ROOT / "build" / "asan"))
SIM = BUILD / "azure-sim"
failed = 0


def case(is_ok, name, detail=""):
    global failed
    failed += not is_ok
    print(f"{'ok' if is_ok else 'not ok'} - {name}", flush=True)
    if not is_ok:
        print("\n".join(f"# {line}" for line in str(detail).splitlines()), flush=True)


def refused(folder, status, wanted, *options):
    run = subprocess.run([SIM, "--quiet", *options], capture_output=True, text=True, timeout=60, cwd=folder, check=False)
    text = run.stderr.replace("\n", " ")
    case(run.returncode == status and wanted in text, f"refused: {' '.join(options)}", f"status {run.returncode}: {text}")


def make_pair(folder, name, days):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem",
                    "-subj", "/CN=management.azure.localhost", "-days", str(days)], cwd=folder, check=True, capture_output=True)


def command_line(folder):
    taken = socket.create_server(("127.0.0.1", 0))
    port = str(taken.getsockname()[1])
    make_pair(folder, "one", 2)
    make_pair(folder, "two", 2)
    files = {"open.json": "{", "twice.json": '{"about":"a","about":"b"}', "unknown.json": '{"workspacs":[]}', "type.json": '{"workspaces":{}}',
             "same.json": '{"workspaces":[{"name":"a"},{"name":"a"}]}', "fault.json": '[{"fault":"hang"},{"fault":"hagn"}]'}
    for name, text in files.items():
        (Path(folder) / name).write_text(text)
    for number in ("--port", "--admin-port", "--seed", "--idle-timeout"):
        refused(folder, 2, f"{number} wants", number, "1.5")
    refused(folder, 2, "--time-scale wants 0.001..1000000", "--time-scale", "fast")
    refused(folder, 2, "china, public or usgov", "--cloud", "moon")
    refused(folder, 2, "lower-case letters", "--domain", "a b")
    refused(folder, 2, "belong together", "--cert", "one.pem")
    refused(folder, 1, "take another port (0 = a free one)", "--port", port)
    refused(folder, 1, "take another port (0 = a free one)", "--port", "0", "--admin-port", port)
    refused(folder, 1, "see --bind", "--port", "0", "--bind", "192.0.2.1")
    refused(folder, 1, "the key is not that of the certificate", "--port", "0", "--cert", "one.pem", "--key", "two.key")
    refused(folder, 1, "the certificate is no PEM", "--port", "0", "--cert", "one.key", "--key", "one.pem")
    refused(folder, 1, "cannot read none.pem: No such file", "--port", "0", "--cert", "none.pem", "--key", "one.key")
    refused(folder, 1, "cannot write none/ca.pem", "--port", "0", "--ca-out", "none/ca.pem")
    refused(folder, 3, "cannot read none.json: No such file or directory azure-sim: tests/azure/README.md describes", "--port", "0",
            "--state", "none.json")
    refused(folder, 3, f"cannot read {folder}: ", "--port", "0", "--state", folder)
    refused(folder, 3, "open.json: line 1:", "--port", "0", "--state", "open.json")
    refused(folder, 3, "duplicate object key", "--port", "0", "--state", "twice.json")
    refused(folder, 3, "workspacs: no such member; there are", "--port", "0", "--state", "unknown.json")
    refused(folder, 3, "workspaces: must be an array", "--port", "0", "--state", "type.json")
    refused(folder, 3, "is that of workspaces/0 already", "--port", "0", "--state", "same.json")
    refused(folder, 3, 'faults/1/fault: "hagn" is none of status|', "--port", "0", "--faults", "fault.json")
    taken.close()
    text = subprocess.run([SIM, "--help"], capture_output=True, text=True, check=True).stdout
    known = ["--port", "--bind", "--domain", "--cloud", "--cert", "--key", "--ca-out", "--seed", "--time-scale", "--state", "--faults",
             "--admin-port", "--ready-file", "--log", "--record", "--idle-timeout", "--quiet", "--version", "--help"]
    case(all(f"  {name} " in text or f", {name} " in text for name in known), "--help has every option", text)
    run = subprocess.run([SIM, "--version"], capture_output=True, text=True, check=True).stdout
    case(run.startswith("azure-sim "), "--version", run)


def ask(url, method="GET", body=None):
    request = urllib.request.Request(url, method=method, data=None if body is None else json.dumps(body).encode())
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as problem:
        return problem.code, json.loads(problem.read())


def admin_interface(folder):
    ready = Path(folder) / "ready.json"
    sim = subprocess.Popen([SIM, "--quiet", "--port", "0", "--cert", "one.pem", "--key", "one.key", "--ready-file", ready,
                            "--state", ROOT / "tests/azure/states/healthy.json"], cwd=folder)
    deadline = time.monotonic() + 30
    while not ready.exists() and sim.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    case(ready.exists(), "a certificate of one's own is used")
    admin = json.loads(ready.read_text())["adminUrl"]
    before = ask(admin + "/state")[1]
    status, answer = ask(admin + "/state", "POST", {"workspaces": [{"name": "new", "endpoint": {"ip": "1.2.3.4"}}]})
    after = ask(admin + "/state")[1]
    for one in (before, after):
        one.pop("clock")
    case(status == 400 and before == after, "a state document that is wrong in the middle changes nothing", f"{status} {answer}")
    status, answer = ask(admin + "/faults", "POST", [{"fault": "hang", "match": {"path": "/never"}}, {"fault": "?"}])
    case(status == 400 and "faults/1/fault" in answer["error"] and ask(admin + "/faults")[1] == {"faults": []},
         "of fault rules all are added or none", f"{status} {answer}")
    ask(admin + "/faults", "POST", {"fault": "status", "match": {"path": "/never"}})
    rules = ask(admin + "/faults")[1]["faults"]
    case(len(rules) == 1 and rules[0]["_applied"] == 0 and rules[0]["fault"] == "status", "the rules can be read", rules)
    sim.terminate()
    case(sim.wait(timeout=30) == 0, "and it ends with 0")


with tempfile.TemporaryDirectory() as where:
    command_line(where)
    admin_interface(where)
sys.exit(1 if failed else 0)
