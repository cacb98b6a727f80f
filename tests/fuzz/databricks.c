/* Answers of a workspace: its API, its HTML pages, its errors; the first letter chooses what is asked. */
#include "tests/fuzz/wire.h"

#include "common/azure/compute.h"

static const struct cw_target target = {
    .workspace_url = "adb-12.3.databricks.azure.cn",
    .workspace_id = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Databricks/workspaces/ws",
};

static int list_everything(struct wire *w, struct cw_err *err)
{
    struct cw_compute_list list = {0};
    int r = cw_compute_list(w->databricks, &w->call, &target, "causeway-", &list, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < list.count; i++)
        (void)cw_compute_is_waking(&list.items[i]);
    return cw_compute_start(w->databricks, &w->call, &target, &list, false, NULL, err);
}

static int ask(struct wire *w, struct cw_err *err)
{
    struct cw_databricks *d = w->databricks;
    struct cw_cluster cluster;
    const struct cw_cluster *clusters;
    const struct cw_cluster_event *events;
    const char *text;
    size_t count;
    switch (w->choice[0]) {
    case 'c':
        return cw_databricks_list_clusters(d, &w->call, &target, &clusters, &count, err);
    case 'g':
        return cw_databricks_wait_cluster(d, &w->call, &target, "0101-1-x", "RUNNING", &cluster, err);
    case 'e':
        return cw_databricks_list_events(d, &w->call, &target, "0101-1-x", &events, &count, err);
    case 'n':
        return cw_databricks_smallest_node_type(d, &w->call, &target, NULL, &text, err);
    case 'v':
        return cw_databricks_latest_lts(d, &w->call, &target, &text, err);
    case 'm':
        return cw_databricks_me(d, &w->call, &target, &text, err);
    case 'r':
        return cw_databricks_run_command(d, &w->call, &target, "0101-1-x", "python", "print(1)", &text, err);
    case 't':
        return cw_databricks_get_note(d, &w->call, &target, "note", &text, err);
    case 'p':
        return cw_databricks_permanent_delete_cluster(d, &w->call, &target, "0101-1-x", err);
    case 'w':
        return cw_databricks_wait_ready(d, &w->call, &target, 2, 1000, err);
    default:
        return list_everything(w, err);
    }
}

static void run(struct wire *w)
{
    struct cw_err err = {0};
    CW_BUG_ON(ask(w, &err) < 0 && err.text[0] == '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return wire_play(data, size, run);
}
