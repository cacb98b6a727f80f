#!/usr/bin/env python3
"""The printed JSON Schemas against an independent validator: golden events are valid, invalid ones are not.

Needs the jsonschema package; it is installed into .cache/schema-venv by itself."""
import json
import os
import pathlib
import subprocess
import sys

root = pathlib.Path(os.environ.get("CW_ROOT", pathlib.Path(__file__).resolve().parents[2]))
build = pathlib.Path(os.environ.get("CW_BUILD", root / "build" / "asan"))
venv = root / ".cache" / "schema-venv"
failures = 0


def case(is_ok, name, detail=""):
    global failures
    print(f"{'ok' if is_ok else 'not ok'} - {name}", flush=True)
    if not is_ok:
        failures += 1
        print(f"# {detail}", flush=True)


def validator():
    """Import jsonschema, if need be from a virtual environment that is made first and then takes over."""
    try:
        import jsonschema
        return jsonschema
    except ImportError:
        pass
    if os.environ.get("CW_SCHEMA_VENV"):
        return None
    python = venv / "bin" / "python3"
    try:
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", venv], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "jsonschema"], check=True)
    except (OSError, subprocess.CalledProcessError) as e:
        print(f"# {e}")
        return None
    os.execve(python, [str(python), __file__], {**os.environ, "CW_SCHEMA_VENV": "1"})


def schemas_of(jsonschema):
    found = {}
    for path in sorted((root / "schema" / "json").glob("*.schema.json")):
        schema = json.loads(path.read_text())
        try:
            jsonschema.Draft202012Validator.check_schema(schema)
            case(True, f"{path.name} is a JSON Schema 2020-12")
        except jsonschema.SchemaError as e:
            case(False, f"{path.name} is a JSON Schema 2020-12", e.message)
        found[path.name.removesuffix(".schema.json")] = jsonschema.Draft202012Validator(schema)
    return found


def main():
    jsonschema = validator()
    if jsonschema is None:
        print("skip - schemas: the jsonschema package can't be installed")
        return 77
    printer = build / "causeway-schema"
    if printer.exists():
        check = subprocess.run([printer, "--check", root / "schema" / "json"], capture_output=True, text=True)
        case(check.returncode == 0, "schema/json is what the field tables print", check.stderr.strip())
    schemas = schemas_of(jsonschema)
    golden = root / "schema" / "golden"
    for path in sorted(golden.glob("*.json")) + sorted((root / "ops" / "dev" / "examples").glob("*.json")):
        event = json.loads(path.read_text())
        errors = [e.message for e in schemas[event["type"]].iter_errors(event["data"])]
        case(not errors, f"{path.relative_to(root)} is valid", "; ".join(errors))
    for path in sorted((golden / "invalid").glob("*.json")):
        if path.name.endswith(".problems.json"):
            continue
        event = json.loads(path.read_text())
        wanted = json.loads((path.parent / f"{path.stem}.problems.json").read_text())
        if not wanted["schemaSeesIt"]:
            continue
        errors = list(schemas[event["type"]].iter_errors(event["data"]))
        case(bool(errors), f"{path.relative_to(root)} is refused")
    return 1 if failures else 0


sys.exit(main())
