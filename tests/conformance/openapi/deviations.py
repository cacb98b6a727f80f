"""What deviates from Microsoft's files and shall, with the reason; and the paths that no file describes."""

UNDESCRIBED = [
    ("/subscriptions/*/providers/Microsoft.Network/locations/*/operations/*", "operation status"),
    ("/subscriptions/*/providers/Microsoft.Network/locations/*/operationResults/*", "operation result"),
    ("/subscriptions/*/privateDnsOperationStatuses/*", "operation status"),
    ("/subscriptions/*/privateDnsOperationResults/*", "operation result"),
    ("/subscriptions/*/providers/Microsoft.Databricks/locations/*/operationstatuses/*", "operation status"),
    ("/subscriptions/*/providers/Microsoft.Databricks/locations/*/operationResults/*", "operation result"),
    ("/subscriptions/*/operationresults/*", "operation result of a resource group"),
    ("/metadata/endpoints", "cloud metadata"),
]

# operation, at: shell patterns; kind: what the check calls it (absent = any).
DEVIATIONS = [
    {"operation": "*", "side": "request", "kind": "unknown", "at": "?$skip[tT]oken",
     "why": "a nextLink is opaque and followed as it is; its parameters are in no file"},
    {"operation": "PrivateEndpoints_*", "side": "response", "kind": "unknown", "at": "*/properties/resourceGuid",
     "why": "Azure's answers have it (hashicorp/terraform-provider-azurerm#17011)"},
    {"operation": "PrivateDnsZoneGroups_*", "side": "response", "kind": "unknown", "at": "*/type",
     "why": "Azure's answers have the type of the group and of its configs"},
    {"operation": "PrivateDnsZoneGroups_*", "side": "response", "kind": "unknown", "at": "*/privateDnsZoneConfigs/*/id",
     "why": "Azure's answers have the configs' ids"},
    {"operation": "PrivateEndpoints_*", "side": "response", "kind": "unknown", "at": "/error",
     "why": "the file has flat errors for endpoints alone; Azure sends both forms, and so does the model (behaviour flatErrors)"},
    {"operation": "PrivateDnsZoneGroups_*", "side": "response", "kind": "unknown", "at": "/error",
     "why": "the same for the endpoint's zone groups"},
    {"operation": "Resources", "side": "response", "kind": "type", "at": "/data",
     "why": "the file says object; with resultFormat objectArray, the default, it is an array, as in the file's own examples"},
    {"operation": "Workspaces_*", "side": "response", "kind": "unknown", "at": "*/properties/isUcEnabled",
     "why": "a workspace is shown as in 2024-05-01 under 2023-02-01 too"},
]
