#!/usr/bin/env python3
"""A verification that repeats by itself: drift is told, workers and Redis may go, a cancel ends it."""
import json
import subprocess
import sys

import stacklib
from stacklib import Stack, event, until, workspace_id

SECONDS = 480  # four in a stack whose Azure runs 120 times as fast
WORKSPACE = workspace_id("healthy-ws")


def run_of(s, number, seconds=60):
    return s.verdict("watch" if number == 1 else f"watch#{number}", seconds)


def last_run(s):
    """The highest run that has a verdict."""
    number = 0
    while s.verdicts("watch" if number == 0 else f"watch#{number + 1}"):
        number += 1
    return number


def curl(s, *args):
    done = subprocess.run(["curl", "-sS", "--fail-with-body", "--cacert", s.env["CAUSEWAY_TLS_CA_FILE"], *args], text=True,
                          capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout) if done.stdout else None


def write_record(s, zone, record, address):
    """What an operator does by hand, past the fleet."""
    authority = s.env["AZURE_AUTHORITY_HOST"].rstrip("/")
    token = curl(s, f"{authority}/{s.env['AZURE_TENANT_ID']}/oauth2/v2.0/token", "-d", "grant_type=client_credentials",
                 "-d", f"client_id={s.env['AZURE_CLIENT_ID']}", "-d", f"client_secret={s.env['AZURE_CLIENT_SECRET']}",
                 "-d", f"scope={s.env['CAUSEWAY_AZURE_ARM_AUDIENCE'].rstrip('/')}/.default")["access_token"]
    body = {"properties": {"ttl": 10, "aRecords": [{"ipv4Address": address}]}}
    curl(s, "-X", "PUT", f"{s.env['CAUSEWAY_AZURE_ARM_ENDPOINT'].rstrip('/')}{zone}/A/{record}?api-version=2018-09-01",
         "-H", f"Authorization: Bearer {token}", "-H", "Content-Type: application/json", "-d", json.dumps(body))


def drift_of(verdict):
    return {d["what"]: (d.get("before"), d.get("after")) for d in verdict.get("drift", [])}


def check_drift(s):
    first = run_of(s, 1)
    assert first["outcome"] == "succeeded" and first["watch"]["run"] == 1 and first["watch"]["nextRunAt"], first
    second = run_of(s, 2)
    assert second["outcome"] == "succeeded" and "drift" not in second, second
    evidence = first["evidence"]
    assert evidence["endpointStatus"] == "Approved" and evidence["linkId"], evidence
    record = evidence["records"][0]["name"]
    write_record(s, evidence["zoneId"], record, "10.99.0.9")
    seen = last_run(s) + 1
    changed = run_of(s, seen)
    if "drift" not in changed:  # it had looked before
        changed = run_of(s, seen + 1)
    drift = drift_of(changed)
    assert changed["outcome"] == "failed" and changed["error"]["code"] == "RecordWrong", changed
    assert drift["outcome"] == ("succeeded", "failed"), drift
    assert drift["records"] == (f"{record} {evidence['endpointAddress']}", f"{record} 10.99.0.9"), drift
    assert drift["causes"][0] is None and "record_wrong" in drift["causes"][1], drift
    assert "things changed" in changed["summary"], changed["summary"]
    write_record(s, evidence["zoneId"], record, evidence["endpointAddress"])
    return record


def goes_on(s):
    """More runs get their verdicts."""
    number = last_run(s)
    until(f"run {number + 2}", lambda: last_run(s) >= number + 2, 60)


def test_drift_is_told_and_the_watch_survives():
    with Stack(state="demo.json", workers=2) as s:
        s.send(event("verify", "watch", "healthy-ws", options={"launchCluster": False, "repeatSeconds": SECONDS}))
        check_drift(s)
        assert s.metric("causeway_drifted_verdicts_total", "worker1") + s.metric("causeway_drifted_verdicts_total", "worker2") >= 1
        s.kill("worker1")
        goes_on(s)
        s.redis("FLUSHALL")
        goes_on(s)
        done = s.causeway("cancel", "--workspace", WORKSPACE, "--reason", "seen enough", "watch")
        assert done.returncode == 0, done.stdout + done.stderr
        number = last_run(s)
        ended = until("the last run", lambda: [v for n in (number, number + 1) for v in s.verdicts(f"watch#{n}")
                                               if "nextRunAt" not in v["data"]["watch"]], 60)
        assert ended[0]["data"]["outcome"] == "cancelled", ended
        ours = [e for e in s.writes() if "/A/" not in json.dumps(e)]
        assert not ours, f"a verification without a cluster wrote: {ours}"


def test_the_command_asks_for_a_watch():
    with Stack(state="demo.json") as s:
        done = s.causeway("verify", "--no-cluster", "--repeat", "8m", "--id", "watch", WORKSPACE)
        assert done.returncode == 0 and "run 1 of watch, next at" in done.stdout, done.stdout + done.stderr
        assert run_of(s, 2)["outcome"] == "succeeded"
        done = s.causeway("cancel", "--workspace", WORKSPACE, "watch")
        assert done.returncode == 0, done.stdout + done.stderr


if __name__ == "__main__":
    sys.exit(stacklib.main(sys.modules[__name__]))
