/* tests/azure/network_subnet.h: what a virtual network's PUT needs of subnets. */
#ifndef CW_TESTS_AZURE_NETWORK_SUBNET_H
#define CW_TESTS_AZURE_NETWORK_SUBNET_H

#include "tests/azure/arm.h"

/* {"properties":{…}} as it is stored: without derived members, with defaults. New reference. */
json_t *az_subnet_clean(const char *vnet_id, const char *name, const json_t *properties);
/* Check such a body against the address space (array of prefixes) and the sibling bodies by name. `old` may
 * be NULL. 0, or -1 when it has replied. */
int az_subnet_check(struct az_change *p, const struct az_resource *old, const char *vnet_id, const char *name,
                    const char *location, const json_t *space, const json_t *body, const json_t *siblings);
json_t *az_subnet_render(struct az_model *m, struct az_resource *subnet);

#endif
