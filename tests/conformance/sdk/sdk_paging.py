"""Paging through a hundred workspaces, with every SDK that has pages."""
import sys

from azure.mgmt.resourcegraph import ResourceGraphClient
from azure.mgmt.resourcegraph.models import QueryRequest
from common import SUBSCRIPTION, run


def test_workspaces_of_the_subscription():
    names = [w.name for w in estate.databricks.workspaces.list_by_subscription()]
    assert len(names) == len(set(names)) == 100
    pages = list(estate.databricks.workspaces.list_by_subscription().by_page())
    assert len(pages) == 4


def test_workspaces_of_a_group():
    assert len(list(estate.databricks.workspaces.list_by_resource_group("rg-old"))) == 100


def test_networks():
    assert len(list(estate.network.virtual_networks.list_all())) == 100
    assert len(list(estate.network.network_security_groups.list("rg-old"))) == 100


def test_generic_resources():
    found = list(estate.resources.resources.list(filter="resourceType eq 'Microsoft.Databricks/workspaces'"))
    assert len(found) == 100
    pages = [len(list(p)) for p in estate.resources.resources.list_by_resource_group("rg-old", top=40).by_page()]
    assert max(pages) <= 40 and sum(pages) >= 200, pages


def test_resource_graph_counts():
    answer = sim.client(ResourceGraphClient).resources(QueryRequest(
        subscriptions=[SUBSCRIPTION],
        query="resources | where type =~ 'microsoft.databricks/workspaces' | project id,name,location,sku=sku.name,"
              "vnet=properties.parameters.customVirtualNetworkId.value,nsg=properties.requiredNsgRules,"
              "npip=properties.parameters.enableNoPublicIp.value"))
    assert answer.count == 100 and {r["sku"] for r in answer.data} == {"premium"} and {r["nsg"] for r in answer.data} == {"AllRules"}


if __name__ == "__main__":
    sys.exit(run(sys.modules[__name__], state=["hundred_existing.json", {"behaviour": {"pageSize": 30}}]))
