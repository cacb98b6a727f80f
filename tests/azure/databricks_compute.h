/* tests/azure/databricks_compute.h: what pools, warehouses, jobs and pipelines share. */
#ifndef CW_TESTS_AZURE_DATABRICKS_COMPUTE_H
#define CW_TESTS_AZURE_DATABRICKS_COMPUTE_H

#include "tests/azure/databricks.h"

/* Set a member that is missing. Takes the value. */
void dbx_set_default(json_t *o, const char *name, json_t *take_value);
/* Is it in the NULL-terminated list? */
bool dbx_is_one_of(const char *value, const char *const *list);
/* 200 with {} */
void dbx_reply_done(struct dbx_call *c);
/* The item whose `key` is `id`; NULL after replying 404. */
json_t *dbx_item_of(struct dbx_call *c, const char *list, const char *key, const char *id, const char *what);
/* Copies of a list's items without hidden members. */
json_t *dbx_visible_list(json_t *data, const char *list);
/* Have the item moved on by `step` ("start", "stopped", "canceled", …) in told ms; an earlier step is forgotten. */
void dbx_compute_schedule(struct az_model *m, const struct az_resource *ws, json_t *item, const char *list,
                          const char *key, const char *step, int64_t in_ms);

bool dbx_warehouse_is_serverless(const json_t *warehouse);
void dbx_warehouse_adopt(struct az_model *m, struct az_resource *ws, json_t *warehouse);
/* A network update ends it. */
void dbx_warehouse_end(struct az_model *m, struct az_resource *workspace, json_t *warehouse);

/* States in which a pipeline holds compute, NULL-terminated. */
extern const char *const dbx_busy_pipeline_states[];

/* Steps */
void dbx_warehouse_start(struct az_model *m, struct az_resource *ws, json_t *warehouse);
void dbx_warehouse_stopped(struct az_model *m, struct az_resource *ws, json_t *warehouse);
void dbx_run_canceled(struct az_model *m, struct az_resource *ws, json_t *run);
void dbx_run_finished(struct az_model *m, struct az_resource *ws, json_t *run);
/* A loaded run with "endsAfterSeconds" ends by itself. */
void dbx_run_adopt(struct az_model *m, struct az_resource *ws, json_t *run);
void dbx_pipeline_idle(struct az_model *m, struct az_resource *ws, json_t *pipeline);
void dbx_pipeline_run(struct az_model *m, struct az_resource *ws, json_t *pipeline);

#endif
