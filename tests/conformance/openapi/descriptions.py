"""Microsoft's OpenAPI (Swagger 2.0) files as validators: which operation a request is, and what is wrong with it or its answer.

JSON is judged by openapi-schema-validator; schemas stay where they are and are referred to by URI, so that relative $refs hold.
"""
import functools
import re
from pathlib import Path
from urllib.parse import parse_qsl, unquote

import json

from openapi_schema_validator import OAS30ReadValidator, OAS30WriteValidator, oas30_format_checker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

METHODS = ("get", "put", "post", "patch", "delete", "head")
BASE = "https://specs.invalid/"


class Operation:
    def __init__(self, book, path, method, item, description, file):
        self.id, self.method, self.path, self.file = description["operationId"], method.upper(), path, file
        self.version = book.documents[file]["info"]["version"]
        self.pointer = f"{BASE}{file}#/paths/{escape(path)}/{method}"
        self.description = description
        parameters = [book.resolve(p, file) for p in item.get("parameters", []) + description.get("parameters", [])]
        self.parameters = [{**p, "_file": f} for p, f in parameters]
        self.names = [p["name"] for p in self.parameters if p["in"] == "path"]
        wide = {p["name"] for p in self.parameters if p.get("x-ms-skip-url-encoding") and p["in"] == "path"}
        pattern = "".join(f"(?P<g{self.names.index(part[1:-1])}>{'.+' if part[1:-1] in wide else '[^/]+'})"
                          if part.startswith("{") and part[1:-1] in self.names else re.escape(part)
                          for part in re.split(r"(\{[^}]+\})", path))
        self.pattern = re.compile(pattern, re.IGNORECASE)
        self.is_wide = bool(wide)

    def key(self):
        return f"{self.id} ({self.version})"


def escape(text):
    return text.replace("~", "~0").replace("/", "~1").replace("%", "%25").replace("{", "%7B").replace("}", "%7D")


class Book:
    def __init__(self, folder):
        self.folder = Path(folder)
        self.documents = {}
        for file in sorted(self.folder.rglob("*.json")):
            if "examples" not in file.parts:
                self.documents[str(file.relative_to(self.folder))] = json.loads(file.read_text())
        self.registry = Registry().with_resources(
            (BASE + name, Resource(contents=document, specification=DRAFT202012)) for name, document in self.documents.items())
        self.operations = []
        for name, document in self.documents.items():
            for path, item in document.get("paths", {}).items():
                for method in METHODS:
                    if method in item and path != "/{resourceId}":  # matches everything, and has no version of its own
                        self.operations.append(Operation(self, path, method, item, item[method], name))
        # Fixed segments before parameters (.../ALL, .../A), and those whose parameters may hold slashes last.
        self.operations.sort(key=lambda o: (o.is_wide, len(o.names)))

    def resolve(self, node, file):
        """A node behind its $refs, and the file that it is in."""
        while "$ref" in node:
            target, _, pointer = node["$ref"].partition("#")
            if target:
                file = str((self.folder / file).parent.joinpath(target).resolve().relative_to(self.folder.resolve()))
            node = self.documents[file]
            for part in pointer.strip("/").split("/"):
                part = unquote(part).replace("~1", "/").replace("~0", "~")
                node = node[int(part) if isinstance(node, list) else part]
        return node, file

    def find(self, method, path, version):
        """The operation and its path's values; (None, {}) when no file describes it."""
        for o in self.operations:
            if o.method == method and o.version == version:
                match = o.pattern.fullmatch(path)
                if match:
                    return o, {name: unquote(match.group(f"g{i}")) for i, name in enumerate(o.names)}
        return None, {}

    def versions(self, method, path):
        return {o.version for o in self.operations if o.method == method and o.pattern.fullmatch(path)}

    @functools.lru_cache(maxsize=None)
    def validator(self, uri, is_request):
        kind = OAS30WriteValidator if is_request else OAS30ReadValidator
        return kind({"$ref": uri}, registry=self.registry, format_checker=oas30_format_checker)

    def judge(self, uri, value, is_request):
        """Findings of the library: (kind, pointer, text)."""
        for e in self.validator(uri, is_request).iter_errors(value):
            pointer = "/" + "/".join("*" if isinstance(p, int) else str(p) for p in e.absolute_path)
            text = e.message
            kind = "read-only" if "readOnly" in text or "read-only" in text.lower() else str(e.validator)
            yield kind, pointer, text[:200]

    def unknown(self, uri, value):
        """Members that the schema does not name, where it names any."""
        name, _, pointer = uri.removeprefix(BASE).partition("#")
        schema, file = self.resolve({"$ref": "#" + pointer}, name)
        yield from self._unknown(schema, file, value, "")

    def _members(self, schema, file):
        """Properties with allOf, and whether others are allowed."""
        schema, file = self.resolve(schema, file)
        found = {k: (v, file) for k, v in schema.get("properties", {}).items()}
        is_open = bool(schema.get("additionalProperties"))
        for part in schema.get("allOf", []):
            more, more_open = self._members(part, file)
            found = {**more, **found}
            is_open = is_open or more_open
        if "discriminator" in schema:
            is_open = True
        return found, is_open

    def _unknown(self, schema, file, value, at):
        schema, file = self.resolve(schema, file)
        if isinstance(value, list) and "items" in schema:
            for item in value:
                yield from self._unknown(schema["items"], file, item, at + "/*")
        members, is_open = self._members(schema, file)
        if not isinstance(value, dict):
            # Many definitions have properties and no "type", which JSON Schema takes for "anything".
            if members and "type" not in schema:
                yield "type", at, f"{type(value).__name__} where an object is described"
            return
        extra = schema.get("additionalProperties")
        for name, inside in value.items():
            if name in members:
                child, child_file = members[name]
                yield from self._unknown(child, child_file, inside, f"{at}/{name}")
            elif isinstance(extra, dict):
                yield from self._unknown(extra, file, inside, f"{at}/*")
            elif members and not is_open:
                yield "unknown", f"{at}/{name}", "the schema has no such member"


def parameter_findings(operation, values, query, headers, has_body):
    """What is wrong with path, query and headers."""
    sent = dict(query)
    for p in operation.parameters:
        where, name = p["in"], p["name"]
        value = values.get(name) if where == "path" else sent.get(name) if where == "query" else None
        if where == "query" and p.get("required") and value is None:
            yield "required", f"?{name}", "a required query parameter is missing"
        if where == "body" and p.get("required") and not has_body:
            yield "required", "body", "a required body is missing"
        if value is None or where not in ("path", "query"):
            continue
        if "minLength" in p and len(value) < p["minLength"] or "maxLength" in p and len(value) > p["maxLength"]:
            yield "length", f"{where}:{name}", f"{len(value)} characters"
        if "pattern" in p and not re.search(p["pattern"], value):
            yield "pattern", f"{where}:{name}", f"{value} does not match {p['pattern']}"
        if "enum" in p and value not in p["enum"]:
            yield "enum", f"{where}:{name}", f"{value} is none of {p['enum']}"
        if p.get("type") == "integer" and not re.fullmatch(r"-?\d+", value):
            yield "type", f"{where}:{name}", f"{value} is no integer"
        if p.get("type") == "boolean" and value not in ("true", "false"):
            yield "type", f"{where}:{name}", f"{value} is no boolean"
    known = {p["name"] for p in operation.parameters if p["in"] == "query"}
    for name in sent:
        if name not in known:
            yield "unknown", f"?{name}", "the operation has no such query parameter"


def request_findings(book, operation, values, query, headers, body):
    yield from parameter_findings(operation, values, query, headers, body is not None)
    at = next((i for i, p in enumerate(operation.parameters) if p["in"] == "body"), None)
    if at is None:
        if body is not None:
            yield "unknown", "body", "the operation has no body"
        return
    if body is None:
        return
    uri = body_uri(book, operation)
    yield from book.judge(uri, body, True)
    yield from book.unknown(uri, body)


def body_uri(book, operation):
    """Where the schema of the request's body is."""
    for i, p in enumerate(operation.description.get("parameters", [])):
        if "$ref" not in p and p.get("in") == "body":
            return f"{operation.pointer}/parameters/{i}/schema"
    raise LookupError(f"{operation.id}: its body is not described in place")


def has_code(body):
    inside = body.get("error")
    return bool(body.get("code") or isinstance(inside, dict) and inside.get("code"))


def response_findings(book, operation, status, headers, body):
    responses = operation.description["responses"]
    name = str(status) if str(status) in responses else "default" if "default" in responses else None
    if name is None or (name == "default" and status < 400):
        yield "status", str(status), f"not among {', '.join(sorted(responses))}"
        return
    is_begun = status == 202 and operation.description.get("x-ms-long-running-operation")
    if is_begun and not {"azure-asyncoperation", "location"} & {h.lower() for h in headers}:
        yield "header", "Location", "a long-running operation without a URL to poll"
    if name == "default" and isinstance(body, dict) and not has_code(body):
        yield "required", "/error/code", "an error without a code"
    described = responses[name]
    if "$ref" in described:
        raise LookupError(f"{operation.id}: an answer that is not described in place")
    if "schema" not in described:
        if body not in (None, "") and status < 400:
            yield "unknown", "body", "the answer has no body"
        return
    if body is None:
        if operation.method != "HEAD":
            yield "required", "body", "the answer has a body"
        return
    uri = f"{operation.pointer}/responses/{name}/schema"
    yield from book.judge(uri, body, False)
    yield from book.unknown(uri, body)


def query_of(target):
    path, _, query = target.partition("?")
    return path, parse_qsl(query, keep_blank_values=True)
