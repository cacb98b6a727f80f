/* tests/azure/network_endpoint.h: the parts of a private endpoint, between network_endpoint.c and
 * network_nic.c. */
#ifndef CW_TESTS_AZURE_NETWORK_ENDPOINT_H
#define CW_TESTS_AZURE_NETWORK_ENDPOINT_H

#include "tests/azure/arm.h"

/* The one connection of a PE body, automatic or manual; NULL: none. */
json_t *az_pe_connection(const json_t *body);
/* Give it a NIC with an address (the wanted one, if not ""). 0, or -1 with an error code. */
int az_pe_make_nic(struct az_model *m, struct az_resource *pe, const char *wanted_ip, const char **ret_code);
/* Status and description of the PE's own side. */
void az_pe_set_connection(struct az_resource *pe, const char *status, const char *description);
/* The workspace's side; NULL: none. */
struct az_resource *az_pe_ws_connection(struct az_model *m, const struct az_resource *pe);
/* Make or replace the workspace's side. */
void az_pe_put_ws_connection(struct az_model *m, const struct az_resource *pe, const char *status,
                             const char *description, const char *state);
/* Remove the workspace's side, and let the workspace rest again. */
void az_pe_drop_connection(struct az_model *m, struct az_resource *pe);

#endif
