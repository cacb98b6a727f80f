/* The consumer group of the model of Kafka: who owns which partition, and how it changes hands. */
#include "tests/world/kafka_impl.h"

#define HEARTBEAT_MS 3000
#define DOWN_LOOK_MS 500
#define REJOIN_MS 2000

static void for_each_partition(void (*fn)(struct kafka_partition *p, void *arg), void *arg)
{
    for (size_t i = 0; i < kafka.topic_count; i++) {
        for (int32_t k = 0; kafka.topics[i].is_read && k < kafka.topics[i].count; k++)
            fn(&kafka.topics[i].partitions[k], arg);
    }
}

void kafka_watch_move(struct cw_kafka_in *in, const struct kafka_partition *p, const char *how)
{
    if (kafka.watch.moved != NULL)
        kafka.watch.moved(kafka.watch_arg, in->loop, p->topic->name, p->number, how);
}

/* ---- who shall own what ---------------------------------------------------------------------------------------------- */

static void count_targets(struct kafka_partition *p, void *arg)
{
    size_t *counts = arg;
    for (size_t i = 0; i < kafka.member_count; i++)
        counts[i] += kafka.members[i] == p->target;
}

static void count_all(struct kafka_partition *p, void *arg)
{
    (void)p;
    *(size_t *)arg += 1;
}

static void forget_gone(struct kafka_partition *p, void *arg)
{
    (void)arg;
    for (size_t i = 0; i < kafka.member_count; i++) {
        if (kafka.members[i] == p->target)
            return;
    }
    p->target = NULL;
}

static size_t fewest(const size_t *counts)
{
    size_t best = 0;
    for (size_t i = 1; i < kafka.member_count; i++)
        best = counts[i] < counts[best] ? i : best;
    return best;
}

struct plan {
    size_t counts[KAFKA_MEMBERS_MAX];
    size_t most;
};

/* Sticky: only what has no owner, or is above its owner's share, moves. */
static void aim(struct kafka_partition *p, void *arg)
{
    struct plan *plan = arg;
    for (size_t i = 0; i < kafka.member_count; i++) {
        if (kafka.members[i] != p->target)
            continue;
        if (plan->counts[i] <= plan->most)
            return;
        plan->counts[i]--;
    }
    size_t to = fewest(plan->counts);
    p->target = kafka.members[to];
    plan->counts[to]++;
}

/* ---- from one to the other ------------------------------------------------------------------------------------------- */

static void move(struct kafka_partition *p, void *arg);

static int64_t soon(void)
{
    return cw_mono_ms() + (world_chance(4) ? world_between(1, HEARTBEAT_MS) : world_between(1, 50));
}

static struct cw_kafka_in *member_of(int64_t id)
{
    for (size_t i = 0; i < kafka.member_count; i++) {
        if (kafka.members[i]->id == (uint64_t)id)
            return kafka.members[i];
    }
    return NULL;
}

/* In the target's worker: it reads the committed offset and begins. */
static void on_assigned(void *arg, int64_t member_id)
{
    struct kafka_partition *p = arg;
    struct cw_kafka_in *in = member_of(member_id);
    if (in == NULL || p->owner != in || !p->is_moving)
        return;
    if (kafka_is_down()) {
        world_post(in->loop, kafka.down_until + world_between(1, DOWN_LOOK_MS), on_assigned, p, member_id);
        return;
    }
    p->is_moving = false;
    kafka_part_begin(in, p);
    if (p->target != in)
        move(p, NULL);
}

/* In the owner's worker. */
static void on_revoked(void *arg, int64_t member_id)
{
    struct kafka_partition *p = arg;
    struct cw_kafka_in *in = member_of(member_id);
    if (in == NULL || p->owner != in || !p->is_moving)
        return;
    if (p->target == in) { /* it may keep it after all */
        p->is_moving = false;
        return;
    }
    for (struct kafka_part *part = in->parts; part != NULL; part = part->next) {
        if (part->at != p)
            continue;
        kafka_part_end(in, part, CW_KAFKA_REVOKED);
        break;
    }
    p->is_moving = false;
    p->owner = NULL;
    move(p, NULL);
}

static void move(struct kafka_partition *p, void *arg)
{
    (void)arg;
    if (p->is_moving || p->owner == p->target)
        return;
    if (p->owner != NULL) {
        p->is_moving = true;
        world_post(p->owner->loop, soon(), on_revoked, p, (int64_t)p->owner->id);
        return;
    }
    p->is_moving = true;
    p->owner = p->target;
    p->turn++;
    world_post(p->owner->loop, soon(), on_assigned, p, (int64_t)p->owner->id);
}

void kafka_rebalance(void)
{
    struct plan plan = {.most = 0};
    size_t all = 0;
    for_each_partition(forget_gone, NULL);
    for_each_partition(count_all, &all);
    if (kafka.member_count > 0) {
        plan.most = (all + kafka.member_count - 1) / kafka.member_count;
        for_each_partition(count_targets, plan.counts);
        for_each_partition(aim, &plan);
    }
    for_each_partition(move, NULL);
}

static void retarget(struct kafka_partition *p, void *arg)
{
    (void)arg;
    if (kafka.member_count > 0)
        p->target = kafka.members[world_between(0, (int64_t)kafka.member_count - 1)];
}

void kafka_shuffle(void)
{
    for_each_partition(retarget, NULL);
    for_each_partition(move, NULL);
}

/* ---- members --------------------------------------------------------------------------------------------------------- */

static void disown(struct kafka_partition *p, void *arg)
{
    if (p->owner != arg)
        return;
    p->owner = NULL;
    p->is_moving = false;
}

/* The broker forgets the member; who it is does not know it. */
static void remove_member(struct cw_kafka_in *in)
{
    size_t n = 0;
    if (!in->is_member)
        return;
    for (size_t i = 0; i < kafka.member_count; i++) {
        if (kafka.members[i] != in)
            kafka.members[n++] = kafka.members[i];
    }
    kafka.member_count = n;
    in->is_member = false;
    for_each_partition(disown, in);
    kafka_rebalance();
}

void kafka_join(struct cw_kafka_in *in)
{
    CW_BUG_ON(kafka.member_count == KAFKA_MEMBERS_MAX);
    in->id = ++kafka.ids;
    in->is_member = true;
    kafka.members[kafka.member_count++] = in;
    kafka_rebalance();
}

void kafka_leave(struct cw_kafka_in *in)
{
    remove_member(in);
}

static void on_rejoin(void *arg, int64_t id)
{
    struct cw_kafka_in *in = arg;
    if (in->id == (uint64_t)id && !in->is_member && in->is_reading)
        kafka_join(in);
}

/* In its worker: the coordinator does not know it any more. */
static void on_learned(void *arg, int64_t id)
{
    struct cw_kafka_in *in = arg;
    if (in->id != (uint64_t)id || in->is_member || !in->is_reading)
        return;
    while (in->parts != NULL)
        kafka_part_end(in, in->parts, CW_KAFKA_LOST);
    world_post(in->loop, cw_mono_ms() + world_between(1, REJOIN_MS), on_rejoin, in, id);
}

static void expel(struct cw_kafka_in *in, int64_t learns_at_ms)
{
    remove_member(in);
    if (!world_is_dead(in->loop))
        world_post(in->loop, learns_at_ms, on_learned, in, (int64_t)in->id);
}

void kafka_expel(size_t nth, int64_t learns_after_ms)
{
    if (kafka.member_count > 0)
        expel(kafka.members[nth % kafka.member_count], cw_mono_ms() + learns_after_ms);
}

void kafka_rewind(size_t nth, int64_t messages)
{
    if (kafka.member_count == 0)
        return;
    struct cw_kafka_in *in = kafka.members[nth % kafka.member_count];
    for (struct kafka_part *part = in->parts; part != NULL; part = part->next) {
        part->position = CW_MAX(part->position - messages, CW_MAX(part->at->committed, (int64_t)0));
        kafka_fetch_soon(in, part);
    }
}

static void on_session_end(void *arg, int64_t id)
{
    struct cw_kafka_in *in = NULL;
    (void)arg;
    for (size_t i = 0; i < kafka.member_count; i++)
        in = kafka.members[i]->id == (uint64_t)id ? kafka.members[i] : in;
    if (in == NULL || in->silent_until <= cw_mono_ms())
        return;
    if (kafka_is_down()) { /* the coordinator does not judge while it is away */
        world_at(kafka.down_until + in->session_ms, on_session_end, NULL, id);
        return;
    }
    expel(in, in->silent_until);
}

void kafka_silent(struct cw_loop *loop, int64_t until_mono_ms)
{
    for (size_t i = 0; i < kafka.member_count; i++) {
        struct cw_kafka_in *in = kafka.members[i];
        if (in->loop != loop)
            continue;
        in->silent_until = CW_MAX(in->silent_until, until_mono_ms);
        world_at(cw_mono_ms() + in->session_ms, on_session_end, NULL, (int64_t)in->id);
    }
}
