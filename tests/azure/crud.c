/* GET, PUT, DELETE, PATCH tags and lists, as most resource types have them. */
#include "tests/azure/arm.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNCHANGED_MIN_S 0.5
#define UNCHANGED_MAX_S 1.5
#define REFUSED_MIN_S 1.0
#define REFUSED_MAX_S 4.0
#define TAGS_MAX 50

json_t *az_render(struct az_model *m, struct az_resource *r)
{
    const struct az_type *type = az_type_find(r->type);
    if (type != NULL && type->render != NULL)
        return type->render(m, r);
    return az_copy(r->body);
}

static bool is_missing_group(struct az_model *m, struct az_call *call, struct az_response *res)
{
    char group_id[AZ_ID_MAX];
    if (!az_ieq(az_call_segment(call, 2), "resourceGroups") || call->segment_count < 4)
        return false;
    snprintf(group_id, sizeof group_id, "/subscriptions/%s/resourceGroups/%s", call->segments[1],
             call->segments[3]);
    if (az_store_get(m, group_id) != NULL)
        return false;
    az_reply_error(res, 404, "ResourceGroupNotFound", "Resource group '%s' could not be found.",
                   call->segments[3]);
    return true;
}

static void reply_not_found(const struct az_call *call, struct az_response *res, const struct az_type *type,
                            const char *id)
{
    const char *providers = strstr(id, "/providers/");
    if (strchr(type->display, '/') != strrchr(type->display, '/'))
        az_reply_error(res, 404, "NotFound", "Resource %s not found.", id);
    else
        az_reply_error(
            res, 404, "ResourceNotFound",
            "The Resource '%s' under resource group '%s' was not found. For more details please go to "
            "https://aka.ms/ARMResourceNotFoundFix",
            providers != NULL ? providers + 11 : id, az_call_segment(call, 3));
}

/* Just made, and the reader's replica does not know it yet. */
static bool is_not_seen_yet(struct az_model *m, const struct az_resource *r)
{
    double stale_s = az_behaviour(m, "staleSeconds", 0);
    return stale_s > 0 && m->now_ms - az_int(r->state, "born", 0) < az_scaled(m, (int64_t)(stale_s * 1000)) &&
           az_chance(m, 0.5);
}

void az_crud_get(struct az_model *m, struct az_call *call, struct az_response *res)
{
    if (is_missing_group(m, call, res))
        return;
    if (call->target == NULL || is_not_seen_yet(m, call->target)) {
        reply_not_found(call, res, az_call_type(call), call->id);
        return;
    }
    const char *etag = az_str(call->target->body, "etag");
    if (etag[0] != '\0')
        az_reply_header(res, "ETag", "%s", etag);
    az_reply_json(res, 200, az_render(m, call->target));
}

bool az_name_ok(enum az_name_rule rule, const char *name)
{
    static const struct {
        size_t min, max;
        const char *inside, *first, *last;
    } rules[] = {
        [AZ_NAME_ANY] = {1, 260, NULL, NULL, NULL},      [AZ_NAME_VNET] = {2, 64, "._-", "", "_"},
        [AZ_NAME_NETWORK] = {1, 80, "._-", "", "_"},     [AZ_NAME_ENDPOINT] = {2, 64, "._-", "", "_"},
        [AZ_NAME_ZONE] = {1, 253, "._-", "_", "_"},      [AZ_NAME_RECORD] = {1, 253, "._-@*", "_@*", "_@*"},
        [AZ_NAME_WORKSPACE] = {3, 64, "_-", "_-", "_-"},
    };
    size_t n = strlen(name);
    if (n < rules[rule].min || n > rules[rule].max)
        return false;
    if (rules[rule].inside == NULL)
        return strpbrk(name, "<>%&:\\?/") == NULL;
    for (size_t i = 0; i < n; i++) {
        const char *allowed = i == 0 ? rules[rule].first : i == n - 1 ? rules[rule].last : rules[rule].inside;
        if (!isalnum((unsigned char)name[i]) && strchr(allowed, name[i]) == NULL)
            return false;
    }
    return true;
}

static int check_body(struct az_change *p)
{
    const json_t *body = p->call->body;
    if (p->call->body_is_bad || !json_is_object(body)) {
        az_reply_error(
            p->res, 400, "InvalidRequestContent",
            "The request content was invalid and could not be deserialized: it is not a JSON object.");
        return -1;
    }
    const json_t *tags = json_object_get(body, "tags");
    if (tags != NULL && !json_is_object(tags) && !json_is_null(tags)) {
        az_reply_error(p->res, 400, "InvalidRequestContent",
                       "The request content was invalid: tags is no object.");
        return -1;
    }
    if (json_object_size(tags) > TAGS_MAX) {
        az_reply_error(p->res, 400, "InvalidTagCount", "A resource may have at most %d tags.", TAGS_MAX);
        return -1;
    }
    const json_t *properties = json_object_get(body, "properties");
    if (properties != NULL && !json_is_object(properties) && !json_is_null(properties)) {
        az_reply_error(p->res, 400, "InvalidRequestContent", "The request content was invalid: properties.");
        return -1;
    }
    return 0;
}

static int check_location(struct az_change *p)
{
    const char *location = az_str(p->call->body, "location");
    if (p->type->flags == 0)
        return 0;
    if (location[0] == '\0') {
        az_reply_error(p->res, 400, "LocationRequired",
                       "The location property is required for this definition.");
        return -1;
    }
    bool is_global = (p->type->flags & AZ_TYPE_GLOBAL) != 0;
    char names[256];
    if (is_global ? !az_ieq(location, "global") : !az_location_is_known(location)) {
        az_reply_error(
            p->res, 400, "LocationNotAvailableForResourceType",
            "The provided location '%s' is not available for resource type '%s'. List of available regions "
            "for the resource type is '%s'.",
            location, p->type->display, is_global ? "global" : az_location_names(names, sizeof names));
        return -1;
    }
    if (p->existing != NULL && !az_location_eq(location, az_str(p->existing->body, "location"))) {
        az_reply_error(
            p->res, 409, "InvalidResourceLocation",
            "The resource '%s' already exists in location '%s' in resource group '%s'. A resource with the "
            "same name cannot be created in location '%s'. Please select a new resource name.",
            p->existing->name, az_str(p->existing->body, "location"), az_call_segment(p->call, 3), location);
        return -1;
    }
    return 0;
}

static int check_parent(struct az_change *p)
{
    char parent_id[AZ_ID_MAX];
    if (is_missing_group(p->m, p->call, p->res))
        return -1;
    (void)az_id_parent(p->call->id, parent_id, sizeof parent_id);
    p->parent = az_store_get(p->m, parent_id);
    if (p->parent == NULL) {
        az_reply_error(
            p->res, 404, "ParentResourceNotFound",
            "Failed to perform '%s' on resource(s) of type '%s', because the parent resource '%s' could not "
            "be found.",
            strcmp(p->call->method, "PUT") == 0 ? "write" : "delete", p->type->display, parent_id);
        return -1;
    }
    return 0;
}

/* What the client may set, as it came. */
static json_t *wanted_body(const struct az_change *p)
{
    static const char *const read_only[] = {"id", "name", "type", "etag", "systemData", NULL};
    json_t *want = az_copy(p->call->body);
    for (size_t i = 0; read_only[i] != NULL; i++)
        json_object_del(want, read_only[i]);
    if (!json_is_object(json_object_get(want, "properties")))
        json_object_set_new(want, "properties", json_object());
    az_unset(want, "properties.provisioningState");
    az_unset(want, "properties.resourceGuid");
    if (json_is_null(json_object_get(want, "tags")))
        json_object_del(want, "tags");
    return want;
}

void az_change_lock(struct az_change *p, const char *id)
{
    for (size_t i = 0; i < p->lock_count; i++)
        if (az_ieq(p->locks[i], id))
            return;
    if (p->lock_count < AZ_PUT_LOCKS_MAX)
        p->locks[p->lock_count++] = strdup(id);
}

void az_change_unlock(struct az_change *p)
{
    for (size_t i = 0; i < p->lock_count; i++)
        free(p->locks[i]);
    p->lock_count = 0;
}

static void finish_change(struct az_change *p)
{
    az_change_unlock(p);
    json_decref(p->want);
    json_decref(p->pending);
}

static void store_wanted(struct az_change *p, const char *state)
{
    struct az_model *m = p->m;
    char guid[AZ_GUID_BYTES];
    bool is_network = az_istarts(p->type->type, "microsoft.network/");
    if (is_network) {
        bool is_dns = az_istarts(p->type->type, AZ_T_ZONE);
        az_guid(m, guid);
        json_object_set_new(p->want, "etag", is_dns ? json_string(guid) : az_strf("W/\"%s\"", guid));
    }
    if (is_network && p->type->flags != 0 && !(p->type->flags & AZ_TYPE_GLOBAL)) {
        const char *old = p->existing != NULL ? az_str(p->existing->body, "properties.resourceGuid") : "";
        az_set_str(p->want, "properties.resourceGuid", old[0] != '\0' ? old : az_guid(m, guid));
    }
    az_set_str(p->want, "properties.provisioningState", state);
    struct az_resource *r = az_store_put(m, p->call->id, json_incref(p->want));
    if (r != NULL && p->existing == NULL)
        json_object_set_new(r->state, "born", json_integer((json_int_t)m->now_ms));
    p->call->target = r;
}

static void reply_put(struct az_change *p, bool is_new)
{
    struct az_resource *r = az_store_get(p->m, p->call->id);
    int status = is_new ? p->type->create_status : 200;
    if (r == NULL)
        az_reply_error(p->res, 500, "InternalServerError", "The resource could not be stored.");
    else if (status == 202)
        az_reply_empty(p->res, 202);
    else
        az_reply_json(p->res, status, az_render(p->m, r));
}

static void ledger(struct az_change *p, const json_t *before, bool changed)
{
    char operation[256];
    bool is_delete = strcmp(p->call->method, "DELETE") == 0;
    snprintf(operation, sizeof operation, "%s/%s", p->type->display, is_delete ? "delete" : "write");
    const struct az_resource *r = az_store_get(p->m, p->call->id);
    az_ledger_add(p->m, p->call, is_delete ? 'd' : 'w', operation, p->call->id, p->res->status, changed,
                  before,
                  is_delete || r == NULL ? NULL
                  : p->apply_at_end      ? p->want
                                         : r->body);
}

static void start_put(struct az_change *p)
{
    struct az_model *m = p->m;
    bool is_new = p->existing == NULL, is_doomed = p->fail_code[0] != '\0';
    json_t *before = is_new ? NULL : az_copy(p->existing->body);
    bool is_instant = p->type->put_lro == AZ_LRO_NONE;
    int64_t duration;
    if (is_doomed && p->min_s <= 0)
        duration = az_duration(m, "refused", REFUSED_MIN_S, REFUSED_MAX_S);
    else if (!p->changed)
        duration = az_duration(m, "unchanged", UNCHANGED_MIN_S, UNCHANGED_MAX_S);
    else if (p->duration != NULL)
        duration = az_duration(m, p->duration, p->min_s, p->max_s);
    else
        duration = az_duration(m, p->type->put_duration, p->type->min_s, p->type->max_s);
    if (p->apply_at_end && !is_new) {
        if (p->pending == NULL)
            p->pending = json_object();
        json_object_set(p->pending, "body", p->want);
        az_set_prov_state(p->existing, p->busy_state != NULL ? p->busy_state : "Updating");
        p->call->target = p->existing;
    } else if (!p->changed || (is_doomed && !is_new)) {
        p->untouched = true;
    } else {
        store_wanted(p, is_instant ? "Succeeded" : is_new ? p->type->new_state : "Updating");
        if (p->type->started != NULL && p->call->target != NULL)
            p->type->started(p, p->call->target);
    }
    if (!is_instant && p->call->target != NULL)
        (void)az_op_start(p, "PUT", p->type->put_lro, duration);
    reply_put(p, is_new);
    ledger(p, before, p->changed && !is_doomed);
    json_decref(before);
}

/* Does the body to store say what is there already? */
static bool is_unchanged(const struct az_change *p)
{
    if (p->existing == NULL || p->fail_code[0] != '\0' || p->differs ||
        strcmp(az_prov_state(p->existing), "Succeeded") != 0)
        return false;
    json_t *old = json_copy(p->existing->body);
    json_object_del(old, "id");
    json_object_del(old, "name");
    json_object_del(old, "type");
    bool is_same = az_same(p->want, old);
    json_decref(old);
    return is_same;
}

static int prepare(struct az_change *p)
{
    return p->type->prepare != NULL ? p->type->prepare(p) : 0;
}

void az_crud_put(struct az_model *m, struct az_call *call, struct az_response *res)
{
    struct az_change p = {.m = m,
                          .call = call,
                          .res = res,
                          .type = az_call_type(call),
                          .existing = call->target,
                          .changed = true};
    if (check_parent(&p) == 0 && check_body(&p) == 0) {
        p.want = wanted_body(&p);
        if (!az_name_ok(p.type->name_rule, call->segments[call->segment_count - 1]))
            az_reply_error(res, 400, "InvalidResourceName", "Resource name %s is invalid.",
                           call->segments[call->segment_count - 1]);
        else if (!az_is_write_blocked(m, call, res, false) && check_location(&p) == 0 && prepare(&p) == 0) {
            if (is_unchanged(&p)) {
                p.changed = false;
                p.apply_at_end = false;
                az_change_unlock(&p);
            }
            if (az_change_check_locks(&p) == 0)
                start_put(&p);
        }
    }
    finish_change(&p);
}

static int prepare_delete(struct az_change *p)
{
    if (p->type->prepare_delete != NULL && p->type->prepare_delete(p) < 0)
        return -1;
    return az_change_check_locks(p);
}

static void start_delete(struct az_change *p)
{
    json_t *before = az_copy(p->existing->body);
    if (p->type->delete_lro == AZ_LRO_NONE) {
        if (p->type->deleted != NULL)
            p->type->deleted(p->m, p->existing, NULL);
        az_store_delete(p->m, p->existing);
        az_reply_empty(p->res, 200);
    } else {
        bool is_doomed = p->fail_code[0] != '\0';
        p->untouched = is_doomed;
        if (!is_doomed)
            az_set_prov_state(p->existing, "Deleting");
        if (!is_doomed && p->type->delete_started != NULL)
            p->type->delete_started(p, p->existing);
        int64_t duration = is_doomed
                               ? az_duration(p->m, "refused", REFUSED_MIN_S, REFUSED_MAX_S)
                               : az_duration(p->m, p->type->delete_duration, p->type->min_s, p->type->max_s);
        (void)az_op_start(p, "DELETE", p->type->delete_lro, duration);
        az_reply_empty(p->res, 202);
    }
    p->call->target = NULL;
    ledger(p, before, p->fail_code[0] == '\0');
    json_decref(before);
}

void az_crud_delete(struct az_model *m, struct az_call *call, struct az_response *res)
{
    struct az_change p = {.m = m,
                          .call = call,
                          .res = res,
                          .type = az_call_type(call),
                          .existing = call->target,
                          .changed = true};
    if (is_missing_group(m, call, res))
        return;
    if (p.existing == NULL) {
        az_reply_empty(res, 204);
    } else if (!az_is_write_blocked(m, call, res, true)) {
        p.parent = p.existing->parent;
        if (prepare_delete(&p) == 0)
            start_delete(&p);
    }
    finish_change(&p);
}

void az_crud_patch_tags(struct az_model *m, struct az_call *call, struct az_response *res)
{
    struct az_change p = {
        .m = m, .call = call, .res = res, .type = az_call_type(call), .existing = call->target};
    if (call->target == NULL) {
        az_crud_get(m, call, res);
        return;
    }
    if (check_body(&p) < 0 || az_is_write_blocked(m, call, res, false) ||
        ((p.type->flags & AZ_TYPE_GLOBAL) != 0 && az_check_preconditions(call, res, call->target) < 0))
        return;
    const json_t *tags = json_object_get(call->body, "tags");
    json_t *before = az_copy(call->target->body);
    bool changed = tags != NULL && !az_same(tags, json_object_get(before, "tags"));
    if (changed)
        json_object_set_new(call->target->body, "tags", az_copy(tags));
    az_reply_json(res, 200, az_render(m, call->target));
    ledger(&p, before, changed);
    json_decref(before);
}

void az_crud_list(struct az_model *m, struct az_call *call, struct az_response *res)
{
    char item_id[AZ_ID_MAX + 2], parent_id[AZ_ID_MAX];
    const struct az_type *type = az_call_type(call);
    if (is_missing_group(m, call, res))
        return;
    snprintf(item_id, sizeof item_id, "%s/x", call->id);
    (void)az_id_parent(item_id, parent_id, sizeof parent_id);
    const struct az_resource *parent = az_store_get(m, parent_id);
    if (parent == NULL) {
        az_reply_error(res, 404, "ParentResourceNotFound", "The parent resource '%s' could not be found.",
                       parent_id);
        return;
    }
    json_t *all = json_array();
    for (struct az_resource *r = az_child_first(parent, type->type); r != NULL;
         r = az_child_next(r, type->type))
        json_array_append_new(all, az_render(m, r));
    az_reply_page(m, call, res, all);
}

void az_crud_list_subscription(struct az_model *m, struct az_call *call, struct az_response *res)
{
    char prefix[256];
    const struct az_type *type = az_call_type(call);
    snprintf(prefix, sizeof prefix, "/subscriptions/%s/", az_call_segment(call, 1));
    json_t *all = json_array();
    for (struct az_resource *r = az_store_first(m, type->type); r != NULL; r = r->next_of_type)
        if (az_istarts(r->key, prefix))
            json_array_append_new(all, az_render(m, r));
    az_reply_page(m, call, res, all);
}
