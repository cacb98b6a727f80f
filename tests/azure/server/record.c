/* --record: whole exchanges, one JSON line each, to be compared with published API descriptions. No secrets in it. */
#include "tests/azure/server/server.h"

#include <stdlib.h>
#include <string.h>

#define RECORDED_BODY_BYTES_MAX (8u << 20)

static const char *const request_headers[] = {
    "Content-Type",
    "Accept",
    "If-Match",
    "If-None-Match",
    "User-Agent",
    "x-ms-client-request-id",
    "x-ms-correlation-request-id",
    "X-Databricks-Azure-Workspace-Resource-Id",
};

static const char *const secret_members[] = {
    "access_token", "refresh_token", "id_token", "client_secret", "client_assertion", "password",
};

/* Blanks the values of secret form fields in place. */
static void hide_form_secrets(char *form)
{
    for (size_t i = 0; i < sizeof secret_members / sizeof secret_members[0]; i++) {
        const char *name = secret_members[i];
        size_t n = strlen(name);
        for (char *at = form; (at = strstr(at, name)) != NULL; at += n) {
            if ((at != form && at[-1] != '&' && at[-1] != '?') || at[n] != '=')
                continue;
            size_t value_bytes = strcspn(at + n + 1, "&");
            memset(at + n + 1, '*', value_bytes);
        }
    }
}

/* A body as JSON when it is JSON, else as text, else null. Without secrets. */
static json_t *body_json(const char *body, size_t bytes)
{
    if (body == NULL || bytes == 0 || bytes > RECORDED_BODY_BYTES_MAX)
        return json_null();
    json_t *json = json_loadb(body, bytes, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    if (json == NULL) {
        char *text = strndup(body, bytes);
        if (text != NULL)
            hide_form_secrets(text);
        json = text != NULL ? json_string(text) : NULL;
        free(text);
        return json != NULL ? json : json_null();
    }
    for (size_t i = 0; json_is_object(json) && i < sizeof secret_members / sizeof secret_members[0]; i++)
        if (json_object_get(json, secret_members[i]) != NULL)
            json_object_set_new(json, secret_members[i], json_string("***"));
    return json;
}

static json_t *request_headers_json(const struct sim_exchange *x)
{
    json_t *headers = json_object();
    for (size_t i = 0; i < sizeof request_headers / sizeof request_headers[0]; i++) {
        const char *value = MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, request_headers[i]);
        if (value != NULL)
            json_object_set_new(headers, request_headers[i], json_string(value));
    }
    return headers;
}

void sim_record_exchange(const struct sim_exchange *x)
{
    struct sim *sim = x->front->sim;
    if (sim->record == NULL || !x->front->is_logged || x->method == NULL)
        return;
    json_t *headers = json_object();
    for (size_t i = 0; i < x->res.header_count; i++)
        if (x->res.headers[i].name != NULL && x->res.headers[i].value != NULL)
            json_object_set_new(headers, x->res.headers[i].name, json_string(x->res.headers[i].value));
    json_t *line =
        json_pack("{s:I,s:s,s:s*,s:s*,s:{s:o,s:o},s:{s:i,s:o,s:o}}", "timeMs", (json_int_t)x->started_ms,
                  "method", x->method, "host", x->host, "target", x->target, "request", "headers",
                  request_headers_json(x), "body", body_json(x->body, x->body_bytes), "response", "status",
                  x->res.status, "headers", headers, "body", body_json(x->res.body, x->res.body_bytes));
    if (line == NULL)
        return;
    if (x->is_cut || x->res.wire != AZ_WIRE_NORMAL)
        json_object_set_new(line, "cut", json_true());
    json_dumpf(line, sim->record, JSON_COMPACT);
    fputc('\n', sim->record);
    fflush(sim->record);
    json_decref(line);
}
