/* worker/steps/diagnosis.h: collect the readings about a failed proof, judge them, rank what was found.
 *
 * All reads first, judged afterwards: several causes at once are normal. A read that was refused is a finding of its own,
 * never "absent". Everything lives in c->call.mem.
 * Suspends: cw_diagnosis_collect.  Thread: loop.  Source: reference "Private Link diagnosis" 1-3. */
#ifndef CW_WORKER_STEPS_DIAGNOSIS_H
#define CW_WORKER_STEPS_DIAGNOSIS_H

#include "common/azure/privatedns.h"
#include "common/azure/workspace.h"
#include "worker/steps/step.h"

#define CW_FINDINGS_MAX 32
/* Confidences, per cent. */
#define CW_SURE 95
#define CW_LIKELY 75
#define CW_POSSIBLE 50
#define CW_EVIDENCE_MAX 4

/* What was read. Members are zero where a thing does not exist or could not be read. */
struct cw_readings {
    struct cw_workspace workspace;
    struct cw_private_endpoint
        endpoint; /* the best databricks_ui_api endpoint: in the VNet and approved, if there is one */
    bool has_endpoint;
    size_t endpoint_count; /* databricks_ui_api connections of the workspace */
    const char *address;   /* of the endpoint's NIC */
    struct cw_vnet vnet;
    const char *zone_name;
    const char *linked_zone; /* the zone of that name that the VNet is linked to */
    const char *any_zone;    /* a zone of that name in the subscription that holds the record, or any */
    struct cw_dns_record record;
    bool has_record;
    struct cw_zone_group zone_group; /* of the endpoint */
    struct cw_nsg host_nsg;
    struct cw_nsg container_nsg;
    struct cw_nsg endpoint_nsg;
    struct cw_route_table host_routes;
    struct cw_route_table container_routes;
};

struct cw_findings {
    struct cw_diagnosis_v1 items[CW_FINDINGS_MAX];
    struct cw_evidence_v1 evidence[CW_FINDINGS_MAX][CW_EVIDENCE_MAX];
    size_t count;
};

/* Fill the readings; refused reads become findings. Errors: cancellation, -CW_ETIMEDOUT, -CW_ENOMEM. */
int cw_diagnosis_collect(struct cw_step_ctx *c, struct cw_readings *ret_readings,
                         struct cw_findings *findings, struct cw_err *err);
/* Pure: from readings and facts to findings. */
void cw_diagnosis_judge(struct cw_step_ctx *c, const struct cw_readings *readings,
                        struct cw_findings *findings);
/* The part about subnets, security rules and routes. Pure. */
void cw_diagnosis_judge_network(struct cw_step_ctx *c, const struct cw_readings *readings,
                                struct cw_findings *findings);
/* Highest confidence first; equal ones in the order in which they were found. */
void cw_findings_rank(struct cw_findings *findings);
/* Add one; NULL when full. evidence is added by the next call, to the finding added last. message is kept as it is. */
struct cw_diagnosis_v1 *cw_finding_add(struct cw_findings *findings, enum cw_cause cause, int confidence,
                                       bool is_safe, const char *message, const char *repair);
void cw_finding_evidence(struct cw_findings *findings, const char *resource_id, const char *field,
                         const char *expected, const char *found);

#endif
