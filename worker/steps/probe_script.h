/* worker/steps/probe_script.h: the program that runs on the verification cluster's node, and the reading of what it prints.
 *
 * The first line of the program is the comment `# causeway-probe/1 {json}` with what is asked; its output is one line
 * `CAUSEWAY-PROBE/1 {json}` (schema/probe_v1.h) among whatever else the node prints.
 * Suspends: never.  Thread: loop.  Source: reference "Databricks facts" 12.3. */
#ifndef CW_WORKER_STEPS_PROBE_SCRIPT_H
#define CW_WORKER_STEPS_PROBE_SCRIPT_H

#include "common/arena.h"
#include "common/err.h"
#include "schema/probe_v1.h"

struct cw_probe_question {
    const char *host;    /* of the workspace */
    const char *address; /* of the endpoint */
    const char *zone;    /* the private zone's name */
};

/* Python source in mem; NULL when out of memory. */
char *cw_probe_source(const struct cw_probe_question *question, struct cw_arena *mem);
/* Find and decode the answer; *ret_json is its text, in mem. Errors: -CW_EPROTO (no such line, or malformed), -CW_ENOMEM. */
int cw_probe_read(const char *output, struct cw_arena *mem, struct cw_probe_v1 *ret_probe,
                  const char **ret_json, struct cw_err *err);
/* The answer's text alone. Errors: -CW_EPROTO, -CW_ENOMEM. */
int cw_probe_decode(const char *text, size_t n, struct cw_arena *mem, struct cw_probe_v1 *ret_probe,
                    struct cw_err *err);
/* Does the answer prove a private connection? NULL when it does, else a sentence why not (static, or in mem). The equality is
 * judged here, by the endpoint's address from ARM, never by the node. */
const char *cw_probe_judge(const struct cw_probe_v1 *probe, const struct cw_probe_question *question,
                           struct cw_arena *mem);

#endif
