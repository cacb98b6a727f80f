#include "schema/request.h"

#include "tests/unit/schema/lib.h"

#define ID \
    "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg-New/providers/Microsoft.Databricks/workspaces/New-ws"

struct decoded {
    int r;
    struct cw_request req;
    struct cw_problems problems;
    struct cw_err err;
};

static struct decoded decode(struct cw_arena *mem, const struct cw_record_in *rec)
{
    struct decoded d = {0};
    d.r = cw_request_decode(rec, mem, &d.req, &d.problems, &d.err);
    return d;
}

static struct decoded structured(struct cw_arena *mem, const char *kind, const char *data)
{
    const char *text = cw_arena_printf(
        mem,
        "{\"specversion\":\"1.0\",\"id\":\"r-1\",\"source\":\"/t\",\"type\":\"causeway.workspace.%s.v1\",\"data\":%s}",
        kind, data);
    struct cw_record_in rec = {.value = cw_str_of(text)};
    return decode(mem, &rec);
}

static void provision_takes_its_defaults_from_names_and_space(void **state)
{
    struct decoded d =
        structured(*state, "provision", "{\"workspaceId\":\"" ID "\",\"region\":\"chinaeast2\"}");
    assert_int_equal(d.r, 0);
    assert_string_equal(d.req.workspace_key,
                        "/subscriptions/11111111-1111-1111-1111-111111111111/resourcegroups/rg-new/"
                        "providers/microsoft.databricks/workspaces/new-ws");
    assert_string_equal(d.req.workspace_name, "New-ws");
    assert_string_equal(d.req.resource_group, "rg-New");
    assert_string_equal(d.req.subscription_id, "11111111-1111-1111-1111-111111111111");
    assert_string_equal(d.req.provision->managed_resource_group, "managed-New-ws");
    assert_string_equal(d.req.private_endpoint.name, "New-ws-ui-api");
    assert_true(cw_z_ends(d.req.network.vnet_id,
                          "/resourceGroups/rg-New/providers/Microsoft.Network/virtualNetworks/New-ws-vnet"));
    assert_string_equal(d.req.network.host_subnet.prefix, "10.10.0.0/18");
    assert_string_equal(d.req.network.container_subnet.prefix, "10.10.64.0/18");
    assert_string_equal(d.req.network.endpoint_subnet.prefix, "10.10.128.0/27");
    assert_string_equal(d.req.network.endpoint_subnet.name, "private-endpoints");
    assert_int_equal(d.req.options.deadline_minutes, 120);
    assert_true(d.req.options.launch_cluster);
    assert_string_equal(d.req.provision->network.host_subnet.prefix, "10.10.0.0/18");
}

static void quarters_follow_a_smaller_space(void **state)
{
    struct decoded d = structured(*state, "provision",
                                  "{\"workspaceId\":\"" ID "\",\"region\":\"chinaeast2\","
                                  "\"network\":{\"addressSpace\":\"192.168.4.0/24\"}}");
    assert_int_equal(d.r, 0);
    assert_string_equal(d.req.network.container_subnet.prefix, "192.168.4.64/26");
    assert_string_equal(d.req.network.endpoint_subnet.prefix, "192.168.4.128/27");
}

static void deadlines_differ_by_kind(void **state)
{
    assert_int_equal(
        structured(*state, "migrate", "{\"workspaceId\":\"" ID "\"}").req.options.deadline_minutes, 240);
    assert_int_equal(
        structured(*state, "verify", "{\"workspaceId\":\"" ID "\"}").req.options.deadline_minutes, 60);
}

static void binary_mode_is_the_same_request(void **state)
{
    const struct cw_header headers[] = {
        {"content-type", cw_str_of("application/json; charset=utf-8")},
        {"ce_specversion", cw_str_of("1.0")},
        {"CE_ID", cw_str_of("r-2")},
        {"ce_source", cw_str_of("/portal")},
        {"ce_type", cw_str_of("causeway.workspace.verify.v1")},
        {"ce_traceparent", cw_str_of("00-a-b-01")},
    };
    struct cw_record_in rec = {.headers = headers,
                               .header_count = CW_ARRAY_LEN(headers),
                               .value = cw_str_of("{\"workspaceId\":\"" ID "\",\"unknown\":1}")};
    struct decoded d = decode(*state, &rec);
    assert_int_equal(d.r, 0);
    assert_string_equal(d.req.event.id, "r-2");
    assert_string_equal(d.req.event.traceparent, "00-a-b-01");
    assert_int_equal(d.req.kind, CW_REQUEST_VERIFY);
}

static void a_refused_request_is_addressed_when_its_envelope_and_workspace_are_readable(void **state)
{
    struct decoded d = structured(*state, "provision", "{\"workspaceId\":\"" ID "\"}");
    assert_int_equal(d.r, -CW_EINVAL);
    assert_true(d.req.is_addressed);
    assert_string_equal(d.problems.items[0].pointer, "/region");
    d = structured(*state, "provision", "{\"region\":\"chinaeast2\"}");
    assert_int_equal(d.r, -CW_EINVAL);
    assert_false(d.req.is_addressed);
    d = structured(*state, "verify", "[]");
    assert_int_equal(d.r, -CW_EINVAL);
    assert_false(d.req.is_addressed);
}

static void what_is_no_request_has_its_own_code(void **state)
{
    assert_int_equal(structured(*state, "destroy", "{}").r, -CW_EUNSUPPORTED);
    const struct {
        const char *text;
        int code;
    } cases[] = {
        {"this is { not json", CW_EPARSE},
        {"", CW_EPARSE},
        {"{}", CW_EPARSE},
        {"[1,2]", CW_EPARSE},
        {"null", CW_EPARSE},
        {"{\"specversion\":1.0}", CW_EPARSE},
    };
    for (size_t i = 0; i < CW_ARRAY_LEN(cases); i++) {
        struct cw_record_in rec = {.value = cw_str_of(cases[i].text)};
        struct decoded d = decode(*state, &rec);
        assert_int_equal(d.r, -cases[i].code);
        assert_false(d.req.is_addressed);
    }
    struct cw_record_in tombstone = {0};
    assert_int_equal(decode(*state, &tombstone).r, -CW_EPARSE);
}

static void size_and_depth_are_bounded(void **state)
{
    CW_AUTO(cw_buf_fini) struct cw_buf b = {0};
    for (size_t i = 0; i <= CW_EVENT_BYTES_MAX; i++)
        cw_buf_add_char(&b, ' ');
    struct cw_record_in rec = {.value = {b.p, b.n}};
    assert_int_equal(decode(*state, &rec).r, -CW_ETOOBIG);
    cw_buf_reset(&b);
    for (size_t i = 0; i < 100000; i++)
        cw_buf_add_char(&b, '[');
    rec.value = (struct cw_str){b.p, b.n};
    assert_int_equal(decode(*state, &rec).r, -CW_ETOOBIG);
}

static void attributes_must_be_text(void **state)
{
    const struct cw_header headers[] = {
        {"ce_specversion", cw_str_of("1.0")},
        {"ce_id", cw_str_of("a\nb")},
        {"ce_source", cw_str_of("\xff\xfe")},
        {"ce_type", cw_str_of("causeway.workspace.verify.v1")},
    };
    struct cw_record_in rec = {.headers = headers,
                               .header_count = CW_ARRAY_LEN(headers),
                               .value = cw_str_of("{\"workspaceId\":\"" ID "\"}")};
    struct decoded d = decode(*state, &rec);
    assert_int_equal(d.r, -CW_EINVAL);
    assert_null(d.req.event.id);
    assert_null(d.req.event.source);
    assert_false(d.req.is_addressed);
}

static void problems_are_bounded_and_counted(void **state)
{
    CW_AUTO(cw_buf_fini) struct cw_buf b = {0};
    cw_buf_add_z(&b, "{\"workspaceId\":\"" ID "\",\"region\":\"chinaeast2\",\"tags\":{");
    for (int i = 0; i < 15; i++)
        cw_buf_addf(&b, "%s\"t%d\":%d", i > 0 ? "," : "", i, i);
    cw_buf_add_z(&b, "}}");
    struct decoded d = structured(*state, "provision", cw_buf_z(&b));
    assert_int_equal(d.problems.count, 15);
    struct cw_problems many = {0};
    for (int i = 0; i < 100; i++)
        cw_problems_add(&many, *state, "/x", NULL, "%d", i);
    assert_int_equal(many.count, CW_PROBLEMS_MAX);
    assert_int_equal(many.more, 100 - CW_PROBLEMS_MAX);
    struct cw_err err = {0};
    assert_int_equal(cw_problems_to_err(&many, &err), -CW_EINVAL);
    assert_true(cw_z_starts(err.text, "100 problems"));
}

static void running_out_of_memory_is_no_verdict(void **state)
{
    (void)state;
    for (size_t cap = 64; cap < 16384; cap += 128) {
        CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
        assert_int_equal(cw_arena_new(cap, &mem), 0);
        struct decoded d = {0};
        struct cw_record_in rec = {
            .value = cw_str_of(
                "{\"specversion\":\"1.0\",\"id\":\"r-1\",\"source\":\"/t\",\"type\":\"causeway.workspace.provision.v1\","
                "\"data\":{\"workspaceId\":\"" ID "\",\"region\":\"chinaeast2\",\"tags\":{\"a\":\"b\"}}}")};
        d = decode(mem, &rec);
        assert_true(d.r == 0 || d.r == -CW_ENOMEM);
        if (d.r == 0)
            return;
    }
    fail_msg("never enough");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(provision_takes_its_defaults_from_names_and_space),
        CASE(quarters_follow_a_smaller_space),
        CASE(deadlines_differ_by_kind),
        CASE(binary_mode_is_the_same_request),
        CASE(a_refused_request_is_addressed_when_its_envelope_and_workspace_are_readable),
        CASE(what_is_no_request_has_its_own_code),
        CASE(size_and_depth_are_bounded),
        CASE(attributes_must_be_text),
        CASE(problems_are_bounded_and_counted),
        CASE(running_out_of_memory_is_no_verdict),
    };
    return cmocka_run_group_tests_name("schema/request", tests, NULL, NULL);
}
