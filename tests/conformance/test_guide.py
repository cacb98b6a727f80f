#!/usr/bin/env python3
"""guide.md names steps, tests and states: each of them exists."""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
rows = [line for line in (Path(__file__).parent / "guide.md").read_text().splitlines() if line.startswith("| ") and not line.startswith("| **")][1:]
failed = 0


def problems(row):
    _, asked, step, shown, _ = row.split("|")
    name = step.strip(" `")
    if not (ROOT / "worker/steps" / f"{name}.c").exists():
        yield f"there is no step {name}"
    for names, file in re.findall(r"((?:`\w+`(?:, )?)+) in `([\w./]+)`", shown):
        text = (ROOT / file).read_text() if (ROOT / file).exists() else ""
        for test in re.findall(r"`(\w+)`", names):
            if not re.search(rf"\b{test}\b", text):
                yield f"there is no test {test} in {file}"
    for listed in re.findall(r"states? ((?:`\w+`(?:, )?)+)", shown):
        for state in re.findall(r"`(\w+)`", listed):
            if not (ROOT / "tests/azure/states" / f"{state}.json").exists():
                yield f"there is no state {state}"
    if not shown.strip():
        yield "nothing shows it"


for row in rows:
    wrong = list(problems(row))
    failed += bool(wrong)
    for line in wrong:
        print(f"# {line}")
    print(f"{'not ok' if wrong else 'ok'} - {row.split('|')[1].strip()}")
print(f"1..{len(rows)}")
sys.exit(1 if failed else 0)
