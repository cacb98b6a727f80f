/* common/fiber/wait.h: the ONE suspension point. Everything that waits is built on it.
 *
 * Use: cw_wait_arm(&w); start the operation with &w as its context; r = cw_wait_for(&w, until); when !w.done the operation
 * is still under way and the caller detaches it before it returns. The wait lives on the waiting fiber's stack.
 * Thread: loop. */
#ifndef CW_COMMON_FIBER_WAIT_H
#define CW_COMMON_FIBER_WAIT_H

#include "common/fiber/fiber.h"

struct cw_wait {
    struct cw_fiber *owner; /* who waits */
    int result;             /* of the operation, once done */
    bool done;
};

/* Must run on the fiber that will wait. Suspends: no. */
void cw_wait_arm(struct cw_wait *w);
/* The operation's result; -CW_ETIMEDOUT; or minus the reason of the fiber's cancellation. Cancel beats timeout beats
 * result. Suspends: yes (also when already done, cancelled or past: it then returns at once). */
int cw_wait_for(struct cw_wait *w, struct cw_deadline until);
/* The same, but not woken by cancellation: for cleanup that must be seen through. Keep `until` short. */
int cw_wait_for_uncancelled(struct cw_wait *w, struct cw_deadline until);
/* From loop callbacks or other fibers: store the result, make the owner ready; never switches. A second call is ignored. */
void cw_wait_done(struct cw_wait *w, int result);

/* A queue of waiting fibers: conditions, slots, mailboxes. Zero-initialise. */
struct cw_queue {
    struct cw_queue_node *head;
    struct cw_queue_node *tail;
};
/* Wait in order of arrival for a signal. Errors: -CW_ETIMEDOUT, cancellation. Suspends: yes. */
int cw_queue_wait(struct cw_queue *q, struct cw_deadline until);
/* Wake the first, or all. */
void cw_queue_signal(struct cw_queue *q);
void cw_queue_broadcast(struct cw_queue *q);
bool cw_queue_is_empty(const struct cw_queue *q);

#endif
