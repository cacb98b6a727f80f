#!/usr/bin/env python3
"""The main job on real input: each plan against a broker, Redis and azure-sim over TLS."""
import json
import sys

import stacklib
from stacklib import ROOT, Stack, event, workspace_id


def example(name):
    return json.loads((ROOT / "ops/dev/examples" / f"{name}.json").read_text())


def steps_of(verdict):
    return {s["name"]: s for s in verdict["steps"]}


def check_provision(s):
    request = example("provision")
    s.send(request)
    verdict = s.verdict(request["id"])
    assert verdict["outcome"] == "succeeded", verdict
    evidence = verdict["evidence"]
    assert evidence["endpointAddress"].startswith("10.10."), evidence
    assert evidence["records"][0]["addresses"] == [evidence["endpointAddress"]], evidence
    assert evidence["probe"]["rows"] and evidence["probe"]["tls"]["ok"] is True, evidence
    return request


def check_migrate(s):
    request = example("migrate")
    s.send(request)
    verdict = s.verdict(request["id"])
    assert verdict["outcome"] == "succeeded", verdict
    assert len(verdict["compute"]) == 3, verdict["compute"]
    assert all(c["before"] == "RUNNING" and c["after"] == "RUNNING" for c in verdict["compute"]), verdict["compute"]
    return request


def announced_before_stopped(s, request):
    """The inventory was on the topic before the first stop reached the workspace."""
    inventory = s.until_step(request["id"], "inventory_compute", "finished")
    assert len(inventory["data"]["finished"]["compute"]) == 3, inventory["data"]
    stops = [e for e in s.ledger() if e["method"] == "POST" and ("clusters/delete" in e["operation"] or "/stop" in e["operation"])]
    assert stops, "no stop in the ledger"


def check_verify(s):
    healthy, unlinked = example("verify"), example("verify-unlinked")
    s.send(healthy, unlinked)
    assert s.verdict(healthy["id"])["outcome"] == "succeeded"
    verdict = s.verdict(unlinked["id"])
    assert verdict["outcome"] == "failed", verdict
    assert verdict["diagnosis"][0]["cause"] == "zone_not_linked", verdict["diagnosis"]
    assert verdict["error"]["remedy"], verdict["error"]


def run_all(broker):
    with Stack(broker=broker, state="demo.json", workers=2) as s:
        provision = check_provision(s)
        migrate = check_migrate(s)
        announced_before_stopped(s, migrate)
        check_verify(s)
        nothing_left_behind(s)
        again = dict(provision, id="again")
        before = len(s.resource_changes())
        s.send(again)
        verdict = s.verdict("again")
        assert verdict["outcome"] == "succeeded", verdict
        after = s.resource_changes()
        assert len(after) == before, f"a second run changed what was right: {after[before:]}"
        sequences_rise(s)


def nothing_left_behind(s):
    names = [r["body"]["cluster_name"] for r in clusters(s) if r["body"]["cluster_name"].startswith("causeway-verify")]
    assert not names, f"verification clusters are left: {names}"


def clusters(s):
    """Every cluster of the simulated workspaces, as {workspace, body}."""
    state = s.admin("/state")
    found = []
    for ws, content in (state.get("databricks") or {}).get("workspaces", {}).items():
        for cluster in content.get("clusters", []):
            found.append({"workspace": ws, "body": cluster})
    return found


def sequences_rise(s):
    last = {}
    for record in s.tails["progress"].records:
        key = record["data"]["requestId"]
        sequence = record["headers"]["ce_sequence"]
        assert sequence > last.get(key, ""), f"{key}: {sequence} after {last[key]}"
        last[key] = sequence


def test_a_safe_repair_is_made_listed_and_proven():
    """`causeway diagnose --repair` links the zone, proves again, and shows the checks."""
    with Stack(state="demo.json") as s:
        done = s.causeway("diagnose", "--repair", "--id", "mended", stacklib.workspace_id("unlinked-ws"))
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count("\u2713") == 9 and "repaired: link of the zone to the VNet" in done.stdout, done.stdout
        verdict = s.verdict("mended")
        assert verdict["outcome"] == "succeeded" and verdict["diagnosis"][0]["cause"] == "zone_not_linked", verdict
        done = s.causeway("diagnose", stacklib.workspace_id("unlinked-ws"))
        assert done.returncode == 0, done.stdout
        nothing_left_behind(s)


def test_all_plans_on_the_mock_broker():
    run_all("mock")


def test_all_plans_on_real_kafka():
    run_all("kafka")


def test_plan_mode_writes_nothing():
    with Stack(state="demo.json") as s:
        request = example("plan")
        s.send(request)
        verdict = s.verdict(request["id"])
        assert verdict["outcome"] == "planned", verdict
        assert any(step.get("changed") for step in verdict["steps"]), "a plan says what would change"
        assert s.writes() == [], s.writes()


def test_plan_of_a_migration_stops_nothing():
    with Stack(state="demo.json") as s:
        request = dict(example("migrate"), id="plan-migrate")
        request["data"] = {**request["data"], "options": {"mode": "plan"}}
        s.send(request)
        verdict = s.verdict("plan-migrate")
        assert verdict["outcome"] == "planned", verdict
        assert s.writes() == [], s.writes()


def test_not_injected_workspace_is_rejected_with_a_remedy():
    with Stack(state="demo.json") as s:
        request = example("migrate-managed")
        s.send(request)
        verdict = s.verdict(request["id"])
        assert verdict["outcome"] == "rejected", verdict
        assert "VNet" in verdict["error"]["message"] and verdict["error"]["remedy"], verdict["error"]
        assert s.writes() == []


def test_migration_without_permission_to_stop_is_rejected_untouched():
    with Stack(state="demo.json") as s:
        request = dict(example("migrate"), id="no-stop")
        request["data"] = {**request["data"], "options": {"stopCompute": "refuse"}}
        s.send(request)
        verdict = s.verdict("no-stop")
        assert verdict["outcome"] == "rejected", verdict
        assert "stopCompute" in verdict["error"]["remedy"], verdict["error"]
        assert s.writes() == []


def test_verify_without_a_cluster_is_read_only():
    with Stack(state="demo.json") as s:
        s.send(event("verify", "read-only", "healthy-ws", options={"launchCluster": False}))
        verdict = s.verdict("read-only")
        assert verdict["outcome"] == "succeeded", verdict
        assert s.writes() == [] and "clusterId" not in verdict["evidence"], verdict


def test_verify_of_what_does_not_exist():
    with Stack(state="demo.json") as s:
        s.send(event("verify", "nowhere", workspace_id("no-such-ws")))
        verdict = s.verdict("nowhere")
        assert verdict["outcome"] in ("rejected", "failed"), verdict
        assert verdict["error"]["remedy"], verdict["error"]


def test_binary_mode_is_understood():
    with Stack(state="demo.json") as s:
        request = event("verify", "binary", "healthy-ws", options={"launchCluster": False})
        headers = [f"ce_{k}={request[k]}" for k in ("specversion", "id", "source", "type")] + ["content-type=application/json"]
        s.send_raw(json.dumps(request["data"]), key=request["data"]["workspaceId"].lower(), headers=headers)
        assert s.verdict("binary")["outcome"] == "succeeded"


if __name__ == "__main__":
    sys.exit(stacklib.main(sys.modules[__name__]))
