#include "common/fiber/stack.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(lo, hi) 0
#define VALGRIND_STACK_DEREGISTER(id) (void)(id)
#define RUNNING_ON_VALGRIND 0
#endif

#include "common/err.h"
#include "common/sanitize.h"

#if CW_WITH_ASAN
#include <sanitizer/asan_interface.h>
#define UNPOISON(p, n) __asan_unpoison_memory_region((p), (n))
#else
#define UNPOISON(p, n) (void)(p), (void)(n)
#endif

#define BYTES_DEFAULT ((size_t)64 << 10)
#define BYTES_DEFAULT_WATCHED ((size_t)256 << 10) /* sanitizers and valgrind make frames larger */
#define KEPT_BYTES ((size_t)8 << 10)   /* an idle stack keeps its top: the next fiber touches it at once */
#define GUARD_BYTES ((size_t)64 << 10) /* no frame is so large that it could step over it */
#define GUARD_INSTALL 102              /* MADV_GUARD_INSTALL, in headers since Linux 6.13 */

static bool try_light_guard(size_t page)
{
    void *p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return false;
    bool is_there = madvise(p, page, GUARD_INSTALL) == 0;
    if (is_there) /* some emulators only say yes: then the kernel can still write there */
        is_there = syscall(SYS_uname, p) != 0;
    (void)munmap(p, page);
    return is_there;
}

int cw_stacks_init(struct cw_stacks *stacks, size_t stack_bytes, size_t pool_max)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE); /* at most 64 KiB on the processors we know */
    bool is_watched = CW_WITH_ASAN || CW_WITH_TSAN || RUNNING_ON_VALGRIND;
    size_t bytes = stack_bytes != 0 ? stack_bytes : is_watched ? BYTES_DEFAULT_WATCHED : BYTES_DEFAULT;
    *stacks = (struct cw_stacks){
        .bytes = (bytes + page - 1) / page * page,
        .guard_bytes = GUARD_BYTES,
        .pool_max = pool_max,
        .has_light_guard = try_light_guard(page),
    };
    stacks->pool = calloc(pool_max, sizeof *stacks->pool);
    return stacks->pool == NULL ? -CW_ENOMEM : 0;
}

static void unmap(const struct cw_stacks *stacks, struct cw_stack *stack)
{
    VALGRIND_STACK_DEREGISTER(stack->valgrind_id);
    CW_BUG_ON(munmap(stack->base - stacks->guard_bytes, stacks->guard_bytes + stack->bytes) != 0);
}

void cw_stacks_fini(struct cw_stacks *stacks)
{
    for (size_t i = 0; i < stacks->pool_count; i++)
        unmap(stacks, &stacks->pool[i]);
    free(stacks->pool);
    *stacks = (struct cw_stacks){0};
}

int cw_stacks_take(struct cw_stacks *stacks, struct cw_stack *ret_stack)
{
    if (stacks->pool_count > 0) {
        *ret_stack = stacks->pool[--stacks->pool_count];
        return 0;
    }
    size_t total = stacks->guard_bytes + stacks->bytes;
    char *p = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return -CW_ENOMEM;
    int r = stacks->has_light_guard ? madvise(p, stacks->guard_bytes, GUARD_INSTALL)
                                    : mprotect(p, stacks->guard_bytes, PROT_NONE);
    if (r != 0) {
        (void)munmap(p, total);
        return -CW_ENOMEM;
    }
    struct cw_stack stack = {.base = p + stacks->guard_bytes, .bytes = stacks->bytes};
    stack.valgrind_id = (unsigned)VALGRIND_STACK_REGISTER(stack.base, stack.base + stack.bytes);
    *ret_stack = stack;
    return 0;
}

void cw_stacks_give(struct cw_stacks *stacks, struct cw_stack *take_stack)
{
    struct cw_stack stack = *take_stack;
    *take_stack = (struct cw_stack){0};
    UNPOISON(stack.base, stack.bytes); /* the frame that never returned leaves red zones behind */
    if (stacks->pool_count == stacks->pool_max) {
        unmap(stacks, &stack);
        return;
    }
    if (stack.bytes > KEPT_BYTES)
        (void)madvise(stack.base, stack.bytes - KEPT_BYTES, MADV_DONTNEED);
    stacks->pool[stacks->pool_count++] = stack;
}

void cw_stacks_trim(const struct cw_stack *stack, const char *top)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t below = (size_t)(top - stack->base) / page * page;
    if (below > 0)
        (void)madvise(stack->base, below, MADV_DONTNEED);
}

size_t cw_stacks_maps(const struct cw_stacks *stacks, size_t count)
{
    return stacks->has_light_guard ? count : 2 * count;
}
