/* The table of resource types. */
#include "tests/azure/arm.h"

#include <string.h>

static const struct az_type *const types[] = {
    &az_type_nsg,        &az_type_nsg_rule,      &az_type_vnet,        &az_type_subnet, &az_type_peering,
    &az_type_nat,        &az_type_public_ip,     &az_type_route_table, &az_type_route,  &az_type_pe,
    &az_type_zone_group, &az_type_nic,           &az_type_zone,        &az_type_link,   &az_type_record_a,
    &az_type_workspace,  &az_type_ws_connection, &az_type_group,
};

const struct az_type *az_type_find(const char *type)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(types[i]->type, type) == 0)
            return types[i];
    return NULL;
}
