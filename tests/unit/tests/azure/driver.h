/* tests/unit/tests/azure/driver.h: drives the Azure model in process: a token, requests, waiting in told
 * time.
 *
 * Each test makes a `struct sim` with sim_open() and frees it with sim_close(). The last answer stays in
 * the struct. */
#ifndef CW_TESTS_UNIT_TESTS_AZURE_DRIVER_H
#define CW_TESTS_UNIT_TESTS_AZURE_DRIVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>
#include <jansson.h>

#include "tests/azure/core.h"

#define SIM_START_MS 1764000000000
#define SUB "/subscriptions/" AZ_DEFAULT_SUBSCRIPTION
#define RG SUB "/resourceGroups/rg"
#define NET RG "/providers/Microsoft.Network"
#define V_NET "?api-version=2023-09-01"
#define V_DNS "?api-version=2020-06-01"
#define V_DBX "?api-version=2024-05-01"
#define V_RES "?api-version=2021-04-01"
#define NSG NET "/networkSecurityGroups/nsg"
#define VNET NET "/virtualNetworks/vnet"
#define ZONE_NAME "privatelink.databricks.azure.localhost"
#define ZONE NET "/privateDnsZones/" ZONE_NAME
#define WS RG "/providers/Microsoft.Databricks/workspaces/ws1"
#define PE NET "/privateEndpoints/pe"

struct sim {
    struct az_model *m;
    int64_t now_ms;
    char *token;
    struct az_response res;
    json_t *body; /* of the last answer, NULL when it was no JSON */
    struct az_header extra[4];
    size_t extra_count;
};

static inline const char *sim_header(const struct sim *s, const char *name)
{
    for (size_t i = 0; i < s->res.header_count; i++)
        if (strcasecmp(s->res.headers[i].name, name) == 0)
            return s->res.headers[i].value;
    return NULL;
}

static inline int sim_send(struct sim *s, const char *host, const char *method, const char *target,
                           const char *body, const char *authorization)
{
    struct az_header headers[8];
    size_t n = 0;
    if (authorization != NULL)
        headers[n++] = (struct az_header){"Authorization", authorization};
    headers[n++] = (struct az_header){"Content-Type", "application/json"};
    for (size_t i = 0; i < s->extra_count; i++)
        headers[n++] = s->extra[i];
    struct az_request req = {.method = method,
                             .host = host,
                             .target = target,
                             .headers = headers,
                             .header_count = n,
                             .body = body,
                             .body_bytes = body != NULL ? strlen(body) : 0};
    json_decref(s->body);
    az_response_fini(&s->res);
    az_model_advance(s->m, s->now_ms);
    az_model_handle(s->m, &req, &s->res);
    s->body = s->res.body != NULL ? json_loadb(s->res.body, s->res.body_bytes, JSON_DECODE_ANY, NULL) : NULL;
    return s->res.status;
}

/* To ARM, signed in. Answers the status. */
static inline int sim_call(struct sim *s, const char *method, const char *target, const char *body)
{
    char bearer[4096];
    snprintf(bearer, sizeof bearer, "Bearer %s", s->token);
    return sim_send(s, "management.azure.localhost", method, target, body, bearer);
}

static inline const char *sim_str(const struct sim *s, const char *path)
{
    return az_str(s->body, path);
}

static inline void sim_wait(struct sim *s, int64_t ms)
{
    s->now_ms += ms;
    az_model_advance(s->m, s->now_ms);
}

static inline void sim_sign_in(struct sim *s, const char *client)
{
    free(s->token);
    az_model_advance(s->m, s->now_ms);
    s->token = az_token_make(s->m, AZ_DEFAULT_TENANT, client, "https://management.azure.localhost", 86400000);
    assert_non_null(s->token);
}

static inline void sim_open_seed(struct sim *s, uint64_t seed)
{
    memset(s, 0, sizeof *s);
    struct az_model_cfg cfg = {.seed = seed, .time_scale = 1.0, .port = 443};
    s->m = az_model_new(&cfg);
    assert_non_null(s->m);
    s->now_ms = SIM_START_MS;
    sim_sign_in(s, AZ_DEFAULT_CLIENT);
}

static inline void sim_open(struct sim *s)
{
    sim_open_seed(s, 1);
}

static inline void sim_close(struct sim *s)
{
    json_decref(s->body);
    az_response_fini(&s->res);
    az_model_free(s->m);
    free(s->token);
}

static inline void sim_load(struct sim *s, const char *text)
{
    char error[512] = "";
    json_error_t parse;
    json_t *doc = json_loads(text, 0, &parse);
    if (doc == NULL)
        fail_msg("%s at %d", parse.text, parse.column);
    az_model_advance(s->m, s->now_ms);
    if (az_model_load(s->m, doc, error, sizeof error) < 0)
        fail_msg("%s", error);
    json_decref(doc);
}

/* Path and query of an absolute URL. */
static inline const char *sim_path(const char *url)
{
    const char *at = strstr(url, "://");
    return at != NULL ? strchr(at + 3, '/') : url;
}

/* Follow the last answer's operation to its end, obeying Retry-After. Answers its final status text in buf. */
static inline const char *sim_follow(struct sim *s, char *buf, size_t buf_bytes)
{
    char url[2048];
    const char *aao = sim_header(s, "Azure-AsyncOperation");
    assert_non_null(aao);
    snprintf(url, sizeof url, "%s", sim_path(aao));
    for (int i = 0; i < 500; i++) {
        const char *wait = sim_header(s, "Retry-After");
        sim_wait(s, (wait != NULL ? atoi(wait) : 10) * 1000);
        assert_int_equal(sim_call(s, "GET", url, NULL), 200);
        snprintf(buf, buf_bytes, "%s", sim_str(s, "status"));
        if (strcmp(buf, "InProgress") != 0)
            return buf;
    }
    fail_msg("the operation does not end");
    return buf;
}

/* PUT and wait until it has succeeded. */
static inline void sim_ensure(struct sim *s, const char *target, const char *text)
{
    char status[32];
    int code = sim_call(s, "PUT", target, text);
    if (code < 200 || code > 202)
        fail_msg("PUT %s: %d %s", target, code, s->res.body);
    if (sim_header(s, "Azure-AsyncOperation") == NULL)
        return;
    if (strcmp(sim_follow(s, status, sizeof status), "Succeeded") != 0)
        fail_msg("PUT %s: %s", target, s->res.body);
}

/* {"entries","counts"} of the ledger; the caller frees it. */
static inline int64_t sim_count(struct sim *s, const char *name)
{
    json_t *ledger = az_model_ledger(s->m, NULL);
    char path[64];
    snprintf(path, sizeof path, "counts.%s", name);
    int64_t n = az_int(ledger, path, -1);
    json_decref(ledger);
    return n;
}

#define SIM_VNET_BODY                                                                                                         \
    "{\"location\":\"chinaeast2\",\"properties\":{\"addressSpace\":{\"addressPrefixes\":[\"10.10.0.0/16\"]},\"subnets\":["    \
    "{\"name\":\"host\",\"properties\":{\"addressPrefix\":\"10.10.0.0/18\",\"networkSecurityGroup\":{\"id\":\"" NSG           \
    "\"},\"delegations\":[{\"name\":\"databricks\",\"properties\":{\"serviceName\":\"Microsoft.Databricks/workspaces\"}}]}}," \
    "{\"name\":\"container\",\"properties\":{\"addressPrefix\":\"10.10.64.0/18\",\"networkSecurityGroup\":{\"id\":\"" NSG     \
    "\"},\"delegations\":[{\"name\":\"databricks\",\"properties\":{\"serviceName\":\"Microsoft.Databricks/workspaces\"}}]}}," \
    "{\"name\":\"pe\",\"properties\":{\"addressPrefix\":\"10.10.128.0/27\",\"privateEndpointNetworkPolicies\":\"Disabled\"}}]}}"

#define SIM_WS_BODY(rules)                                                                                                      \
    "{\"location\":\"chinaeast2\",\"sku\":{\"name\":\"premium\"},\"tags\":{},\"properties\":{\"managedResourceGroupId\":\"" SUB \
    "/resourceGroups/managed\",\"publicNetworkAccess\":\"Enabled\",\"requiredNsgRules\":\"" rules                               \
    "\",\"parameters\":{\"customVirtualNetworkId\":{\"value\":\"" VNET                                                          \
    "\"},\"customPublicSubnetName\":{\"value\":\"host\"},\"customPrivateSubnetName\":{\"value\":\"container\"},"                \
    "\"enableNoPublicIp\":{\"value\":true}}}}"

#define SIM_PE_BODY(group)                                                                                             \
    "{\"location\":\"chinaeast2\",\"properties\":{\"subnet\":{\"id\":\"" VNET                                          \
    "/subnets/pe\"},\"privateLinkServiceConnections\":[{\"name\":\"c\",\"properties\":{\"privateLinkServiceId\":\"" WS \
    "\",\"groupIds\":[\"" group "\"]}}]}}"

#define SIM_LINK_BODY                                                             \
    "{\"location\":\"global\",\"properties\":{\"virtualNetwork\":{\"id\":\"" VNET \
    "\"},\"registrationEnabled\":false}}"

#define SIM_GROUP_BODY                                                                                                  \
    "{\"properties\":{\"privateDnsZoneConfigs\":[{\"name\":\"databricks\",\"properties\":{\"privateDnsZoneId\":\"" ZONE \
    "\"}}]}}"

/* Resource group, NSG and VNet with its three subnets. */
static inline void sim_make_network(struct sim *s)
{
    assert_int_equal(sim_call(s, "PUT", RG V_RES, "{\"location\":\"chinaeast2\"}"), 201);
    sim_ensure(s, NSG V_NET, "{\"location\":\"chinaeast2\",\"properties\":{\"securityRules\":[]}}");
    sim_ensure(s, VNET V_NET, SIM_VNET_BODY);
}

/* And a workspace in it, at rest. */
static inline void sim_make_workspace(struct sim *s)
{
    sim_make_network(s);
    sim_ensure(s, WS V_DBX, SIM_WS_BODY("NoAzureDatabricksRules"));
    sim_wait(s, 60000);
}

#endif
