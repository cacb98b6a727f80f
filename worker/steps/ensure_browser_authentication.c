/* ensure_browser_authentication: a back-end connection needs none, and check_request refuses requests that ask for one.
 * Writes: nothing.  Source: private-link-standard, "web authentication is only necessary with front-end connectivity". */
#include "worker/steps/plans.h"

static bool when(const struct cw_request *req, const struct cw_facts *facts)
{
    (void)facts;
    return req->browser_authentication.mode != CW_BROWSER_SKIP;
}

static int run(struct cw_step_ctx *c, struct cw_err *err)
{
    (void)c;
    return cw_err_set(err, CW_EUNSUPPORTED, "browser authentication is not built yet");
}

const struct cw_step cw_step_ensure_browser_authentication = {
    .name = "ensure_browser_authentication",
    .kind = CW_STEP_READ,
    .timeout_ms = 60000,
    .retry = {.attempts = 1},
    .in_plan = true,
    .when = when,
    .run = run,
};
