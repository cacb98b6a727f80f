#include "worker/steps/plans.h"

/* Where safe repairs were asked for and made. */
#define PROVE_AGAIN                                                                                      \
    &cw_step_repair, &cw_step_verify_dns_again, &cw_step_launch_cluster_again, &cw_step_run_probe_again, \
        &cw_step_diagnose_again

static const struct cw_step *const provision_steps[] = {
    &cw_step_check_request,
    &cw_step_ensure_resource_group,
    &cw_step_ensure_network,
    &cw_step_ensure_workspace,
    &cw_step_ensure_private_endpoint,
    &cw_step_ensure_private_dns,
    &cw_step_ensure_browser_authentication,
    &cw_step_verify_dns,
    &cw_step_launch_cluster,
    &cw_step_run_probe,
    &cw_step_diagnose,
    PROVE_AGAIN,
    &cw_step_remove_cluster,
};

/* The inventory comes before the first write: a request that may not stop compute is refused with nothing changed. */
static const struct cw_step *const migrate_steps[] = {
    &cw_step_check_request,
    &cw_step_inspect_workspace,
    &cw_step_inventory_compute,
    &cw_step_ensure_network,
    &cw_step_stop_compute,
    &cw_step_ensure_workspace,
    &cw_step_ensure_private_endpoint,
    &cw_step_ensure_private_dns,
    &cw_step_ensure_browser_authentication,
    &cw_step_verify_dns,
    &cw_step_launch_cluster,
    &cw_step_run_probe,
    &cw_step_diagnose,
    PROVE_AGAIN,
    &cw_step_remove_cluster,
    &cw_step_start_compute,
};

/* The private way is complete before the first stop: compute rests for the update alone. */
static const struct cw_step *const short_migrate_steps[] = {
    &cw_step_check_request,
    &cw_step_inspect_workspace,
    &cw_step_inventory_compute,
    &cw_step_ensure_network,
    &cw_step_ensure_private_endpoint,
    &cw_step_ensure_private_dns,
    &cw_step_ensure_browser_authentication,
    &cw_step_stop_compute,
    &cw_step_ensure_workspace,
    &cw_step_verify_dns,
    &cw_step_launch_cluster,
    &cw_step_run_probe,
    &cw_step_diagnose,
    PROVE_AGAIN,
    &cw_step_remove_cluster,
    &cw_step_start_compute,
};

static const struct cw_step *const verify_steps[] = {
    &cw_step_check_request, &cw_step_inspect_workspace, &cw_step_verify_dns, &cw_step_launch_cluster,
    &cw_step_run_probe,     &cw_step_diagnose,          PROVE_AGAIN,         &cw_step_remove_cluster,
};

static const struct cw_plan plans[] = {
    {CW_REQUEST_PROVISION, 2, provision_steps, CW_ARRAY_LEN(provision_steps)},
    {CW_REQUEST_MIGRATE, 2, migrate_steps, CW_ARRAY_LEN(migrate_steps)},
    {CW_REQUEST_VERIFY, 2, verify_steps, CW_ARRAY_LEN(verify_steps)},
};

static const struct cw_plan short_migrate = {CW_REQUEST_MIGRATE, 2, short_migrate_steps,
                                             CW_ARRAY_LEN(short_migrate_steps)};

const struct cw_plan *cw_plan_of(const struct cw_request *req)
{
    if (req->kind == CW_REQUEST_MIGRATE && req->options.order == CW_ORDER_SHORTEST_OUTAGE)
        return &short_migrate;
    for (size_t i = 0; i < CW_ARRAY_LEN(plans); i++)
        if (plans[i].kind == req->kind)
            return &plans[i];
    return NULL;
}
