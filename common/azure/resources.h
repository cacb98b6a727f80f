/* common/azure/resources.h: subscriptions, resource groups, provider registration, locks and permissions.
 *
 * Errors: those of arm.h.  Suspends: all calls but cw_permissions_allow.  Thread: loop.
 * Source: Microsoft.Resources 2021-04-01, Microsoft.Authorization 2020-05-01 / 2022-04-01. */
#ifndef CW_COMMON_AZURE_RESOURCES_H
#define CW_COMMON_AZURE_RESOURCES_H

#include "common/azure/arm.h"

struct cw_tag {
    const char *name;
    const char *value;
};
struct cw_tags {
    const struct cw_tag *items;
    size_t count;
};

struct cw_resource_group {
    bool exists;
    const char *id;
    const char *location;
    const char *managed_by; /* another resource owns the group: never touch it */
    const char *state;
};
/* exists false when there is none. */
int cw_resources_get_group(struct cw_arm *arm, const struct cw_call *call, const char *subscription,
                           const char *group, struct cw_resource_group *ret_group, struct cw_err *err);
/* Created when absent; one in another location is refused (-CW_EMISCONFIGURED), tags of an existing one stay. */
int cw_resources_ensure_group(struct cw_arm *arm, const struct cw_call *call, const char *subscription,
                              const char *group, const char *location, struct cw_tags tags,
                              struct cw_ensured *ret_ensured, struct cw_err *err);

/* *ret_is_registered; *ret_is_offered when `type` ("workspaces") is offered in location (NULL location = true). */
int cw_resources_check_provider(struct cw_arm *arm, const struct cw_call *call, const char *subscription,
                                const char *provider, const char *type, const char *location,
                                bool *ret_is_registered, bool *ret_is_offered, struct cw_err *err);
/* Register and wait until it is; effect NONE when it was. */
int cw_resources_register_provider(struct cw_arm *arm, const struct cw_call *call, const char *subscription,
                                   const char *provider, enum cw_effect *ret_effect, struct cw_err *err);

struct cw_lock {
    const char *id;
    const char *name;
    const char *level; /* CanNotDelete, ReadOnly, NotSpecified */
    const char *notes;
};
/* Management locks that hold at the scope, inherited ones included. */
int cw_resources_list_locks(struct cw_arm *arm, const struct cw_call *call, const char *scope,
                            const struct cw_lock **ret_locks, size_t *ret_count, struct cw_err *err);
/* A lock against deletion that holds at the scope; any that is there, also an inherited one, will do. Otherwise one of that name
 * is made. */
int cw_resources_ensure_delete_lock(struct cw_arm *arm, const struct cw_call *call, const char *scope,
                                    const char *name, const char *notes, struct cw_ensured *ret_ensured,
                                    struct cw_err *err);

/* One role's worth of permissions. */
struct cw_permission {
    const char *const *actions;
    size_t action_count;
    const char *const *not_actions;
    size_t not_action_count;
};
struct cw_permissions {
    const struct cw_permission *items;
    size_t count;
};
/* What the identity may do at the scope (a group's or a resource's id). */
int cw_resources_permissions(struct cw_arm *arm, const struct cw_call *call, const char *scope,
                             struct cw_permissions *ret_permissions, struct cw_err *err);
/* Is an action ("Microsoft.Network/privateEndpoints/write") granted by one of the roles? Pure. */
bool cw_permissions_allow(const struct cw_permissions *permissions, const char *action);

struct cw_resource {
    const char *id;
    const char *name;
    const char *type;
};
/* Resources of one type in a group ("Microsoft.Compute/virtualMachines"); a missing group gives none. */
int cw_resources_list(struct cw_arm *arm, const struct cw_call *call, const char *subscription,
                      const char *group, const char *type, const struct cw_resource **ret_items,
                      size_t *ret_count, struct cw_err *err);

/* Ids of the subscriptions that the identity sees. */
int cw_resources_list_subscriptions(struct cw_arm *arm, const struct cw_call *call,
                                    const char *const **ret_subscriptions, size_t *ret_count,
                                    struct cw_err *err);
/* state: "Enabled" …; for preflight checks. */
int cw_resources_get_subscription(struct cw_arm *arm, const struct cw_call *call, const char *subscription,
                                  const char **ret_state, const char **ret_tenant, struct cw_err *err);

#endif
