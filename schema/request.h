/* schema/request.h: one request of any kind, decoded, checked and with its defaults filled in.
 *
 * Suspends: never.  Thread: any. */
#ifndef CW_SCHEMA_REQUEST_H
#define CW_SCHEMA_REQUEST_H

#include "schema/cancel_v1.h"
#include "schema/cloudevent.h"
#include "schema/migrate_v1.h"
#include "schema/provision_v1.h"
#include "schema/verify_v1.h"

enum cw_request_kind {
    CW_REQUEST_PROVISION = 0,
    CW_REQUEST_MIGRATE,
    CW_REQUEST_VERIFY,
    CW_REQUEST_CANCEL,
    CW_REQUEST__COUNT
};

struct cw_request {
    struct cw_event event; /* id, source, type and time are set */
    enum cw_request_kind kind;
    /* id, kind and workspace could be read: a request that is refused gets a verdict. Otherwise it is a dead letter. */
    bool is_addressed;

    const char *workspace_id;  /* as given */
    const char *workspace_key; /* lower-cased: the record key and the lock */
    const char *subscription_id;
    const char *resource_group;
    const char *workspace_name;

    /* Copies of what the kinds have in common; zero where a kind has none. */
    const char *tenant_id; /* NULL: the worker's */
    int cloud;             /* enum cw_cloud_name; CW_CLOUD_UNSET: the worker's */
    struct cw_options_v1 options;
    struct cw_network_v1 network;
    struct cw_private_endpoint_v1 private_endpoint;
    struct cw_private_dns_v1 private_dns;
    struct cw_browser_authentication_v1 browser_authentication;

    /* The kind's own data; the others are NULL. */
    const struct cw_provision_v1 *provision;
    const struct cw_migrate_v1 *migrate;
    const struct cw_verify_v1 *verify;
    const struct cw_cancel_v1 *cancel;
};

/* Decode one record; everything lives in mem. All problems at once. What could be read is set also on failure
 * (see is_addressed). Errors: -CW_EPARSE (not JSON or not a CloudEvent), -CW_ETOOBIG, -CW_EUNSUPPORTED (a type that is not a
 * request), -CW_EINVAL (see problems), -CW_ENOMEM; err says it in one sentence, with a remedy. */
int cw_request_decode(const struct cw_record_in *rec, struct cw_arena *mem, struct cw_request *ret_req,
                      struct cw_problems *ret_problems, struct cw_err *err);

/* "causeway.workspace.provision.v1" … */
const char *cw_request_type(enum cw_request_kind kind);
/* "provision" … */
const char *cw_request_kind_name(enum cw_request_kind kind);
/* False for an unknown type. */
bool cw_request_kind_of(const char *type, enum cw_request_kind *ret_kind);
/* The shape of a kind's data. */
const struct cw_shape *cw_request_shape(enum cw_request_kind kind);

#endif
