/* common/cfg_value.h: one setting's value as text and back; names of options and environment variables. For cfg alone.
 *
 * Suspends: never.  Thread: any. */
#ifndef CW_COMMON_CFG_VALUE_H
#define CW_COMMON_CFG_VALUE_H

#include "common/cfg.h"

#define CW_CFG_NAME_BYTES 128
#define CW_CFG_VALUE_BYTES 256

/* "kafka.client-id": kafka-client-id, CAUSEWAY_KAFKA_CLIENT_ID (or row->env). */
void cw_cfg_option_name(const struct cw_cfg_row *row, char out[CW_CFG_NAME_BYTES]);
void cw_cfg_env_name(const struct cw_cfg_row *row, char out[CW_CFG_NAME_BYTES]);
/* A value of a type other than CW_CFG_STR within the row's limits; false on anything else. */
bool cw_cfg_value_parse(const struct cw_cfg_row *row, const char *text, int64_t *ret_value);
/* The same back: "15m", "64KiB", "true", a choice. */
void cw_cfg_value_format(const struct cw_cfg_row *row, int64_t value, char out[CW_CFG_VALUE_BYTES]);
/* What is allowed, for people: "a duration from 1s to 30m, like 250ms, 30s, 15m, 2h or 1d". */
void cw_cfg_value_allowed(const struct cw_cfg_row *row, char out[CW_CFG_VALUE_BYTES]);

#endif
