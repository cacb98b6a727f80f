/* schema/facts_v1.h: what the steps of a request have learned: the fold of all their outputs, journaled as JSON.
 *
 * Suspends: never.  Thread: any. */
#ifndef CW_SCHEMA_FACTS_V1_H
#define CW_SCHEMA_FACTS_V1_H

#include "schema/compute_v1.h"
#include "schema/diagnosis_v1.h"
#include "schema/probe_v1.h"

#define CW_FACTS_BYTES_MAX ((size_t)1024 * 1024)

struct cw_settings_v1 {
    const char *required_nsg_rules;
    const char *public_network_access;
};

struct cw_termination_v1 {
    const char *code;
    const char *type;
    const char *message;
};

/* A proof that failed does not end the plan: the cause is looked for first, and the cluster removed. Set when code is. */
struct cw_proof_error_v1 {
    const char *step;
    const char *code; /* name of a CW_E… without prefix */
    const char *message;
    const char *remedy;
};

struct cw_facts {
    /* inspect_workspace, check_request, ensure_network, ensure_workspace */
    const char *location;
    const char *sku;
    const char *vnet_id;
    const char *host_subnet;      /* name */
    const char *container_subnet; /* name */
    const char *nsg_id;
    const char *endpoint_subnet_id;
    const char *endpoint_subnet_prefix;
    const char *workspace_url; /* host without scheme */
    const char *workspace_numeric_id;
    const char *managed_group; /* name */
    const char *required_nsg_rules;
    const char *public_network_access;
    int no_public_ip;      /* enum cw_tri */
    int workspace_existed; /* enum cw_tri */
    struct cw_settings_v1 settings_before;

    /* inventory_compute, stop_compute, start_compute */
    struct cw_compute_v1 *compute;
    size_t compute_count;
    bool compute_listed;     /* an empty list is a result */
    int64_t outage_began_ms; /* wall clock: the first stop */
    int64_t outage_ended_ms; /* wall clock: all that was stopped runs again */

    /* ensure_private_endpoint */
    const char *endpoint_id;
    const char *endpoint_name;
    const char *nic_id;
    const char *endpoint_address;
    const char *endpoint_status;

    /* ensure_private_dns, verify_dns */
    const char *zone_id;
    const char *zone_name;
    const char *link_id;
    const char *record_name;
    struct cw_dns_record_v1 *records;
    size_t record_count;
    struct cw_probe_dns_v1 resolver; /* what the worker's own name server answered; server NULL: not asked */

    /* ensure_browser_authentication */
    const char *browser_zone_id;
    const char *browser_endpoint_id;

    /* launch_cluster, run_probe, remove_cluster */
    const char *cluster_id;
    const char *cluster_state;
    const char *cluster_node_type;
    const char *cluster_spark_version;
    int64_t cluster_started_ms; /* wall clock */
    struct cw_termination_v1 cluster_termination;
    const char *probe_json; /* as the node printed it */

    struct cw_proof_error_v1 proof_error;
    int is_repaired; /* enum cw_tri: safe repairs were made, and the proof is tried once more */
    struct cw_proof_error_v1 proof_again; /* of the second try */
    struct cw_diagnosis_v1 *diagnosis;
    size_t diagnosis_count;
};

extern const struct cw_shape cw_facts_shape;
/* The error of the last proof; its code is NULL when that proof has not failed. */
const struct cw_proof_error_v1 *cw_facts_proof(const struct cw_facts *facts);

/* Members of `from` that are set replace those of `into`; copied into mem. Errors: -CW_ENOMEM. */
int cw_facts_merge(struct cw_facts *into, const struct cw_facts *from, struct cw_arena *mem);
/* Compact JSON in mem; "{}" for empty facts; NULL when out of memory. */
char *cw_facts_encode(const struct cw_facts *facts, struct cw_arena *mem);
/* Errors: -CW_EPARSE, -CW_EINVAL, -CW_ETOOBIG, -CW_ENOMEM. */
int cw_facts_decode(const char *p, size_t n, struct cw_arena *mem, struct cw_facts *ret_facts,
                    struct cw_err *err);

#endif
