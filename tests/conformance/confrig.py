"""What the conformance suites share: azure-sim with a record of its traffic, its names, and clients of the official SDKs.

Run below tests/conformance/enter. With $CW_HOSTS the simulator has the names of Azure China on port 443, so that the SDKs need no
setting that a user of Azure China would not make; else it has the names below azure.localhost on a free port.
"""
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "it"))
from stacklib import until  # noqa: E402,F401

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("CW_BUILD", ROOT / "build" / "asan"))
RECORDS = BUILD / "conformance"
SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"
TENANT = "22222222-2222-2222-2222-222222222222"
CLIENT = "33333333-3333-3333-3333-333333333333"
SECRET = "sim-secret"
DATABRICKS_APP = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"
LOCATION = "chinaeast2"
MARKS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:")


class Sim:
    """azure-sim as a child process. Use as a context manager, or start() and stop()."""

    def __init__(self, name, *options, scale=600, state=None, record=True, program=None):
        self.name = name
        self.dir = Path(tempfile.mkdtemp(prefix="conformance."))
        self.has_names = bool(os.environ.get("CW_HOSTS"))
        self.record = RECORDS / f"{name}.jsonl"
        self.log = self.dir / "log"
        self.command = [str(program or BUILD / "azure-sim"), "--admin-port", "0", "--ca-out", str(self.dir / "ca.pem"), "--ready-file",
                        str(self.dir / "ready.json"), "--time-scale", str(scale), "--quiet", *map(str, options)]
        self.command += ["--cloud", "china", "--port", "443"] if self.has_names else ["--port", "0"]
        for one in state if isinstance(state, list) else [] if state is None else [state]:
            self.command += ["--state", str(self._state(one))]
        if record:
            RECORDS.mkdir(parents=True, exist_ok=True)
            self.record.unlink(missing_ok=True)
            self.command += ["--record", str(self.record)]

    def _state(self, state):
        if isinstance(state, str):
            return ROOT / "tests" / "azure" / "states" / state
        path = self.dir / "state.json"
        path.write_text(json.dumps(state))
        return path

    def start(self):
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        ready = self.dir / "ready.json"
        until("azure-sim is ready", lambda: ready.exists() or self._must_live(), 30)
        self.ready = json.loads(ready.read_text())
        self.pid, self.port = self.process.pid, self.ready["port"]
        self.arm, self.login = self.ready["armUrl"], self.ready["loginUrl"]
        if self.port == 443:
            self.arm, self.login = self.arm.removesuffix(":443"), self.login.removesuffix(":443")
        self.ca = self.ready["ca"]
        self.add_host(self.ready["armHost"])
        self.add_host(self.ready["loginHost"])
        os.environ.update(SSL_CERT_FILE=self.ca, REQUESTS_CA_BUNDLE=self.ca, CURL_CA_BUNDLE=self.ca)
        return self

    def _must_live(self):
        if self.process.poll() is not None:
            raise AssertionError(f"azure-sim ended: {self.log.read_text()[-3000:]}")

    def stop(self):
        """Ends it and fails when it has leaked, crashed or reported anything."""
        if self.process.poll() is None:
            self.process.terminate()
        status = self.process.wait(timeout=60)
        text = self.log.read_text(errors="replace")
        assert not any(mark in text for mark in MARKS), text[-4000:]
        assert status == 0, f"azure-sim ended with {status}: {text[-2000:]}"

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def add_host(self, name):
        if self.has_names:
            with open(os.environ["CW_HOSTS"], "a") as hosts:
                hosts.write(f"127.0.0.1 {name}\n")

    def admin(self, path, method="GET", body=None):
        request = urllib.request.Request(self.ready["adminUrl"] + path, method=method,
                                         data=None if body is None else json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def fault(self, **rule):
        self.admin("/faults", "POST", rule)

    def clear_faults(self):
        self.admin("/faults", "DELETE")

    def advance(self, seconds):
        self.admin("/advance", "POST", {"ms": int(seconds * 1000)})

    # --- clients of the SDKs ---------------------------------------------------------------------------------------------

    def credential(self, secret=SECRET, tenant=TENANT, client=CLIENT):
        from azure.identity import ClientSecretCredential
        return ClientSecretCredential(tenant, client, secret, authority=self.login,
                                      disable_instance_discovery=not self.has_names)

    def options(self, **more):
        """Keywords of every management client: what a user sets for a cloud that is not the public one."""
        return {"base_url": self.arm, "credential_scopes": [f"https://{self.ready['armHost']}/.default"], **more}

    def client(self, factory, *args, credential=None, **options):
        return factory(credential or self.shared_credential(), *args, **self.options(**options))

    def shared_credential(self):
        if not hasattr(self, "_credential"):
            self._credential = self.credential()
        return self._credential

    def workspace_client(self, workspace, **options):
        """databricks-sdk with a service principal of Azure; workspace is what azure-mgmt-databricks returned."""
        from databricks.sdk import WorkspaceClient
        from databricks.sdk.core import Config
        from databricks.sdk.environments import AzureEnvironment, Cloud, DatabricksEnvironment
        host = workspace.workspace_url.split(":")[0]
        self.add_host(host)
        if not self.has_names:
            options["databricks_environment"] = DatabricksEnvironment(
                Cloud.AZURE, self.ready["workspaceSuffix"], azure_application_id=DATABRICKS_APP,
                azure_environment=AzureEnvironment("SIM", self.ready["managementResource"], self.arm + "/", self.login + "/"))
        options = {"azure_tenant_id": TENANT, "azure_client_id": CLIENT, "azure_client_secret": SECRET, **options}
        port = "" if self.port == 443 else f":{self.port}"
        return WorkspaceClient(config=Config(host=f"https://{host}{port}", azure_workspace_resource_id=workspace.id, **options))


def fails(kind, code, function, *args, **kwargs):
    """The exception that the call raises: of that kind and with that error code (None: whatever it is)."""
    try:
        result = function(*args, **kwargs)
    except kind as problem:
        seen = getattr(problem, "error_code", None) or getattr(getattr(problem, "error", None), "code", None)
        assert code is None or seen == code, f"code {seen}, not {code}: {problem}"
        return problem
    raise AssertionError(f"no {kind} ({code}) but {result}")


def wait(poller, seconds=120):
    """The result of an SDK's poller, which must come in time."""
    started = time.monotonic()
    result = poller.result(timeout=seconds)
    assert poller.done(), f"not done after {time.monotonic() - started:.0f} s: {poller.status()}"
    return result


def main(module):
    """The module's tests one after the other, in their order (they share a simulator), or those that an argument names. TAP."""
    tests = [(n, f) for n, f in vars(module).items() if n.startswith("test_") and callable(f)]
    wanted = [a for a in sys.argv[1:] if not a.startswith("-")]
    failed = 0
    for name, function in tests:
        if wanted and not any(w in name for w in wanted):
            continue
        started = time.monotonic()
        try:
            function()
            print(f"ok - {name} ({time.monotonic() - started:.1f} s)", flush=True)
        except Exception as problem:
            failed += 1
            print("\n".join("# " + line for line in "".join(traceback.format_exception(problem)).splitlines()), flush=True)
            print(f"not ok - {name}", flush=True)
    return 1 if failed else 0
