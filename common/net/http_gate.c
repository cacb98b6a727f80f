#include "common/net/http_gate.h"

#include <strings.h>

#define CONNECTING_MAX 16

/* On the stack of the waiting fiber. */
struct cw_http_gate_node {
    struct cw_http_gate_node *prev, *next;
    struct cw_wait wait;
};

/* --- one gate ----------------------------------------------------------------------------------------------------- */

static void remove_node(struct cw_http_gate *gate, struct cw_http_gate_node *node)
{
    *(node->prev != NULL ? &node->prev->next : &gate->head) = node->next;
    *(node->next != NULL ? &node->next->prev : &gate->tail) = node->prev;
}

static void admit(struct cw_http_gate *gate)
{
    while (gate->head != NULL && gate->active < gate->limit) {
        struct cw_http_gate_node *node = gate->head;
        remove_node(gate, node);
        gate->active++;
        cw_wait_done(&node->wait, 0);
    }
}

static void leave(struct cw_http_gate *gate)
{
    gate->active--;
    admit(gate);
}

static int enter(struct cw_http_gate *gate, struct cw_deadline until)
{
    if (gate->active < gate->limit && gate->head == NULL) {
        gate->active++;
        return 0;
    }
    struct cw_http_gate_node node = {.prev = gate->tail};
    cw_wait_arm(&node.wait);
    *(gate->tail != NULL ? &gate->tail->next : &gate->head) = &node;
    gate->tail = &node;
    int r = cw_wait_for(&node.wait, until);
    if (!node.wait.done)
        remove_node(gate, &node);
    else if (r < 0)
        leave(gate);
    return r;
}

/* --- hosts -------------------------------------------------------------------------------------------------------- */

/* The bytes of "https://host:port". */
static size_t key_bytes(const char *url)
{
    const char *host = strstr(url, "://");
    return host == NULL ? strlen(url) : (size_t)(host + 3 - url) + strcspn(host + 3, "/?#");
}

static struct cw_http_host **chain_of(struct cw_http_gates *gates, const char *key, size_t n)
{
    uint32_t h = 2166136261U;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)(key[i] | 0x20)) * 16777619U;
    return &gates->chains[h % CW_HTTP_GATE_CHAINS];
}

static struct cw_http_host *find_host(struct cw_http_gates *gates, const char *url)
{
    size_t n = key_bytes(url);
    struct cw_http_host **chain = chain_of(gates, url, n);
    for (struct cw_http_host *host = *chain; host != NULL; host = host->next)
        if (strncasecmp(host->key, url, n) == 0 && host->key[n] == '\0')
            return host;
    struct cw_http_host *host = calloc(1, sizeof *host + n + 1);
    if (host == NULL)
        return NULL;
    memcpy(host->key, url, n);
    host->gate.limit = gates->host_limit;
    host->next = *chain;
    *chain = host;
    return host;
}

static void forget_if_unused(struct cw_http_gates *gates, struct cw_http_host *host)
{
    if (host->gate.active > 0 || host->gate.head != NULL)
        return;
    struct cw_http_host **at = chain_of(gates, host->key, strlen(host->key));
    while (*at != host)
        at = &(*at)->next;
    *at = host->next;
    free(host);
}

void cw_http_gates_init(struct cw_http_gates *gates, size_t all_limit, size_t host_limit)
{
    *gates = (struct cw_http_gates){
        .host_limit = host_limit, .all.limit = all_limit, .connecting.limit = CONNECTING_MAX};
}

static int enter_all(struct cw_http_gates *gates, struct cw_http_host *host, struct cw_deadline until)
{
    int r = enter(&host->gate, until);
    if (r < 0)
        return r;
    r = enter(&gates->all, until);
    if (r == 0) {
        if (host->is_multiplexed && host->gate.active > 1)
            return 0;
        if (host->warm > 0) {
            host->warm--;
            return 0;
        }
        r = enter(&gates->connecting, until);
        if (r == 0)
            return 1;
        leave(&gates->all);
    }
    leave(&host->gate);
    return r;
}

int cw_http_gates_enter(struct cw_http_gates *gates, const char *url, struct cw_deadline until,
                        struct cw_http_host **ret_host)
{
    struct cw_http_host *host = find_host(gates, url);
    if (host == NULL)
        return -CW_ENOMEM;
    int r = enter_all(gates, host, until);
    if (r < 0)
        forget_if_unused(gates, host);
    else
        *ret_host = host;
    return r;
}

void cw_http_gates_connected(struct cw_http_gates *gates)
{
    leave(&gates->connecting);
}

void cw_http_gates_learn(struct cw_http_gates *gates, struct cw_http_host *host, bool is_multiplexed)
{
    host->is_multiplexed = is_multiplexed;
    host->warm += !is_multiplexed;
    host->gate.limit = is_multiplexed ? SIZE_MAX : gates->host_limit;
    admit(&host->gate);
}

void cw_http_gates_leave(struct cw_http_gates *gates, struct cw_http_host *host)
{
    leave(&gates->all);
    leave(&host->gate);
    forget_if_unused(gates, host);
}
