/* tests/lib/steprig.h: a step on the real clients, over the fake network and the Azure model, and the sweep of failures.
 *
 * A rig is one world: fake clock, model, clients. It is started from a state document or from what another rig left behind,
 * so a "crash" is a new rig. Requires the simulated world to be linked.
 * Suspends: never; it drives its own loop.  Thread: one. */
#ifndef CW_TESTS_LIB_STEPRIG_H
#define CW_TESTS_LIB_STEPRIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/world/world.h"
#include "worker/steps/plans.h"

#define RIG_SUBSCRIPTION "11111111-1111-1111-1111-111111111111"
#define RIG_WORKSPACE(name)                                       \
    "/subscriptions/" RIG_SUBSCRIPTION "/resourceGroups/rg-" name \
    "/providers/Microsoft.Databricks/workspaces/" name

/* State documents that several tests begin with. */
#define RIG_EMPTY "{}"
#define RIG_EXISTING                                                                                                       \
    "{\"workspaces\":[{\"name\":\"existing-ws\",\"resourceGroup\":\"rg-existing-ws\",\"addressSpace\":\"10.20.0.0/16\"}]," \
    "\"databricks\":{\"workspaces\":{\"existing-ws\":{\"clusters\":[{\"cluster_name\":\"etl\"},{\"cluster_name\":\"bi\"}," \
    "{\"cluster_name\":\"old\",\"state\":\"TERMINATED\"}],\"warehouses\":[{\"name\":\"sql\",\"state\":\"RUNNING\"}]}}}}"
#define RIG_HEALTHY                                                                                       \
    "{\"workspaces\":[{\"name\":\"healthy-ws\",\"resourceGroup\":\"rg-healthy-ws\",\"requiredNsgRules\":" \
    "\"NoAzureDatabricksRules\",\"endpoint\":{},\"zone\":{}}]}"
#define RIG_UNLINKED                                                                                        \
    "{\"workspaces\":[{\"name\":\"unlinked-ws\",\"resourceGroup\":\"rg-unlinked-ws\",\"requiredNsgRules\":" \
    "\"NoAzureDatabricksRules\",\"endpoint\":{},\"zone\":{\"linked\":false}}]}"
#define RIG_MANAGED \
    "{\"workspaces\":[{\"name\":\"managed-ws\",\"resourceGroup\":\"rg-managed-ws\",\"injected\":false}]}"

#define RIG_SENTENCES_MAX 64

struct rig {
    struct cw_arena *mem;      /* request, facts, sentences */
    struct cw_arena *step_mem; /* of the attempt */
    struct az_model *model;
    struct cw_loop *loop;
    struct cw_http *http;
    struct cw_credential *credential;
    struct cw_cloud cloud;
    struct cw_clients svc;
    struct cw_policy policy;
    struct cw_request req;
    struct cw_facts facts; /* fold of the steps that succeeded */
    struct cw_call_counts counts;
    const char *found[RIG_SENTENCES_MAX];
    size_t found_count;
    const char *changed[RIG_SENTENCES_MAX];
    size_t changed_count;
    size_t locks_taken;
    size_t kept_count;   /* what steps wrote down before their end */
    int64_t write_count; /* before_write hooks */
};

/* A shipped state, by its name in tests/azure/states; lives in out. */
const char *rig_read_state(const char *name, struct cw_buf *out);
/* kind "provision" …, data is the request's data as JSON. The test fails on any mistake. */
struct rig *rig_new(const char *state, const char *kind, const char *data);
/* A worker that starts after a crash: the same request and facts, what the model has become, new clients. Frees the old one. */
struct rig *rig_restart(struct rig *take_rig);
void rig_free(struct rig *rig);

/* Workers have name servers of their own network to ask (dns.resolver); see world_dns_sit(). */
void rig_use_resolver(struct rig *rig, const char *servers);

/* One attempt of one step; its output is folded into the facts when it succeeds. ONCE steps are probed first when
 * is_again. */
int rig_attempt(struct rig *rig, const struct cw_step *step, bool is_again, struct cw_err *err);
int rig_undo(struct rig *rig, const struct cw_step *step, struct cw_err *err);
/* Does the world tell that an earlier run began the step? What was found is folded into the facts. The test fails on any error. */
bool rig_was_begun(struct rig *rig, const struct cw_step *step);
/* A worker that starts after a crash, when Redis has lost everything too: the request alone is known. Frees the old one. */
struct rig *rig_forget(struct rig *take_rig);
/* Attempts with waits between them, as the engine would; skipped when `when` says so. The test fails if it never succeeds. */
void rig_must(struct rig *rig, const struct cw_step *step);
/* All steps of the plan before this one (all: NULL). */
void rig_run_until(struct rig *rig, const struct cw_step *step);

/* The owner of a cluster terminates it. */
void rig_terminate(struct rig *rig, const char *cluster_id);

/* Effective changes that clients made (not the platform), whose operation or resource contains `part` (NULL = all). */
size_t rig_changes(const struct rig *rig, const char *part);
/* Is there a sentence with this part? */
bool rig_has_found(const struct rig *rig, const char *part);
bool rig_has_changed(const struct rig *rig, const char *part);

struct rig_sweep {
    const char *state;
    const char *kind;
    const char *data;
    const struct cw_step *step;
    const char *const
        *may_repeat; /* parts of operations that a rerun may do again; NULL-terminated, NULL = none */
    size_t stride;   /* look at every stride-th call only; 0 = 1 */
};
/* The step is brought to its begin, and then, for each HTTP call that it makes and each class of failure, the call fails (once,
 * and for good), or the fiber is cancelled there. Checks: the class of the error; that no bug is reported; that a restarted
 * worker then ends it with the same facts, and without a second effective change of the same thing. */
void rig_sweep(const struct rig_sweep *sweep);

#endif
