"""One simulator and one estate for the tests of a module; the estate is made by the SDKs themselves, piece by piece, on demand."""
import functools
import logging
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from confrig import CLIENT, LOCATION, SUBSCRIPTION, TENANT, Sim, fails, main, until, wait  # noqa: E402,F401

from azure.core.exceptions import (ClientAuthenticationError, HttpResponseError, ResourceExistsError,  # noqa: E402,F401
                                   ResourceModifiedError, ResourceNotFoundError)
from azure.mgmt.databricks import AzureDatabricksManagementClient  # noqa: E402
from azure.mgmt.network import NetworkManagementClient  # noqa: E402
from azure.mgmt.privatedns import PrivateDnsManagementClient  # noqa: E402
from azure.mgmt.resource.resources import ResourceManagementClient  # noqa: E402

GROUP = "rg-sdk"
for noisy in ("azure", "databricks", "msal"):
    logging.getLogger(noisy).setLevel(logging.CRITICAL)


class Estate:
    """Clients of the product's api-versions and what they have made."""

    def __init__(self, sim):
        self.sim = sim
        self.resources = sim.client(ResourceManagementClient, SUBSCRIPTION, api_version="2021-04-01")
        self.network = sim.client(NetworkManagementClient, SUBSCRIPTION)
        self.dns = sim.client(PrivateDnsManagementClient, SUBSCRIPTION, api_version="2020-06-01")
        self.databricks = sim.client(AzureDatabricksManagementClient, SUBSCRIPTION, api_version="2024-05-01")

    @functools.cached_property
    def group(self):
        return self.resources.resource_groups.create_or_update(GROUP, {"location": LOCATION, "tags": {"team": "data"}})

    @functools.cached_property
    def nsg(self):
        assert self.group
        return wait(self.network.network_security_groups.begin_create_or_update(GROUP, "nsg", {"location": LOCATION}))

    def subnet(self, name, prefix, delegated=True):
        inside = {"addressPrefix": prefix}
        if delegated:
            inside["networkSecurityGroup"] = {"id": self.nsg.id}
            inside["delegations"] = [{"name": "databricks", "properties": {"serviceName": "Microsoft.Databricks/workspaces"}}]
        else:
            inside["privateEndpointNetworkPolicies"] = "Disabled"
        return {"name": name, "properties": inside}

    def make_vnet(self, name, space="10.30"):
        return wait(self.network.virtual_networks.begin_create_or_update(GROUP, name, {
            "location": LOCATION,
            "properties": {"addressSpace": {"addressPrefixes": [f"{space}.0.0/16"]},
                           "subnets": [self.subnet("host", f"{space}.0.0/18"), self.subnet("container", f"{space}.64.0/18"),
                                       self.subnet("pe", f"{space}.128.0/27", delegated=False)]}}))

    @functools.cached_property
    def vnet(self):
        return self.make_vnet("vnet")

    def workspace_body(self, name, vnet_id, **properties):
        parameters = {"customVirtualNetworkId": {"value": vnet_id}, "customPublicSubnetName": {"value": "host"},
                      "customPrivateSubnetName": {"value": "container"}, "enableNoPublicIp": {"value": True}}
        return {"location": LOCATION, "sku": {"name": "premium"}, "tags": {"made-by": "sdk"},
                "properties": {"managedResourceGroupId": f"/subscriptions/{SUBSCRIPTION}/resourceGroups/managed-{name}",
                               "publicNetworkAccess": "Enabled", "requiredNsgRules": "NoAzureDatabricksRules",
                               "parameters": parameters, **properties}}

    def make_workspace(self, name, vnet_id, **properties):
        return wait(self.databricks.workspaces.begin_create_or_update(GROUP, name, self.workspace_body(name, vnet_id, **properties)))

    @functools.cached_property
    def workspace(self):
        return self.make_workspace("wks", self.vnet.id)

    def endpoint_body(self, workspace_id, group="databricks_ui_api", manual=False):
        connection = {"name": "link", "properties": {"privateLinkServiceId": workspace_id, "groupIds": [group]}}
        if manual:
            connection["properties"]["requestMessage"] = "please"
        kind = "manualPrivateLinkServiceConnections" if manual else "privateLinkServiceConnections"
        return {"location": LOCATION, "properties": {"subnet": {"id": self.vnet.id + "/subnets/pe"}, kind: [connection]}}

    @functools.cached_property
    def endpoint(self):
        return wait(self.network.private_endpoints.begin_create_or_update(GROUP, "pe", self.endpoint_body(self.workspace.id)))

    @property
    def zone_name(self):
        return self.sim.ready["privateZone"]

    @functools.cached_property
    def zone(self):
        assert self.group
        return wait(self.dns.private_zones.begin_create_or_update(GROUP, self.zone_name, {"location": "global"}))

    @functools.cached_property
    def link(self):
        return wait(self.dns.virtual_network_links.begin_create_or_update(GROUP, self.zone.name, "link", {
            "location": "global", "properties": {"virtualNetwork": {"id": self.vnet.id}, "registrationEnabled": False}}))


def run(module, state=None, scale=600, **options):
    """The module's tests on a simulator of their own; module.sim and module.estate are set before."""
    sim = Sim(Path(module.__file__).stem.removeprefix("sdk_"), scale=scale, state=state, **options).start()
    module.sim, module.estate = sim, Estate(sim)
    status = 1
    try:
        status = main(module)
    finally:
        try:
            sim.stop()
        except AssertionError as problem:
            print("\n".join("# " + line for line in str(problem).splitlines()))
            print("not ok - azure-sim ends without a report")
            status = 1
    return status
