#!/usr/bin/env python3
"""What goes wrong in production: crashes, rebalances, duplicates, held locks, poison, restarts, cancels."""
import json
import os
import signal
import sys
import time
from pathlib import Path

import stacklib
from stacklib import Stack, event, say, side_by_side, until, workspace_id
from test_plans import clusters, example, nothing_left_behind


def accepted_puts(s, part):
    return [e for e in s.ledger() if e["method"] == "PUT" and e["status"] < 300 and part in e["resourceId"].lower()]


def one_effect_each(s, prefix):
    """No accepted change was repeated with effect: at most one creation per resource."""
    seen = {}
    for e in s.writes(prefix):
        if e["method"] == "PUT" and e.get("before") is None:
            assert e["resourceId"] not in seen, f"created twice: {e['resourceId']}"
            seen[e["resourceId"]] = e
    return seen


def test_kill_9_in_mid_step_and_another_goes_on():
    with Stack(state="demo.json", workers=2, scale=60) as s:
        request = example("provision")
        s.send(request)
        s.until_step(request["id"], "ensure_workspace", "waiting")
        victim = holder(s, request["id"])
        puts = len(accepted_puts(s, "databricks/workspaces/"))
        killed = time.monotonic()
        s.kill(victim)
        before = len(s.progress(request["id"]))
        until("another worker goes on", lambda: len(s.progress(request["id"])) > before, 60)
        say(f"kill -9 to resumed work: {time.monotonic() - killed:.1f} s")
        verdict = s.verdict(request["id"], 120)
        assert verdict["outcome"] == "succeeded", verdict
        assert len(accepted_puts(s, "databricks/workspaces/")) == puts == 1, "the workspace PUT was repeated"
        one_effect_each(s, "")
        assert len(s.verdicts(request["id"])) == 1


def holder(s, request_id):
    """The worker that wrote the last progress event of the request: workers name themselves in ce_source."""
    source = s.progress(request_id)[-1]["headers"]["ce_source"]
    for name in ("worker1", "worker2", "worker3"):
        try:
            if str(s.pid(name)) in source:
                return name
        except FileNotFoundError:
            continue
    raise AssertionError(f"no worker wrote {source}")


def test_a_second_worker_joins_and_takes_over():
    with Stack(state="demo.json", workers=1, scale=60) as s:
        requests = [event("verify", f"rebalance-{i}", "healthy-ws", options={"launchCluster": i == 0}) for i in range(3)]
        provision = example("provision")
        s.send(provision, *requests)
        s.until_step(provision["id"], "ensure_network")
        s.add_worker("worker2")
        for request in [provision, *requests]:
            assert s.verdict(request["id"], 150)["outcome"] == "succeeded"
            runs = [r for r in s.progress(request["id"])
                    if r["data"].get("step") == "check_request" and r["headers"]["ce_type"] == "causeway.step.started.v1"]
            assert len(runs) == 1, f"{request['id']} ran several times"  # its verdict may come twice, but not differ
        one_effect_each(s, "")
        nothing_left_behind(s)


def test_duplicate_id_gets_the_same_verdict_and_no_second_run():
    with Stack(state="demo.json") as s:
        request = event("verify", "twice", "healthy-ws")
        s.send(request)
        first = s.verdict("twice")
        writes = len(s.writes())
        s.send(request)
        until("the verdict again", lambda: len(s.verdicts("twice")) == 2, 30)
        assert s.verdict("twice") == first
        assert len(s.writes()) == writes, "the duplicate ran again"


def test_duplicate_while_the_first_runs():
    with Stack(state="demo.json") as s:
        request = event("verify", "both", "healthy-ws")
        s.send(request, request)
        s.verdict("both")
        s.send(event("verify", "after", "healthy-ws", options={"launchCluster": False}))
        s.verdict("after")
        launches = [e for e in s.ledger() if "clusters/create" in e["operation"]]
        assert len(launches) == 1, launches


def test_same_workspace_in_order_of_arrival():
    with Stack(state="demo.json", workers=2) as s:
        requests = [event("verify", f"order-{i}", "healthy-ws", options={"launchCluster": i == 0}) for i in range(4)]
        s.send(*requests)
        for request in requests:
            s.verdict(request["id"])
        ends = [r["data"]["requestId"] for r in s.tails["results"].records]
        assert ends == [r["id"] for r in requests], ends


def test_lock_held_elsewhere_is_waited_for_and_named():
    with Stack(state="demo.json") as s:
        key = workspace_id("healthy-ws").lower()
        s.redis("SET", f"cw:{{{key}}}:lock", "7|token|somebody-else|their-request", "PX", "600000")
        s.send(event("verify", "held", "healthy-ws", options={"launchCluster": False}))
        def waits():
            return [r for r in s.progress("held") if (r["data"].get("waiting") or {}).get("reason") == "lock"]
        waiting = until("a waiting event for the lock", waits, 30)[0]["data"]["waiting"]
        assert "somebody-else" in json.dumps(waiting), waiting
        assert not s.verdicts("held")
        s.redis("DEL", f"cw:{{{key}}}:lock")
        assert s.verdict("held")["outcome"] == "succeeded"


POISON = {
    "not JSON": b"this is no event\n",
    "blank": b" ",
    "an array": b"[1,2,3]",
    "a number": b"42",
    "no type": b'{"specversion":"1.0","id":"x","source":"/t","data":{}}',
    "unknown type": b'{"specversion":"1.0","id":"x","source":"/t","type":"causeway.workspace.destroy.v1","data":{}}',
    "deep": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "NUL in a string": b'{"specversion":"1.0","id":"a\\u0000b","source":"/t","type":"causeway.workspace.verify.v1","data":{}}',
    "invalid UTF-8": b'{"specversion":"1.0","id":"\xff\xfe"}',
    "truncated": b'{"specversion":"1.0","id":"x"',
    "oversized": b'{"specversion":"1.0","id":"big","pad":"' + b"x" * 700_000 + b'"}',
}


def test_poison_goes_to_the_dead_letters_and_blocks_nothing():
    with Stack(state="demo.json") as s:
        for payload in POISON.values():
            s.send_raw(payload, key="poison")
        s.send_raw(b"poison without a key", key="")
        s.send(event("verify", "behind", "healthy-ws", options={"launchCluster": False}))
        until(f"{len(POISON) + 1} dead letters", lambda: len(s.dead_letters()) >= len(POISON) + 1, 40)
        assert s.verdict("behind")["outcome"] == "succeeded"
        assert len(s.dead_letters()) == len(POISON) + 1, [d["data"]["reason"] for d in s.dead_letters()]
        for letter in s.dead_letters():
            data = letter["data"]
            assert data["reason"] and data["message"] and data["origin"]["topic"] == "causeway.requests", data
        assert all(len(d["payload"]) < 1_000_000 for d in s.dead_letters())


def test_a_readable_request_with_bad_data_is_rejected_with_every_problem():
    with Stack(state="demo.json") as s:
        request = event("provision", "many-problems", "bad ws")
        request["data"] = {"workspaceId": workspace_id("fine-ws"), "region": 7, "network": {"addressSpace": "10.10.0.0/99"},
                           "options": {"mode": "maybe", "deadlineMinutes": -1}}
        s.send(request)
        verdict = s.verdict("many-problems")
        assert verdict["outcome"] == "rejected", verdict
        pointers = {p["pointer"] for p in verdict["problems"]}
        assert {"/region", "/network/addressSpace", "/options/mode", "/options/deadlineMinutes"} <= pointers, pointers
        assert all(p["remedy"] for p in verdict["problems"]), verdict["problems"]


def test_redis_comes_back_empty():
    with Stack(state="demo.json", scale=60) as s:
        request = example("provision")
        s.send(request)
        s.until_step(request["id"], "ensure_workspace", "waiting")
        s.kill("redis")
        s.start_again("redis")
        verdict = s.verdict(request["id"], 150)
        assert verdict["outcome"] == "succeeded", verdict
        one_effect_each(s, "")
        assert len(accepted_puts(s, "databricks/workspaces/")) == 1


def test_redis_forgets_between_two_deliveries():
    """The verdicts are out, their offsets are not committed, Redis is empty: the next owner finds them in the topic, and runs nothing."""
    with Stack(broker="kafka", state="demo.json", settings={"CAUSEWAY_ENGINE_COMMIT_INTERVAL": "1m"}) as s:
        proof = event("verify", "remembered", "healthy-ws")
        s.send(proof, event("verify", "refused", "healthy-ws", options={"deadlineMinutes": 1}))
        ids = ("remembered", "refused")
        assert [s.verdict(i)["outcome"] for i in ids] == ["succeeded", "rejected"]
        writes = len(s.writes())
        s.kill("worker1")
        s.redis("FLUSHALL")
        s.add_worker("worker2")
        until("both verdicts again", lambda: all(len(s.verdicts(i)) == 2 for i in ids), 120)
        # Asked for once more, with the id that Redis has forgotten again.
        s.redis("FLUSHALL")
        s.send(proof)
        until("a third copy", lambda: len(s.verdicts("remembered")) == 3, 60)
        for i in ids:
            s.verdict(i)  # all copies have the same body
            assert len({json.dumps(r["headers"], sort_keys=True) for r in s.verdicts(i)}) == 1, s.verdicts(i)
        assert len(s.writes()) == writes, "it ran again"


def test_redis_and_the_worker_are_lost_in_mid_migrate():
    """Nobody remembers what ran but the note in the workspace itself: it runs again, and the note is gone."""
    with Stack(state="demo.json", workers=1, scale=60) as s:
        request = example("migrate")
        s.send(request)
        s.until_step(request["id"], "ensure_workspace", "waiting")
        assert states_of(s, "existing-ws") == {"etl": "TERMINATED", "ad-hoc": "TERMINATED", "old": "TERMINATED"}
        s.kill(holder(s, request["id"]))
        s.kill("redis")
        s.start_again("redis")
        s.add_worker("worker2")
        verdict = s.verdict(request["id"], 200)
        assert verdict["outcome"] == "succeeded", verdict
        compute = {c["name"]: (c["before"], c["after"]) for c in verdict["compute"]}
        assert set(compute.values()) == {("RUNNING", "RUNNING")} and len(compute) == 3, compute
        assert states_of(s, "existing-ws") == {"etl": "RUNNING", "ad-hoc": "RUNNING", "old": "TERMINATED"}
        assert [e["operation"] for e in s.writes() if "workspace/" in e["operation"]][-1] == "workspace/delete"


def test_the_broker_restarts():
    with Stack(broker="kafka", state="demo.json", scale=60) as s:
        request = example("provision")
        s.send(request)
        s.until_step(request["id"], "ensure_network")
        s.restart_kafka()
        verdict = s.verdict(request["id"], 150)
        assert verdict["outcome"] == "succeeded", verdict
        one_effect_each(s, "")
        s.send(event("verify", "afterwards", "healthy-ws", options={"launchCluster": False}))
        assert s.verdict("afterwards", 60)["outcome"] == "succeeded"


MIGRATE_STEPS = ("check_request", "inspect_workspace", "ensure_network", "inventory_compute", "stop_compute", "ensure_workspace",
                 "ensure_private_endpoint", "ensure_private_dns", "verify_dns", "launch_cluster", "run_probe", "start_compute")


def estate(names):
    """Existing workspaces, each in a network of its own, with what runs in the demo's."""
    demo = json.loads((stacklib.ROOT / "tests/azure/states/demo.json").read_text())
    return {"workspaces": [{"name": name, "resourceGroup": f"rg-{name}", "addressSpace": f"10.{30 + i}.0.0/16",
                            "requiredNsgRules": "AllRules"} for i, name in enumerate(names)],
            "databricks": {"workspaces": {name: demo["databricks"]["workspaces"]["existing-ws"] for name in names}}}


def states_of(s, name):
    return {c["body"]["cluster_name"]: c["body"]["state"] for c in clusters(s)
            if c["workspace"].lower().endswith("/" + name) or c["workspace"] == name}


def cancel_in(s, step):
    """Cancel the migration of the workspace named after the step when that step begins; the outcome."""
    name = step.replace("_", "-")
    s.until_step(f"migrate-{name}", step, seconds=120)
    s.send(event("cancel", f"cancel-{name}", name, requestId=f"migrate-{name}", reason="test"))
    verdict = s.verdict(f"migrate-{name}", 150)
    cancel = s.verdict(f"cancel-{name}")
    assert verdict["outcome"] in ("cancelled", "succeeded"), verdict
    assert cancel["outcome"] == ("succeeded" if verdict["outcome"] == "cancelled" else "rejected"), cancel
    return verdict["outcome"]


def test_cancel_in_each_step():
    names = [step.replace("_", "-") for step in MIGRATE_STEPS]
    with Stack(state=estate(names), scale=60) as s:
        s.send(*[event("migrate", f"migrate-{name}", name, options={"stopCompute": "allow"}) for name in names])
        outcomes = dict(zip(MIGRATE_STEPS, side_by_side(lambda step: cancel_in(s, step), MIGRATE_STEPS)))
        say(json.dumps(outcomes))
        assert all(outcomes[step] == "cancelled" for step in ("stop_compute", "ensure_workspace", "launch_cluster")), outcomes
        nothing_left_behind(s)
        for name in names:
            states = states_of(s, name)
            assert states == {"etl": "RUNNING", "ad-hoc": "RUNNING", "old": "TERMINATED"}, (name, states)


def test_a_cancel_may_come_before_its_request():
    with Stack(state="demo.json") as s:
        s.send(event("cancel", "early", "healthy-ws", requestId="comes-later"))
        verdict = s.verdict("early")
        assert verdict["outcome"] == "succeeded" and "comes-later" in verdict["summary"], verdict
        s.send(event("verify", "comes-later", "healthy-ws"), topic="causeway.requests.bulk")
        verdict = s.verdict("comes-later")
        assert verdict["outcome"] == "cancelled" and verdict["changes"] == 0, verdict
        assert s.writes() == []
        s.send(event("cancel", "too-late", "healthy-ws", requestId="early"))
        verdict = s.verdict("too-late")
        assert verdict["outcome"] == "rejected" and verdict["error"]["remedy"], verdict


def test_sigterm_drains_and_the_job_goes_on_elsewhere():
    with Stack(state="demo.json", workers=1, scale=60) as s:
        request = example("provision")
        s.send(request)
        s.until_step(request["id"], "ensure_workspace", "waiting")
        started = time.monotonic()
        s.stop("worker1")
        drained = time.monotonic() - started
        say(f"SIGTERM to exit: {drained:.1f} s")
        assert drained < 10, drained
        s.add_worker("worker2")
        verdict = s.verdict(request["id"], 120)
        assert verdict["outcome"] == "succeeded", verdict
        assert len(accepted_puts(s, "databricks/workspaces/")) == 1, "the workspace PUT was repeated"


def has_ended(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_sigterm_ends_in_time_while_broker_and_redis_are_silent():
    with Stack(state="demo.json", workers=1, scale=60) as s:
        request = example("provision")
        s.send(request, event("verify", "beside", "healthy-ws", options={"launchCluster": False}))
        s.until_step(request["id"], "ensure_workspace", "waiting")
        s.pause("broker")
        s.pause("redis")
        started = time.monotonic()
        pid = s.pid("worker1")
        os.kill(pid, signal.SIGTERM)
        until("the worker's end", lambda: has_ended(pid), 30)
        drained = time.monotonic() - started
        s.go_on("broker")
        s.go_on("redis")
        say(f"SIGTERM to exit with a silent broker and Redis: {drained:.1f} s")
        assert drained < 10, drained
        s.add_worker("worker2")
        assert s.verdict(request["id"], 120)["outcome"] == "succeeded"
        assert len(accepted_puts(s, "databricks/workspaces/")) == 1, "the workspace PUT was repeated"


if __name__ == "__main__":
    sys.exit(stacklib.main(sys.modules[__name__]))
