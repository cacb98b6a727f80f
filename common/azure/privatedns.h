/* common/azure/privatedns.h: private DNS zones, their VNet links, A records.
 *
 * A VNet can be linked to one zone of a given name only, so an existing link decides which zone is used.
 * Strings and arrays live in call->mem. Errors: those of arm.h.
 * Suspends: all calls.  Thread: loop.  Source: Microsoft.Network/privateDnsZones 2020-06-01. */
#ifndef CW_COMMON_AZURE_PRIVATEDNS_H
#define CW_COMMON_AZURE_PRIVATEDNS_H

#include "common/azure/network.h"

struct cw_zone {
    const char *id;
    const char *name;
    const char *state;
    int64_t record_count;
    int64_t link_count;
    int64_t link_count_max;
};
struct cw_zone_link {
    const char *id;
    const char *name;
    const char *vnet_id;
    const char *state;      /* provisioningState */
    const char *link_state; /* InProgress, Completed */
    bool registers;         /* auto-registration */
};

int cw_privatedns_get_zone(struct cw_arm *arm, const struct cw_call *call, const char *zone_id,
                           struct cw_zone *ret_zone, struct cw_err *err);
int cw_privatedns_ensure_zone(struct cw_arm *arm, const struct cw_call *call, const char *zone_id,
                              struct cw_tags tags, struct cw_ensured *ret_ensured, struct cw_err *err);
/* Zones of that name in the subscription. */
int cw_privatedns_list_zones(struct cw_arm *arm, const struct cw_call *call, const char *subscription,
                             const char *name, const struct cw_zone **ret_zones, size_t *ret_count,
                             struct cw_err *err);
int cw_privatedns_list_links(struct cw_arm *arm, const struct cw_call *call, const char *zone_id,
                             const struct cw_zone_link **ret_links, size_t *ret_count, struct cw_err *err);
/* The zone of that name, among those of the subscription, that the VNet is linked to; *ret_zone_id and *ret_link_id NULL when
 * it is linked to none. */
int cw_privatedns_find_linked_zone(struct cw_arm *arm, const struct cw_call *call, const char *subscription,
                                   const char *name, const char *vnet_id, const char **ret_zone_id,
                                   const char **ret_link_id, struct cw_err *err);
/* A link of the VNet, under whatever name, or a new one named `link_name`. Waits until Completed. *ret_link_id is its id. */
int cw_privatedns_ensure_link(struct cw_arm *arm, const struct cw_call *call, const char *zone_id,
                              const char *link_name, const char *vnet_id, struct cw_tags tags,
                              struct cw_ensured *ret_ensured, const char **ret_link_id, struct cw_err *err);
/* -CW_ENOTFOUND when there is no such record set. name is relative ("adb-1234.5"). */
int cw_privatedns_get_record(struct cw_arm *arm, const struct cw_call *call, const char *zone_id,
                             const char *name, struct cw_dns_record *ret_record, struct cw_err *err);
/* Exactly these addresses. */
int cw_privatedns_ensure_record(struct cw_arm *arm, const struct cw_call *call, const char *zone_id,
                                const char *name, const char *const *addresses, size_t address_count,
                                int64_t ttl, struct cw_ensured *ret_ensured, struct cw_err *err);
/* All A record sets of the zone. */
int cw_privatedns_list_records(struct cw_arm *arm, const struct cw_call *call, const char *zone_id,
                               const struct cw_dns_record **ret_records, size_t *ret_count,
                               struct cw_err *err);

#endif
