#!/usr/bin/env python3
"""A fleet under attack: three workers, real Kafka, real Redis and azure-sim, while parts are killed, frozen, cut off and restarted.

    tests/chaos/run [--requests N] [--minutes M] [--seed S] [--lease SECONDS] [--keep FOLDER]

Requests of every kind are published over M minutes (default 2), a seeded nemesis does its worst meanwhile, then it stops, and the
checkers of checks.py look at the topics, the ledger, Redis, the committed offsets and the logs. Prints the nemesis's log, one line
for each checker, and the figures. Exit 0: all held; 1: something did not.
"""
import argparse
import collections
import json
import os
import random
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "it"), str(Path(__file__).resolve().parent)]
import checks  # noqa: E402
from proxy import Proxy  # noqa: E402
from stacklib import ROOT, Stack, event, until  # noqa: E402

WORKERS = ["worker1", "worker2", "worker3"]


def estate(count):
    """Existing workspaces, each in a network of its own, with compute that runs."""
    demo = json.loads((ROOT / "tests/azure/states/demo.json").read_text())
    names = [f"old-{i:03}" for i in range(count)]
    return {"workspaces": [{"name": n, "resourceGroup": f"rg-{n}", "addressSpace": f"10.{20 + i % 200}.0.0/16", "requiredNsgRules": "AllRules"}
                           for i, n in enumerate(names)],
            "databricks": {"workspaces": {n: demo["databricks"]["workspaces"]["existing-ws"] for n in names}}}


def workload(r, count):
    """Requests of all kinds, of which some meet on a workspace, some are cancelled, some come twice."""
    olds, requests, news = max(2, count // 5), [], 0
    for i in range(count):
        pick = r.random()
        old = f"old-{r.randrange(olds):03}"
        if pick < 0.30:
            news += 1
            requests.append(event("provision", f"provision-{i}", f"new-{news:03}", region="chinaeast2"))
        elif pick < 0.55:
            requests.append(event("migrate", f"migrate-{i}", old, options={"stopCompute": "allow"}))
        elif pick < 0.60 and requests:
            victim = r.choice(requests)
            if "cancel" not in victim["type"]:
                requests.append({**event("cancel", f"cancel-{i}", victim["data"]["workspaceId"]),
                                 "data": {"workspaceId": victim["data"]["workspaceId"], "requestId": victim["id"], "reason": "chaos"}})
        elif requests:
            known = [q["data"]["workspaceId"] for q in requests if "provision" in q["type"]][:-8]
            if r.random() < 0.5 and known:
                requests.append(event("verify", f"verify-{i}", r.choice(known), options={"launchCluster": r.random() < 0.3}))
            else:
                requests.append(event("migrate", f"again-{i}", old, options={"stopCompute": "allow"}))
    return requests, olds


class Run:
    def __init__(self, args):
        self.args, self.random = args, random.Random(args.seed)
        self.requests, self.olds = workload(self.random, args.requests)
        self.started = time.monotonic()
        self.acts = collections.Counter()
        self.recoveries, self.duplicates = [], 0
        self.redis_proxy, self.kafka_proxy = Proxy(None), Proxy(None)
        self.state, self.ledger = {}, []

    def log(self, text):
        print(f"# {time.monotonic() - self.started:7.1f} s  {text}", flush=True)

    # --- the fleet ---------------------------------------------------------------------------------------------------------

    def open(self):
        lease = self.args.lease
        self.stack = Stack(broker="kafka", workers=0, scale=self.args.scale, state=estate(self.olds), settings={
            "KAFKA_ADVERTISED_PORT": str(self.kafka_proxy.port), "CAUSEWAY_LOCK_LEASE": f"{lease}s", "CAUSEWAY_LOCK_MARGIN": f"{lease // 4}s"})
        self.stack.__enter__()
        direct = int(self.stack.env["CAUSEWAY_REDIS_URL"].rsplit(":", 1)[1].split("/")[0])
        self.redis_proxy.target = direct
        self.kafka_proxy.target = int((self.stack.dir / "kafka" / "behind").read_text().split()[0])
        env = self.stack.dir / "env"
        env.write_text(env.read_text().replace(self.stack.brokers, f"127.0.0.1:{self.kafka_proxy.port}").replace(f":{direct}/", f":{self.redis_proxy.port}/"))
        env.chmod(0o600)
        command = self.stack.dir / "redis.cmd"
        command.write_bytes(command.read_bytes().replace(b"--appendonly\0no", b"--appendonly\0yes"))
        self.stack.redis("CONFIG", "SET", "appendonly", "yes")
        for worker in WORKERS:
            self.stack.add_worker(worker)
        self.compute_before = {(ws.lower(), c.get("cluster_name", c.get("name"))): c["state"]
                               for ws, content in self.stack.admin("/state")["databricks"]["workspaces"].items()
                               for kind in ("clusters", "warehouses") for c in content.get(kind, [])}

    def publish(self):
        """The workload, spread over the run; one in ten comes twice, one in five on the bulk lane."""
        gap = self.args.minutes * 60 * 0.8 / len(self.requests)
        r = random.Random(self.args.seed + 1)
        for request in self.requests:
            topic = "causeway.requests.bulk" if r.random() < 0.2 else "causeway.requests"
            twice = r.random() < 0.1
            for _ in range(1 + twice):
                self.send(request, topic)
            self.duplicates += twice
            time.sleep(gap)

    def send(self, request, topic):
        """As a portal would: again until the broker has taken it (the broker may be down)."""
        while True:
            try:
                self.stack.send(request, topic=topic)
                return
            except subprocess.CalledProcessError:
                time.sleep(0.5)

    def verdict_of(self, request_id):
        found = self.stack.verdicts(request_id)
        return found[0]["data"] if found else None

    def offsets(self):
        run = subprocess.run([ROOT / "ops/dev/kafka/run", "offsets", self.stack.dir / "kafka", "causeway"], text=True, capture_output=True)
        lines = [line.split() for line in run.stdout.splitlines()]
        assert lines, f"no committed offsets: {run.stderr}"
        return lines

    # --- the nemesis -------------------------------------------------------------------------------------------------------

    def alive(self, worker):
        return (self.stack.dir / f"{worker}.pid").exists()

    def held_by(self, worker):
        """Requests without a verdict whose last event this worker wrote."""
        pid, last = str(self.stack.pid(worker)), {}
        for record in list(self.stack.tails["progress"].records):
            last[record["data"]["requestId"]] = record["headers"]["ce_source"]
        return [q for q, source in last.items() if pid in source and self.verdict_of(q) is None]

    def watch_recovery(self, worker, killed):
        """Time until somebody else writes about what the worker held."""
        held, pid = self.held_by(worker), str(self.stack.pid(worker))

        def watch(request):
            begin = len(self.stack.tails["progress"].records)
            while time.monotonic() - killed < 180:
                later = self.stack.tails["progress"].records[begin:]
                if self.verdict_of(request) or any(x["data"]["requestId"] == request and pid not in x["headers"]["ce_source"] for x in later):
                    self.recoveries.append(time.monotonic() - killed)
                    return
                time.sleep(0.1)
        for request in held[:5]:
            threading.Thread(target=watch, args=(request,), daemon=True).start()

    def kill_worker(self):
        worker = self.random.choice(WORKERS)
        self.watch_recovery(worker, time.monotonic())
        self.stack.kill(worker)
        time.sleep(self.random.choice([0, 1, 8]))
        self.stack.add_worker(worker)

    def freeze_worker(self):
        worker = self.random.choice(WORKERS)
        self.stack.pause(worker)
        time.sleep(self.random.choice([2, self.args.lease + 3]))
        self.stack.go_on(worker)

    def rolling_restart(self):
        for worker in WORKERS:
            began = time.monotonic()
            self.stack.stop(worker)
            assert time.monotonic() - began < 12, f"{worker} took {time.monotonic() - began:.1f} s to drain"
            self.stack.add_worker(worker)

    def kill_redis(self):
        self.stack.kill("redis")  # what was written in the last second may not be on the disk
        time.sleep(self.random.choice([0, 3]))
        self.stack.start_again("redis")

    def lose_redis(self):
        self.stack.kill("redis")
        for file in self.stack.dir.glob("appendonlydir/*"):
            file.unlink()
        self.stack.start_again("redis")

    def fill_redis_disk(self):
        """What a full disk does to Redis: it can't save, so it refuses writes. A folder that is gone has the same effect."""
        gone = self.stack.dir / "gone"
        gone.mkdir(exist_ok=True)
        for args in (("CONFIG", "SET", "appendonly", "no"), ("CONFIG", "SET", "dir", str(gone)), ("CONFIG", "SET", "save", "1 1")):
            self.stack.redis(*args)
        gone.rmdir()
        time.sleep(self.random.choice([3, 8]))
        for args in (("CONFIG", "SET", "dir", str(self.stack.dir)), ("CONFIG", "SET", "save", ""), ("BGSAVE",),
                     ("CONFIG", "SET", "stop-writes-on-bgsave-error", "no"), ("CONFIG", "SET", "appendonly", "yes"),
                     ("CONFIG", "SET", "stop-writes-on-bgsave-error", "yes")):
            self.stack.redis(*args)

    def kill_kafka(self):
        kafka = [ROOT / "ops/dev/kafka/run"]
        subprocess.run([*kafka, "kill", self.stack.dir / "kafka"], check=True, capture_output=True)
        time.sleep(self.random.choice([0, 4]))
        subprocess.run([*kafka, "start", self.stack.dir / "kafka"], check=True, capture_output=True)

    def with_network(self, proxy, kind):
        {"cut": proxy.cut, "stall": proxy.stall, "slow": lambda: setattr(proxy, "delay", 0.15)}[kind]()
        time.sleep(self.random.choice([2, 6, self.args.lease]))
        proxy.open()

    def cut_redis(self):
        self.with_network(self.redis_proxy, "cut")

    def stall_redis(self):
        self.with_network(self.redis_proxy, "stall")

    def slow_redis(self):
        self.with_network(self.redis_proxy, "slow")

    def cut_kafka(self):
        self.with_network(self.kafka_proxy, "cut")

    def stall_kafka(self):
        self.with_network(self.kafka_proxy, "stall")

    def freeze_azure(self):
        self.stack.pause("azure")
        time.sleep(self.random.choice([2, 5]))
        self.stack.go_on("azure")

    def azure_faults(self):
        fault = self.random.choice([{"fault": "status", "status": 503}, {"fault": "status", "status": 500}, {"fault": "throttle", "retryAfter": 2},
                                    {"fault": "reset-before"}, {"fault": "reset-after"}, {"fault": "gateway-timeout"}, {"fault": "truncate"}])
        self.stack.fault(match={"host": "arm"}, probability=0.2, **fault)
        time.sleep(5)
        self.stack.admin("/faults", "DELETE")

    ACTS = ["kill_worker"] * 4 + ["freeze_worker"] * 2 + ["kill_redis", "lose_redis", "fill_redis_disk", "kill_kafka", "cut_redis", "stall_redis",
                                                          "slow_redis", "cut_kafka", "stall_kafka", "freeze_azure", "azure_faults", "azure_faults", "rolling_restart"]

    def attack(self):
        """Each kind of act once in random order, then any, until the time is over."""
        until_then = time.monotonic() + self.args.minutes * 60
        first = sorted(set(self.ACTS))
        self.random.shuffle(first)
        while time.monotonic() < until_then:
            act = first.pop() if first else self.random.choice(self.ACTS)
            self.log(act.replace("_", " "))
            self.acts[act] += 1
            getattr(self, act)()
            time.sleep(self.random.uniform(0.5, 3))

    # --- the end -----------------------------------------------------------------------------------------------------------

    def come_to_rest(self):
        self.redis_proxy.open()
        self.kafka_proxy.open()
        self.log("the nemesis rests")
        wanted = [q["id"] for q in self.requests]

        def missing():
            return [q for q in wanted if self.verdict_of(q) is None]
        try:
            until("a verdict for each request", lambda: not missing(), self.args.rest)
        except AssertionError:
            self.log(f"no verdict for {missing()[:10]}")
        try:
            until("all is committed", lambda: not list(checks.all_is_committed(self)) and not list(checks.redis_is_at_rest(self)), 60)
        except AssertionError as problem:
            self.log(str(problem))
        self.state, self.ledger = self.stack.admin("/state"), self.stack.ledger()

    def judge(self):
        failed = 0
        for check in checks.CHECKS:
            wrong = list(check(self))
            failed += bool(wrong)
            for line in wrong[:10]:
                print(f"# {line}")
            print(f"{'not ok' if wrong else 'ok'} - {check.__name__.replace('_', ' ')}", flush=True)
        return failed

    def keep(self, folder):
        """What a person needs to look into a failure."""
        subprocess.run(["cp", "-r", self.stack.dir, folder], check=False)
        for name, content in {"ledger": self.ledger, "state": self.state, "requests": self.requests,
                              **{n: t.records for n, t in self.stack.tails.items()}}.items():
            (folder / f"{name}.json").write_text("\n".join(json.dumps(line) for line in content) if isinstance(content, list) else json.dumps(content))

    def figures(self):
        outcomes = collections.Counter((self.verdict_of(q["id"]) or {}).get("outcome", "none") for q in self.requests)
        self.log(f"{len(self.requests)} requests, {self.duplicates} of them delivered twice; outcomes {dict(outcomes)}")
        self.log(f"acts of the nemesis: {sum(self.acts.values())}: {dict(sorted(self.acts.items()))}")
        self.log(f"records: {len(self.stack.tails['results'].records)} verdicts, {len(self.stack.tails['progress'].records)} progress; "
                 f"changes in the ledger: {sum(1 for e in self.ledger if e.get('changed'))}")
        if self.recoveries:
            slow = sorted(self.recoveries)
            self.log(f"kill -9 to resumed work, lease {self.args.lease} s: p50 {statistics.median(slow):.1f} s, p99 {slow[int(0.99 * (len(slow) - 1))]:.1f} s, "
                     f"of {len(slow)}")


def main():
    parser = argparse.ArgumentParser(prog="tests/chaos/run", description=__doc__.split("\n\n")[0])
    parser.add_argument("--requests", type=int, default=0, help="how many (default 20 a minute)")
    parser.add_argument("--minutes", type=float, default=2, help="how long the nemesis acts (default 2)")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "big"), help="of the workload and the nemesis (default: drawn, and printed)")
    parser.add_argument("--lease", type=int, default=10, help="seconds of a worker's lock (default 10)")
    parser.add_argument("--scale", type=int, default=120, help="simulated Azure time runs so many times as fast (default 120)")
    parser.add_argument("--rest", type=int, default=300, help="seconds in which the fleet must end its work (default 300)")
    parser.add_argument("--keep", type=Path, help="a folder to make, for logs, topics, ledger and state of a run that failed")
    args = parser.parse_args()
    args.requests = args.requests or int(20 * args.minutes)
    run = Run(args)
    run.log(f"seed {args.seed}: {len(run.requests)} requests over {args.minutes} minutes, {run.olds} existing workspaces")
    run.open()
    failed = 1
    try:
        publisher = threading.Thread(target=run.publish, daemon=True)
        publisher.start()
        run.attack()
        publisher.join()
        run.come_to_rest()
        failed = run.judge()
        run.figures()
    finally:
        if failed and args.keep:
            run.keep(args.keep)
        run.stack.__exit__(*(sys.exc_info() if sys.exc_info()[0] else (None, None, None)))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
