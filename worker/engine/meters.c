#include "common/metrics.h"
#include "worker/engine/legs.h"

static const char *const lane_names[CW_LANE__COUNT] = {"interactive", "bulk"};

static struct cw_metric *verdicts(const char *outcome)
{
    return cw_counter("causeway_verdicts_total", "Verdicts published, by outcome.", "outcome", outcome);
}

static struct cw_metric *retries(enum cw_class class)
{
    return cw_counter("causeway_retries_total", "Attempts that failed and were repeated, by class.", "class",
                      cw_class_name(class));
}

static struct cw_metric *parked(void)
{
    return cw_counter("causeway_jobs_parked_total", "Requests handed over to another worker.", NULL, NULL);
}

static struct cw_metric *deadletters(void)
{
    return cw_counter("causeway_deadletters_total", "Records that could not be read as requests.", NULL,
                      NULL);
}

static struct cw_metric *rewound(void)
{
    return cw_counter("causeway_partitions_rewound_total",
                      "Times that a partition went back: a recreated or truncated topic.", NULL, NULL);
}

static struct cw_metric *drifted(void)
{
    return cw_counter("causeway_drifted_verdicts_total",
                      "Verdicts of repeated verifications that differ from the last one.", NULL, NULL);
}

void cw_meters_begin(void)
{
    for (size_t i = 0; i < CW_OUTCOME__COUNT; i++)
        (void)verdicts(cw_outcome_names[i]);
    for (enum cw_class class = CW_CLASS_NONE + 1; class < CW_CLASS__COUNT; class ++)
        (void)retries(class);
    cw_meter_calls(&(struct cw_call_counts){0});
    (void)parked();
    (void)deadletters();
    (void)rewound();
    (void)drifted();
}

void cw_meter_verdict(const char *outcome)
{
    cw_metric_add(verdicts(outcome), 1);
}

void cw_meter_step(const char *step, int64_t ms)
{
    cw_metric_observe_ms(cw_histogram("causeway_step_seconds", "Duration of finished steps.", "step", step),
                         ms);
}

void cw_meter_retry(enum cw_class class)
{
    cw_metric_add(retries(class), 1);
}

void cw_meter_lock_wait(int64_t ms)
{
    cw_metric_observe_ms(cw_histogram("causeway_lock_wait_seconds", "Waits for a lock.", NULL, NULL), ms);
}

void cw_meter_calls(const struct cw_call_counts *counts)
{
    static const char name[] = "causeway_azure_calls_total";
    static const char help[] = "Calls of steps to Azure and Databricks, by kind.";
    cw_metric_add(cw_counter(name, help, "kind", "read"), counts->reads);
    cw_metric_add(cw_counter(name, help, "kind", "write"), counts->writes);
    cw_metric_add(cw_counter(name, help, "kind", "delete"), counts->deletes);
}

void cw_meter_running(enum cw_lane lane, size_t n)
{
    cw_metric_set(cw_gauge("causeway_jobs_in_flight", "Requests that hold a slot.", "lane", lane_names[lane]),
                  (int64_t)n);
}

void cw_meter_queued(enum cw_lane lane, size_t n)
{
    cw_metric_set(
        cw_gauge("causeway_jobs_queued", "Accepted requests without a slot.", "lane", lane_names[lane]),
        (int64_t)n);
}

void cw_meter_startable(size_t n)
{
    cw_metric_set(cw_gauge("causeway_jobs_startable",
                           "Accepted requests that lack only a slot: what scaling out would help.", NULL,
                           NULL),
                  (int64_t)n);
}

void cw_meter_parked(void)
{
    cw_metric_add(parked(), 1);
}

void cw_meter_deadletter(void)
{
    cw_metric_add(deadletters(), 1);
}

void cw_meter_rewound(void)
{
    cw_metric_add(rewound(), 1);
}

void cw_meter_drifted(void)
{
    cw_metric_add(drifted(), 1);
}

void cw_meter_scheduled(size_t n)
{
    cw_metric_set(cw_gauge("causeway_jobs_scheduled",
                           "Runs of repeated verifications whose time has not come.", NULL, NULL),
                  (int64_t)n);
}
