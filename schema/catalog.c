#include "schema/catalog.h"

#include "schema/deadletter_v1.h"
#include "schema/progress_v1.h"
#include "schema/request.h"

#define ENTRIES 9
#define SCHEMA_BASE "urn:causeway:schema:"

static const struct cw_catalog_entry entries[ENTRIES] = {
    {"causeway.workspace.provision.v1", "causeway.requests", "Make a new workspace", &cw_provision_v1_shape,
     false},
    {"causeway.workspace.migrate.v1", "causeway.requests", "Migrate an existing workspace",
     &cw_migrate_v1_shape, false},
    {"causeway.workspace.verify.v1", "causeway.requests", "Verify a workspace", &cw_verify_v1_shape, false},
    {"causeway.workspace.cancel.v1", "causeway.requests", "Cancel a request", &cw_cancel_v1_shape, false},
    {"causeway.step.started.v1", "causeway.progress", "A step begins", &cw_step_started_v1_shape, true},
    {"causeway.step.waiting.v1", "causeway.progress", "A step waits", &cw_step_waiting_v1_shape, true},
    {"causeway.step.finished.v1", "causeway.progress", "A step has ended", &cw_step_finished_v1_shape, true},
    {CW_RESULT_TYPE, "causeway.results", "The verdict", &cw_result_v1_shape, true},
    {CW_DEADLETTER_TYPE, "causeway.deadletter", "A record that is no request", &cw_deadletter_v1_shape, true},
};

const struct cw_catalog_entry *cw_catalog(size_t *ret_count)
{
    *ret_count = ENTRIES;
    return entries;
}

json_t *cw_catalog_schema(const struct cw_catalog_entry *entry)
{
    CW_AUTO(cw_buf_fini) struct cw_buf id = {0};
    cw_buf_addf(&id, SCHEMA_BASE "%s", entry->type);
    return cw_shape_json_schema(entry->shape, cw_buf_z(&id), entry->title);
}

void cw_catalog_markdown(struct cw_buf *out)
{
    for (size_t i = 0; i < ENTRIES; i++) {
        const struct cw_shape *shape = entries[i].shape;
        cw_buf_addf(out, "%s### `%s`\n\n%s On `%s`.\n", i > 0 ? "\n" : "", entries[i].type, shape->text,
                    entries[i].topic);
        cw_shape_markdown(shape, out);
    }
}

struct topic {
    const char *key;
    const char *address;
    const char *text;
};

static const struct topic topics[] = {
    {"requests", "causeway.requests", "Requests from people."},
    {"requestsBulk", "causeway.requests.bulk",
     "The same requests from campaigns; they never starve the lane above."},
    {"progress", "causeway.progress", "What each request is doing, and what it waits for."},
    {"results", "causeway.results", "One verdict a request."},
    {"deadletter", "causeway.deadletter", "Records that could not be read as a request."},
};

/* "causeway.requests.bulk" carries what "causeway.requests" carries. */
static bool carries(const struct topic *topic, const struct cw_catalog_entry *entry)
{
    return strcmp(topic->address, entry->topic) == 0 ||
           (strcmp(entry->topic, "causeway.requests") == 0 &&
            strcmp(topic->address, "causeway.requests.bulk") == 0);
}

/* "causeway.workspace.provision.v1" as a key of a YAML map. */
static void add_key(struct cw_buf *out, const char *type)
{
    for (const char *p = type; *p != '\0'; p++)
        cw_buf_add_char(out, *p == '.' ? '_' : *p);
}

static void add_channels(struct cw_buf *out)
{
    cw_buf_add_z(out, "channels:\n");
    for (size_t i = 0; i < CW_ARRAY_LEN(topics); i++) {
        cw_buf_addf(out, "  %s:\n    address: %s\n    description: %s\n    messages:\n", topics[i].key,
                    topics[i].address, topics[i].text);
        for (size_t j = 0; j < ENTRIES; j++) {
            if (!carries(&topics[i], &entries[j]))
                continue;
            cw_buf_add_z(out, "      ");
            add_key(out, entries[j].type);
            cw_buf_add_z(out, ":\n        $ref: '#/components/messages/");
            add_key(out, entries[j].type);
            cw_buf_add_z(out, "'\n");
        }
    }
}

static void add_operations(struct cw_buf *out)
{
    cw_buf_add_z(out, "operations:\n");
    for (size_t i = 0; i < CW_ARRAY_LEN(topics); i++) {
        bool is_read = strncmp(topics[i].key, "requests", 8) == 0;
        cw_buf_addf(out, "  %s_%s:\n    action: %s\n    channel:\n      $ref: '#/channels/%s'\n",
                    is_read ? "read" : "write", topics[i].key, is_read ? "receive" : "send", topics[i].key);
    }
}

static void add_messages(struct cw_buf *out)
{
    cw_buf_add_z(out, "components:\n  messages:\n");
    for (size_t i = 0; i < ENTRIES; i++) {
        cw_buf_add_z(out, "    ");
        add_key(out, entries[i].type);
        cw_buf_addf(
            out,
            ":\n      name: %s\n      title: %s\n      contentType: application/json\n"
            "      headers:\n        $ref: '#/components/schemas/cloudEvent'\n"
            "      payload:\n        schemaFormat: application/schema+json;version=2020-12\n        schema:\n"
            "          $ref: './%s.schema.json'\n"
            "      bindings:\n        kafka:\n          key:\n            type: string\n"
            "            description: %s\n",
            entries[i].type, entries[i].title, entries[i].type,
            strcmp(entries[i].type, CW_DEADLETTER_TYPE) == 0
                ? "the original record's key"
                : "the workspace's Azure resource id in lower case");
    }
}

void cw_catalog_asyncapi(struct cw_buf *out)
{
    cw_buf_add_z(
        out,
        "# Printed by causeway-schema; do not edit.\n"
        "asyncapi: 3.0.0\n"
        "info:\n  title: Causeway\n  version: 1.0.0\n"
        "  description: >-\n"
        "    Private back-end connections for Azure Databricks workspaces. CloudEvents 1.0 on Kafka: requests in\n"
        "    structured or binary mode, everything else in binary mode with ce_ headers.\n"
        "  license:\n    name: Apache-2.0\n"
        "defaultContentType: application/json\n");
    add_channels(out);
    add_operations(out);
    add_messages(out);
    cw_buf_add_z(
        out,
        "  schemas:\n    cloudEvent:\n      type: object\n"
        "      required: [ce_specversion, ce_id, ce_source, ce_type]\n      properties:\n"
        "        ce_specversion: {type: string, const: '1.0'}\n"
        "        ce_id: {type: string, description: idempotency key of a request}\n"
        "        ce_source: {type: string}\n"
        "        ce_type: {type: string}\n"
        "        ce_subject: {type: string, description: the workspace}\n"
        "        ce_time: {type: string, format: date-time}\n"
        "        ce_correlationid: {type: string, description: id of the request}\n"
        "        ce_traceparent: {type: string, description: W3C trace context}\n"
        "        ce_sequence: {type: string, description: 'epoch and number; drop what is not greater'}\n");
}
