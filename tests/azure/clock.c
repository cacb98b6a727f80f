/* Time, events and chance. */
#include "tests/azure/arm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NORMAL_P95 1.6448536269514722 /* 95 of 100 draws of a standard normal distribution are below it */

int64_t az_now(const struct az_model *m)
{
    return m->now_ms;
}

int64_t az_scaled(const struct az_model *m, int64_t model_ms)
{
    if (model_ms <= 0)
        return 0;
    int64_t told = (int64_t)((double)model_ms / m->time_scale);
    return told > 0 ? told : 1;
}

const char *az_time_iso(int64_t told_ms, char buf[AZ_TIME_BYTES])
{
    time_t seconds = (time_t)(told_ms / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    size_t n = strftime(buf, AZ_TIME_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(buf + n, AZ_TIME_BYTES - n, ".%03d0000Z", (int)(told_ms % 1000));
    return buf;
}

void az_event_register(struct az_model *m, const char *kind, az_event_fn fn)
{
    if (m->events.kind_count == AZ_EVENT_KINDS_MAX)
        abort();
    m->events.kinds[m->events.kind_count].name = kind;
    m->events.kinds[m->events.kind_count++].fn = fn;
}

static bool is_earlier(const struct az_event *a, const struct az_event *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->seq < b->seq;
}

static void swap_events(struct az_event *a, struct az_event *b)
{
    struct az_event t = *a;
    *a = *b;
    *b = t;
}

static void sift_up(struct az_model *m, size_t i)
{
    struct az_event *heap = m->events.heap;
    for (; i > 0 && is_earlier(&heap[i], &heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap_events(&heap[i], &heap[(i - 1) / 2]);
}

static void sift_down(struct az_model *m, size_t i)
{
    struct az_event *heap = m->events.heap;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= m->events.count)
            return;
        if (child + 1 < m->events.count && is_earlier(&heap[child + 1], &heap[child]))
            child++;
        if (!is_earlier(&heap[child], &heap[i]))
            return;
        swap_events(&heap[child], &heap[i]);
        i = child;
    }
}

static size_t find_kind(const struct az_model *m, const char *kind)
{
    size_t i = 0;
    while (i < m->events.kind_count && strcmp(m->events.kinds[i].name, kind) != 0)
        i++;
    return i;
}

uint64_t az_schedule(struct az_model *m, int64_t at_told_ms, const char *kind, json_t *take_arg)
{
    size_t k = find_kind(m, kind);
    if (take_arg == NULL || k == m->events.kind_count) {
        json_decref(take_arg);
        return 0;
    }
    if (m->events.count == m->events.room) {
        size_t room = m->events.room == 0 ? 64 : m->events.room * 2;
        struct az_event *heap = realloc(m->events.heap, room * sizeof *heap);
        if (heap == NULL) {
            json_decref(take_arg);
            return 0;
        }
        m->events.heap = heap;
        m->events.room = room;
    }
    struct az_event *e = &m->events.heap[m->events.count];
    uint64_t seq = ++m->events.next_seq;
    *e = (struct az_event){
        .at_ms = at_told_ms > m->now_ms ? at_told_ms : m->now_ms, .seq = seq, .kind = k, .arg = take_arg};
    sift_up(m, m->events.count++);
    return seq;
}

static struct az_event take_event(struct az_model *m, size_t i)
{
    struct az_event e = m->events.heap[i];
    m->events.heap[i] = m->events.heap[--m->events.count];
    if (i < m->events.count) {
        sift_down(m, i);
        sift_up(m, i);
    }
    return e;
}

void az_unschedule(struct az_model *m, uint64_t event_id)
{
    for (size_t i = 0; i < m->events.count; i++)
        if (m->events.heap[i].seq == event_id) {
            struct az_event e = take_event(m, i);
            json_decref(e.arg);
            return;
        }
}

void az_events_fini(struct az_model *m)
{
    for (size_t i = 0; i < m->events.count; i++)
        json_decref(m->events.heap[i].arg);
    free(m->events.heap);
}

void az_events_shift(struct az_model *m, int64_t by_ms)
{
    for (size_t i = 0; i < m->events.count; i++)
        m->events.heap[i].at_ms += by_ms;
}

void az_model_advance(struct az_model *m, int64_t told_ms)
{
    if (!m->was_told) {
        m->was_told = true;
        if (m->now_ms == 0) {
            az_events_shift(m, told_ms);
            m->now_ms = told_ms;
        }
    }
    while (m->events.count > 0 && m->events.heap[0].at_ms <= told_ms) {
        struct az_event e = take_event(m, 0);
        if (e.at_ms > m->now_ms)
            m->now_ms = e.at_ms;
        m->events.kinds[e.kind].fn(m, e.arg);
        json_decref(e.arg);
    }
    if (told_ms > m->now_ms)
        m->now_ms = told_ms;
}

int64_t az_model_next_event(const struct az_model *m)
{
    return m->events.count > 0 ? m->events.heap[0].at_ms : INT64_MAX;
}

uint64_t az_random(struct az_model *m)
{
    uint64_t z = (m->rng += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

double az_uniform(struct az_model *m)
{
    return (double)(az_random(m) >> 11) / 9007199254740992.0;
}

bool az_chance(struct az_model *m, double probability)
{
    return az_uniform(m) < probability;
}

const char *az_guid(struct az_model *m, char buf[AZ_GUID_BYTES])
{
    static const char form[] = "xxxxxxxx-xxxx-4xxx-axxx-xxxxxxxxxxxx";
    uint64_t high = az_random(m), low = az_random(m);
    high = (high >> 16 << 12 | (high & 0xfff)) << 4; /* 15 digits, the highest first */
    low <<= 4;                                       /* 15 digits */
    for (size_t i = 0; i < AZ_GUID_BYTES; i++) {
        uint64_t *from = i < 19 ? &high : &low;
        buf[i] = form[i] == 'x' ? "0123456789abcdef"[*from >> 60] : form[i];
        *from = form[i] == 'x' ? *from << 4 : *from;
    }
    return buf;
}

/* {"median","p95","max"}: log-normal, as waiting times are: most near the median, a few far beyond. */
static double draw_skewed(struct az_model *m, const json_t *form)
{
    double median = az_num(form, "median", 1), p95 = az_num(form, "p95", median),
           max = az_num(form, "max", 10 * p95);
    double one = az_uniform(m), two = az_uniform(m);
    double normal = sqrt(-2.0 * log(1.0 - one)) * cos(2.0 * M_PI * two);
    return fmin(max, median * exp(normal * log(p95 / median) / NORMAL_P95));
}

int64_t az_duration(struct az_model *m, const char *name, double min_s, double max_s)
{
    const json_t *range = json_object_get(m->durations, name);
    if (json_array_size(range) == 2) {
        min_s = json_number_value(json_array_get(range, 0));
        max_s = json_number_value(json_array_get(range, 1));
    } else if (json_is_number(range)) {
        min_s = max_s = json_number_value(range);
    } else if (json_is_object(range)) {
        return az_scaled(m, (int64_t)(draw_skewed(m, range) * 1000.0));
    }
    double seconds = min_s + az_uniform(m) * (max_s - min_s);
    return az_scaled(m, (int64_t)(seconds * 1000.0));
}

double az_behaviour(const struct az_model *m, const char *name, double fallback)
{
    const json_t *v = json_object_get(m->behaviour, name);
    if (json_is_boolean(v))
        return json_is_true(v) ? 1.0 : 0.0;
    return json_is_number(v) ? json_number_value(v) : fallback;
}
