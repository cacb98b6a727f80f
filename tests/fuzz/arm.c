/* Answers of Azure Resource Manager, with the headers of its operations; the journal's operation comes from the first chunk, too. */
#include "tests/fuzz/wire.h"

#include "worker/engine/record.h"

#define RES \
    "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v"

static void ensure(struct wire *w, bool plan_only)
{
    struct cw_ensured ensured;
    struct cw_err err = {0};
    json_t *desired =
        json_pack("{s:s, s:{s:[s]}}", "location", "chinanorth3", "properties", "prefixes", "10.0.0.0/16");
    const struct cw_goal goal = {
        .id = RES, .api = &cw_api_network, .desired = desired, .create_guarded = true};
    w->call.plan_only = plan_only;
    if (cw_arm_ensure(w->arm, &w->call, &goal, &ensured, &err) < 0)
        CW_BUG_ON(err.text[0] == '\0');
    json_decref(desired);
}

static void act(struct wire *w, char which)
{
    struct cw_err err = {0};
    json_t *doc = NULL;
    json_t *body = json_pack("{s:{s:i}}", "properties", "a", 1);
    bool existed = false;
    int r = 0;
    if (which == 'p')
        r = cw_arm_put(w->arm, &w->call, RES, &cw_api_network, body, &doc, &err);
    else if (which == 'a')
        r = cw_arm_post(w->arm, &w->call, RES "/act", &cw_api_network, NULL, &doc, &err);
    else if (which == 'd')
        r = cw_arm_delete(w->arm, &w->call, RES, &cw_api_network, &existed, &err);
    else
        r = cw_arm_wait_ready(w->arm, &w->call, RES, &cw_api_network, &doc, &err);
    CW_BUG_ON(r < 0 && err.text[0] == '\0');
    json_decref(body);
}

/* "e", "n" (plan only), "p", "a", "d", "w"; behind it an operation as the journal holds it. */
static void run(struct wire *w)
{
    struct cw_err err = {0};
    char which = w->choice[0];
    if (which != '\0' && cw_operation_parse(w->choice + 1, w->mem, &w->pending, &err) < 0)
        w->pending = (struct cw_operation){0};
    if (which == 'e' || which == 'n')
        ensure(w, which == 'n');
    else
        act(w, which);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return wire_play(data, size, run);
}
