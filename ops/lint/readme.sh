#!/usr/bin/env bash
# readme.sh BUILD [--fix]: the generated parts of README.md must be what the programs in BUILD print. Exit 1 if not.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

build=${1:?usage: readme.sh BUILD [--fix]}
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
"$build/causeway-worker" --markdown >"$fresh/configuration"
"$build/causeway-schema" --markdown >"$fresh/events"
python3 - README.md "$fresh" >"$fresh/README.md" <<'PY'
import re, sys
text = open(sys.argv[1]).read()
for part in ("configuration", "events"):
    body = open(f"{sys.argv[2]}/{part}").read().strip()
    marks = f"<!-- {part}: begin -->", f"<!-- {part}: end -->"
    if any(m not in text for m in marks):
        sys.exit(f"README.md has lost the mark {marks[0]}")
    text = re.sub(f"{re.escape(marks[0])}.*{re.escape(marks[1])}", lambda _: f"{marks[0]}\n{body}\n{marks[1]}", text, flags=re.S)
sys.stdout.write(text)
PY
if [ "${2:-}" = --fix ]; then
    cp "$fresh/README.md" README.md
elif ! cmp -s "$fresh/README.md" README.md; then
    echo "README.md:1: differs from what the programs print: run ops/lint/readme.sh $build --fix"
    diff -u README.md "$fresh/README.md" | head -n 20 || true
    exit 1
fi

# Each metric is told of, and none that is gone.
missing=$(comm -3 <(grep -rhoE '"causeway_[a-z_]+"' worker common --include='*.c' | tr -d '"' | sort -u) \
    <(sed -n '/^### What to watch/,/^## /p' README.md | grep -oE '`causeway_[a-z_]+`' | tr -d '`' | sort -u) | xargs)
[ -z "$missing" ] || { echo "README.md:1: the table of metrics and the code differ: $missing" && exit 1; }
