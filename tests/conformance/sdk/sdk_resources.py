"""azure-mgmt-resource, -authorization and -resourcegraph: subscriptions, providers, groups, locks, permissions, queries."""
import sys

from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.resource.locks import ManagementLockClient
from azure.mgmt.resource.resources import ResourceManagementClient
from azure.mgmt.resource.subscriptions import SubscriptionClient
from azure.mgmt.resourcegraph import ResourceGraphClient
from azure.mgmt.resourcegraph.models import QueryRequest, QueryRequestOptions
from common import (GROUP, LOCATION, SUBSCRIPTION, TENANT, HttpResponseError, ResourceExistsError, ResourceNotFoundError, fails, run,
                    until, wait)


def test_subscriptions():
    client = sim.client(SubscriptionClient)
    one = client.subscriptions.get(SUBSCRIPTION)
    assert one.state == "Enabled" and one.subscription_id == SUBSCRIPTION and one.tenant_id == TENANT
    assert [s.subscription_id for s in client.subscriptions.list()] == [SUBSCRIPTION]
    assert [t.tenant_id for t in client.tenants.list()] == [TENANT]


def test_locations():
    locations = {x.name: x.display_name for x in sim.client(SubscriptionClient).subscriptions.list_locations(SUBSCRIPTION)}
    assert locations[LOCATION] == "China East 2"


def test_unknown_subscription():
    client = sim.client(SubscriptionClient)
    fails(ResourceNotFoundError, "SubscriptionNotFound", client.subscriptions.get, "12345678-0000-0000-0000-000000000000")


def test_providers():
    provider = estate.resources.providers.get("Microsoft.Databricks")
    workspaces = next(t for t in provider.resource_types if t.resource_type == "workspaces")
    assert {"2024-05-01", "2023-02-01"} <= set(workspaces.api_versions)
    assert any(x.replace(" ", "").lower() == LOCATION for x in workspaces.locations)
    assert {"Microsoft.Databricks", "Microsoft.Network"} <= {p.namespace for p in estate.resources.providers.list()}


def test_register_provider():
    provider = estate.resources.providers.register("Microsoft.Databricks")
    assert provider.registration_state in ("Registering", "Registered")
    until("Registered", lambda: estate.resources.providers.get("Microsoft.Databricks").registration_state == "Registered", 20)


def test_resource_group_life():
    groups = estate.resources.resource_groups
    assert not groups.check_existence("rg-life")
    made = groups.create_or_update("rg-life", {"location": LOCATION, "tags": {"a": "1"}})
    assert made.properties.provisioning_state == "Succeeded" and made.tags == {"a": "1"} and made.type == "Microsoft.Resources/resourceGroups"
    assert groups.check_existence("rg-life") and groups.check_existence("RG-LIFE")
    assert groups.get("Rg-Life").name == "rg-life"
    assert groups.update("rg-life", {"tags": {"b": "2"}}).tags == {"b": "2"}
    assert groups.create_or_update("rg-life", {"location": "China East 2"}).location == LOCATION
    wait(groups.begin_delete("rg-life"))
    assert not groups.check_existence("rg-life")
    fails(ResourceNotFoundError, "ResourceGroupNotFound", groups.get, "rg-life")
    fails(ResourceNotFoundError, "ResourceGroupNotFound", groups.begin_delete, "rg-life")


def test_resource_group_errors():
    groups = estate.resources.resource_groups
    assert estate.group
    fails(ResourceExistsError, "InvalidResourceGroupLocation", groups.create_or_update, GROUP, {"location": "chinanorth3"})
    fails(HttpResponseError, "LocationNotAvailableForResourceGroup", groups.create_or_update, "rg-x", {"location": "nowhere"})
    fails(HttpResponseError, None, groups.create_or_update, "rg-x", {})


def test_resource_group_being_deleted():
    groups = estate.resources.resource_groups
    groups.create_or_update("rg-going", {"location": LOCATION})
    sim.admin("/state", "POST", {"durations": {"group.delete": 1500}})
    poller = groups.begin_delete("rg-going")
    fails(ResourceExistsError, "ResourceGroupBeingDeleted", groups.create_or_update, "rg-going", {"location": LOCATION})
    wait(poller)
    sim.admin("/state", "POST", {"durations": {}})


def test_groups_list_pages_and_filters():
    groups = estate.resources.resource_groups
    for n in range(7):
        groups.create_or_update(f"rg-page-{n}", {"location": LOCATION, "tags": {"n": str(n)}})
    assert {f"rg-page-{n}" for n in range(7)} <= {g.name for g in groups.list()}
    tagged = [g.name for g in groups.list(filter="tagName eq 'n' and tagValue eq '3'")]
    assert tagged == ["rg-page-3"], tagged
    pages = [len(list(page)) for page in groups.list(top=3).by_page()]
    assert sum(pages) >= 7 and max(pages) <= 3, pages


def test_resources_of_a_group():
    assert estate.nsg
    found = list(estate.resources.resources.list_by_resource_group(
        GROUP, filter="resourceType eq 'Microsoft.Network/networkSecurityGroups'"))
    assert [r.name for r in found] == ["nsg"]
    assert "nsg" in [r.name for r in estate.resources.resources.list()]
    assert list(estate.resources.resources.list_by_resource_group(GROUP, filter="resourceType eq 'Microsoft.Databricks/workspaces'")) == []


def test_other_api_versions():
    assert sim.client(ResourceManagementClient, SUBSCRIPTION, api_version="2020-06-01").resource_groups.get(GROUP).name == GROUP
    old = sim.client(ResourceManagementClient, SUBSCRIPTION, api_version="2019-10-01")
    problem = fails(HttpResponseError, None, old.resource_groups.get, GROUP)
    assert problem.status_code == 400 and problem.error.code in ("NoRegisteredProviderFound", "InvalidApiVersionParameter"), problem


def test_locks():
    assert estate.nsg
    locks = sim.client(ManagementLockClient, SUBSCRIPTION).management_locks
    made = locks.create_or_update_at_resource_group_level(GROUP, "keep", {"level": "ReadOnly", "notes": "a test"})
    assert made.level == "ReadOnly" and made.notes == "a test"
    assert [x.name for x in locks.list_at_resource_group_level(GROUP)] == ["keep"]
    assert [x.name for x in locks.list_by_scope(estate.nsg.id)] == ["keep"], "inherited"
    assert "keep" in [x.name for x in locks.list_at_subscription_level()]
    assert locks.get_at_resource_group_level(GROUP, "keep").level == "ReadOnly"
    fails(HttpResponseError, "ScopeLocked", estate.network.network_security_groups.begin_create_or_update, GROUP, "nsg",
          {"location": LOCATION, "tags": {"x": "y"}})
    locks.delete_at_resource_group_level(GROUP, "keep")
    assert list(locks.list_at_resource_group_level(GROUP)) == []


def test_lock_against_deletion():
    locks = sim.client(ManagementLockClient, SUBSCRIPTION).management_locks
    assert estate.nsg
    locks.create_or_update_by_scope(estate.nsg.id, "stay", {"level": "CanNotDelete"})
    fails(ResourceExistsError, "ScopeLocked", estate.network.network_security_groups.begin_delete, GROUP, "nsg")
    wait(estate.network.network_security_groups.begin_create_or_update(GROUP, "nsg", {"location": LOCATION, "tags": {"x": "y"}}))
    locks.delete_by_scope(estate.nsg.id, "stay")


def test_lock_of_the_newer_api_version():
    # The SDK's lock client speaks 2016-09-01 only; the product reads 2020-05-01.
    lock = f"{estate.group.id}/providers/Microsoft.Authorization/locks/newer"
    generic = estate.resources.resources
    made = wait(generic.begin_create_or_update_by_id(lock, "2020-05-01", {"properties": {"level": "CanNotDelete"}}))
    assert made.properties["level"] == "CanNotDelete" and generic.get_by_id(lock, "2020-05-01").name == "newer"
    wait(generic.begin_delete_by_id(lock, "2020-05-01"))
    fails(ResourceNotFoundError, None, generic.get_by_id, lock, "2020-05-01")


def test_permissions():
    client = sim.client(AuthorizationManagementClient, SUBSCRIPTION)
    assert any("*" in p.actions for p in client.permissions.list_for_resource_group(GROUP))
    assert any("*" in p.actions for p in client.permissions.list_for_resource(GROUP, "Microsoft.Network", "", "networkSecurityGroups", "nsg"))


def test_resource_graph():
    assert estate.vnet
    client = sim.client(ResourceGraphClient)
    query = QueryRequest(subscriptions=[SUBSCRIPTION], query="resources | where type =~ 'microsoft.network/virtualnetworks' | project id, name, location")
    answer = until("the VNet is found", lambda: (lambda a: a if a.count else None)(client.resources(query)), 20)
    assert answer.data == [{"id": estate.vnet.id, "name": "vnet", "location": LOCATION}], answer.data
    assert answer.total_records == 1 and answer.result_truncated == "false"


def test_resource_graph_pages():
    client = sim.client(ResourceGraphClient)
    query = QueryRequest(subscriptions=[SUBSCRIPTION], query="resources | project id | order by id asc",
                         options=QueryRequestOptions(top=1))
    seen, pages = [], 0
    while True:
        answer = client.resources(query)
        seen += [row["id"] for row in answer.data]
        pages += 1
        if not answer.skip_token:
            break
        query.options.skip_token = answer.skip_token
    assert pages == len(seen) >= 2 and len(set(seen)) == len(seen)


def test_resource_graph_refuses_nonsense():
    problem = fails(HttpResponseError, None, sim.client(ResourceGraphClient).resources,
                    QueryRequest(subscriptions=[SUBSCRIPTION], query="resources | frobnicate"))
    assert problem.status_code == 400 and problem.error.code


if __name__ == "__main__":
    sys.exit(run(sys.modules[__name__]))
