"""azure-mgmt-databricks and private endpoints: workspaces, connections, DNS records that the platform writes, refusals."""
import sys

from azure.mgmt.databricks import AzureDatabricksManagementClient
from azure.mgmt.resource.locks import ManagementLockClient
from common import (CLIENT, GROUP, LOCATION, SUBSCRIPTION, HttpResponseError, ResourceExistsError, ResourceNotFoundError, fails, run,
                    until, wait)

GONE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Databricks/workspaces/gone"


def spaces():
    return estate.databricks.workspaces


def endpoints():
    return estate.network.private_endpoints


def test_create():
    sim.admin("/state", "POST", {"durations": {"workspace.create": 1500}})
    poller = spaces().begin_create_or_update(GROUP, "wks", estate.workspace_body("wks", estate.vnet.id))
    early = spaces().get(GROUP, "wks")
    assert early.provisioning_state not in ("Succeeded", "Failed"), early.provisioning_state
    ws = wait(poller)
    estate.workspace = ws
    sim.admin("/state", "POST", {"durations": {}})
    assert ws.provisioning_state == "Succeeded" and ws.sku.name == "premium" and ws.tags == {"made-by": "sdk"}
    assert ws.workspace_url.startswith(f"adb-{ws.workspace_id}.") and ws.created_by.application_id == CLIENT
    assert ws.parameters.custom_virtual_network_id.value == estate.vnet.id and ws.parameters.enable_no_public_ip.value is True
    assert ws.public_network_access == "Enabled" and ws.required_nsg_rules == "NoAzureDatabricksRules"
    assert ws.parameters.storage_account_name.value and ws.system_data.created_at


def test_managed_group_belongs_to_the_workspace():
    group = estate.resources.resource_groups.get("managed-wks")
    assert group.managed_by == estate.workspace.id


def test_databricks_writes_nsg_rules_and_protects_the_subnets():
    assert estate.workspace
    names = [r.name for r in estate.network.network_security_groups.get(GROUP, "nsg").security_rules]
    assert names and all(n.startswith("Microsoft.Databricks-workspaces_UseOnly_databricks-") for n in names), names
    problem = fails(HttpResponseError, "InUseSubnetCannotBeDeleted",
                    lambda: wait(estate.network.subnets.begin_delete(GROUP, "vnet", "host")))
    assert problem.status_code in (200, 400), problem.status_code


def test_get_and_lists():
    assert spaces().get(GROUP, "WKS").id == estate.workspace.id
    assert [w.name for w in spaces().list_by_resource_group(GROUP)] == ["wks"]
    assert "wks" in [w.name for w in spaces().list_by_subscription()]


def test_tags_alone():
    assert estate.workspace
    assert wait(spaces().begin_update(GROUP, "wks", {"tags": {"a": "b"}})).tags == {"a": "b"}
    assert wait(spaces().begin_update(GROUP, "wks", {"tags": {"a": "b"}})).tags == {"a": "b"}


def test_update_of_network_settings():
    body = estate.workspace_body("wks", estate.vnet.id, requiredNsgRules="AllRules")
    assert wait(spaces().begin_create_or_update(GROUP, "wks", body)).required_nsg_rules == "AllRules"
    body = estate.workspace_body("wks", estate.vnet.id)
    assert wait(spaces().begin_create_or_update(GROUP, "wks", body)).required_nsg_rules == "NoAzureDatabricksRules"


def test_errors():
    assert estate.workspace
    fails(ResourceNotFoundError, "ResourceNotFound", spaces().get, GROUP, "none")
    fails(ResourceNotFoundError, "ResourceGroupNotFound", spaces().get, "rg-none", "none")
    other = estate.make_vnet("other", "10.70")
    problem = fails(HttpResponseError, None, lambda: wait(spaces().begin_create_or_update(
        GROUP, "wks", estate.workspace_body("wks", other.id))))
    assert problem.error.code == "VirtualNetworkIdChangeNotAllowed", problem
    taken = estate.workspace_body("taken", other.id)
    taken["properties"]["managedResourceGroupId"] = estate.group.id
    problem = fails(HttpResponseError, None, lambda: wait(spaces().begin_create_or_update(GROUP, "taken", taken)))
    assert problem.error.code in ("ApplianceProvisioningFailed", "InvalidParameter", "ApplianceManagedResourceGroupMismatch"), problem


def test_subnets_of_another_workspace():
    assert estate.workspace
    problem = fails(HttpResponseError, None, lambda: wait(spaces().begin_create_or_update(
        GROUP, "second", estate.workspace_body("second", estate.vnet.id))))
    assert problem.error.code, problem


def test_api_versions():
    assert sim.client(AzureDatabricksManagementClient, SUBSCRIPTION, api_version="2023-02-01").workspaces.get(GROUP, "wks").name == "wks"
    newest = sim.client(AzureDatabricksManagementClient, SUBSCRIPTION)
    problem = fails(HttpResponseError, "NoRegisteredProviderFound", newest.workspaces.get, GROUP, "wks")
    assert "2024-05-01" in problem.message and "The supported locations are" in problem.message


def test_private_link_resources():
    assert estate.workspace
    links = {x.name: x for x in estate.databricks.private_link_resources.list(GROUP, "wks")}
    assert set(links) == {"databricks_ui_api", "browser_authentication"}
    assert links["databricks_ui_api"].properties.required_zone_names == [estate.zone_name]
    assert estate.databricks.private_link_resources.get(GROUP, "wks", "databricks_ui_api").properties.group_id == "databricks_ui_api"
    fails(ResourceNotFoundError, None, estate.databricks.private_link_resources.get, GROUP, "wks", "blob")


def test_outbound_dependencies():
    assert estate.workspace
    needs = estate.databricks.outbound_network_dependencies_endpoints.list(GROUP, "wks")
    assert {"Webapp", "Control Plane NAT", "Azure Storage", "Azure My SQL"} <= {n.category for n in needs}


def test_browser_authentication_needs_the_other_first():
    assert estate.workspace
    problem = fails(HttpResponseError, None, lambda: wait(endpoints().begin_create_or_update(
        GROUP, "pe-auth", estate.endpoint_body(estate.workspace.id, "browser_authentication"))))
    assert "RESOURCE_CONFLICT" in problem.message, problem
    wait(endpoints().begin_delete(GROUP, "pe-auth"))


def test_endpoint():
    pe = estate.endpoint
    state = pe.private_link_service_connections[0].private_link_service_connection_state
    assert pe.provisioning_state == "Succeeded" and state.status == "Approved"
    nic = estate.network.network_interfaces.get(GROUP, pe.network_interfaces[0].id.rsplit("/", 1)[1])
    config = nic.ip_configurations[0]
    assert config.private_ip_address.startswith("10.30.128.") and config.private_link_connection_properties.group_id == "databricks_ui_api"
    assert [p.name for p in endpoints().list(GROUP)] == ["pe"] and [p.name for p in endpoints().list_by_subscription()] == ["pe"]


def test_connections_of_the_workspace():
    assert estate.endpoint
    connections = list(estate.databricks.private_endpoint_connections.list(GROUP, "wks"))
    assert len(connections) == 1 and connections[0].properties.private_endpoint.id == estate.endpoint.id
    assert estate.databricks.private_endpoint_connections.get(GROUP, "wks", connections[0].name).properties.provisioning_state == "Succeeded"
    inside = spaces().get(GROUP, "wks").private_endpoint_connections
    assert inside[0].properties.private_link_service_connection_state.status == "Approved"


def test_zone_group_writes_the_record():
    assert estate.endpoint and estate.link
    groups = estate.network.private_dns_zone_groups
    body = {"properties": {"privateDnsZoneConfigs": [{"name": "databricks", "properties": {"privateDnsZoneId": estate.zone.id}}]}}
    group = wait(groups.begin_create_or_update(GROUP, "pe", "default", body))
    record = group.private_dns_zone_configs[0].record_sets[0]
    name = estate.workspace.workspace_url.split(".databricks")[0]
    assert record.record_set_name.lower() == name and record.ip_addresses, record
    stored = estate.dns.record_sets.get(GROUP, estate.zone_name, "A", name)
    assert [a.ipv4_address for a in stored.properties.a_records] == record.ip_addresses
    assert [g.name for g in groups.list("pe", GROUP)] == ["default"]
    assert groups.get(GROUP, "pe", "default").provisioning_state == "Succeeded"
    wait(groups.begin_delete(GROUP, "pe", "default"))
    until("the record goes", lambda: not [r for r in estate.dns.record_sets.list_by_type(GROUP, estate.zone_name, "A") if r.name == name], 20)


def test_browser_authentication():
    assert estate.endpoint
    pe = wait(endpoints().begin_create_or_update(GROUP, "pe-auth", estate.endpoint_body(estate.workspace.id, "browser_authentication")))
    assert pe.private_link_service_connections[0].group_ids == ["browser_authentication"]
    body = {"properties": {"privateDnsZoneConfigs": [{"name": "databricks", "properties": {"privateDnsZoneId": estate.zone.id}}]}}
    group = wait(estate.network.private_dns_zone_groups.begin_create_or_update(GROUP, "pe-auth", "default", body))
    record = group.private_dns_zone_configs[0].record_sets[0]
    assert record.record_set_name == f"{LOCATION}.pl-auth", record
    stored = estate.dns.record_sets.get(GROUP, estate.zone_name, "A", record.record_set_name)
    assert [a.ipv4_address for a in stored.properties.a_records] == record.ip_addresses
    wait(endpoints().begin_delete(GROUP, "pe-auth"))


def test_lock_keeps_a_workspace():
    assert estate.endpoint
    locks = sim.client(ManagementLockClient, SUBSCRIPTION).management_locks
    made = locks.create_or_update_by_scope(estate.workspace.id, "keep", {"level": "CanNotDelete", "notes": "shared"})
    assert made.level == "CanNotDelete" and locks.get_by_scope(estate.workspace.id, "keep").notes == "shared"
    assert [x.name for x in locks.list_by_scope(estate.workspace.id)] == ["keep"]
    fails(ResourceExistsError, "ScopeLocked", spaces().begin_delete, GROUP, "wks")
    assert wait(spaces().begin_update(GROUP, "wks", {"tags": {"a": "c"}})).tags == {"a": "c"}
    locks.delete_by_scope(estate.workspace.id, "keep")
    assert list(locks.list_by_scope(estate.workspace.id)) == []


def connection_of(name):
    found = [c for c in estate.databricks.private_endpoint_connections.list(GROUP, "wks")
             if c.properties.private_endpoint.id.endswith("/" + name)]
    assert len(found) == 1, found
    return found[0]


def decide(name, status):
    connection = connection_of(name)
    return wait(estate.databricks.private_endpoint_connections.begin_create(GROUP, "wks", connection.name, {
        "properties": {"privateLinkServiceConnectionState": {"status": status, "description": "by a test"}}}))


def test_manual_endpoint_is_approved():
    pe = wait(endpoints().begin_create_or_update(GROUP, "pe-manual", estate.endpoint_body(estate.workspace.id, manual=True)))
    assert pe.manual_private_link_service_connections[0].private_link_service_connection_state.status == "Pending"
    decide("pe-manual", "Approved")
    state = endpoints().get(GROUP, "pe-manual").manual_private_link_service_connections[0].private_link_service_connection_state
    assert state.status == "Approved" and state.description == "by a test"
    wait(endpoints().begin_delete(GROUP, "pe-manual"))
    until("the connection goes", lambda: len(list(estate.databricks.private_endpoint_connections.list(GROUP, "wks"))) == 1, 20)


def test_manual_endpoint_is_rejected():
    wait(endpoints().begin_create_or_update(GROUP, "pe-no", estate.endpoint_body(estate.workspace.id, manual=True)))
    decide("pe-no", "Rejected")
    state = endpoints().get(GROUP, "pe-no").manual_private_link_service_connections[0].private_link_service_connection_state
    assert state.status == "Rejected"
    wait(endpoints().begin_delete(GROUP, "pe-no"))


def test_connection_is_removed():
    wait(endpoints().begin_create_or_update(GROUP, "pe-cut", estate.endpoint_body(estate.workspace.id, manual=True)))
    wait(estate.databricks.private_endpoint_connections.begin_delete(GROUP, "wks", connection_of("pe-cut").name))
    state = endpoints().get(GROUP, "pe-cut").manual_private_link_service_connections[0].private_link_service_connection_state
    assert state.status == "Disconnected"
    wait(endpoints().begin_delete(GROUP, "pe-cut"))


def test_endpoint_to_nothing():
    assert estate.vnet
    fails(HttpResponseError, None, lambda: wait(endpoints().begin_create_or_update(GROUP, "pe-x", estate.endpoint_body(GONE))))


def test_workspace_without_injection():
    body = estate.workspace_body("managed", "")
    body["properties"].update(requiredNsgRules="AllRules", parameters={"enableNoPublicIp": {"value": True}})
    managed = wait(spaces().begin_create_or_update(GROUP, "managed", body))
    problem = fails(HttpResponseError, None, lambda: wait(endpoints().begin_create_or_update(
        GROUP, "pe-managed", estate.endpoint_body(managed.id))))
    assert problem.error.code == "NonVNetInjectedWorkspaceNotSupported" or "NonVNetInjectedWorkspaceNotSupported" in problem.message, problem
    wait(spaces().begin_delete(GROUP, "managed"))


def test_zz_delete():
    assert estate.workspace
    for pe in list(endpoints().list(GROUP)):
        wait(endpoints().begin_delete(GROUP, pe.name))
    wait(spaces().begin_delete(GROUP, "wks"))
    fails(ResourceNotFoundError, "ResourceNotFound", spaces().get, GROUP, "wks")
    fails(ResourceNotFoundError, "ResourceGroupNotFound", estate.resources.resource_groups.get, "managed-wks")
    assert wait(spaces().begin_delete(GROUP, "wks")) is None


if __name__ == "__main__":
    sys.exit(run(sys.modules[__name__]))
