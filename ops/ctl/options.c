#include "ops/ctl/options.h"

#include <stdio.h>
#include <unistd.h>

#include "common/time.h"
#include "schema/request.h"

bool option_duration(const char *z, int64_t *ret_ms)
{
    static const struct {
        const char *suffix;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}, {"d", 24 * 3600 * 1000}};
    char number[24];
    size_t digits = strspn(z, "0123456789");
    if (digits == 0 || digits > 9)
        return false;
    (void)snprintf(number, sizeof number, "%.*s", (int)digits, z);
    int64_t n = 0;
    if (!cw_z_to_i64(number, &n) || n <= 0)
        return false;
    for (size_t i = 0; i < CW_ARRAY_LEN(units); i++) {
        if (cw_z_eq(z + digits, units[i].suffix)) {
            *ret_ms = n * units[i].ms;
            return true;
        }
    }
    return false;
}

/* By the workers' own decoder, so that nobody waits for the verdict of what they can't take. */
static int check(struct cw_arena *mem, struct cw_str event, struct cw_err *err)
{
    static const struct cw_header content_type = {"content-type", {"application/cloudevents+json", 28}};
    const struct cw_record_in rec = {.headers = &content_type, .header_count = 1, .value = event};
    struct cw_request req = {0};
    struct cw_problems problems = {0};
    int r = cw_request_decode(&rec, mem, &req, &problems, err);
    if (r < 0 && problems.count > 0) {
        const struct cw_problem *first = &problems.items[0];
        (void)cw_err_set(err, CW_EINVAL, "%s: %s", first->pointer, first->message);
        cw_err_remedy(err, "%s", first->remedy);
        return -CW_EINVAL;
    }
    return r;
}

int option_event(struct cw_arena *mem, const char *id, const char *type, const char *workspace_id,
                 const char *data, struct cw_str *ret_event, struct cw_err *err)
{
    char now[CW_RFC3339_BYTES];
    char host[256] = "unknown";
    CW_AUTO(cw_buf_fini) struct cw_buf b = {0};
    cw_rfc3339_format(cw_wall_ms(), now);
    (void)gethostname(host, sizeof host - 1);
    cw_buf_add_z(&b, "{\"specversion\":\"1.0\",\"id\":\"");
    cw_buf_add_json(&b, id, strlen(id));
    cw_buf_addf(&b, "\",\"type\":\"%s\",\"source\":\"/causeway/cli/", type);
    cw_buf_add_json(&b, host, strlen(host));
    cw_buf_addf(&b, "\",\"time\":\"%s\",\"subject\":\"", now);
    cw_buf_add_json(&b, workspace_id, strlen(workspace_id));
    cw_buf_addf(&b, "\",\"datacontenttype\":\"application/json\",\"data\":%s}", data);
    char *text = b.failed ? NULL : cw_arena_memdup(mem, cw_buf_z(&b), b.n);
    if (text == NULL)
        return cw_err_set(err, CW_ENOMEM, "event");
    *ret_event = (struct cw_str){text, b.n};
    return check(mem, *ret_event, err);
}

char *option_workspace_key(struct cw_arena *mem, const char *workspace_id)
{
    char *key = cw_arena_strdup(mem, workspace_id);
    if (key != NULL)
        cw_z_lower(key);
    return key;
}

const char *option_request_id(struct cw_arena *mem, const char *id)
{
    char uuid[CW_UUID_BYTES];
    if (id != NULL)
        return id;
    cw_uuid4(uuid);
    return cw_arena_printf(mem, "cli-%s", uuid);
}
