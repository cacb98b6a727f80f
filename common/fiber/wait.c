#include "common/fiber/wait.h"

#include "common/fiber/sched.h"

void cw_wait_arm(struct cw_wait *w)
{
    struct cw_fiber *self = cw_fiber_self();
    CW_PRE(self != NULL);
    *w = (struct cw_wait){.owner = self};
}

static int wait_for(struct cw_wait *w, struct cw_deadline until, bool is_cancellable)
{
    struct cw_fiber *self = cw_fiber_self();
    CW_PRE(self != NULL);
    CW_PRE(w->owner == self);
    while (!w->done && !(is_cancellable && self->cancel_reason != 0) && !cw_is_past(until)) {
        self->wait = w;
        self->until = until;
        self->is_cancellable = is_cancellable;
        self->state = CW_FIBER_WAITING;
        cw_timers_add(self->sched, self);
        cw_sched_park(self);
    }
    if (is_cancellable && self->cancel_reason != 0)
        return -self->cancel_reason;
    return cw_is_past(until) ? -CW_ETIMEDOUT : w->result;
}

int cw_wait_for(struct cw_wait *w, struct cw_deadline until)
{
    return wait_for(w, until, true);
}

int cw_wait_for_uncancelled(struct cw_wait *w, struct cw_deadline until)
{
    return wait_for(w, until, false);
}

void cw_wait_done(struct cw_wait *w, int result)
{
    if (w->done)
        return;
    w->done = true;
    w->result = result;
    if (w->owner->state == CW_FIBER_WAITING && w->owner->wait == w)
        cw_sched_make_ready(w->owner);
}

/* --- queues ------------------------------------------------------------------------------------------------------- */

/* On the stack of the waiting fiber. */
struct cw_queue_node {
    struct cw_queue_node *prev, *next;
    struct cw_wait wait;
    bool is_alone; /* signalled as the only one: the signal must not get lost */
};

static void remove_node(struct cw_queue *q, struct cw_queue_node *node)
{
    *(node->prev != NULL ? &node->prev->next : &q->head) = node->next;
    *(node->next != NULL ? &node->next->prev : &q->tail) = node->prev;
    node->prev = node->next = NULL;
}

int cw_queue_wait(struct cw_queue *q, struct cw_deadline until)
{
    struct cw_queue_node node = {.prev = q->tail};
    cw_wait_arm(&node.wait);
    *(q->tail != NULL ? &q->tail->next : &q->head) = &node;
    q->tail = &node;
    int r = cw_wait_for(&node.wait, until);
    if (!node.wait.done)
        remove_node(q, &node);
    else if (r < 0 && node.is_alone)
        cw_queue_signal(q);
    return r;
}

static void wake_first(struct cw_queue *q, bool is_alone)
{
    struct cw_queue_node *node = q->head;
    remove_node(q, node);
    node->is_alone = is_alone;
    cw_wait_done(&node->wait, 0);
}

void cw_queue_signal(struct cw_queue *q)
{
    if (q->head != NULL)
        wake_first(q, true);
}

void cw_queue_broadcast(struct cw_queue *q)
{
    while (q->head != NULL)
        wake_first(q, false);
}

bool cw_queue_is_empty(const struct cw_queue *q)
{
    return q->head == NULL;
}
