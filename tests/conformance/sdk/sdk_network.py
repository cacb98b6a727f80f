"""azure-mgmt-network: NSG, VNet, subnets, peering, NAT, public IP, route tables; azure-mgmt-privatedns: zones, links, records."""
import sys

from azure.core import MatchConditions
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.privatedns import PrivateDnsManagementClient
from common import (GROUP, LOCATION, SUBSCRIPTION, HttpResponseError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError,
                    fails, run, until, wait)

RULE = {"properties": {"protocol": "Tcp", "access": "Allow", "direction": "Outbound", "priority": 300, "sourcePortRange": "*",
                       "destinationPortRange": "443", "sourceAddressPrefix": "*", "destinationAddressPrefix": "AzureActiveDirectory"}}


def net():
    return estate.network


def test_nsg():
    made = estate.nsg
    assert made.provisioning_state == "Succeeded" and made.default_security_rules and made.resource_guid and made.etag
    assert net().network_security_groups.get(GROUP, "NSG").id == made.id
    assert [g.name for g in net().network_security_groups.list(GROUP)] == ["nsg"]
    assert [g.name for g in net().network_security_groups.list_all()] == ["nsg"]
    tagged = net().network_security_groups.update_tags(GROUP, "nsg", {"tags": {"a": "b"}})
    assert tagged.tags == {"a": "b"}


def test_nsg_rules():
    assert estate.nsg
    rules = net().security_rules
    made = wait(rules.begin_create_or_update(GROUP, "nsg", "aad", RULE))
    assert made.provisioning_state == "Succeeded" and made.priority == 300
    assert rules.get(GROUP, "nsg", "aad").destination_address_prefix == "AzureActiveDirectory"
    assert [r.name for r in rules.list(GROUP, "nsg")] == ["aad"]
    assert [r.name for r in net().network_security_groups.get(GROUP, "nsg").security_rules] == ["aad"]
    problem = fails(HttpResponseError, "SecurityRuleConflict", rules.begin_create_or_update, GROUP, "nsg", "same", RULE)
    assert problem.status_code == 400
    wait(rules.begin_delete(GROUP, "nsg", "aad"))
    fails(ResourceNotFoundError, None, rules.get, GROUP, "nsg", "aad")


def test_nsg_refuses_a_bad_priority():
    bad = {"properties": {**RULE["properties"], "priority": 5000}}
    assert fails(HttpResponseError, None, net().security_rules.begin_create_or_update, GROUP, "nsg", "bad", bad).status_code == 400


def test_vnet():
    vnet = estate.vnet
    assert vnet.provisioning_state == "Succeeded" and [s.name for s in vnet.subnets] == ["host", "container", "pe"]
    host = vnet.subnets[0]
    assert host.delegations[0].service_name == "Microsoft.Databricks/workspaces" and len(host.delegations[0].actions) == 3
    assert host.network_security_group.id == estate.nsg.id and vnet.subnets[2].private_endpoint_network_policies == "Disabled"
    assert "vnet" in [v.name for v in net().virtual_networks.list(GROUP)]
    assert "vnet" in [v.name for v in net().virtual_networks.list_all()]
    assert net().virtual_networks.update_tags(GROUP, "vnet", {"tags": {"x": "1"}}).tags == {"x": "1"}
    attached = net().network_security_groups.get(GROUP, "nsg").subnets
    assert {s.id for s in attached} == {vnet.subnets[0].id, vnet.subnets[1].id}


def test_vnet_usage_and_addresses():
    assert estate.vnet
    usage = {u.id.rsplit("/", 1)[1]: u for u in net().virtual_networks.list_usage(GROUP, "vnet")}
    assert usage["host"].limit > 16000 and usage["pe"].limit == 27
    assert net().virtual_networks.check_ip_address_availability(GROUP, "vnet", ip_address="10.30.128.10").available
    taken = net().virtual_networks.check_ip_address_availability(GROUP, "vnet", ip_address="10.30.128.1")
    assert not taken.available and taken.available_ip_addresses
    assert any(u.name.value == "VirtualNetworks" for u in net().usages.list(LOCATION))


def test_subnet_life():
    assert estate.vnet
    subnets = net().subnets
    made = wait(subnets.begin_create_or_update(GROUP, "vnet", "extra", {"properties": {"addressPrefix": "10.30.200.0/24"}}))
    assert made.provisioning_state == "Succeeded" and made.address_prefix == "10.30.200.0/24"
    assert subnets.get(GROUP, "vnet", "extra").id == made.id
    assert {s.name for s in subnets.list(GROUP, "vnet")} == {"host", "container", "pe", "extra"}
    problem = fails(HttpResponseError, "NetcfgSubnetRangesOverlap", subnets.begin_create_or_update, GROUP, "vnet", "over",
                    {"properties": {"addressPrefix": "10.30.200.128/25"}})
    assert problem.status_code == 400
    problem = fails(HttpResponseError, "NetcfgInvalidSubnet", subnets.begin_create_or_update, GROUP, "vnet", "out",
                    {"properties": {"addressPrefix": "10.99.0.0/24"}})
    wait(subnets.begin_delete(GROUP, "vnet", "extra"))
    fails(ResourceNotFoundError, None, subnets.get, GROUP, "vnet", "extra")
    assert wait(subnets.begin_delete(GROUP, "vnet", "extra")) is None, "an absent subnet is deleted already"


def test_vnet_put_that_omits_a_subnet_deletes_it():
    body = {"location": LOCATION, "properties": {"addressSpace": {"addressPrefixes": ["10.44.0.0/16"]}, "subnets": [
        {"name": "a", "properties": {"addressPrefix": "10.44.0.0/24"}}, {"name": "b", "properties": {"addressPrefix": "10.44.1.0/24"}}]}}
    wait(net().virtual_networks.begin_create_or_update(GROUP, "omit", body))
    del body["properties"]["subnets"][1]
    assert [s.name for s in wait(net().virtual_networks.begin_create_or_update(GROUP, "omit", body)).subnets] == ["a"]
    wait(net().virtual_networks.begin_delete(GROUP, "omit"))
    fails(ResourceNotFoundError, "ResourceNotFound", net().virtual_networks.get, GROUP, "omit")


def test_peering():
    other = estate.make_vnet("hub", "10.50")
    peerings = net().virtual_network_peerings

    def body(remote):
        return {"properties": {"remoteVirtualNetwork": {"id": remote}, "allowVirtualNetworkAccess": True, "allowForwardedTraffic": True}}
    one = wait(peerings.begin_create_or_update(GROUP, "vnet", "to-hub", body(other.id)))
    assert one.peering_state == "Initiated", one.peering_state
    two = wait(peerings.begin_create_or_update(GROUP, "hub", "to-spoke", body(estate.vnet.id)))
    assert two.peering_state == "Connected" and peerings.get(GROUP, "vnet", "to-hub").peering_state == "Connected"
    assert [p.name for p in peerings.list(GROUP, "hub")] == ["to-spoke"]
    wait(peerings.begin_delete(GROUP, "hub", "to-spoke"))
    assert peerings.get(GROUP, "vnet", "to-hub").peering_state == "Disconnected"
    wait(peerings.begin_delete(GROUP, "vnet", "to-hub"))


def test_nat_and_public_ip():
    assert estate.group
    ip = wait(net().public_ip_addresses.begin_create_or_update(GROUP, "ip", {
        "location": LOCATION, "sku": {"name": "Standard"}, "properties": {"publicIPAllocationMethod": "Static"}}))
    assert ip.ip_address and net().public_ip_addresses.get(GROUP, "ip").ip_address == ip.ip_address
    nat = wait(net().nat_gateways.begin_create_or_update(GROUP, "nat", {
        "location": LOCATION, "sku": {"name": "Standard"}, "properties": {"idleTimeoutInMinutes": 4, "publicIpAddresses": [{"id": ip.id}]}}))
    assert nat.provisioning_state == "Succeeded" and nat.public_ip_addresses[0].id == ip.id
    assert [n.name for n in net().nat_gateways.list(GROUP)] == ["nat"]
    assert [n.name for n in net().public_ip_addresses.list(GROUP)] == ["ip"]
    problem = fails(HttpResponseError, None, lambda: wait(net().public_ip_addresses.begin_delete(GROUP, "ip")))
    assert problem.error.code == "PublicIPAddressCannotBeDeleted", problem
    assert net().public_ip_addresses.get(GROUP, "ip").nat_gateway.id == nat.id
    problem = fails(HttpResponseError, None, lambda: wait(net().nat_gateways.begin_create_or_update(GROUP, "other-nat", {
        "location": LOCATION, "sku": {"name": "Standard"}, "properties": {"publicIpAddresses": [{"id": ip.id}]}})))
    assert problem.error.code == "PublicIPAddressInUse", problem
    wait(net().nat_gateways.begin_delete(GROUP, "nat"))
    wait(net().public_ip_addresses.begin_delete(GROUP, "ip"))


def test_route_table():
    assert estate.group
    table = wait(net().route_tables.begin_create_or_update(GROUP, "routes", {"location": LOCATION, "properties": {"routes": []}}))
    assert table.provisioning_state == "Succeeded"
    route = wait(net().routes.begin_create_or_update(GROUP, "routes", "out", {
        "properties": {"addressPrefix": "0.0.0.0/0", "nextHopType": "VirtualAppliance", "nextHopIpAddress": "10.30.250.4"}}))
    assert route.next_hop_type == "VirtualAppliance"
    assert [r.name for r in net().routes.list(GROUP, "routes")] == ["out"]
    wait(net().routes.begin_delete(GROUP, "routes", "out"))
    wait(net().route_tables.begin_delete(GROUP, "routes"))


def test_private_endpoint_types():
    names = [t.resource_name for t in net().available_private_endpoint_types.list(LOCATION)]
    assert "Microsoft.Databricks/workspaces" in names, names


def test_missing_references():
    assert estate.group
    body = {"location": LOCATION, "properties": {"addressSpace": {"addressPrefixes": ["10.60.0.0/16"]}, "subnets": [
        {"name": "a", "properties": {"addressPrefix": "10.60.0.0/24", "networkSecurityGroup": {
            "id": f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Network/networkSecurityGroups/none"}}}]}}
    problem = fails(HttpResponseError, None, net().virtual_networks.begin_create_or_update, GROUP, "refs", body)
    assert problem.error.code in ("InvalidResourceReference", "NotFound"), problem
    fails(ResourceNotFoundError, "ResourceGroupNotFound", net().virtual_networks.begin_create_or_update, "rg-none", "v", body)
    fails(ResourceNotFoundError, None, net().virtual_networks.get, GROUP, "none")


def test_two_writes_on_one_vnet():
    assert estate.vnet
    sim.admin("/state", "POST", {"durations": {"subnet.put": 1500}})
    first = net().subnets.begin_create_or_update(GROUP, "vnet", "one", {"properties": {"addressPrefix": "10.30.201.0/24"}})
    try:
        wait(net().subnets.begin_create_or_update(GROUP, "vnet", "two", {"properties": {"addressPrefix": "10.30.202.0/24"}}))
        conflict = None
    except HttpResponseError as problem:
        conflict = problem
    assert conflict is not None, "the second write must not succeed"
    assert conflict.error.code in ("AnotherOperationInProgress", "RetryableError", "CanceledAndSupersededDueToAnotherOperation"), conflict
    assert wait(first).provisioning_state == "Succeeded"
    sim.admin("/state", "POST", {"durations": {}})
    wait(net().subnets.begin_delete(GROUP, "vnet", "one"))


def test_fallback_api_version():
    assert estate.vnet
    assert estate.resources.resources.get_by_id(estate.vnet.id, "2022-07-01").name == "vnet"
    newest = sim.client(NetworkManagementClient, SUBSCRIPTION, api_version="2023-06-01")
    problem = fails(HttpResponseError, "NoRegisteredProviderFound", newest.virtual_networks.get, GROUP, "vnet")
    assert "'2022-07-01, 2023-09-01'" in problem.message, problem


def test_zone():
    zone = estate.zone
    assert zone.location == "global" and zone.properties.provisioning_state == "Succeeded" and zone.etag
    again = wait(estate.dns.private_zones.begin_create_or_update(GROUP, estate.zone_name, {"location": "global", "tags": {"a": "b"}}))
    assert again.tags == {"a": "b"} and again.id == zone.id
    assert [z.name for z in estate.dns.private_zones.list()] == [estate.zone_name]
    assert [z.name for z in estate.dns.private_zones.list_by_resource_group(GROUP)] == [estate.zone_name]
    assert estate.dns.private_zones.get(GROUP, estate.zone_name).properties.number_of_record_sets >= 1


def test_zone_preconditions():
    assert estate.zone
    problem = fails(HttpResponseError, "PreconditionFailed", estate.dns.private_zones.begin_create_or_update, GROUP, estate.zone_name,
                    {"location": "global"}, match_condition=MatchConditions.IfMissing)
    assert problem.status_code == 412
    fails(HttpResponseError, "PreconditionFailed", estate.dns.private_zones.begin_create_or_update, GROUP, estate.zone_name,
          {"location": "global"}, etag="other", match_condition=MatchConditions.IfNotModified)


def test_zone_link():
    link = estate.link
    assert link.properties.provisioning_state == "Succeeded" and link.properties.virtual_network_link_state == "Completed"
    assert [x.name for x in estate.dns.virtual_network_links.list(GROUP, estate.zone_name)] == ["link"]
    assert estate.dns.virtual_network_links.get(GROUP, estate.zone_name, "link").properties.registration_enabled is False


def test_one_zone_of_a_name_per_vnet():
    assert estate.link
    estate.resources.resource_groups.create_or_update("rg-other", {"location": LOCATION})
    wait(estate.dns.private_zones.begin_create_or_update("rg-other", estate.zone_name, {"location": "global"}))
    problem = fails(HttpResponseError, None, lambda: wait(estate.dns.virtual_network_links.begin_create_or_update(
        "rg-other", estate.zone_name, "second", {"location": "global", "properties": {
            "virtualNetwork": {"id": estate.vnet.id}, "registrationEnabled": False}})))
    assert "overlapping namespaces" in problem.message, problem
    wait(estate.resources.resource_groups.begin_delete("rg-other"))


def test_records():
    assert estate.zone
    records = estate.dns.record_sets
    made = records.create_or_update(GROUP, estate.zone_name, "A", "adb-1.1", {"properties": {"ttl": 10, "aRecords": [{"ipv4Address": "10.30.128.9"}]}})
    assert made.properties.fqdn == f"adb-1.1.{estate.zone_name}." and made.properties.a_records[0].ipv4_address == "10.30.128.9"
    assert records.get(GROUP, estate.zone_name, "A", "ADB-1.1").name == "adb-1.1"
    changed = records.update(GROUP, estate.zone_name, "A", "adb-1.1", {"properties": {"ttl": 20}})
    assert changed.properties.ttl == 20
    for n in range(5):
        records.create_or_update(GROUP, estate.zone_name, "A", f"r{n}", {"properties": {"ttl": 10, "aRecords": [{"ipv4Address": f"10.1.1.{n}"}]}})
    pages = [[r.name for r in page] for page in records.list_by_type(GROUP, estate.zone_name, "A", top=2).by_page()]
    assert max(map(len, pages)) == 2 and sorted(sum(pages, [])) == ["adb-1.1"] + [f"r{n}" for n in range(5)], pages
    assert len(list(records.list(GROUP, estate.zone_name))) >= 6
    assert [r.name for r in records.list_by_type(GROUP, estate.zone_name, "A", recordsetnamesuffix="r1")] == ["r1"]
    fails(HttpResponseError, "PreconditionFailed", records.create_or_update, GROUP, estate.zone_name, "A", "r1",
          {"properties": {"ttl": 1, "aRecords": [{"ipv4Address": "10.9.9.9"}]}}, match_condition=MatchConditions.IfMissing)
    for name in ["adb-1.1"] + [f"r{n}" for n in range(5)]:
        records.delete(GROUP, estate.zone_name, "A", name)
    fails(ResourceNotFoundError, None, records.get, GROUP, estate.zone_name, "A", "adb-1.1")


def test_dns_api_versions():
    old = sim.client(PrivateDnsManagementClient, SUBSCRIPTION, api_version="2018-09-01")
    assert old.private_zones.get(GROUP, estate.zone.name).name == estate.zone_name
    newest = sim.client(PrivateDnsManagementClient, SUBSCRIPTION)
    problem = fails(HttpResponseError, "NoRegisteredProviderFound", newest.private_zones.get, GROUP, estate.zone_name)
    assert "'2018-09-01, 2020-06-01'" in problem.message


def test_zz_zone_with_a_link_stays():
    assert estate.link
    problem = fails(HttpResponseError, None, lambda: wait(estate.dns.private_zones.begin_delete(GROUP, estate.zone_name)))
    assert problem.error.code in ("CannotDeleteResource", "Conflict", "BadRequest"), problem
    wait(estate.dns.virtual_network_links.begin_delete(GROUP, estate.zone_name, "link"))
    wait(estate.dns.private_zones.begin_delete(GROUP, estate.zone_name))
    fails(ResourceNotFoundError, None, estate.dns.private_zones.get, GROUP, estate.zone_name)


def test_zzz_group_goes_with_everything():
    assert estate.vnet
    wait(estate.resources.resource_groups.begin_delete(GROUP))
    fails(ResourceNotFoundError, "ResourceGroupNotFound", net().virtual_networks.get, GROUP, "vnet")
    assert list(net().virtual_networks.list_all()) == []


if __name__ == "__main__":
    sys.exit(run(sys.modules[__name__]))
