/* common/azure/armid.h: ARM resource ids: taking apart, building, comparing.
 *
 * Ids are compared without case and shown as given. Names must have been validated before they come here.
 * Suspends: never.  Thread: any.  Source: ARM resource provider contract, "resource API reference". */
#ifndef CW_COMMON_AZURE_ARMID_H
#define CW_COMMON_AZURE_ARMID_H

#include "common/arena.h"
#include "common/err.h"

/* Parts of an id, in the caller's arena. Absent parts are NULL. For a child resource `type` is
 * "virtualNetworks/subnets" and `name` the last segment. */
struct cw_armid {
    const char *subscription;
    const char *group;
    const char *provider; /* "Microsoft.Network" */
    const char *type;
    const char *name;
};

/* Errors: -CW_EINVAL (grammar), -CW_ENOMEM. */
int cw_armid_parse(const char *id, struct cw_arena *mem, struct cw_armid *ret_id, struct cw_err *err);
/* Without case; a trailing slash does not count; NULL equals only NULL. */
bool cw_armid_eq(const char *a, const char *b);
/* id is `parent` or something below it. */
bool cw_armid_is_within(const char *id, const char *parent);
/* The last segment; points into id. "" for NULL. */
const char *cw_armid_name(const char *id);

/* "/subscriptions/{s}", "/subscriptions/{s}/resourceGroups/{g}", a resource in a group ("Microsoft.Network/virtualNetworks"),
 * and a child of a resource ("subnets"). NULL when out of memory. */
char *cw_armid_subscription(struct cw_arena *mem, const char *subscription);
char *cw_armid_group(struct cw_arena *mem, const char *subscription, const char *group);
char *cw_armid_resource(struct cw_arena *mem, const char *subscription, const char *group, const char *type,
                        const char *name);
char *cw_armid_child(struct cw_arena *mem, const char *parent, const char *type, const char *name);
/* The resource above a child ("…/virtualNetworks/v/subnets/s" gives "…/virtualNetworks/v"); NULL when there is none. */
char *cw_armid_parent(struct cw_arena *mem, const char *id);
/* "/subscriptions/{s}/resourceGroups/{g}" of a resource's id; NULL when it has none. */
char *cw_armid_group_of(struct cw_arena *mem, const char *id);
/* The subscription's GUID; NULL when it has none. */
char *cw_armid_subscription_of(struct cw_arena *mem, const char *id);

#endif
