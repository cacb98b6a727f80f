#!/usr/bin/env python3
"""Clients that azure-sim has to survive: fuzzed TLS, HTTP and JSON, slow readers and writers, a thousand idle connections.

$CW_SEED repeats a run (the seed is printed), $CW_FUZZ multiplies the number of fuzzed requests.
"""
# timeout: 300
import copy
import http.client
import json
import os
import random
import socket
import ssl
import sys
import threading
import time
import urllib.parse
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from confrig import CLIENT, DATABRICKS_APP, SECRET, SUBSCRIPTION, TENANT, Sim, main, until  # noqa: E402

SEED = int(os.environ.get("CW_SEED", "20261124"))
MANY = float(os.environ.get("CW_FUZZ", "1"))
CONTEXT = ssl._create_unverified_context()
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-old"
NET, DBX = GROUP + "/providers/Microsoft.Network", GROUP + "/providers/Microsoft.Databricks"
VNET, NSG = NET + "/virtualNetworks/old-0001-vnet", NET + "/networkSecurityGroups/old-0001-nsg"
WORKSPACE = DBX + "/workspaces/old-0001"
ZONE = NET + "/privateDnsZones/privatelink.databricks.azure.localhost"
N, D, P = "?api-version=2023-09-01", "?api-version=2024-05-01", "?api-version=2020-06-01"


def dial(timeout=20, port=None, buffer_bytes=None):
    raw = socket.socket()
    if buffer_bytes:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
    raw.settimeout(timeout)
    raw.connect(("127.0.0.1", port or sim.port))
    return CONTEXT.wrap_socket(raw, server_hostname=sim.ready["armHost"])


def connection():
    return http.client.HTTPSConnection("127.0.0.1", sim.port, context=CONTEXT, timeout=30)


def token(audience):
    form = urllib.parse.urlencode({"grant_type": "client_credentials", "client_id": CLIENT, "client_secret": SECRET, "scope": audience + "/.default"})
    c = connection()
    c.request("POST", f"/{TENANT}/oauth2/v2.0/token", form, {"Host": sim.ready["loginHost"], "Content-Type": "application/x-www-form-urlencoded"})
    return json.loads(c.getresponse().read())["access_token"]


def headers(host):
    """With a token that the host takes."""
    arm = sim.ready["armHost"]
    for one in (arm, host):
        if one not in sim.tokens:
            sim.tokens[one] = token(f"https://{one}" if one == arm else DATABRICKS_APP)
    common = {"Host": host, "Authorization": "Bearer " + sim.tokens[host], "Content-Type": "application/json"}
    if host == arm:
        return common
    return {**common, "X-Databricks-Azure-SP-Management-Token": sim.tokens[arm], "X-Databricks-Azure-Workspace-Resource-Id": WORKSPACE}


def ask(method, target, body=None, host=None, c=None, **more):
    """Status and body."""
    own = c or connection()
    own.request(method, target, body, {**headers(host or sim.ready["armHost"]), **more})
    answer = own.getresponse()
    return answer.status, answer.read()


def is_well(within=5):
    """A good client is served, and soon."""
    started = time.monotonic()
    status, body = ask("GET", WORKSPACE + D)
    assert status == 200 and json.loads(body)["name"] == "old-0001", (status, body[:200])
    assert time.monotonic() - started < within, f"a good client waited {time.monotonic() - started:.1f} s"


def raw_exchange(data, read_seconds=3):
    """Bytes over TLS, and what comes back until the server closes or has nothing to say."""
    with dial() as s:
        s.settimeout(read_seconds)
        got = b""
        try:
            s.sendall(data)
            socket.socket.shutdown(s, socket.SHUT_WR)  # SSLSocket.shutdown() would end decryption of the answer, too
            while len(got) < 1 << 20:
                more = s.recv(65536)
                if not more:
                    break
                got += more
        except (OSError, ssl.SSLError):
            pass
        return got


# --- TLS and HTTP ------------------------------------------------------------------------------------------------------------


def test_no_tls_at_all():
    r = random.Random(SEED)
    for n in range(60):
        with socket.create_connection(("127.0.0.1", sim.port), timeout=5) as s:
            s.sendall([b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", r.randbytes(r.randrange(1, 3000)), b"\x16\x03\x01" + r.randbytes(200), b""][n % 4])
    is_well()


def test_handshake_left_in_the_middle():
    hello = ssl.MemoryBIO(), ssl.MemoryBIO()
    half = CONTEXT.wrap_bio(*hello, server_hostname="management.azure.localhost")
    try:
        half.do_handshake()
    except ssl.SSLWantReadError:
        pass
    greeting = hello[1].read()
    open_ones = []
    for n in range(200):
        s = socket.create_connection(("127.0.0.1", sim.port), timeout=5)
        s.sendall(greeting[: 1 + n * len(greeting) // 200])
        open_ones.append(s)
    is_well()
    for s in open_ones:
        s.close()
    is_well()


BROKEN = [
    b"GET\r\n\r\n", b"GET /\r\n\r\n", b"\r\n\r\n\r\n", b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", b"G\0T / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /\0/x HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /%00%2e%2e/%zz HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"GET / HTTP/1.1\nHost: x\n\n",
    b"GET " + b"/a" * 40000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /?" + b"a=b&" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 5000 + b"\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100000 + b"\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 100000000\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", b"CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n", b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http://management.azure.localhost/subscriptions HTTP/1.1\r\nHost: x\r\n\r\n", b"GET https:// HTTP/1.1\r\nHost: [\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: " + b"h" * 5000 + b"\r\n\r\n", b"GET / HTTP/1.1\r\nHost: \xff\xfe\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: management.azure.localhost\r\n\r\n" * 200,
    b"GET /subscriptions?api-version=2022-12-01 HTTP/1.1\r\nHost: management.azure.localhost\r\nAuthorization: Bearer " + b"." * 3000 + b"\r\n\r\n",
    b"GET /subscriptions?api-version=2022-12-01 HTTP/1.1\r\nHost: management.azure.localhost\r\nAuthorization: Bearer a.b.c\r\n\r\n",
]


def test_broken_http():
    for data in BROKEN:
        got = raw_exchange(data)
        assert got == b"" or got.startswith(b"HTTP/1."), (data[:60], got[:60])
    is_well()


def test_fuzzed_http():
    r = random.Random(SEED + 1)
    host, bearer = sim.ready["armHost"], headers(sim.ready["armHost"])["Authorization"]
    good = [f"{m} {t} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {bearer}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}".encode()
            for m in ("GET", "PUT", "POST", "DELETE", "PATCH") for t in (WORKSPACE + D, NSG + N, GROUP + P, "/providers/Microsoft.ResourceGraph/resources")]
    for _ in range(int(500 * MANY)):
        data = bytearray(r.choice(good))
        for _ in range(r.randrange(1, 12)):
            at = r.randrange(len(data))
            kind = r.randrange(4)
            if kind == 0:
                data[at] = r.randrange(256)
            elif kind == 1:
                del data[at:at + r.randrange(1, 20)]
            elif kind == 2:
                data[at:at] = r.choice([b"\r\n", b"\0", b"%", b"/", b"../", b"?", b"&", b"\xff" * 40, b"A" * 5000, b": ", b"{scope}"])
            else:
                data[at:at] = data[r.randrange(len(data)):][: r.randrange(1, 60)]
        got = raw_exchange(bytes(data), 2)
        assert got == b"" or got.startswith(b"HTTP/1."), (bytes(data)[:200], got[:100])
        assert b" 500 " not in got[:20], (bytes(data)[:300], got[:600])
    is_well()


# --- JSON ----------------------------------------------------------------------------------------------------------------------

REQUESTS = [
    ("PUT", GROUP + "?api-version=2021-04-01", {"location": "chinaeast2", "tags": {"a": "b"}}),
    ("PUT", NET + "/networkSecurityGroups/f1" + N, {"location": "chinaeast2", "properties": {"securityRules": [{"name": "r", "properties": {
        "protocol": "Tcp", "access": "Allow", "direction": "Inbound", "priority": 200, "sourcePortRange": "*", "destinationPortRanges": ["1-2", "443"],
        "sourceAddressPrefixes": ["10.0.0.0/8"], "destinationAddressPrefix": "*"}}]}}),
    ("PUT", NSG + "/securityRules/x" + N, {"properties": {"protocol": "*", "access": "Deny", "direction": "Outbound", "priority": 300,
                                                         "sourcePortRange": "*", "destinationPortRange": "443", "sourceAddressPrefix": "*", "destinationAddressPrefix": "Internet"}}),
    ("PUT", NET + "/virtualNetworks/f2" + N, {"location": "chinaeast2", "properties": {"addressSpace": {"addressPrefixes": ["10.77.0.0/16"]}, "dhcpOptions": {"dnsServers": ["10.1.1.1"]},
                                             "subnets": [{"name": "a", "properties": {"addressPrefix": "10.77.0.0/24", "networkSecurityGroup": {"id": NSG}, "delegations": [
                                                 {"name": "d", "properties": {"serviceName": "Microsoft.Databricks/workspaces"}}]}}]}}),
    ("PUT", VNET + "/subnets/f3" + N, {"properties": {"addressPrefix": "10.20.200.0/24", "routeTable": {"id": NET + "/routeTables/f4"}, "natGateway": {"id": NET + "/natGateways/f5"}}}),
    ("PUT", VNET + "/virtualNetworkPeerings/p" + N, {"properties": {"remoteVirtualNetwork": {"id": NET + "/virtualNetworks/old-0002-vnet"}, "allowVirtualNetworkAccess": True}}),
    ("PUT", NET + "/routeTables/f4" + N, {"location": "chinaeast2", "properties": {"routes": [{"name": "r", "properties": {"addressPrefix": "0.0.0.0/0", "nextHopType": "Internet"}}]}}),
    ("PUT", NET + "/natGateways/f5" + N, {"location": "chinaeast2", "sku": {"name": "Standard"}, "properties": {"publicIpAddresses": [{"id": NET + "/publicIPAddresses/f6"}]}}),
    ("PUT", NET + "/publicIPAddresses/f6" + N, {"location": "chinaeast2", "sku": {"name": "Standard"}, "properties": {"publicIPAllocationMethod": "Static"}}),
    ("PUT", NET + "/privateEndpoints/f7" + N, {"location": "chinaeast2", "properties": {"subnet": {"id": VNET + "/subnets/host"}, "privateLinkServiceConnections": [
        {"name": "l", "properties": {"privateLinkServiceId": WORKSPACE, "groupIds": ["databricks_ui_api"]}}]}}),
    ("PUT", NET + "/privateEndpoints/f7/privateDnsZoneGroups/default" + N, {"properties": {"privateDnsZoneConfigs": [{"name": "d", "properties": {"privateDnsZoneId": ZONE}}]}}),
    ("PUT", ZONE + P, {"location": "global", "tags": {}}),
    ("PUT", ZONE + "/virtualNetworkLinks/l" + P, {"location": "global", "properties": {"virtualNetwork": {"id": VNET}, "registrationEnabled": False}}),
    ("PUT", ZONE + "/A/r" + P, {"properties": {"ttl": 10, "aRecords": [{"ipv4Address": "10.1.2.3"}]}}),
    ("PUT", DBX + "/workspaces/fuzzed" + D, {"location": "chinaeast2", "sku": {"name": "premium"}, "properties": {"managedResourceGroupId": f"/subscriptions/{SUBSCRIPTION}/resourceGroups/m",
                                             "publicNetworkAccess": "Enabled", "requiredNsgRules": "AllRules", "parameters": {
                                                 "customVirtualNetworkId": {"value": NET + "/virtualNetworks/f2"}, "customPublicSubnetName": {"value": "a"},
                                                 "customPrivateSubnetName": {"value": "b"}, "enableNoPublicIp": {"value": True}}}}),
    ("PATCH", WORKSPACE + D, {"tags": {"a": "b"}}),
    ("PUT", WORKSPACE + "/privateEndpointConnections/x" + D, {"properties": {"privateLinkServiceConnectionState": {"status": "Approved", "description": "x"}}}),
    ("PUT", GROUP + "/providers/Microsoft.Authorization/locks/l" + P.replace("06", "05"), {"properties": {"level": "NotThere"}}),
    ("POST", "/providers/Microsoft.ResourceGraph/resources?api-version=2021-03-01", {"subscriptions": [SUBSCRIPTION], "query": "resources | where type =~ 'microsoft.databricks/workspaces' "
                                                                                     "| project id, vnet=properties.parameters.customVirtualNetworkId.value | order by id asc", "options": {"$top": 5, "$skip": 1}}),
]
DATABRICKS = [
    ("POST", "/api/2.1/clusters/create", {"cluster_name": "c", "spark_version": "13.3.x-scala2.12", "node_type_id": "Standard_DS3_v2", "num_workers": 1, "autoscale": {"min_workers": 1, "max_workers": 2},
                                          "custom_tags": {"a": "b"}, "spark_conf": {"a": "b"}, "autotermination_minutes": 60, "idempotency_token": "t", "init_scripts": [{"workspace": {"destination": "/x"}}]}),
    ("POST", "/api/2.1/clusters/events", {"cluster_id": "x", "order": "ASC", "limit": 3, "offset": 1, "event_types": ["RUNNING"]}),
    ("POST", "/api/2.1/clusters/start", {"cluster_id": "x"}), ("POST", "/api/2.1/clusters/resize", {"cluster_id": "x", "num_workers": 3}),
    ("POST", "/api/2.0/instance-pools/create", {"instance_pool_name": "p", "node_type_id": "Standard_DS3_v2", "min_idle_instances": 1, "max_capacity": 4}),
    ("POST", "/api/2.0/sql/warehouses", {"name": "w", "cluster_size": "Small", "warehouse_type": "PRO", "min_num_clusters": 1, "tags": {"custom_tags": [{"key": "a", "value": "b"}]}}),
    ("POST", "/api/2.0/sql/statements", {"statement": "SELECT 1", "warehouse_id": "x", "wait_timeout": "10s", "disposition": "INLINE"}),
    ("POST", "/api/2.2/jobs/update", {"job_id": 1, "new_settings": {"schedule": {"pause_status": "PAUSED"}}}),
    ("POST", "/api/2.2/jobs/runs/cancel", {"run_id": 1}), ("POST", "/api/1.2/contexts/create", {"clusterId": "x", "language": "python"}),
    ("POST", "/api/1.2/commands/execute", {"clusterId": "x", "contextId": "1", "language": "python", "command": "print(1)"}),
    ("PATCH", "/api/2.0/workspace-conf", {"maxTokenLifetimeDays": "90"}), ("POST", "/api/2.0/ip-access-lists", {"label": "l", "list_type": "ALLOW", "ip_addresses": ["1.2.3.4"]}),
]
ODD = [None, True, False, 0, -1, 1, 2 ** 63 - 1, -2 ** 63, 1e308, 0.1, "", "x", "/", "//", "*", "\u0000", "\ud83d\ude00" * 20, "%s%n%d", "10.0.0.0/0", "10.0.0.0/33", "255.255.255.255/32",
       "0.0.0.0/-1", "65536", "1-0", "a" * 5000, "/subscriptions/x", WORKSPACE, VNET + "/subnets/host", "../..", [], {}, [[]], [None], {"": ""}, {"value": None}, [{}] * 40, "Succeeded", "chinaeast2"]


def mutate(r, value):
    """A copy with something in it changed."""
    value = copy.deepcopy(value)
    places = []

    def walk(node):
        for key in list(node) if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], (dict, list)):
                walk(node[key])
    walk(value)
    for _ in range(r.randrange(1, 4)):
        if not places:
            break
        node, key = r.choice(places)
        kind = r.randrange(5)
        try:
            if kind == 0 and isinstance(node, dict):
                node.pop(key, None)
            elif kind == 1 and isinstance(node, list):
                node.append(copy.deepcopy(node[key]))
            elif kind == 2 and isinstance(node, dict):
                node[r.choice(["", "id", "name", "type", "properties", "value", "provisioningState", "_state", key.upper()])] = r.choice(ODD)
            else:
                node[key] = r.choice(ODD)
        except (IndexError, KeyError):
            pass
    return value


def spoil_text(r, text):
    """JSON that is none any more, or another."""
    at = r.randrange(len(text) + 1)
    return r.choice([text[:at], text[:at] + "\0" + text[at:], "[" * 3000 + text + "]" * 3000, text + text, "\ufeff" + text, text[:at] + "\\u12" + text[at:],
                     text[:at] + '"' + text[at:], "{" + '"a":{' * 2500, "null", "1", '""', text.replace(":", "::", 1), text.replace("{", '{"location":1,"location":2,', 1)])


def fuzz(seed, requests, host, count):
    r, c, statuses = random.Random(seed), connection(), {}
    for _ in range(int(count * MANY)):
        method, target, body = r.choice(requests)
        text = json.dumps(mutate(r, body))
        data = (spoil_text(r, text) if r.randrange(5) == 0 else text).encode("utf-8", "surrogatepass")
        more = r.choice([{}, {}, {}, {"If-Match": "*"}, {"If-None-Match": "*"}, {"Content-Type": "text/plain"}])
        try:
            status, answer = ask(method, target, data, host, c, **more)
        except (OSError, http.client.HTTPException) as problem:
            raise AssertionError(f"{problem!r} for {method} {target} {data[:1500]}") from problem
        statuses[status] = statuses.get(status, 0) + 1
        # API 1.2 answers 500 with the name of an exception when a cluster, context or command is not there.
        is_named = status == 500 and "/api/1.2/" in target and (b"Exception" in answer or b"NotFound" in answer)
        assert status < 500 or is_named, (status, method, target, data[:1500], answer[:500])
        if answer[:1] in (b"{", b"["):
            json.loads(answer)
        if r.randrange(25) == 0:
            sim.advance(r.choice([1, 60, 900]))
    print(f"# {sum(statuses.values())} requests: {dict(sorted(statuses.items()))}")
    return statuses


def test_fuzzed_json_to_arm():
    statuses = fuzz(SEED + 2, REQUESTS, sim.ready["armHost"], 1500)
    assert statuses.get(400, 0) > 100 and statuses.get(200, 0) + statuses.get(201, 0) > 100, "both sides of every check are reached"
    is_well()


def workspace_host():
    status, body = ask("GET", WORKSPACE + D)
    assert status == 200, body
    return json.loads(body)["properties"]["workspaceUrl"].split(":")[0]


def test_fuzzed_json_to_databricks():
    statuses = fuzz(SEED + 3, DATABRICKS, workspace_host(), 1200)
    assert statuses.get(200, 0) > 100 and statuses.get(400, 0) > 100, statuses
    is_well()


def test_fuzzed_queries_of_resource_graph():
    r, c = random.Random(SEED + 4), connection()
    words = ["resources", "|", "where", "project", "type", "=~", "==", "'microsoft.network/virtualnetworks'", "and", "or", "not", "(", ")", "id", "properties.a.b", "[", "]", "0", "'", "\"",
             "count", "order by", "asc", "take", "limit", "5", "-1", "99999999999999999999", "in~", ",", "tostring(", "contains", "extend", "x=", "summarize", "mv-expand", "isnotempty", "\\", "\n", "//", "startswith"]
    for _ in range(int(600 * MANY)):
        query = " ".join(r.choice(words) for _ in range(r.randrange(1, 25)))
        if r.randrange(4) == 0:
            query = "resources | where " + "(" * r.randrange(500) + query
        status, answer = ask("POST", "/providers/Microsoft.ResourceGraph/resources?api-version=2021-03-01", json.dumps({"subscriptions": [SUBSCRIPTION], "query": query}), c=c)
        assert status in (200, 400, 429), (status, query, answer[:300])
        sim.advance(2)
    is_well()


def test_fuzzed_query_parameters():
    r, c = random.Random(SEED + 5), connection()
    paths = [(f"/subscriptions/{SUBSCRIPTION}/resourcegroups", "2021-04-01"), (f"/subscriptions/{SUBSCRIPTION}/resources", "2021-04-01"), (NET + "/virtualNetworks", "2023-09-01"),
             (ZONE + "/ALL", "2020-06-01"), (VNET + "/CheckIPAddressAvailability", "2023-09-01"), (DBX + "/workspaces", "2024-05-01")]
    names = ["$top", "$filter", "$skipToken", "$expand", "ipAddress", "recordsetnamesuffix", "api-version", "%24top", ""]
    values = ["", "0", "-1", "1", "99999999999999999999", "abc", "tagName eq 'a'", "tagName eq '", "resourceType eq 'x' and '", "%00", "%zz", "%", "10.20.0.9", "999.1.1.1", "a" * 4000, "'", "MjA=", "%ff%fe"]
    for _ in range(int(500 * MANY)):
        path, version = r.choice(paths)
        query = "&".join(f"{r.choice(names)}={urllib.parse.quote(r.choice(values), safe='%')}" for _ in range(r.randrange(4)))
        status, answer = ask("GET", f"{path}?api-version={version}&{query}", c=c)
        assert status in (200, 400, 404, 429), (status, path, query, answer[:300])
    is_well()


def test_fuzzed_paths():
    r, c = random.Random(SEED + 6), connection()
    parts = ["subscriptions", SUBSCRIPTION, "resourceGroups", "rg-old", "providers", "Microsoft.Network", "virtualNetworks", "old-0001-vnet", "subnets", "Microsoft.Databricks", "workspaces", "..", "%2f", "%00",
             "locks", "Microsoft.Authorization", "operations", "A", "ALL", "", "a" * 3000, "%E2%82%AC", "{name}", "locations", "chinaeast2", "00000000-0000-0000-0000-000000000000", "usages"]
    for _ in range(int(800 * MANY)):
        path = "/" + "/".join(r.choice(parts) for _ in range(r.randrange(1, 45)))
        status, answer = ask(r.choice(["GET", "PUT", "DELETE", "PATCH", "POST"]), path[:12000] + r.choice([N, D, P, ""]), r.choice([None, "{}"]), c=c)
        assert status < 500, (status, path[:500], answer[:300])
    is_well()


def test_fuzzed_token_requests():
    r, c = random.Random(SEED + 7), connection()
    for _ in range(int(300 * MANY)):
        form = "&".join(f"{r.choice(['grant_type', 'client_id', 'client_secret', 'scope', 'resource', 'client_assertion', '', 'x'])}="
                        f"{r.choice([CLIENT, SECRET, 'client_credentials', '%', '%00', 'a' * 3000, '..', 'a.b.c', 'https%3A%2F%2Fmanagement.azure.localhost%2F.default', ''])}" for _ in range(r.randrange(8)))
        c.request("POST", f"/{r.choice([TENANT, 'x', '%00', '..', 'common'])}/oauth2/{r.choice(['token', 'v2.0/token'])}", form,
                  {"Host": sim.ready["loginHost"], "Content-Type": r.choice(["application/x-www-form-urlencoded", "application/json", "multipart/form-data; boundary=x"])})
        answer = c.getresponse()
        assert answer.read() is not None and answer.status < 500, (answer.status, form)
    is_well()


def test_fuzzed_bearers():
    r, c = random.Random(SEED + 8), connection()
    good = headers(sim.ready["armHost"])["Authorization"].removeprefix("Bearer ")
    for _ in range(int(300 * MANY)):
        bad = list(good)
        for _ in range(r.randrange(1, 5)):
            bad[r.randrange(len(bad))] = r.choice("abcXYZ019._-=+/ ")
        bad = r.choice(["".join(bad), good[: r.randrange(len(good))], good + good, "." * 40, "e30.e30.e30"])
        status, _ = ask("GET", WORKSPACE + D, c=c, Authorization=r.choice(["Bearer ", "bearer ", "Basic ", ""]) + bad.strip())
        assert status in (401, 403) or bad.strip() == good, (status, bad)
    is_well()


def test_fuzzed_admin():
    r = random.Random(SEED + 9)
    port = sim.ready["adminPort"]
    rule = {"match": {"method": "PUT", "path": "*never-there*", "host": "arm"}, "nth": 1, "count": 1, "fault": "status", "status": 503, "probability": 0.5}
    state = {"workspaces": [{"name": "adm", "count": 2, "resourceGroup": "rg-adm", "addressSpace": "10.90.0.0/16", "endpoint": {}, "zone": {}}], "durations": {"nsg.put": [1, 2]}, "behaviour": {"pageSize": 9}}
    sim.admin("/snapshot", "POST")
    for n in range(int(300 * MANY)):
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        path, body = r.choice([("/faults", rule), ("/state", state), ("/advance", {"ms": 10}), ("/restore", {"state": state}), ("/restore", {"snapshot": 1})])
        text = json.dumps(mutate(r, body))
        text = spoil_text(r, text) if r.randrange(5) == 0 else text
        if '"count": 9' in text or '"host": ""' in text:
            continue
        c.request("POST", path, text.encode("utf-8", "surrogatepass"))
        answer = c.getresponse()
        answer.read()
        assert answer.status < 500, (answer.status, path, text[:1000])
        c.close()
        for odd in ("/ledger?resource=%00", "/graph?workspace=" + "x" * 3000, "/ledger?correlation=%zz", "/nothing"):
            if n % 60 == 0:
                c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                c.request("GET", odd)
                assert c.getresponse().status < 500
                c.close()
    sim.clear_faults()
    sim.admin("/restore", "POST", {"snapshot": 1})
    sim.tokens.clear()
    is_well()


def test_huge_bodies():
    status, _ = ask("PUT", NSG + N, b'{"location":"' + b"x" * (5 << 20) + b'"}')
    assert status == 413, status
    status, _ = ask("PUT", NSG + N, b"[" * 200000)
    assert status == 400, status
    is_well()


# --- slow ones and idle ones ----------------------------------------------------------------------------------------------------


def test_slow_readers():
    """Each asks for megabytes, and reads next to nothing; others are served meanwhile."""
    sim.fault(match={"method": "GET", "path": "*networkSecurityGroups/old-0007*", "host": "arm"}, count=0, fault="huge", bytes=1 << 20)
    request = (f"GET {NSG.replace('0001', '0007')}{N} HTTP/1.1\r\nHost: {sim.ready['armHost']}\r\nAuthorization: {headers(sim.ready['armHost'])['Authorization']}\r\n\r\n").encode()
    slow = []
    for _ in range(100):
        s = dial(buffer_bytes=4096)  # else the kernel would take megabytes for it
        s.sendall(request * 8)
        slow.append(s)
    for _ in range(10):
        is_well(within=3)
        for s in slow:
            s.recv(1)
    for s in slow:
        s.close()
    sim.clear_faults()
    is_well()


def test_slow_writers():
    slow = [dial() for _ in range(200)]
    request = f"PUT {NSG}{N} HTTP/1.1\r\nHost: {sim.ready['armHost']}\r\nContent-Length: 100\r\n\r\n".encode()
    for n in range(0, len(request), 12):
        for s in slow:
            s.sendall(request[n:n + 12])
    is_well(within=3)
    for s in slow:
        s.close()
    is_well()


def test_a_thousand_idle_connections():
    idle = []
    try:
        for _ in range(1000):
            idle.append(dial())
        started = time.monotonic()
        c = connection()
        for _ in range(100):
            status, _ = ask("GET", WORKSPACE + D, c=c)
            assert status == 200
        print(f"# 1,000 idle connections; 100 requests of another took {time.monotonic() - started:.2f} s")
        s = idle[500]
        s.sendall(f"GET / HTTP/1.1\r\nHost: {sim.ready['armHost']}\r\n\r\n".encode())
        assert s.recv(20).startswith(b"HTTP/1.1"), "an idle connection is still good"
    finally:
        for s in idle:
            s.close()
    is_well()


def test_idle_connections_are_closed():
    with Sim("bad_clients_idle", "--idle-timeout", "2", record=False) as other, dial(port=other.port) as s:
        s.settimeout(20)
        started = time.monotonic()
        assert s.recv(1) == b"", "closed by the server"
        assert 1 < time.monotonic() - started < 15, f"after {time.monotonic() - started:.1f} s"


def test_gone_before_the_answer():
    """Clients that hang up while their answer waits for its time."""
    sim.fault(match={"method": "GET", "path": "*networkSecurityGroups/old-0005*", "host": "arm"}, count=0, fault="hang")
    request = (f"GET {NSG.replace('0001', '0005')}{N} HTTP/1.1\r\nHost: {sim.ready['armHost']}\r\nAuthorization: {headers(sim.ready['armHost'])['Authorization']}\r\n\r\n").encode()
    waiting = []
    for _ in range(100):
        s = dial()
        s.sendall(request)
        waiting.append(s)
    until("all of them wait", lambda: sim.admin("/counts")["waiting"] == 100, 10)
    for n, s in enumerate(waiting):
        if n % 2:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        s.close()
    until("none of them waits", lambda: sim.admin("/counts")["waiting"] == 0, 20)
    sim.clear_faults()
    is_well()


def test_many_threads_at_once():
    failed = []

    def client(seed):
        try:
            fuzz(seed, REQUESTS, sim.ready["armHost"], 60)
        except Exception as problem:
            failed.append(problem)
    threads = [threading.Thread(target=client, args=(SEED + 100 + n,)) for n in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed, failed[0]
    is_well()


if __name__ == "__main__":
    print(f"# CW_SEED={SEED}")
    sim = Sim("bad_clients", "--idle-timeout", "20", record=False, scale=60, state=["hundred_existing.json", {"throttle": {"model": "off"}, "behaviour": {"tokenLifetimeSeconds": 90000000}}])
    sim.tokens = {}
    sim.start()
    result = main(sys.modules[__name__])
    try:
        sim.stop()
        print("ok - azure-sim ends without a report")
    except AssertionError as problem:
        print("\n".join("# " + line for line in str(problem).splitlines()))
        print("not ok - azure-sim ends without a report")
        result = 1
    sys.exit(result)
