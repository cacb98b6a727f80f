#!/usr/bin/env bash
# schema.sh BUILD [--fix]: schema/json must be what BUILD/causeway-schema prints from the field tables. Exit 1 if not, 77 if there is no such
# program yet.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

build=${1:?usage: schema.sh BUILD [--fix]}
if [ ! -d schema/print ]; then
    echo "schema/print does not exist: nothing to check"
    exit 77
fi
[ -x "$build/causeway-schema" ] || { echo "$build/causeway-schema is missing: build it" && exit 1; }
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
"$build/causeway-schema" "$fresh"
[ -n "$(ls -A "$fresh")" ] || { echo "causeway-schema printed nothing" && exit 1; }
bad=0
for file in "$fresh"/*; do
    name=$(basename "$file")
    if [ "${2:-}" = --fix ]; then
        cp "$file" "schema/json/$name"
    elif ! cmp -s "$file" "schema/json/$name"; then
        echo "schema/json/$name:1: differs from the field tables: run ops/lint/schema.sh $build --fix"
        diff -u "schema/json/$name" "$file" | head -n 20 || true
        bad=1
    fi
done
exit $bad
