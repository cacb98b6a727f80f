"""Let a worker do each plan of ops/dev/examples against a recording azure-sim.

usage: worker_traffic.py FOLDER   (the record goes there)
"""
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "it"))
from stacklib import ROOT, Stack  # noqa: E402

EXAMPLES = {"provision": "succeeded", "provision-nat": "succeeded", "migrate": "succeeded", "verify": "succeeded", "verify-unlinked": "failed",
            "plan": "planned", "migrate-managed": "rejected"}


def main():
    with Stack(state="demo.json", workers=1, settings={"CAUSEWAY_SIM_RECORD": sys.argv[1]}) as s:
        for name, outcome in EXAMPLES.items():
            request = json.loads((ROOT / "ops/dev/examples" / f"{name}.json").read_text())
            s.send(request)
            verdict = s.verdict(request["id"], seconds=180)
            print(f"# worker: {name} {verdict['outcome']}")
            if verdict["outcome"] != outcome:
                print(f"# {json.dumps(verdict)[:1500]}")
                print(f"not ok - worker: {name} ends as {outcome}")


if __name__ == "__main__":
    sys.exit(main())
