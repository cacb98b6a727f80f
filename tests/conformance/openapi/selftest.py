"""Does the check find what is wrong? Planted mismatches, each in a good exchange. TAP on standard output.

usage: selftest.py SPECIFICATION-FOLDER
"""
import copy
import sys

from descriptions import Book
from validate import Tally, validate

NETWORK = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg/providers/Microsoft.Network"
DATABRICKS = NETWORK.replace("Network", "Databricks")
RULE = {"name": "r", "properties": {"protocol": "Tcp", "access": "Allow", "direction": "Outbound", "priority": 100}}
NSG = {"method": "PUT", "host": "management.test", "target": NETWORK + "/networkSecurityGroups/nsg?api-version=2023-09-01",
       "request": {"headers": {}, "body": {"location": "here", "properties": {"securityRules": [RULE]}}},
       "response": {"status": 200, "headers": {}, "body": {"id": "x", "name": "nsg", "location": "here", "tags": {"a": "b"},
                                                           "properties": {"provisioningState": "Succeeded", "securityRules": [RULE]}}}}
WORKSPACE = {"method": "GET", "host": "management.test", "target": DATABRICKS + "/workspaces/wks?api-version=2024-05-01",
             "request": {"headers": {}, "body": None},
             "response": {"status": 200, "headers": {}, "body": {"location": "here", "properties": {
                 "managedResourceGroupId": "x", "createdDateTime": "2026-11-24T04:24:14.1230000Z",
                 "parameters": {"enableNoPublicIp": {"type": "Bool", "value": True}}}}}}
DELETE = {"method": "DELETE", "host": "management.test", "target": NETWORK + "/virtualNetworks/v?api-version=2023-09-01",
          "request": {"headers": {}, "body": None}, "response": {"status": 202, "headers": {"Location": "x"}, "body": None}}


def rule(e):
    return e["request"]["body"]["properties"]["securityRules"][0]["properties"]


def answered(e):
    return e["response"]["body"]["properties"]


PLANTED = {
    "a request with an enum's wrong value": (NSG, lambda e: rule(e).update(protocol="smtp"), "enum"),
    "a request without a required member": (NSG, lambda e: rule(e).pop("access"), "required"),
    "a request with a wrong type behind allOf and $ref": (NSG, lambda e: e["request"]["body"].update(tags={"a": 1}), "type"),
    "a request with an unknown member": (NSG, lambda e: e["request"]["body"]["properties"].update(securityRule=[]), "unknown"),
    "a request with an unknown member deep inside": (NSG, lambda e: rule(e).update(destinationPort="443"), "unknown"),
    "a request with a read-only member": (NSG, lambda e: e["request"]["body"]["properties"].update(provisioningState="Succeeded"), "read-only"),
    "a request without its body": (NSG, lambda e: e["request"].update(body=None), "required"),
    "an unknown query parameter": (NSG, lambda e: e.update(target=e["target"] + "&force=true"), "unknown"),
    "a body where none is due": (DELETE, lambda e: e["request"].update(body={}), "unknown"),
    "a name that is too short": (WORKSPACE, lambda e: e.update(target=e["target"].replace("wks", "w")), "length"),
    "an answer's undescribed status": (NSG, lambda e: e["response"].update(status=202), "status"),
    "an answer of a wrong type": (NSG, lambda e: answered(e).update(securityRules={}), "type"),
    "an answer with an enum's wrong value": (NSG, lambda e: answered(e).update(provisioningState="Ready"), "enum"),
    "an answer with an unknown member": (NSG, lambda e: answered(e).update(state="x"), "unknown"),
    "an answer without a required member": (WORKSPACE, lambda e: answered(e).pop("managedResourceGroupId"), "required"),
    "an answer with a time that is none": (WORKSPACE, lambda e: answered(e).update(createdDateTime="yesterday"), "format"),
    "an answer with a string for a truth value": (WORKSPACE, lambda e: answered(e)["parameters"]["enableNoPublicIp"].update(value="true"), "type"),
    "an answer without its body": (WORKSPACE, lambda e: e["response"].update(body=None), "required"),
    "a 202 without a URL to poll": (DELETE, lambda e: e["response"].update(headers={}), "header"),
    "an error of another form": (NSG, lambda e: e["response"].update(status=409, body={"error": "text"}), "type"),
}


def findings(book, exchange):
    tally = Tally()
    validate(book, tally, exchange, "selftest")
    assert tally.validated == 1, "the exchange was not recognised"
    return tally.findings


def main():
    book, failed = Book(sys.argv[1]), 0
    for name, good in (("NSG", NSG), ("workspace", WORKSPACE), ("deletion", DELETE)):
        found = findings(book, good)
        failed += bool(found)
        print(f"{'not ok' if found else 'ok'} - openapi check: a good {name} passes {dict(found) if found else ''}")
    for name, (good, spoil, kind) in PLANTED.items():
        exchange = copy.deepcopy(good)
        spoil(exchange)
        kinds = {k[3] for k in findings(book, exchange)}
        failed += kind not in kinds
        print(f"{'ok' if kind in kinds else 'not ok'} - openapi check finds {name}" + ("" if kind in kinds else f": {kinds or 'nothing'}"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
