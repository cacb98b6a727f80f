/* Name servers of the simulated world: they answer as Azure's own resolver does in the network that the workers sit in. */
#include "common/net/dns.h"

#include "common/str.h"
#include "tests/azure/graph.h"
#include "tests/world/clock.h"

#define ANSWER_MS 5

struct cw_dns {
    char servers[256];
};

static struct {
    char vnet_id[512]; /* "" = the internet */
    int error;
    size_t errors; /* so many of the next lookups fail */
    size_t lookups;
} state;

void world_dns_reset(void)
{
    memset(&state, 0, sizeof state);
}

void world_dns_sit(const char *vnet_id)
{
    (void)cw_z_copy(state.vnet_id, sizeof state.vnet_id, vnet_id == NULL ? "" : vnet_id);
}

void world_dns_fail(int error, size_t count)
{
    state.error = error;
    state.errors = count;
}

size_t world_dns_lookups(void)
{
    return state.lookups;
}

int cw_dns_new(struct cw_loop *loop, const char *servers, struct cw_dns **ret_dns, struct cw_err *err)
{
    struct cw_dns *dns = calloc(1, sizeof *dns);
    (void)loop;
    if (dns == NULL || !cw_z_copy(dns->servers, sizeof dns->servers, servers)) {
        free(dns);
        return cw_err_set(err, CW_EINVAL, "dns.resolver is too long");
    }
    *ret_dns = dns;
    return 0;
}

void cw_dns_free(struct cw_dns *dns)
{
    free(dns);
}

static int copy_answer(const struct az_dns_answer *from, const struct cw_dns *dns, struct cw_arena *mem,
                       struct cw_dns_answer *ret_answer, struct cw_err *err)
{
    struct cw_dns_answer answer = {
        .server = cw_arena_strdup(mem, dns->servers),
        .rcode = from->rcode,
        .cname = cw_arena_alloc_array(mem, AZ_GRAPH_HOPS_MAX, sizeof *answer.cname),
        .addresses = cw_arena_alloc_array(mem, AZ_GRAPH_HOPS_MAX, sizeof *answer.addresses),
        .ttl = from->ttl,
    };
    if (answer.cname == NULL || answer.addresses == NULL)
        return cw_err_set(err, CW_ENOMEM, "DNS answer");
    for (size_t i = 0; i < from->cname_count; i++)
        answer.cname[answer.cname_count++] = cw_arena_strdup(mem, from->cname[i]);
    for (size_t i = 0; i < from->address_count; i++)
        answer.addresses[answer.address_count++] = cw_arena_strdup(mem, from->addresses[i]);
    *ret_answer = answer;
    return cw_arena_failed(mem) ? cw_err_set(err, CW_ENOMEM, "DNS answer") : 0;
}

int cw_dns_lookup(struct cw_dns *dns, const char *name, struct cw_deadline until, struct cw_arena *mem,
                  struct cw_dns_answer *ret_answer, struct cw_err *err)
{
    struct az_dns_answer answer;
    struct az_model *m = world_model();
    state.lookups++;
    if (cw_is_past(until))
        return cw_err_set(err, CW_ETIMEDOUT, "no answer in time");
    int r = cw_sleep(cw_sooner(until, cw_in_ms(ANSWER_MS)));
    if (r < 0)
        return cw_err_set(err, r, "while %s was asked for", name);
    if (state.errors > 0) {
        state.errors--;
        return cw_err_set(err, state.error, "injected: %s", cw_err_text(state.error));
    }
    if (m == NULL)
        return cw_err_set(err, CW_ENET, "no name server");
    az_model_advance(m, cw_wall_ms());
    az_graph_azure_dns(m, state.vnet_id[0] == '\0' ? NULL : az_store_get(m, state.vnet_id), name, &answer);
    if (cw_z_eq(answer.rcode, "SERVFAIL"))
        return cw_err_set(err, CW_ENET, "name server %s: SERVFAIL", dns->servers);
    return copy_answer(&answer, dns, mem, ret_answer, err);
}
