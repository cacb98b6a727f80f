"""Validate recorded exchanges (azure-sim --record) against Microsoft's OpenAPI files. TAP on standard output.

usage: validate.py SPECIFICATION-FOLDER RECORD.jsonl…
"""
import collections
import fnmatch
import json
import re
import sys
from pathlib import Path

from descriptions import BASE, Book, query_of, request_findings, response_findings
from deviations import DEVIATIONS, UNDESCRIBED

STATUS_SCHEMA = BASE + "common-types/resource-management/v5/types.json#/definitions/OperationStatusResult"
ARM_HOSTS = ("management.",)


class Tally:
    def __init__(self):
        self.exchanges = self.validated = self.skipped_hosts = self.cut = self.polls = 0
        self.pairs = collections.Counter()       # (operation, status)
        self.sources = collections.defaultdict(set)  # operation -> files
        self.undescribed = collections.Counter()
        self.other_versions = collections.Counter()
        self.findings = collections.defaultdict(list)
        self.used = collections.Counter()
        self.seen = set()


def shape(exchange):
    """What makes an exchange new: everything but identifiers, numbers and times."""
    text = json.dumps([exchange["method"], exchange["target"], exchange["request"], exchange["response"]], sort_keys=True)
    text = re.sub(r"[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}", "G", text)
    return re.sub(r"\d[\d.:TZ-]*", "N", text)


def note(tally, side, operation, status, finding, exchange):
    kind, pointer, text = finding
    for i, d in enumerate(DEVIATIONS):
        if (fnmatch.fnmatchcase(operation.id, d["operation"]) and d["side"] == side and d.get("kind", kind) == kind and
                fnmatch.fnmatchcase(pointer, d["at"])):
            tally.used[i] += 1
            return
    who = exchange["request"]["headers"].get("User-Agent", "?").split(" ")[0] if side == "request" else ""
    tally.findings[(side, operation.key(), status if side == "response" else who, kind, pointer)].append(text)


def validate(book, tally, exchange, source):
    tally.exchanges += 1
    if not exchange.get("host", "").startswith(ARM_HOSTS):
        tally.skipped_hosts += 1
        return
    if exchange.get("cut"):
        tally.cut += 1
        return
    path, query = query_of(exchange["target"])
    path = re.sub("/{2,}", "/", path.replace("%2F", "/").replace("%2f", "/"))
    version = dict(query).get("api-version")
    request, response = exchange["request"], exchange["response"]
    is_known = any(fnmatch.fnmatch(path.lower(), pattern.lower()) for pattern, _ in UNDESCRIBED)
    operation, values = (None, {}) if is_known else book.find(exchange["method"], path, version)
    if operation is None:
        undescribed(book, tally, exchange, path, version)
        return
    tally.validated += 1
    tally.pairs[(operation.key(), response["status"])] += 1
    tally.sources[operation.key()].add(source)
    look = shape(exchange)
    if look in tally.seen:
        return
    tally.seen.add(look)
    # A request that was refused as wrong is the test's own mistake; then its answer alone is judged.
    if response["status"] not in (400, 404, 405, 413, 415, 422):
        for finding in request_findings(book, operation, values, query, request["headers"], request["body"]):
            note(tally, "request", operation, response["status"], finding, exchange)
    for finding in response_findings(book, operation, response["status"], response["headers"], response["body"]):
        note(tally, "response", operation, response["status"], finding, exchange)


def undescribed(book, tally, exchange, path, version):
    for pattern, _ in UNDESCRIBED:
        if fnmatch.fnmatch(path.lower(), pattern.lower()):
            tally.undescribed[pattern] += 1
            body = exchange["response"]["body"]
            if "operations/" in pattern.lower() or "statuses/" in pattern.lower():
                if exchange["response"]["status"] == 200:
                    tally.polls += 1
                    for kind, pointer, text in book.judge(STATUS_SCHEMA, body, False):
                        tally.findings[("response", "OperationStatusResult (common-types v5)", 200, kind, pointer)].append(text)
            return
    if book.versions(exchange["method"], path):
        tally.other_versions[version] += 1
    elif exchange["response"]["status"] not in (400, 401, 404, 405):
        tally.findings[("request", f"{exchange['method']} {path}", "", "operation", "")].append("described nowhere")


def report(book, tally):
    operations = {o for o, _ in tally.pairs}
    print(f"# {tally.exchanges} exchanges: {tally.validated} of described operations ({len(tally.seen)} of them different), "
          f"{tally.polls} polls of operations, {sum(tally.undescribed.values()) - tally.polls} of paths that no file describes, "
          f"{sum(tally.other_versions.values())} of other api-versions, {tally.skipped_hosts} to other hosts than ARM, {tally.cut} cut by a fault")
    print(f"# validated: {len(operations)} distinct operations, {len(tally.pairs)} distinct pairs of operation and status, "
          f"statuses {', '.join(map(str, sorted({s for _, s in tally.pairs})))}")
    of_workers = [o for o in operations if any(f.startswith("stack-") for f in tally.sources[o])]
    print(f"# of workers: {len(of_workers)} distinct operations, from {len({f for fs in tally.sources.values() for f in fs if f.startswith('stack-')})} records")
    for operation in sorted(operations):
        statuses = sorted((s, n) for (o, s), n in tally.pairs.items() if o == operation)
        print(f"#   {operation}: {', '.join(f'{s} x{n}' for s, n in statuses)}; from {', '.join(sorted({re.sub('stack-.*', 'workers', f) for f in tally.sources[operation]}))}")
    for i, d in enumerate(DEVIATIONS):
        print(f"# deviation x{tally.used[i]}: {d['operation']} {d['side']} {d['at']}: {d['why']}")
    failed = 0
    for side, what in (("request", "requests are as described"), ("response", "answers are as described")):
        found = sorted((k, v) for k, v in tally.findings.items() if k[0] == side)
        for (_, operation, status, kind, pointer), texts in found:
            print(f"# {operation} {status}: {kind} at {pointer}: {texts[0]} ({len(texts)} times)")
        print(f"{'not ok' if found else 'ok'} - {what}" + (f": {len(found)} mismatches" if found else ""))
        failed += bool(found)
    return failed


def main():
    book, tally = Book(sys.argv[1]), Tally()
    for name in sys.argv[2:]:
        with open(name) as file:
            for line in file:
                try:
                    exchange = json.loads(line)
                except ValueError:
                    continue  # the simulator was killed while it wrote
                validate(book, tally, exchange, Path(name).stem)
    enough = len({o for o, _ in tally.pairs})
    failed = report(book, tally)
    print(f"{'ok' if enough >= 60 else 'not ok'} - at least 60 operations were seen ({enough})")
    return 1 if failed or enough < 60 else 0


if __name__ == "__main__":
    sys.exit(main())
