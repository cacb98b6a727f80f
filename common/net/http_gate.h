/* common/net/http_gate.h: how many transfers a host, and all hosts together, have under way. For common/net alone.
 *
 * libcurl can limit connections itself, but it looks at every transfer that has none whenever one ends: thousands that wait cost
 * a core. And it does not return to the loop while any handshake can go on: hundreds of them at once stop the loop for seconds.
 * Here transfers wait in order, before they cost anything.
 * Suspends: cw_http_gates_enter.  Thread: loop. */
#ifndef CW_COMMON_NET_HTTP_GATE_H
#define CW_COMMON_NET_HTTP_GATE_H

#include "common/fiber/wait.h"

#define CW_HTTP_GATE_CHAINS 256

struct cw_http_gate_node;

struct cw_http_gate {
    size_t limit;
    size_t active;
    struct cw_http_gate_node *head, *tail; /* who waits, first come first */
};

struct cw_http_host {
    struct cw_http_host *next;
    struct cw_http_gate gate;
    size_t warm; /* connections that nobody uses */
    bool is_multiplexed;
    char key[]; /* scheme, host and port */
};

/* Hosts are forgotten when nobody is in or waits. */
struct cw_http_gates {
    size_t host_limit; /* while it is not known that the host takes many transfers over one connection */
    struct cw_http_gate all;
    struct cw_http_gate connecting;
    struct cw_http_host *chains[CW_HTTP_GATE_CHAINS];
};

void cw_http_gates_init(struct cw_http_gates *gates, size_t all_limit, size_t host_limit);
/* Wait for a place; without an open connection to the host also for the turn to make one. 0 (connections are there) and 1 (it is
 * this transfer's turn to connect; connected must follow) must be followed by leave. ret_host is valid until then.
 * Errors: -CW_ETIMEDOUT, cancellation, -CW_ENOMEM. Suspends: yes. */
int cw_http_gates_enter(struct cw_http_gates *gates, const char *url, struct cw_deadline until,
                        struct cw_http_host **ret_host);
/* The transfer has its connection, or will not get it soon: the next may begin. */
void cw_http_gates_connected(struct cw_http_gates *gates);
/* An answer came: its connection stays open, and HTTP/2 hosts are limited by the sum alone. */
void cw_http_gates_learn(struct cw_http_gates *gates, struct cw_http_host *host, bool is_multiplexed);
void cw_http_gates_leave(struct cw_http_gates *gates, struct cw_http_host *host);

#endif
