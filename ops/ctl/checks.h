/* ops/ctl/checks.h: a verify verdict as a tree of checks for a person: what holds, what does not, what could not be seen.
 *
 * Suspends: never.  Thread: any. */
#ifndef CW_OPS_CTL_CHECKS_H
#define CW_OPS_CTL_CHECKS_H

#include <stdio.h>

#include "common/json.h"

/* Each check with ✓, ✗ or ?; below a failed one its findings, their evidence and their remedy. result: data of a verdict. */
void checks_print(FILE *out, const json_t *result);

#endif
