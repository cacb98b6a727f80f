#include "common/azure/armerr.h"

#include <strings.h>

#define NODES_MAX 32
#define INNER_DOCS_MAX 4
#define INNER_BYTES_MAX ((size_t)65536)

/* One line of knowledge. The first row that fits decides. */
struct rule {
    const char *code;
    const char *part; /* of the message, without case; NULL = any */
    int status;       /* 0 = any */
    int error;
    enum cw_armerr_hint hint;
    bool is_generic;    /* says little: any specific code in the chain is better */
    const char *remedy; /* NULL = nothing that a person must do */
};

#define REMEDY_ROLE \
    "grant the worker's identity the published role at this scope; new grants take up to 10 minutes"
#define REMEDY_QUOTA "ask for a higher quota of the subscription and region, or free what is not used"
#define REMEDY_TENANT "check tenant, subscription and client id of the worker's identity"
#define REMEDY_OURS "report this with the correlation id: the request that we sent was not understood"

static const struct rule rules[] = {
    /* who we are */
    {"ExpiredAuthenticationToken", NULL, 0, CW_EAUTH, CW_ARMERR_TOKEN, false, NULL},
    {"InvalidAuthenticationToken", NULL, 0, CW_EAUTH, CW_ARMERR_TOKEN, false, REMEDY_TENANT},
    {"AuthenticationFailed", NULL, 0, CW_EAUTH, CW_ARMERR_TOKEN, false, REMEDY_TENANT},
    {"InvalidAuthenticationTokenTenant", NULL, 0, CW_EAUTH, CW_ARMERR_PLAIN, false,
     "the token is of another tenant than the subscription: set AZURE_TENANT_ID or the request's tenantId"},
    {"AuthorizationFailed", NULL, 0, CW_EDENIED, CW_ARMERR_PLAIN, false, REMEDY_ROLE},
    {"LinkedAuthorizationFailed", NULL, 0, CW_EDENIED, CW_ARMERR_PLAIN, false,
     "grant the worker's identity join/action on the linked resource (VNet, subnet, NSG or private DNS zone)"},
    {"RequestDisallowedByPolicy", NULL, 0, CW_EDENIED, CW_ARMERR_PLAIN, false,
     "an Azure Policy forbids this: get an exemption, or change the request to comply"},
    {"RequestDisallowedByAzure", NULL, 0, CW_EDENIED, CW_ARMERR_PLAIN, false,
     "Azure forbids this for the subscription or region"},
    {"ScopeLocked", NULL, 0, CW_EDENIED, CW_ARMERR_PLAIN, false,
     "remove the management lock on the resource, its group or subscription for the time of the change"},
    {"ReadOnlyDisabledSubscription", NULL, 0, CW_EDENIED, CW_ARMERR_PLAIN, false, "enable the subscription"},
    {"DenyAssignmentAuthorizationFailed", NULL, 0, CW_EDENIED, CW_ARMERR_PLAIN, false,
     "the resource belongs to a managed group and can't be changed from outside"},
    /* what is missing */
    {"SubscriptionNotFound", NULL, 0, CW_ENOTFOUND, CW_ARMERR_PLAIN, false, REMEDY_TENANT},
    {"InvalidSubscriptionId", NULL, 0, CW_EINVAL, CW_ARMERR_PLAIN, false,
     "correct the subscription in the request"},
    {"ResourceGroupNotFound", NULL, 0, CW_ENOTFOUND, CW_ARMERR_PLAIN, false, NULL},
    {"ResourceNotFound", NULL, 0, CW_ENOTFOUND, CW_ARMERR_PLAIN, false, NULL},
    {"ParentResourceNotFound", NULL, 0, CW_ENOTFOUND, CW_ARMERR_PLAIN, false, NULL},
    {"NotFound", NULL, 0, CW_ENOTFOUND, CW_ARMERR_PLAIN, true, NULL},
    {"NoRegisteredProviderFound", NULL, 0, CW_EUNSUPPORTED, CW_ARMERR_VERSION, false,
     "the region or the service version is not offered in this cloud: see the lists in the message"},
    {"InvalidApiVersionParameter", NULL, 0, CW_EUNSUPPORTED, CW_ARMERR_VERSION, false, REMEDY_OURS},
    {"InvalidResourceType", NULL, 0, CW_EUNSUPPORTED, CW_ARMERR_VERSION, false, REMEDY_OURS},
    {"MissingSubscriptionRegistration", NULL, 0, CW_EMISCONFIGURED, CW_ARMERR_REGISTER, false,
     "register the resource provider in the subscription (az provider register)"},
    {"SubscriptionNotRegistered", NULL, 0, CW_EMISCONFIGURED, CW_ARMERR_REGISTER, false,
     "register the resource provider in the subscription (az provider register)"},
    {"InvalidSubscriptionRegistrationState", NULL, 0, CW_ENOTREADY, CW_ARMERR_PLAIN, false, NULL},
    {"MissingRegistrationForLocation", NULL, 0, CW_EMISCONFIGURED, CW_ARMERR_REGISTER, false,
     "register the resource provider again for this region"},
    /* who else is at work */
    {"AnotherOperationInProgress", NULL, 0, CW_ECONFLICT, CW_ARMERR_OTHER_OP, false, NULL},
    {"RetryableErrorDueToAnotherOperation", NULL, 0, CW_ECONFLICT, CW_ARMERR_OTHER_OP, false, NULL},
    {"ReferencedResourceNotProvisioned", NULL, 0, CW_ECONFLICT, CW_ARMERR_OTHER_OP, false, NULL},
    {"ConcurrentUpdateError", NULL, 0, CW_ECONFLICT, CW_ARMERR_OTHER_OP, false, NULL},
    {"ConflictingServerOperation", NULL, 0, CW_ECONFLICT, CW_ARMERR_OTHER_OP, false, NULL},
    {"OperationPreempted", NULL, 0, CW_ECONFLICT, CW_ARMERR_OTHER_OP, false, NULL},
    {"CanceledAndSupersededDueToAnotherOperation", NULL, 0, CW_ECONFLICT, CW_ARMERR_OTHER_OP, false, NULL},
    {"ResourceGroupBeingDeleted", NULL, 0, CW_ECONFLICT, CW_ARMERR_OTHER_OP, false,
     "the resource group is being deleted: wait until it is gone, or use another"},
    {"PrivateEndpointConnectionProvisioningFailed", "RESOURCE_CONFLICT", 0, CW_ECONFLICT, CW_ARMERR_OTHER_OP,
     false, "create the databricks_ui_api endpoint before the browser_authentication one"},
    {"PrivateEndpointConnectionProvisioningFailed", "ConcurrentUpdate", 0, CW_ECONFLICT, CW_ARMERR_OTHER_OP,
     false, NULL},
    {"PrivateEndpointConnectionProvisioningFailed", "NonVNetInjected", 0, CW_EMISCONFIGURED, CW_ARMERR_PLAIN,
     false, "the workspace must be VNet-injected and Premium: move it into your VNet first"},
    {"PrivateEndpointConnectionProvisioningFailed", NULL, 0, CW_EOPFAILED, CW_ARMERR_PLAIN, false, NULL},
    {"StorageAccountOperationInProgress", NULL, 0, CW_ECONFLICT, CW_ARMERR_OTHER_OP, false, NULL},
    {"RetryableError", NULL, 0, CW_EREMOTE, CW_ARMERR_PLAIN, true, NULL},
    {"PreconditionFailed", NULL, 0, CW_EPRECOND, CW_ARMERR_PLAIN, false, NULL},
    {"InvalidResourceGroupLocation", NULL, 0, CW_EMISCONFIGURED, CW_ARMERR_PLAIN, false,
     "the resource group exists in another region: use its region, or another group"},
    {"ResourceAlreadyExists", NULL, 0, CW_ECONFLICT, CW_ARMERR_PLAIN, true, NULL},
    {"Conflict", NULL, 0, CW_ECONFLICT, CW_ARMERR_OTHER_OP, true, NULL},
    /* networks */
    {"InUseSubnetCannotBeDeleted", NULL, 0, CW_EBUG, CW_ARMERR_PLAIN, false, REMEDY_OURS},
    {"SubnetIsFull", NULL, 0, CW_EMISCONFIGURED, CW_ARMERR_PLAIN, false,
     "the subnet has no free address: use a larger private endpoint subnet"},
    {"NetcfgSubnetRangesOverlap", NULL, 0, CW_EMISCONFIGURED, CW_ARMERR_PLAIN, false,
     "the subnet's prefix overlaps another one: choose a free prefix"},
    {"NetcfgInvalidSubnet", NULL, 0, CW_EMISCONFIGURED, CW_ARMERR_PLAIN, false,
     "the subnet's prefix is not inside the VNet's address space: choose another"},
    {"PrivateIPAddressNotInSubnet", NULL, 0, CW_EMISCONFIGURED, CW_ARMERR_PLAIN, false,
     "choose another address"},
    {"PrivateIPAddressInReservedRange", NULL, 0, CW_EMISCONFIGURED, CW_ARMERR_PLAIN, false,
     "choose another address"},
    {"PrivateEndpointCannotBeCreatedInSubnetThatHasNetworkPoliciesEnabled", NULL, 0, CW_EMISCONFIGURED,
     CW_ARMERR_PLAIN, false, "set privateEndpointNetworkPolicies of the endpoint subnet to Disabled"},
    {"PrivateEndpointCreationNotAllowedAsSubnetIsDelegated", NULL, 0, CW_EMISCONFIGURED, CW_ARMERR_PLAIN,
     false, "use a subnet for private endpoints that is not delegated"},
    {"NonVNetInjectedWorkspaceNotSupported", NULL, 0, CW_EMISCONFIGURED, CW_ARMERR_PLAIN, false,
     "the workspace must be VNet-injected and Premium: move it into your VNet first"},
    {"VirtualNetworkIdChangeNotAllowed", NULL, 0, CW_EMISCONFIGURED, CW_ARMERR_PLAIN, false,
     "a workspace can't be moved to another VNet: name the one it is in"},
    {"BadRequest", "overlapping namespaces", 0, CW_EMISCONFIGURED, CW_ARMERR_PLAIN, false,
     "the VNet is linked to another zone of that name already: use that zone (privateDns.zoneId)"},
    {"InvalidPrivateWorkspaceForSubscription", NULL, 0, CW_EMISCONFIGURED, CW_ARMERR_PLAIN, false,
     "the subscription is not enabled for private workspaces: ask Azure support"},
    /* workspaces */
    {"ApplianceProvisioningFailed", "could not be found", 0, CW_EOPFAILED, CW_ARMERR_PLAIN, false, NULL},
    {"ApplianceProvisioningFailed", "role assignment already exists", 0, CW_ECONFLICT, CW_ARMERR_OTHER_OP,
     false, NULL},
    {"ApplianceProvisioningFailed", "managed by property", 0, CW_EMISCONFIGURED, CW_ARMERR_PLAIN, false,
     "the managed resource group exists already: name another one, it must not be created beforehand"},
    {"ApplianceProvisioningFailed", "already exists in location", 0, CW_EMISCONFIGURED, CW_ARMERR_PLAIN,
     false, "the managed resource group exists in another region: name another one"},
    {"ApplianceProvisioningFailed", NULL, 0, CW_EOPFAILED, CW_ARMERR_PLAIN, false, NULL},
    {"ApplicationUpdateFail", NULL, 0, CW_EOPFAILED, CW_ARMERR_PLAIN, false, NULL},
    {"WorkspaceHasRunningCompute", NULL, 0, CW_ECONFLICT, CW_ARMERR_PLAIN, false,
     "stop all clusters, SQL warehouses, pools and runs of the workspace"},
    {"RESOURCE_DOES_NOT_EXIST", "workspace creator", 0, CW_EDENIED, CW_ARMERR_PLAIN, false,
     "Databricks can't resolve the identity that creates the workspace: use a service principal of this tenant"},
    /* quotas and capacity */
    {"SubnetsCountLimitReached", NULL, 0, CW_EQUOTA, CW_ARMERR_PLAIN, false, REMEDY_QUOTA},
    {"ResourceQuotaExceeded", NULL, 0, CW_EQUOTA, CW_ARMERR_PLAIN, false, REMEDY_QUOTA},
    {"QuotaExceeded", NULL, 0, CW_EQUOTA, CW_ARMERR_PLAIN, false, REMEDY_QUOTA},
    {"PublicIPCountLimitReached", NULL, 0, CW_EQUOTA, CW_ARMERR_PLAIN, false, REMEDY_QUOTA},
    {"PrivateEndpointQuotaExceeded", NULL, 0, CW_EQUOTA, CW_ARMERR_PLAIN, false, REMEDY_QUOTA},
    {"SkuNotAvailable", NULL, 0, CW_ECAPACITY, CW_ARMERR_PLAIN, false, "choose another size or region"},
    {"RegionDoesNotAllowProvisioning", NULL, 0, CW_EMISCONFIGURED, CW_ARMERR_PLAIN, false,
     "choose another region"},
    {"LocationNotAvailableForResourceType", NULL, 0, CW_EMISCONFIGURED, CW_ARMERR_PLAIN, false,
     "choose a region that offers the service"},
    {"OperationNotAllowed", NULL, 429, CW_ETHROTTLED, CW_ARMERR_THROTTLE, false, NULL},
    {"OperationNotAllowed", NULL, 0, CW_EQUOTA, CW_ARMERR_PLAIN, false, REMEDY_QUOTA},
    /* throttling */
    {"SubscriptionRequestsThrottled", NULL, 0, CW_ETHROTTLED, CW_ARMERR_THROTTLE, false, NULL},
    {"TenantRequestsThrottled", NULL, 0, CW_ETHROTTLED, CW_ARMERR_THROTTLE, false, NULL},
    {"ResourceRequestsThrottled", NULL, 0, CW_ETHROTTLED, CW_ARMERR_THROTTLE, false, NULL},
    {"ResourceCollectionRequestsThrottled", NULL, 0, CW_ETHROTTLED, CW_ARMERR_THROTTLE, false, NULL},
    {"TooManyRequests", NULL, 0, CW_ETHROTTLED, CW_ARMERR_THROTTLE, false, NULL},
    {"RateLimiting", NULL, 0, CW_ETHROTTLED, CW_ARMERR_THROTTLE, false, NULL},
    /* the request itself */
    {"InvalidParameter", NULL, 0, CW_EINVAL, CW_ARMERR_PLAIN, false, REMEDY_OURS},
    {"InvalidRequestContent", NULL, 0, CW_EINVAL, CW_ARMERR_PLAIN, false, REMEDY_OURS},
    {"InvalidRequestFormat", NULL, 0, CW_EINVAL, CW_ARMERR_PLAIN, false, REMEDY_OURS},
    {"LinkedInvalidPropertyId", NULL, 0, CW_EINVAL, CW_ARMERR_PLAIN, false, REMEDY_OURS},
    {"LocationRequired", NULL, 0, CW_EINVAL, CW_ARMERR_PLAIN, false, REMEDY_OURS},
    {"InvalidResourceReference", NULL, 0, CW_EMISCONFIGURED, CW_ARMERR_PLAIN, false,
     "a resource that the request refers to does not exist: see the message"},
    {"PropertyChangeNotAllowed", NULL, 0, CW_EMISCONFIGURED, CW_ARMERR_PLAIN, false,
     "the property can't be changed on an existing resource"},
    {"InvalidResourceName", NULL, 0, CW_EINVAL, CW_ARMERR_PLAIN, false, "choose another name"},
    {"ReservedResourceName", NULL, 0, CW_EINVAL, CW_ARMERR_PLAIN, false, "choose another name"},
    {"InvalidResourceLocation", NULL, 0, CW_EMISCONFIGURED, CW_ARMERR_PLAIN, false,
     "the resource exists in another region: use its region, or another name"},
    {"BadRequest", NULL, 0, CW_EINVAL, CW_ARMERR_PLAIN, true, NULL},
    {"DeploymentFailed", NULL, 0, CW_EOPFAILED, CW_ARMERR_PLAIN, true, NULL},
    {"ResourceDeploymentFailure", NULL, 0, CW_EOPFAILED, CW_ARMERR_PLAIN, true, NULL},
    /* passing */
    {"Canceled", NULL, 0, CW_EOPFAILED, CW_ARMERR_PLAIN, true, NULL},
    {"InternalServerError", NULL, 0, CW_EREMOTE, CW_ARMERR_PLAIN, true, NULL},
    {"InternalError", NULL, 0, CW_EREMOTE, CW_ARMERR_PLAIN, true, NULL},
    {"GatewayTimeout", NULL, 0, CW_EREMOTE, CW_ARMERR_PLAIN, true, NULL},
    {"ServerTimeout", NULL, 0, CW_EREMOTE, CW_ARMERR_PLAIN, true, NULL},
    {"ServiceUnavailable", NULL, 0, CW_EREMOTE, CW_ARMERR_PLAIN, true, NULL},
    {"ServerBusy", NULL, 0, CW_EREMOTE, CW_ARMERR_PLAIN, true, NULL},
};

static const struct rule *find_rule(const char *code, const char *message, int status)
{
    for (size_t i = 0; i < CW_ARRAY_LEN(rules); i++) {
        const struct rule *rule = &rules[i];
        if (!cw_z_eq_nocase(rule->code, code))
            continue;
        if (rule->status != 0 && rule->status != status)
            continue;
        if (rule->part == NULL || (message != NULL && cw_z_contains_nocase(message, rule->part)))
            return rule;
    }
    return NULL;
}

static struct rule rule_of_status(int status)
{
    struct rule rule = {.error = CW_EREMOTE};
    switch (status) {
    case 0:
        rule.error = CW_EOPFAILED;
        break;
    case 400:
    case 405:
    case 413:
    case 415:
    case 422:
        rule.error = CW_EINVAL;
        break;
    case 401:
        rule.error = CW_EAUTH;
        rule.hint = CW_ARMERR_TOKEN;
        rule.remedy = REMEDY_TENANT;
        break;
    case 403:
        rule.error = CW_EDENIED;
        rule.remedy = REMEDY_ROLE;
        break;
    case 404:
    case 410:
        rule.error = CW_ENOTFOUND;
        break;
    case 409:
        rule.error = CW_ECONFLICT;
        rule.hint = CW_ARMERR_OTHER_OP;
        break;
    case 412:
        rule.error = CW_EPRECOND;
        break;
    case 429:
        rule.error = CW_ETHROTTLED;
        rule.hint = CW_ARMERR_THROTTLE;
        break;
    default:
        if (status < 400)
            rule.error = CW_EPROTO;
        break;
    }
    return rule;
}

/* The chain of an error document, breadth first: a node's depth is its distance from the envelope. */
struct chain {
    struct {
        const json_t *at;
        int depth;
    } nodes[NODES_MAX];
    size_t count;
    json_t *inner[INNER_DOCS_MAX]; /* messages that were JSON themselves; owned */
    size_t inner_count;
};

static void push(struct chain *c, const json_t *node, int depth)
{
    if (json_is_object(node) && c->count < NODES_MAX) {
        c->nodes[c->count].at = node;
        c->nodes[c->count].depth = depth;
        c->count++;
    }
}

static void push_message(struct chain *c, const char *message, int depth)
{
    const char *brace = message != NULL ? strchr(message, '{') : NULL;
    if (brace == NULL || c->inner_count == INNER_DOCS_MAX)
        return;
    struct cw_err ignored = {0};
    json_t *doc = NULL;
    if (cw_json_parse(brace, strlen(brace), INNER_BYTES_MAX, &doc, &ignored) < 0)
        return;
    c->inner[c->inner_count++] = doc;
    push(c, doc, depth);
}

static void walk(struct chain *c, const json_t *doc)
{
    push(c, doc, 0);
    for (size_t i = 0; i < c->count; i++) {
        const json_t *node = c->nodes[i].at;
        int depth = c->nodes[i].depth + 1;
        push(c, cw_json_at(node, "error"), depth);
        push(c, cw_json_at(node, "innererror"), depth);
        const json_t *details = cw_json_at(node, "details");
        size_t index;
        json_t *detail;
        json_array_foreach(details, index, detail)
            push(c, detail, depth);
        push_message(c, cw_json_str(node, "message", NULL), depth);
    }
}

static void add_chain_text(const struct chain *c, struct cw_buf *text)
{
    for (size_t i = 0; i < c->count; i++) {
        const char *code = cw_json_str(c->nodes[i].at, "code", NULL);
        const char *message = cw_json_str(c->nodes[i].at, "message", NULL);
        if (code == NULL && message == NULL)
            continue;
        if (text->n > 0)
            cw_buf_add_z(text, "; ");
        cw_buf_addf(text, "%s%s%s", code != NULL ? code : "", code != NULL && message != NULL ? ": " : "",
                    message != NULL ? message : "");
    }
}

/* Where a policy violation says which policy it was. */
static const char *policy_name(const struct chain *c)
{
    for (size_t i = 0; i < c->count; i++) {
        const char *name =
            cw_json_str(c->nodes[i].at, "additionalInfo/0/info/policyDefinitionDisplayName", NULL);
        if (name == NULL)
            name = cw_json_str(c->nodes[i].at, "additionalInfo/0/info/policyDefinitionName", NULL);
        if (name != NULL)
            return name;
    }
    return NULL;
}

struct verdict {
    struct rule rule;
    const char *code;
};

static struct verdict judge(const struct chain *c, int status)
{
    struct verdict v = {.rule = rule_of_status(status)};
    const struct rule *best = NULL;
    const char *outermost = NULL;
    for (size_t i = 0; i < c->count; i++) {
        const char *code = cw_json_str(c->nodes[i].at, "code", NULL);
        const char *message = cw_json_str(c->nodes[i].at, "message", NULL);
        if (message != NULL && cw_z_contains_nocase(message, "excessive volume of traffic")) {
            v.rule = (struct rule){.error = CW_ETHROTTLED, .hint = CW_ARMERR_THROTTLE};
            v.code = code;
            return v;
        }
        if (code == NULL || code[0] == '\0')
            continue;
        if (outermost == NULL)
            outermost = code;
        const struct rule *rule = find_rule(code, message, status);
        if (rule == NULL || (best != NULL && rule->is_generic && !best->is_generic))
            continue;
        best = rule;
        v.code = code;
    }
    if (best == NULL)
        v.code = outermost;
    else if (!best->is_generic || status == 0 || status == 400)
        v.rule = *best;
    return v;
}

int cw_armerr_fill(const json_t *doc, int status, enum cw_armerr_hint *ret_hint, struct cw_err *err)
{
    struct chain c = {.count = 0};
    walk(&c, doc);
    struct verdict v = judge(&c, status);
    CW_AUTO(cw_buf_fini) struct cw_buf text = {.max = 4096};
    add_chain_text(&c, &text);
    if (text.n == 0 && status > 0)
        cw_buf_addf(&text, "HTTP %d without explanation", status);
    else if (text.n == 0)
        cw_buf_add_z(&text, "the operation failed without explanation");
    const char *policy = v.rule.error == CW_EDENIED ? policy_name(&c) : NULL;
    int r = cw_err_set(err, v.rule.error, "%s", cw_buf_z(&text));
    err->http_status = status;
    (void)cw_z_copy(err->remote_code, sizeof err->remote_code, v.code != NULL ? v.code : "");
    if (policy != NULL)
        cw_err_remedy(err, "policy \"%s\": get an exemption, or change the request to comply", policy);
    else if (v.rule.remedy != NULL)
        cw_err_remedy(err, "%s", v.rule.remedy);
    if (ret_hint != NULL)
        *ret_hint = v.rule.hint;
    for (size_t i = 0; i < c.inner_count; i++)
        json_decref(c.inner[i]);
    return r;
}

int cw_armerr_fill_text(const char *body, size_t bytes, int status, enum cw_armerr_hint *ret_hint,
                        struct cw_err *err)
{
    CW_AUTO(cw_auto_json) json_t *doc = NULL;
    struct cw_err ignored = {0};
    if (bytes > 0)
        (void)cw_json_parse(body, bytes, (size_t)1024 * 1024, &doc, &ignored);
    int r = cw_armerr_fill(doc, status, ret_hint, err);
    if (doc == NULL && bytes > 0) {
        char start[121];
        size_t n = CW_MIN(bytes, sizeof start - 1);
        for (size_t i = 0; i < n; i++)
            start[i] = (unsigned char)body[i] >= ' ' && (unsigned char)body[i] < 127 ? body[i] : ' ';
        start[n] = '\0';
        (void)snprintf(err->text, sizeof err->text, "HTTP %d, no JSON: %s", status, start);
    }
    return r;
}

bool cw_armerr_lists_version(const char *text, const char *version)
{
    const char *at = text != NULL ? strcasestr(text, "api-versions are '") : NULL;
    if (at == NULL)
        return false;
    at += strlen("api-versions are '");
    size_t end = strcspn(at, "'");
    size_t n = strlen(version);
    for (size_t i = 0; i < end;) {
        size_t len = strcspn(at + i, ", '");
        if (len == n && strncasecmp(at + i, version, n) == 0)
            return true;
        i += len + 1;
    }
    return false;
}

struct entra_rule {
    int64_t code;
    const char *remedy;
};

static const struct entra_rule entra_rules[] = {
    {7000215, "the client secret is wrong: set AZURE_CLIENT_SECRET to the secret's value (not its id)"},
    {7000222, "the client secret has expired: make a new one and set AZURE_CLIENT_SECRET"},
    {700016, "the application is not in this tenant: check AZURE_CLIENT_ID and AZURE_TENANT_ID"},
    {90002, "there is no such tenant in this cloud: check AZURE_TENANT_ID and the cloud"},
    {900023, "the tenant id is malformed: check AZURE_TENANT_ID"},
    {700024, "the federated token is outside its validity: check the clock and the projected token file"},
    {70021,
     "no federated credential of the application matches the token: check its issuer, subject and audience"},
    {700213,
     "no federated credential of the application matches the token: check its issuer, subject and audience"},
    {700211, "no federated credential of the application matches the token's issuer"},
    {500011,
     "the audience is unknown in this tenant: is the cloud right, and Azure Databricks enabled there?"},
    {53003, "a conditional access policy blocks the identity: exempt it"},
    {7000112, "the application is disabled in the tenant: enable it"},
};

static int64_t entra_code(const json_t *doc)
{
    int64_t code = cw_json_int(doc, "error_codes/0", 0);
    if (code != 0)
        return code;
    const char *text = cw_json_str(doc, "error_description", "");
    const char *at = strstr(text, "AADSTS");
    return at != NULL ? strtoll(at + 6, NULL, 10) : 0;
}

int cw_armerr_fill_entra(const json_t *doc, int status, struct cw_err *err)
{
    int64_t code = entra_code(doc);
    const char *name = cw_json_str(doc, "error", "");
    const char *description = cw_json_str(doc, "error_description", "no explanation");
    size_t line = strcspn(description, "\r\n");
    int error = CW_EAUTH;
    if (status == 429)
        error = CW_ETHROTTLED;
    else if (status == 408 || status >= 500 || cw_z_eq(name, "temporarily_unavailable"))
        error = CW_EREMOTE;
    int r = cw_err_set(err, error, "no token: HTTP %d %s: %.*s", status, name, (int)CW_MIN(line, (size_t)300),
                       description);
    err->http_status = status;
    if (code != 0)
        (void)snprintf(err->remote_code, sizeof err->remote_code, "AADSTS%lld", (long long)code);
    else
        (void)cw_z_copy(err->remote_code, sizeof err->remote_code, name);
    (void)cw_z_copy(err->correlation_id, sizeof err->correlation_id, cw_json_str(doc, "correlation_id", ""));
    if (error != CW_EAUTH)
        return r;
    cw_err_remedy(err, "%s", "check the worker's tenant id, client id and secret or federated credential");
    for (size_t i = 0; i < CW_ARRAY_LEN(entra_rules); i++)
        if (entra_rules[i].code == code)
            cw_err_remedy(err, "%s", entra_rules[i].remedy);
    return r;
}
