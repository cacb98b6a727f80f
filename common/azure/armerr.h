/* common/azure/armerr.h: what an error answer of ARM or Entra means: one table from error codes to classes and remedies.
 *
 * The deepest code that the table knows decides; the HTTP status only where no code is known. The whole chain of messages
 * stays in the text.
 * Suspends: never.  Thread: any.  Source: ARM resource provider contract; "Troubleshoot common Azure deployment errors". */
#ifndef CW_COMMON_AZURE_ARMERR_H
#define CW_COMMON_AZURE_ARMERR_H

#include "common/json.h"

/* How the client treats an error beyond its class. */
enum cw_armerr_hint {
    CW_ARMERR_PLAIN = 0,
    CW_ARMERR_THROTTLE, /* a budget is really used up: the bucket is blocked for everyone */
    CW_ARMERR_OTHER_OP, /* a lock between operations, not a quota */
    CW_ARMERR_VERSION,  /* api-version or location not supported; the text lists what is */
    CW_ARMERR_REGISTER, /* the provider must be registered; target names it */
    CW_ARMERR_TOKEN,    /* refresh the token once */
};

/* Fill err from an error document: {"error":{…}}, flat {"code","message"}, an operation's {"status","error"}, a message
 * that is itself JSON. `doc` may be NULL (no or unreadable body). status 0 = outcome of an operation. Returns the negative
 * code; *ret_hint may be NULL. */
int cw_armerr_fill(const json_t *doc, int status, enum cw_armerr_hint *ret_hint, struct cw_err *err);
/* The same from the raw body; never fails to give an error. */
int cw_armerr_fill_text(const char *body, size_t bytes, int status, enum cw_armerr_hint *ret_hint,
                        struct cw_err *err);
/* From the text of NoRegisteredProviderFound: is this version in "supported api-versions are '…'"? */
bool cw_armerr_lists_version(const char *text, const char *version);
/* An Entra token error ({"error","error_description","error_codes"}): -CW_EAUTH with a remedy, or a class to retry. */
int cw_armerr_fill_entra(const json_t *doc, int status, struct cw_err *err);

#endif
