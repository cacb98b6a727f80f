/* tests/azure/state.h: the parts of loading a state document. */
#ifndef CW_TESTS_AZURE_STATE_H
#define CW_TESTS_AZURE_STATE_H

#include "tests/azure/arm.h"

/* Is the document well formed: known members, right types, nothing twice? 0, or -1 with a text that says where and what
 * would be right. */
int az_state_check(const json_t *doc, char *error, size_t error_bytes);
/* "workspaces", the short form: the resources that it stands for, as a new array. NULL with a text in
 * error. */
json_t *az_state_expand(struct az_model *m, const json_t *workspaces, char *error, size_t error_bytes);
/* Make resources of what a body carries inline (subnets, rules, routes). 0, or -1 with a text in error. */
int az_state_unfold(struct az_model *m, struct az_resource *r, char *error, size_t error_bytes);
/* Fill in what documents may leave out, over all resources. 0, or -1 with a text in error. */
int az_state_complete(struct az_model *m, char *error, size_t error_bytes);

#endif
