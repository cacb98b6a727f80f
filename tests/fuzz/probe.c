/* What a node prints: read, judged, never trusted. */
#include "worker/steps/probe_script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    if (cw_arena_new((size_t)16 << 20, &mem) < 0)
        return 0;
    const struct cw_probe_question question = {"adb-1.2.databricks.azure.cn", "10.10.128.4",
                                               "privatelink.databricks.azure.cn"};
    char *output = cw_arena_memdup(mem, data, size);
    const char *json = NULL;
    struct cw_probe_v1 probe = {0};
    struct cw_err err = {0};
    if (cw_probe_read(output, mem, &probe, &json, &err) == 0)
        (void)cw_probe_judge(&probe, &question, mem);
    return 0;
}
