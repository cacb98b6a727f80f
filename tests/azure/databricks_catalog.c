/* Node types and runtimes that the simulated regions offer. */
#include "tests/azure/databricks.h"

#include <pthread.h>
#include <string.h>

static const struct node_type {
    const char *id, *category;
    int memory_mb, cores, disks, disk_gb;
    bool is_deprecated;
} node_types[] = {
    {"Standard_DS3_v2", "General Purpose", 14336, 4, 4, 7, false},
    {"Standard_DS4_v2", "General Purpose", 28672, 8, 8, 7, false},
    {"Standard_D4s_v3", "General Purpose", 16384, 4, 1, 32, false},
    {"Standard_D8s_v3", "General Purpose", 32768, 8, 1, 64, false},
    {"Standard_D4ds_v5", "General Purpose", 16384, 4, 1, 150, false},
    {"Standard_E4s_v3", "Memory Optimized", 32768, 4, 1, 64, false},
    {"Standard_E8s_v3", "Memory Optimized", 65536, 8, 1, 128, false},
    {"Standard_E4ds_v4", "Memory Optimized", 32768, 4, 1, 150, false},
    {"Standard_F4s", "Compute Optimized", 8192, 4, 1, 16, false},
    {"Standard_F8s_v2", "Compute Optimized", 16384, 8, 1, 64, false},
    {"Standard_L4s", "Storage Optimized", 32768, 4, 1, 678, false},
    {"Standard_NC6", "GPU Accelerated", 57344, 6, 1, 340, true},
};

static const struct {
    const char *key, *name;
} versions[] = {
    {"17.0.x-scala2.13", "17.0 Beta (includes Apache Spark 4.0.0, Scala 2.13)"},
    {"16.4.x-scala2.12", "16.4 LTS (includes Apache Spark 3.5.2, Scala 2.12)"},
    {"16.4.x-scala2.13", "16.4 LTS (includes Apache Spark 3.5.2, Scala 2.13)"},
    {"16.4.x-cpu-ml-scala2.12", "16.4 LTS ML (includes Apache Spark 3.5.2, Scala 2.12)"},
    {"16.4.x-photon-scala2.12", "16.4 LTS Photon (includes Apache Spark 3.5.2, Scala 2.12)"},
    {"16.2.x-scala2.12", "16.2 (includes Apache Spark 3.5.2, Scala 2.12)"},
    {"15.4.x-scala2.12", "15.4 LTS (includes Apache Spark 3.5.0, Scala 2.12)"},
    {"15.4.x-gpu-ml-scala2.12", "15.4 LTS ML (includes Apache Spark 3.5.0, GPU, Scala 2.12)"},
    {"15.4.x-aarch64-scala2.12", "15.4 LTS aarch64 (includes Apache Spark 3.5.0, Scala 2.12)"},
    {"14.3.x-scala2.12", "14.3 LTS (includes Apache Spark 3.5.0, Scala 2.12)"},
    {"13.3.x-scala2.12", "13.3 LTS (includes Apache Spark 3.4.1, Scala 2.12)"},
    {"apache-spark-2.4.x-esr-scala2.11",
     "Light 2.4 Extended Support (includes Apache Spark 2.4, Scala 2.11)"},
};

static json_t *all_node_types; /* for as long as the process runs */
static char *all_node_types_text, *all_versions_text;
static pthread_once_t making = PTHREAD_ONCE_INIT;

static json_t *make_node_types(void)
{
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof node_types / sizeof node_types[0]; i++) {
        const struct node_type *t = &node_types[i];
        json_array_append_new(
            list,
            json_pack("{s:s,s:i,s:f,s:i,s:s,s:s,s:s,s:b,s:b,s:b,s:b,s:{s:s,s:i,s:i},s:{s:[]}}",
                      "node_type_id", t->id, "memory_mb", t->memory_mb, "num_cores", (double)t->cores,
                      "num_gpus", strncmp(t->category, "GPU", 3) == 0 ? 1 : 0, "description", t->id,
                      "instance_type_id", t->id, "category", t->category, "is_deprecated", t->is_deprecated,
                      "is_hidden", 0, "is_io_cache_enabled", t->disks > 0, "photon_driver_capable",
                      t->cores >= 8, "node_instance_type", "instance_type_id", t->id, "local_disks", t->disks,
                      "local_disk_size_gb", t->disk_gb, "node_info", "status"));
    }
    return json_pack("{s:o}", "node_types", list);
}

static json_t *make_versions(void)
{
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++)
        json_array_append_new(list, json_pack("{s:s,s:s}", "key", versions[i].key, "name", versions[i].name));
    return json_pack("{s:o}", "versions", list);
}

static void make_both(void)
{
    all_node_types = make_node_types();
    all_node_types_text = json_dumps(all_node_types, JSON_COMPACT);
    json_t *all_versions = make_versions();
    all_versions_text = json_dumps(all_versions, JSON_COMPACT);
    json_decref(all_versions);
}

json_t *dbx_node_types(void)
{
    (void)pthread_once(&making, make_both);
    return json_incref(all_node_types);
}

const char *dbx_node_types_text(void)
{
    (void)pthread_once(&making, make_both);
    return all_node_types_text;
}

const char *dbx_spark_versions_text(void)
{
    (void)pthread_once(&making, make_both);
    return all_versions_text;
}

bool dbx_has_node_type(const char *id)
{
    for (size_t i = 0; i < sizeof node_types / sizeof node_types[0]; i++)
        if (strcmp(node_types[i].id, id) == 0)
            return true;
    return false;
}

bool dbx_has_spark_version(const char *key)
{
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++)
        if (strcmp(versions[i].key, key) == 0)
            return true;
    return false;
}
