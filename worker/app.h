/* worker/app.h: one worker, wired: settings in, services and engine out, health, drain.
 *
 * Several may live on one loop (the simulated world does that).
 * Thread: loop. */
#ifndef CW_WORKER_APP_H
#define CW_WORKER_APP_H

#include "common/net/loop.h"
#include "common/settings.h"
#include "worker/steps/step.h"

struct cw_app;
struct cw_engine;

/* Exit codes of causeway-worker; documented in --help. */
enum cw_exit {
    CW_EXIT_OK = 0,      /* drained: every request was answered or handed over */
    CW_EXIT_FAILED = 1,  /* could not start, or could not go on */
    CW_EXIT_USAGE = 2,   /* options or settings are wrong */
    CW_EXIT_HURRIED = 3, /* stopped before everything was handed over: leases must lapse first */
};

typedef const struct cw_plan *(*cw_plan_of_fn)(const struct cw_request *req);

/* Settings are borrowed; plan_of is cw_plan_of, or that of another version where versions meet in one world. Does not wait for anything remote. Errors: -CW_EINVAL (settings; err says which), -CW_EBUSY (the port of /metrics is
 * taken), -CW_ENOMEM. */
int cw_app_new(struct cw_loop *loop, const struct cw_settings *settings, cw_plan_of_fn plan_of,
               struct cw_app **ret_app, struct cw_err *err);
/* Start-up checks (topics exist, limits of the system), then join the group. Blocks for a short time. Errors: -CW_ENOTFOUND (topics),
 * -CW_EINVAL. */
int cw_app_start(struct cw_app *app, struct cw_err *err);
/* Begin to drain; fn(arg, exit code) is called when it is over. Everything that follows, cw_app_free() included, shares the one deadline of
 * engine.drain-timeout. Suspends: no. */
void cw_app_stop(struct cw_app *app, void (*fn)(void *arg, int exit_code), void *arg);
/* Called when the worker can't go on by itself (memory, Kafka failed for good): the owner stops it. */
void cw_app_on_fatal(struct cw_app *app, void (*fn)(void *arg), void *arg);
/* Drained with CW_EXIT_OK, or never started. NULL is fine. */
void cw_app_free(struct cw_app *app);
/* How the loop must be made for these settings. */
struct cw_sched_cfg cw_app_sched_cfg(const struct cw_settings *settings);
/* Borrowed. */
struct cw_engine *cw_app_engine(struct cw_app *app);
int cw_app_port(const struct cw_app *app); /* of /metrics; 0 = none */

#endif
