#include "worker/steps/dns_record.h"

static int proof_failed(struct cw_step_ctx *c, const char *step, const char *code, const char *remedy,
                        const char *message)
{
    int r = cw_step_proof_failed(c, step, CW_EMISCONFIGURED, remedy, "%s", message);
    if (r == 0)
        cw_step_proof_code(c, code);
    return r;
}

static const char *list_of(struct cw_step_ctx *c, const struct cw_dns_record *record)
{
    CW_AUTO(cw_buf_fini) struct cw_buf b = {0};
    for (size_t i = 0; i < record->address_count; i++)
        cw_buf_addf(&b, "%s%s", i == 0 ? "" : ", ", record->addresses[i]);
    return cw_arena_strdup(c->call.mem, record->address_count == 0 ? "nothing" : cw_buf_z(&b));
}

int cw_dns_record_missing(struct cw_step_ctx *c, const char *step, const char *name)
{
    const char *message = cw_arena_printf(c->call.mem, "the zone has no record: %s", name);
    return message == NULL ? -CW_ENOMEM
                           : proof_failed(c, step, CW_RECORD_MISSING,
                                          "add a zone group to the endpoint, or write the record", message);
}

static int duplicate(struct cw_step_ctx *c, const char *step, const struct cw_dns_record *record)
{
    const char *message =
        cw_arena_printf(c->call.mem, "the record %s has more addresses than the endpoint's: %s", record->name,
                        list_of(c, record));
    return message == NULL ? -CW_ENOMEM
                           : proof_failed(c, step, CW_RECORD_DUPLICATE,
                                          "remove the other addresses from the record", message);
}

static int stale(struct cw_step_ctx *c, const char *step, const struct cw_dns_record *record,
                 const char *address)
{
    const char *message = cw_arena_printf(
        c->call.mem,
        "the record %s is stale: it points at %s, which nothing in the VNet has; the endpoint has %s",
        record->name, list_of(c, record), address);
    return message == NULL
               ? -CW_ENOMEM
               : proof_failed(
                     c, step, CW_RECORD_STALE,
                     "it is left over from a former endpoint: write the present endpoint's address into it, or let "
                     "the endpoint's zone group do so, and wait for the old time to live",
                     message);
}

static int wrong(struct cw_step_ctx *c, const char *step, const struct cw_dns_record *record,
                 const char *address, const char *whose)
{
    const char *message =
        cw_arena_printf(c->call.mem, "the record %s points elsewhere: at %s, %s; the endpoint has %s",
                        record->name, list_of(c, record), whose, address);
    return message == NULL
               ? -CW_ENOMEM
               : proof_failed(
                     c, step, CW_RECORD_WRONG,
                     "point the record at the endpoint's address; where the other address is another VNet's endpoint, "
                     "give each VNet a zone of its own",
                     message);
}

/* None of its addresses is the endpoint's: did the first ever belong here? */
static int judge_other(struct cw_step_ctx *c, const char *step, const struct cw_dns_record *record,
                       const char *address, struct cw_err *err)
{
    enum cw_address_use use = CW_ADDRESS_ELSEWHERE;
    int r = 0;
    if (record->address_count > 0)
        r = cw_network_address_use(c->svc->arm, &c->call, c->facts->vnet_id, record->addresses[0], &use, err);
    if (r == -CW_EDENIED || r == -CW_ENOTFOUND) {
        cw_err_clear(err);
        return wrong(c, step, record, address, "and whose that is can't be read");
    }
    if (r < 0)
        return cw_err_wrap(err, "who has address %s", record->addresses[0]);
    if (use == CW_ADDRESS_FREE)
        return stale(c, step, record, address);
    return wrong(c, step, record, address,
                 use == CW_ADDRESS_TAKEN ? "which something else in the VNet has"
                                         : "which is no address of the workspace's VNet");
}

int cw_dns_record_judge(struct cw_step_ctx *c, const char *step, const struct cw_dns_record *record,
                        const char *address, struct cw_err *err)
{
    if (record->address_count == 1 && cw_z_eq(record->addresses[0], address)) {
        cw_step_found(c, "record %s points at the endpoint (%s)", record->name, address);
        return 0;
    }
    for (size_t i = 0; i < record->address_count; i++) {
        if (cw_z_eq(record->addresses[i], address))
            return duplicate(c, step, record);
    }
    return judge_other(c, step, record, address, err);
}

int cw_dns_record_keep(struct cw_step_ctx *c, const char *name, const char *const *addresses, size_t count,
                       int64_t ttl)
{
    struct cw_dns_record_v1 *kept = cw_arena_alloc(c->call.mem, sizeof *kept);
    const char **copy = cw_arena_alloc_array(c->call.mem, count + 1, sizeof *copy);
    if (kept == NULL || copy == NULL)
        return -CW_ENOMEM;
    for (size_t i = 0; i < count; i++)
        copy[i] = addresses[i];
    *kept = (struct cw_dns_record_v1){name, copy, count, ttl};
    c->out->records = kept;
    c->out->record_count = 1;
    return 0;
}
