#include "common/azure/databricks_access.h"

#include "common/azure/databricks_impl.h"

/* Members of all enabled ALLOW lists. */
static int gather_allowed(const json_t *lists, struct cw_arena *mem, const char ***ret_items,
                          size_t *ret_count)
{
    size_t i, k, total = 0;
    const json_t *list, *address;
    json_array_foreach((json_t *)lists, i, list)
        total += json_array_size(json_object_get(list, "ip_addresses"));
    const char **items = cw_arena_alloc_array(mem, total + 1, sizeof *items);
    if (items == NULL)
        return -CW_ENOMEM;
    size_t count = 0;
    json_array_foreach((json_t *)lists, i, list) {
        if (!cw_z_eq_nocase(cw_json_str(list, "list_type", ""), "ALLOW") ||
            !cw_json_bool(list, "enabled", true))
            continue;
        json_array_foreach(json_object_get(list, "ip_addresses"), k, address)
            if (json_is_string(address))
                items[count++] = json_string_value(address);
    }
    *ret_items = items;
    *ret_count = count;
    return 0;
}

int cw_databricks_get_ip_access(struct cw_databricks *d, const struct cw_call *call,
                                const struct cw_target *target, struct cw_ip_access *ret_access,
                                struct cw_err *err)
{
    json_t *doc = NULL;
    struct cw_ip_access access = {0};
    int r = cw_databricks_get(d, call, target, "/api/2.0/workspace-conf?keys=enableIpAccessLists", &doc, err);
    if (r < 0)
        return r;
    access.is_enabled = cw_z_eq(cw_json_str(doc, "enableIpAccessLists", ""), "true");
    json_t *lists = NULL;
    if (access.is_enabled)
        r = cw_dbx_list(d, call, target, "/api/2.0/ip-access-lists", "ip_access_lists", true, &lists, err);
    if (r == 0 && lists != NULL)
        r = gather_allowed(lists, call->mem, &access.allowed, &access.allowed_count);
    if (r == -CW_ENOMEM)
        return cw_err_set(err, CW_ENOMEM, "IP access lists");
    if (r == 0)
        *ret_access = access;
    return r;
}
