"""What must hold when the chaos is over: checkers over the topics, the simulator's ledger and state, Redis, Kafka and the logs.

Each takes the run and returns lines that say what is wrong; no line is good news.
"""
import collections
import json

OUTCOMES = {"provision": {"succeeded", "cancelled"}, "migrate": {"succeeded", "cancelled"}, "verify": {"succeeded", "cancelled"},
            "cancel": {"succeeded", "rejected"}}


def kind_of(request):
    return request["type"].split(".")[2]


def one_verdict_each(run):
    """One verdict per accepted request: one event id, and copies that are equal in every byte, whatever Redis forgot."""
    found = collections.defaultdict(list)
    for record in run.stack.tails["results"].records:
        found[record["data"]["requestId"]].append(record)
    for request in run.requests:
        copies = found.pop(request["id"], [])
        ids = {c["headers"]["ce_id"] for c in copies}
        if len(ids) != 1:
            yield f"{request['id']} has {len(ids)} verdicts"
        for one, next_one in zip(copies, copies[1:]):
            if one["payload"] != next_one["payload"]:
                yield f"{request['id']} has different verdicts, of {sorted((one['headers']['ce_time'], next_one['headers']['ce_time']))}"
    for stray in found:
        yield f"a verdict for {stray}, which nobody asked for"


def outcomes_are_good(run):
    """Whatever died or stalled, the work was done; what failed says why and what to do."""
    for request in run.requests:
        verdict = run.verdict_of(request["id"])
        if verdict is None:
            continue
        if verdict["outcome"] not in OUTCOMES[kind_of(request)]:
            yield f"{request['id']} ended {verdict['outcome']}: {json.dumps(verdict.get('error'))[:400]}"
        if verdict["outcome"] in ("failed", "rejected") and not (verdict.get("error") or {}).get("remedy"):
            yield f"{request['id']} {verdict['outcome']} without a remedy"


def verdicts_are_true(run):
    """What a success says about Azure is what Azure holds."""
    resources = {r["id"].lower(): r for r in run.state["resources"]} if isinstance(run.state["resources"], list) else \
                {k.lower(): v for k, v in run.state["resources"].items()}
    for request in run.requests:
        verdict = run.verdict_of(request["id"])
        if verdict is None or verdict["outcome"] != "succeeded" or kind_of(request) not in ("provision", "migrate"):
            continue
        evidence = verdict["evidence"]
        for name in ("endpointId", "zoneId"):
            if evidence[name].lower() not in resources:
                yield f"{request['id']} succeeded, but its {name} {evidence[name]} is not there"
        workspace = resources.get(request["data"]["workspaceId"].lower())
        properties = ((workspace or {}).get("body") or workspace or {}).get("properties", {})
        if properties.get("requiredNsgRules") != "NoAzureDatabricksRules" or properties.get("provisioningState") != "Succeeded":
            yield f"{request['id']} succeeded, but the workspace says {properties.get('requiredNsgRules')}, {properties.get('provisioningState')}"


def nothing_created_twice(run):
    """No accepted change was repeated with effect."""
    alive = {}
    for e in run.ledger:
        if not e.get("changed") or e["status"] >= 400:
            continue
        if e["method"] == "PUT" and e.get("before") is None:
            if e["resourceId"] in alive:
                yield f"{e['resourceId']} was created twice"
            alive[e["resourceId"]] = e
        elif e["method"] == "DELETE":
            alive.pop(e["resourceId"], None)
    seen = collections.Counter((e["correlationId"], e["resourceId"].lower(), wanted(e.get("after"))) for e in run.ledger
                               if e["method"] == "PUT" and e["status"] < 300 and e.get("changed")
                               and ((e.get("before") or {}).get("properties") or {}).get("provisioningState") != "Failed")
    for (_, resource, _), count in seen.items():
        if count > 1:
            yield f"{count} equal PUTs with effect by one request on {resource}"


def wanted(resource):
    """A resource's properties without what Azure itself adds as time goes by."""
    properties = {k: v for k, v in ((resource or {}).get("properties") or {}).items() if k in ("requiredNsgRules", "publicNetworkAccess", "addressSpace",
                                                                                                "addressPrefix", "aRecords", "virtualNetwork")}
    return json.dumps(properties, sort_keys=True)


def one_writer_at_a_time(run):
    """No two requests changed a workspace at the same time: on each, the requests' changes stand one after the other, undone or done.

    A request may come back after another that was admitted by mistake, so what alternates is wrong even when nothing overlaps.
    """
    order = collections.defaultdict(list)
    for e in run.ledger:
        workspace = (e.get("resourceId") or "").lower().split("/privateendpointconnections/")[0]
        if e["method"] in ("PUT", "PATCH", "DELETE") and e["status"] < 400 and e.get("changed") and "/microsoft.databricks/workspaces/" in workspace:
            if not order[workspace] or order[workspace][-1] != e["correlationId"]:
                order[workspace].append(e["correlationId"])
    for workspace, writers in order.items():
        if len(set(writers)) < len(writers):
            yield f"writers take turns on {workspace}: {writers}"
        met = run.stack.admin(f"/ledger?concurrent={workspace}")
        for e in (met or {}).get("entries", []):
            if e["operation"].startswith("Microsoft."):
                yield f"concurrent writes on {workspace}: {json.dumps(e)[:300]}"


def compute_is_as_it_was(run):
    """No verification cluster is left, and what was stopped runs again."""
    for name, content in run.state["databricks"]["workspaces"].items():
        for cluster in content.get("clusters", []):
            if cluster["cluster_name"].startswith("causeway-verify"):
                yield f"verification cluster left in {name}: {cluster['cluster_name']} {cluster['state']}"
            elif cluster["state"] != run.compute_before.get((name.lower(), cluster["cluster_name"])):
                yield f"cluster {cluster['cluster_name']} of {name} is {cluster['state']}"
        for warehouse in content.get("warehouses", []):
            if warehouse["state"] != run.compute_before.get((name.lower(), warehouse["name"])):
                yield f"warehouse {warehouse['name']} of {name} is {warehouse['state']}"


def all_is_committed(run):
    """Nothing is in flight: what was consumed is committed, to the end of every partition."""
    for topic, partition, committed, end in run.offsets():
        if topic.startswith("causeway.requests") and committed != end and not (committed == "-" and end == "0"):
            yield f"{topic}/{partition} is committed up to {committed} of {end}"


def redis_is_at_rest(run):
    """No lock is held, and every job that is remembered has ended."""
    for key in run.stack.redis("--scan", "--pattern", "cw:*:lock").split():
        yield f"a lock is held: {key}"
    for key in run.stack.redis("--scan", "--pattern", "cw:*:job:*").split():
        if run.stack.redis("HEXISTS", key, "accepted") == "1" and run.stack.redis("HEXISTS", key, "outcome") != "1":
            yield f"a job without an end: {key} {run.stack.redis('HGETALL', key)[:300]}"


def events_are_in_order(run):
    """Of each request, whoever drops what is not greater than the last sequence sees the true order, verdict last."""
    last = {}
    for record in run.stack.tails["progress"].records:
        last.setdefault(record["data"]["requestId"], []).append(record["headers"]["ce_sequence"])
    for request, sequences in last.items():
        repeated = [s for s, n in collections.Counter(sequences).items() if n > 1]
        distinct = {r["payload"] for r in run.stack.tails["progress"].records
                    if r["data"]["requestId"] == request and r["headers"]["ce_sequence"] in repeated}
        if len(distinct) > len(repeated):
            yield f"{request}: different progress events have the sequence {repeated[:3]}"


def no_secret_is_told(run):
    """No credential in an event or a log."""
    marks = ("sim-secret", "eyJ0", "eyJh", "Bearer ey")
    for name, tail in run.stack.tails.items():
        for record in tail.records:
            if any(m in (record.get("payload") or "") for m in marks):
                yield f"a secret in {name} at {record['partition']}/{record['offset']}"
    for log in run.stack.dir.glob("worker*.log"):
        text = log.read_text(errors="replace")
        for mark in marks:
            if mark in text:
                yield f"a secret ({mark}…) in {log.name}"


def no_sanitizer_spoke(run):
    yield from run.stack.sanitizer_reports()


CHECKS = [one_verdict_each, outcomes_are_good, verdicts_are_true, nothing_created_twice, one_writer_at_a_time, compute_is_as_it_was,
          all_is_committed, redis_is_at_rest, events_are_in_order, no_secret_is_told, no_sanitizer_spoke]
