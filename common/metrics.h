/* common/metrics.h: counters, gauges and histograms in the Prometheus text format.
 *
 * Metrics are made once at start and live as long as the process. A label's values come from closed lists: never a
 * workspace or a request id. Names end in their unit (_total, _seconds, _bytes).
 * Suspends: never.  Thread: loop.  Source: Prometheus exposition format 0.0.4. */
#ifndef CW_COMMON_METRICS_H
#define CW_COMMON_METRICS_H

#include "common/str.h"

struct cw_metric;

/* The process-wide registry. A second registration of the same name and label value gives the same metric. `label` is
 * NULL, or a label's name with `value`. NULL when out of memory; every function below takes NULL. */
struct cw_metric *cw_counter(const char *name, const char *help, const char *label, const char *value);
struct cw_metric *cw_gauge(const char *name, const char *help, const char *label, const char *value);
/* Bounds in seconds, ascending; observations in milliseconds. */
struct cw_metric *cw_histogram(const char *name, const char *help, const char *label, const char *value);

void cw_metric_add(struct cw_metric *m, int64_t n);
void cw_metric_set(struct cw_metric *m, int64_t n);
void cw_metric_observe_ms(struct cw_metric *m, int64_t ms);
int64_t cw_metric_value(const struct cw_metric *m);
/* All metrics as text. */
void cw_metrics_print(struct cw_buf *out);
void cw_metrics_free_all(void);

#endif
