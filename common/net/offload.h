/* common/net/offload.h: a thread pool for what must not run on the loop: large JSON, files, DNS.
 *
 * Work that cannot be recalled is detached when its caller gives up, and frees itself later.
 * Suspends: cw_offload.  Thread: loop; work.run runs on a pool thread. */
#ifndef CW_COMMON_NET_OFFLOAD_H
#define CW_COMMON_NET_OFFLOAD_H

#include "common/json.h"
#include "common/net/loop.h"

/* Heap-owned by whoever is last. run() on a pool thread, touching only the work's own memory; destroy() on the loop. */
struct cw_work {
    int (*run)(struct cw_work *work);
    void (*destroy)(struct cw_work *work);
};

/* Wait for run()'s result. When it returns 0 (or the work's own code) with *ret_done true the caller looks at the work and
 * calls destroy itself; otherwise the work is destroyed later by itself. Errors: -CW_ETIMEDOUT, cancellation. Suspends: yes. */
int cw_offload(struct cw_loop *loop, struct cw_work *take_work, struct cw_deadline until, bool *ret_done);
/* Parse JSON: here when small (<= 64 KiB), on the pool when larger. The document belongs to mem. Errors: as
 * cw_json_parse, -CW_ETIMEDOUT, cancellation. Suspends: when large. */
int cw_offload_json(struct cw_loop *loop, struct cw_str text, size_t bytes_max, struct cw_deadline until,
                    struct cw_arena *mem, json_t **ret_doc, struct cw_err *err);
/* Read a whole file of at most bytes_max on the pool. Errors: -CW_ENOTFOUND, -CW_EDENIED, -CW_ETOOBIG, -CW_ENET (I/O). */
int cw_offload_read_file(struct cw_loop *loop, const char *path, size_t bytes_max, struct cw_deadline until,
                         struct cw_arena *mem, struct cw_str *ret_text, struct cw_err *err);

#endif
