/* worker/steps/diagnosis.h: collect the readings about a failed proof, judge them, rank what was found.
 *
 * All reads first, judged afterwards: several causes at once are normal. A read that was refused is a finding of its own,
 * never "absent". Everything lives in c->call.mem.
 * Suspends: cw_diagnosis_make, cw_diagnosis_keep.  Thread: loop.  Source: reference "Private Link diagnosis" 1-3. */
#ifndef CW_WORKER_STEPS_DIAGNOSIS_H
#define CW_WORKER_STEPS_DIAGNOSIS_H

#include "common/azure/databricks_access.h"
#include "common/azure/privatedns.h"
#include "common/azure/reach.h"
#include "common/azure/resources.h"
#include "worker/steps/step.h"

#define CW_FINDINGS_MAX 32
/* Confidences, per cent. */
#define CW_SURE 95
#define CW_LIKELY 75
#define CW_POSSIBLE 50
#define CW_BESIDE 10 /* true, but no reason for a failed proof */
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
    struct cw_nat_gateway host_nat;
    struct cw_nat_gateway container_nat;
    const struct cw_need *needs; /* what nodes need of the internet */
    size_t need_count;
    struct cw_ip_access access; /* read where the nodes' or the worker's way is public */
    bool has_access;
    bool is_worker_refused;          /* the workspace refuses this worker's network */
    const struct cw_lock *zone_lock; /* that forbids changes of any_zone; NULL = none */
};

/* What the failed start, or the node itself, says about the name and the way. */
enum cw_sign {
    CW_SIGN_NONE = 0,
    CW_SIGN_NO_NAME,    /* the workspace's name was not found */
    CW_SIGN_NO_ANSWER,  /* nobody answered at the address */
    CW_SIGN_PUBLIC_WAY, /* it came over the public address and was refused */
    CW_SIGN_ACCESS_LIST,
};

struct cw_findings {
    struct cw_diagnosis_v1 items[CW_FINDINGS_MAX];
    struct cw_evidence_v1 evidence[CW_FINDINGS_MAX][CW_EVIDENCE_MAX];
    size_t count;
};

/* Read what the reason of the failure leaves open, judge, rank. Refused reads are findings too.
 * Errors: cancellation, -CW_ETIMEDOUT, -CW_ENOMEM. */
int cw_diagnosis_make(struct cw_step_ctx *c, struct cw_readings *ret_readings, struct cw_findings *findings,
                      struct cw_err *err);
/* Pure: from readings and facts to findings. */
void cw_diagnosis_judge(struct cw_step_ctx *c, const struct cw_readings *readings,
                        struct cw_findings *findings);
/* The part about subnets, security rules and routes. Pure. */
void cw_diagnosis_judge_network(struct cw_step_ctx *c, const struct cw_readings *readings,
                                struct cw_findings *findings);
/* The part about what nodes need of the internet: storage, metastore, event hub. Pure. */
void cw_diagnosis_judge_outside(struct cw_step_ctx *c, const struct cw_readings *readings,
                                struct cw_findings *findings);
/* From the termination reason. Pure. */
enum cw_sign cw_diagnosis_sign(const struct cw_step_ctx *c);
/* Did the cluster fail by something that has nothing to do with the network? Then that is the finding, and nothing more need be
 * read. Pure. */
bool cw_diagnosis_is_elsewhere(const struct cw_step_ctx *c, struct cw_findings *findings);
/* Is the reason of the failed start one that only the service itself has? Pure. */
bool cw_diagnosis_blames_service(const struct cw_step_ctx *c);
/* What the reason of the failed start can come from is more likely, the rest less. Pure. */
void cw_findings_weigh(const struct cw_step_ctx *c, struct cw_findings *findings);
/* Who does each repair, how, and on whose word. Pure. */
void cw_findings_complete(struct cw_step_ctx *c, const struct cw_readings *readings,
                          struct cw_findings *findings);
/* One finding of a step that ends the request for good, kept so that the verdict tells it. evidence is borrowed.
 * Errors: those of cw_step_keep().  Suspends: yes. */
int cw_diagnosis_keep(struct cw_step_ctx *c, enum cw_cause cause, const char *message, const char *repair,
                      const struct cw_evidence_v1 *evidence, struct cw_err *err);
/* Highest confidence first; equal ones in the order in which they were found. */
void cw_findings_rank(struct cw_findings *findings);
/* Add one; NULL when full. evidence is added by the next call, to the finding added last. message is kept as it is. */
struct cw_diagnosis_v1 *cw_finding_add(struct cw_findings *findings, enum cw_cause cause, int confidence,
                                       bool is_safe, const char *message, const char *repair);
void cw_finding_evidence(struct cw_findings *findings, const char *resource_id, const char *field,
                         const char *expected, const char *found);

#endif
