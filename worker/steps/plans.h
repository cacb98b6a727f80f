/* worker/steps/plans.h: every step by name. Only plans.c and the tests of steps look here; the engine sees a plan's table.
 *
 * Suspends: never.  Thread: any. */
#ifndef CW_WORKER_STEPS_PLANS_H
#define CW_WORKER_STEPS_PLANS_H

#include "worker/steps/step.h"

extern const struct cw_step cw_step_check_request;
extern const struct cw_step cw_step_inspect_workspace;
extern const struct cw_step cw_step_ensure_resource_group;
extern const struct cw_step cw_step_ensure_network;
extern const struct cw_step cw_step_inventory_compute;
extern const struct cw_step cw_step_stop_compute;
extern const struct cw_step cw_step_ensure_workspace;
extern const struct cw_step cw_step_ensure_private_endpoint;
extern const struct cw_step cw_step_ensure_private_dns;
extern const struct cw_step cw_step_ensure_browser_authentication;
extern const struct cw_step cw_step_verify_dns;
extern const struct cw_step cw_step_launch_cluster;
extern const struct cw_step cw_step_run_probe;
extern const struct cw_step cw_step_diagnose;
extern const struct cw_step cw_step_repair;
extern const struct cw_step cw_step_verify_dns_again;
extern const struct cw_step cw_step_launch_cluster_again;
extern const struct cw_step cw_step_run_probe_again;
extern const struct cw_step cw_step_diagnose_again;
extern const struct cw_step cw_step_remove_cluster;
extern const struct cw_step cw_step_start_compute;

#endif
