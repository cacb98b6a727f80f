/* Resource Graph: queries over all resources of the caller's subscriptions, as a pipeline of simple stages. */
#include "tests/azure/arm.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/azure/kql.h"

#define PAGE_MAX 1000

static json_t *row_of(struct az_model *m, struct az_resource *r)
{
    json_t *row = az_render(m, r), *lower = json_string(r->type);
    const struct az_resource *group = az_ancestor(r, AZ_T_GROUP), *sub = az_ancestor(r, AZ_T_SUBSCRIPTION);
    if (strcmp(r->type, AZ_T_GROUP) == 0)
        json_object_set_new(row, "type", json_string("microsoft.resources/subscriptions/resourcegroups"));
    else
        json_object_set(row, "type", lower);
    json_decref(lower);
    char *name = group != NULL ? az_fold(group->name) : NULL;
    json_object_set_new(row, "resourceGroup", json_string(name != NULL ? name : ""));
    free(name);
    json_object_set_new(row, "subscriptionId", json_string(sub != NULL ? sub->name : ""));
    json_object_set_new(row, "tenantId", json_string(sub != NULL ? az_str(sub->body, "tenantId") : ""));
    if (json_object_get(row, "tags") == NULL)
        json_object_set_new(row, "tags", json_null());
    return row;
}

static bool is_wanted(const struct az_resource *sub, const json_t *subscriptions, const char *tenant)
{
    size_t i;
    const json_t *id;
    if (!az_ieq(az_str(sub->body, "tenantId"), tenant))
        return false;
    if (json_array_size(subscriptions) == 0)
        return true;
    json_array_foreach(subscriptions, i, id)
        if (az_ieq(json_string_value(id), sub->name))
            return true;
    return false;
}

static void collect(struct az_model *m, json_t *rows, struct az_resource *parent, bool containers)
{
    int64_t lag_ms = az_scaled(m, (int64_t)(az_behaviour(m, "graphLagSeconds", 0) * 1000));
    for (struct az_resource *c = parent->first_child; c != NULL; c = c->next_sibling) {
        bool is_group = strcmp(c->type, AZ_T_GROUP) == 0;
        bool is_top = c->parent->parent != NULL && strcmp(c->parent->type, AZ_T_GROUP) == 0;
        bool is_link = strcmp(c->type, AZ_T_LINK) == 0;
        if ((containers ? is_group : is_top || is_link) && m->now_ms - az_int(c->state, "born", 0) >= lag_ms)
            json_array_append_new(rows, row_of(m, c));
        if (is_group || (!containers && strcmp(c->type, AZ_T_ZONE) == 0))
            collect(m, rows, c, containers);
    }
}

/* ---- stages ---- */

static json_t *stage_where(struct kql *q, json_t *rows)
{
    json_t *kept = json_array();
    size_t i, from = q->at;
    json_t *row;
    json_t *probe = json_object();
    (void)kql_condition(q, probe, 0);
    json_decref(probe);
    size_t end = q->at;
    json_array_foreach(rows, i, row) {
        q->at = from;
        if (q->problem[0] == '\0' && kql_condition(q, row, 0))
            json_array_append(kept, row);
    }
    q->at = end;
    return kept;
}

/* The column name of "path": its last part, made a plain name. */
static void column_of(const char *path, char *buf, size_t buf_bytes)
{
    snprintf(buf, buf_bytes, "%s", path);
    for (char *c = buf; *c != '\0'; c++)
        if (*c == '.')
            *c = '_';
}

static void project_row(struct kql *q, const json_t *row, json_t *out)
{
    do {
        char name[256], kind;
        const char *text = kql_peek(q, &kind);
        if (kind != 'n') {
            (void)kql_fail(q, "a column is expected at", text);
            return;
        }
        bool is_named = strcmp(q->tokens[q->at + 1].text, "=") == 0 && q->tokens[q->at + 1].kind == 'o';
        column_of(text, name, sizeof name);
        if (is_named)
            q->at += 2;
        json_object_set_new(out, name, kql_value(q, row, 0));
    } while (q->problem[0] == '\0' && kql_take(q, ","));
}

static json_t *stage_project(struct kql *q, json_t *rows, bool is_extend)
{
    json_t *changed = json_array(), *scratch = json_object();
    size_t i, from = q->at;
    json_t *row;
    project_row(q, scratch, scratch);
    json_decref(scratch);
    size_t end = q->at;
    json_array_foreach(rows, i, row) {
        json_t *out = is_extend ? json_copy(row) : json_object();
        q->at = from;
        project_row(q, row, out);
        json_array_append_new(changed, out);
    }
    q->at = end;
    return changed;
}

static json_t *stage_take(struct kql *q, json_t *rows)
{
    char kind;
    const char *text = kql_peek(q, &kind);
    json_t *kept = json_array();
    if (kind != 'd')
        (void)kql_fail(q, "a number is expected at", text);
    q->at++;
    for (size_t i = 0; i < json_array_size(rows) && i < strtoul(text, NULL, 10); i++)
        json_array_append(kept, json_array_get(rows, i));
    return kept;
}

static json_t *stage_count(json_t *rows)
{
    return json_pack("[{s:I}]", "Count", (json_int_t)json_array_size(rows));
}

static json_t *stage_summarize(struct kql *q, json_t *rows)
{
    char name[256] = "count_";
    if (strcmp(q->tokens[q->at + 1].text, "=") == 0) {
        snprintf(name, sizeof name, "%s", kql_peek(q, NULL));
        q->at += 2;
    }
    if (!kql_take(q, "count") || !kql_take(q, "(") || !kql_take(q, ")")) {
        (void)kql_fail(q, "only summarize count() is simulated, at", kql_peek(q, NULL));
        return json_array();
    }
    if (!kql_take(q, "by"))
        return json_pack("[{s:I}]", name, (json_int_t)json_array_size(rows));
    const char *path = kql_peek(q, NULL);
    char column[256];
    size_t i;
    json_t *row, *counts = json_object(), *list = json_array(), *count;
    column_of(path, column, sizeof column);
    q->at++;
    json_array_foreach(rows, i, row) {
        const char *key = az_str(row, path);
        json_object_set_new(counts, key, json_integer(json_integer_value(json_object_get(counts, key)) + 1));
    }
    const char *key;
    json_object_foreach(counts, key, count)
        json_array_append_new(list, json_pack("{s:s,s:O}", column, key, name, count));
    json_decref(counts);
    return list;
}

static json_t *stage_sort(struct kql *q, json_t *rows)
{
    const char *path = kql_peek(q, NULL);
    q->at++;
    bool is_ascending = kql_take(q, "asc");
    if (!is_ascending)
        (void)kql_take(q, "desc");
    json_t *sorted = json_array();
    size_t i, k;
    json_t *row;
    json_array_foreach(rows, i, row) {
        for (k = json_array_size(sorted); k > 0; k--) {
            int order = strcasecmp(az_str(json_array_get(sorted, k - 1), path), az_str(row, path));
            if (is_ascending ? order <= 0 : order >= 0)
                break;
        }
        json_array_insert(sorted, k, row);
    }
    return sorted;
}

static json_t *run_stage(struct kql *q, json_t *rows)
{
    if (kql_take(q, "where"))
        return stage_where(q, rows);
    if (kql_take(q, "project"))
        return stage_project(q, rows, false);
    if (kql_take(q, "extend"))
        return stage_project(q, rows, true);
    if (kql_take(q, "take") || kql_take(q, "limit"))
        return stage_take(q, rows);
    if (kql_take(q, "count"))
        return stage_count(rows);
    if (kql_take(q, "summarize"))
        return stage_summarize(q, rows);
    if (kql_take(q, "order") || kql_take(q, "sort")) {
        if (!kql_take(q, "by"))
            (void)kql_fail(q, "'by' expected before", kql_peek(q, NULL));
        return stage_sort(q, rows);
    }
    (void)kql_fail(q, "stage not simulated", kql_peek(q, NULL));
    return json_incref(rows);
}

static json_t *run_query(struct az_model *m, struct kql *q, const json_t *subscriptions)
{
    json_t *rows = json_array();
    bool containers = kql_take(q, "resourcecontainers");
    if (!containers && !kql_take(q, "resources"))
        (void)kql_fail(q, "table not simulated", kql_peek(q, NULL));
    for (struct az_resource *s = az_store_first(m, AZ_T_SUBSCRIPTION); s != NULL && q->problem[0] == '\0';
         s = s->next_of_type)
        if (is_wanted(s, subscriptions, q->tenant))
            collect(m, rows, s, containers);
    while (q->problem[0] == '\0' && kql_take(q, "|")) {
        json_t *next = run_stage(q, rows);
        json_decref(rows);
        rows = next;
    }
    if (q->problem[0] == '\0' && q->tokens[q->at].kind != 0)
        (void)kql_fail(q, "unexpected text", kql_peek(q, NULL));
    return rows;
}

static void reply_rows(struct az_call *call, struct az_response *res, const json_t *rows)
{
    const json_t *options = json_object_get(call->body, "options");
    size_t total = json_array_size(rows), top = (size_t)az_int(options, "$top", PAGE_MAX);
    const char *token = az_str(options, "$skipToken");
    size_t from = token[0] != '\0' ? (size_t)strtoul(token, NULL, 10) : (size_t)az_int(options, "$skip", 0);
    json_t *data = json_array();
    if (top == 0 || top > PAGE_MAX)
        top = PAGE_MAX;
    size_t end = from;
    for (; end < total && end - from < top; end++)
        json_array_append(data, json_array_get(rows, end));
    json_t *body = json_pack("{s:I,s:I,s:s,s:[],s:o}", "totalRecords", (json_int_t)total, "count",
                             (json_int_t)(end > from ? end - from : 0), "resultTruncated", "false", "facets",
                             "data", data);
    if (end < total)
        json_object_set_new(body, "$skipToken", az_strf("%zu", end));
    az_reply_json(res, 200, body);
}

void az_h_resource_graph(struct az_model *m, struct az_call *call, struct az_response *res)
{
    const char *query = az_str(call->body, "query"), *format = az_str(call->body, "options.resultFormat");
    struct kql *q = calloc(1, sizeof *q);
    json_t *rows = NULL;
    if (q == NULL)
        return;
    q->tenant = call->who.tenant;
    if (format[0] != '\0' && !az_ieq(format, "objectArray"))
        (void)kql_fail(q, "resultFormat not simulated", format);
    if (q->problem[0] == '\0' && kql_cut(q, query))
        rows = run_query(m, q, json_object_get(call->body, "subscriptions"));
    if (q->problem[0] != '\0')
        az_reply_json(res, 400,
                      json_pack("{s:{s:s,s:s,s:[{s:s,s:s}]}}", "error", "code", "BadRequest", "message",
                                "Please provide below info when asking for support.", "details", "code",
                                "InvalidQuery", "message", q->problem));
    else
        reply_rows(call, res, rows);
    json_decref(rows);
    free(q);
}
