/* tests/world/route.h: scripted answers: a handler for world_set_handler() that answers by method and part of the URL.
 *
 * Of all routes that fit, the one with the longest part answers. Answers of one route are given in the order of the calls
 * that added them; the last one stays. Token requests get a token unless a route says otherwise.
 * Suspends: never.  Thread: one. */
#ifndef CW_TESTS_WORLD_ROUTE_H
#define CW_TESTS_WORLD_ROUTE_H

#include "tests/world/world.h"

/* Forget all routes and answer by what is added from now on; unknown requests get a 404. */
void world_routes(void);
/* headers: "name: value" lines separated by '\n', or NULL. Strings are borrowed. method NULL = any. */
void world_route(const char *method, const char *url_part, int status, const char *body, const char *headers);

#endif
