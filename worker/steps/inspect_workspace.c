/* inspect_workspace: can the existing workspace have a private back-end connection? Records how it is now.
 * Reads: workspace.  Writes: nothing.  Source: Microsoft's guide, "Requirements". */
#include "common/azure/workspace.h"
#include "worker/steps/diagnosis.h"
#include "worker/steps/plans.h"

struct obstacle {
    const char *message;
    const char *remedy;
    const char *field;
    const char *expected;
    const char *found;
};

static int refuse(struct cw_step_ctx *c, const struct obstacle *o, struct cw_err *err)
{
    const struct cw_evidence_v1 evidence = {c->req->workspace_id, o->field, o->expected, o->found};
    int r = cw_diagnosis_keep(c, CW_CAUSE_WORKSPACE_NOT_ELIGIBLE, o->message, o->remedy, &evidence, err);
    if (r < 0)
        return r;
    (void)cw_err_set(err, CW_EREJECTED, "%s (%s)", o->message, o->found);
    cw_err_remedy(err, "%s", o->remedy);
    return -CW_EREJECTED;
}

static int check_eligible(struct cw_step_ctx *c, const struct cw_workspace *ws, struct cw_err *err)
{
    const char *sku = ws->sku == NULL ? "no plan" : ws->sku;
    const struct obstacle plan = {"the workspace is not on the Premium plan",
                                  "upgrade the workspace to the Premium plan, then send the request again",
                                  "sku.name", "premium", sku};
    const struct obstacle network = {
        "the workspace is not VNet-injected: it lives in a VNet that Azure Databricks manages",
        "move the workspace into your own VNet (VNet injection) or create a new one with a provision request",
        "properties.parameters.customVirtualNetworkId", "your VNet", "none"};
    const struct obstacle addresses = {
        "the workspace's clusters have public IP addresses (secure cluster connectivity is off)",
        "send a migrate request, which enables secure cluster connectivity",
        "properties.parameters.enableNoPublicIp", "true", "false"};
    const struct obstacle order = {
        "no private endpoint can be made while the clusters have public IP addresses: the shortest-outage order "
        "needs secure cluster connectivity first",
        "set options.order to documented", "properties.parameters.enableNoPublicIp", "true", "false"};
    if (!cw_z_eq_nocase(ws->sku, "premium"))
        return refuse(c, &plan, err);
    if (ws->vnet_id == NULL)
        return refuse(c, &network, err);
    if (ws->no_public_ip != CW_YES && c->req->kind == CW_REQUEST_VERIFY)
        return refuse(c, &addresses, err);
    if (ws->no_public_ip != CW_YES && c->req->options.order == CW_ORDER_SHORTEST_OUTAGE)
        return refuse(c, &order, err);
    return 0;
}

/* An operation of somebody's that does not end. */
static int not_settled(struct cw_step_ctx *c, const struct cw_workspace *ws, struct cw_err *err)
{
    struct cw_err why = *err;
    const struct cw_evidence_v1 evidence = {c->req->workspace_id, "properties.provisioningState", "Succeeded",
                                            ws->state};
    int r = cw_diagnosis_keep(
        c, CW_CAUSE_NOT_SETTLED, "an operation on the workspace is under way and does not end",
        "wait until the workspace is Succeeded, then send the request again", &evidence, err);
    if (r < 0)
        return r;
    *err = why;
    cw_err_remedy(
        err,
        "look in the workspace's activity log for the operation; send the request again when it has ended");
    return cw_err_wrap(err, "wait for workspace");
}

static void record(struct cw_step_ctx *c, const struct cw_workspace *ws)
{
    struct cw_facts *out = c->out;
    out->location = ws->location;
    out->sku = ws->sku;
    out->vnet_id = ws->vnet_id;
    out->host_subnet = ws->host_subnet;
    out->container_subnet = ws->container_subnet;
    out->workspace_url = ws->workspace_url;
    out->workspace_numeric_id = ws->numeric_id;
    out->managed_group = ws->managed_group_id == NULL ? NULL : cw_armid_name(ws->managed_group_id);
    out->required_nsg_rules = ws->required_nsg_rules;
    out->public_network_access = ws->public_network_access;
    out->no_public_ip = ws->no_public_ip == CW_YES  ? CW_TRI_YES
                        : ws->no_public_ip == CW_NO ? CW_TRI_NO
                                                    : CW_TRI_UNKNOWN;
    out->workspace_existed = CW_TRI_YES;
    out->settings_before = (struct cw_settings_v1){.required_nsg_rules = ws->required_nsg_rules,
                                                   .public_network_access = ws->public_network_access};
    cw_step_found(c, "workspace %s (%s) in VNet %s, required NSG rules %s", ws->name, ws->workspace_url,
                  cw_armid_name(ws->vnet_id),
                  ws->required_nsg_rules == NULL ? "unset" : ws->required_nsg_rules);
}

/* Under the Databricks rules everything starts, and shows nothing: clusters may use the public way. */
static int check_settings(struct cw_step_ctx *c, const struct cw_workspace *ws, struct cw_err *err)
{
    if (c->req->kind != CW_REQUEST_VERIFY || cw_z_eq(ws->required_nsg_rules, CW_NSG_RULES_NONE))
        return 0;
    int r = cw_step_proof_failed(
        c, "inspect_workspace", CW_EMISCONFIGURED,
        "send a migrate request, or set required NSG rules to NoAzureDatabricksRules",
        "the workspace's required NSG rules are %s, not NoAzureDatabricksRules: its clusters "
        "may use the public way",
        ws->required_nsg_rules == NULL ? "unset" : ws->required_nsg_rules);
    return r < 0 ? cw_err_set(err, CW_ENOMEM, "settings") : 0;
}

static int run(struct cw_step_ctx *c, struct cw_err *err)
{
    struct cw_workspace ws;
    int r = cw_workspace_get(c->svc->arm, &c->call, c->req->workspace_id, &ws, err);
    if (r == -CW_ENOTFOUND) {
        (void)cw_err_set(err, CW_EREJECTED, "there is no such workspace");
        cw_err_remedy(err, "is the id right? a new workspace needs a provision request");
        return -CW_EREJECTED;
    }
    if (r < 0)
        return cw_err_wrap(err, "read workspace");
    r = check_eligible(c, &ws, err);
    if (r < 0)
        return r;
    r = cw_workspace_wait(c->svc->arm, &c->call, c->req->workspace_id, &ws, err);
    if (r == -CW_ETIMEDOUT)
        return not_settled(c, &ws, err);
    if (r < 0)
        return cw_err_wrap(err, "wait for workspace");
    record(c, &ws);
    return check_settings(c, &ws, err);
}

const struct cw_step cw_step_inspect_workspace = {
    .name = "inspect_workspace",
    .kind = CW_STEP_READ,
    .timeout_ms = INT64_C(30) * 60 * 1000,
    .retry = {.attempts = 5, .base_ms = 1000, .cap_ms = 30000},
    .in_plan = true,
    .run = run,
};
