#include "common/arena.h"

#include "common/err.h"
#include "common/sanitize.h"

#define ALIGN_BYTES 16
#define CHUNK_BYTES_FIRST ((size_t)1024)
#define CHUNK_BYTES_LAST ((size_t)65536)
#define TEXT_BYTES_COMMON 2048 /* a longer one is printed twice */

/* Memory from malloc. Without ASan many allocations share one; with ASan each has its own. */
struct chunk {
    struct chunk *next;
    size_t used;
    size_t cap;
    char *p;
};

struct defer {
    struct defer *next;
    void (*fn)(void *arg);
    void *arg;
};

struct cw_arena {
    size_t cap;           /* of `used` */
    size_t used;          /* sum of the rounded allocations */
    size_t next_chunk;    /* bytes of the next shared chunk */
    struct chunk *chunks; /* the first is the one being filled */
    struct defer *defers; /* last registered first */
    bool failed;          /* sticky until reset */
};

int cw_arena_new(size_t cap_bytes, struct cw_arena **ret_arena)
{
    CW_PRE(cap_bytes > 0);
    struct cw_arena *mem = calloc(1, sizeof *mem);
    if (mem == NULL)
        return -CW_ENOMEM;
    mem->cap = cap_bytes;
    mem->next_chunk = CHUNK_BYTES_FIRST;
    *ret_arena = mem;
    return 0;
}

void cw_arena_free(struct cw_arena *mem)
{
    if (mem == NULL)
        return;
    cw_arena_reset(mem);
    free(mem);
}

static void run_defers(struct cw_arena *mem)
{
    while (mem->defers != NULL) {
        struct defer *d = mem->defers;
        mem->defers = d->next;
        d->fn(d->arg);
        free(d);
    }
}

void cw_arena_reset(struct cw_arena *mem)
{
    run_defers(mem);
    while (mem->chunks != NULL) {
        struct chunk *c = mem->chunks;
        mem->chunks = c->next;
        if (c->p != (char *)(c + 1))
            free(c->p);
        free(c);
    }
    mem->used = 0;
    mem->next_chunk = CHUNK_BYTES_FIRST;
    mem->failed = false;
}

#if CW_WITH_ASAN

static void *take_bytes(struct cw_arena *mem, size_t bytes, size_t rounded)
{
    (void)rounded;
    struct chunk *c = calloc(1, sizeof *c);
    char *p = calloc(1, CW_MAX(bytes, (size_t)1));
    if (c == NULL || p == NULL) {
        free(c);
        free(p);
        return NULL;
    }
    c->p = p;
    c->next = mem->chunks;
    mem->chunks = c;
    return p;
}

#else

_Static_assert(sizeof(struct chunk) % ALIGN_BYTES == 0, "what follows the chunk's head is aligned");

static struct chunk *new_chunk(size_t bytes)
{
    struct chunk *c = malloc(sizeof *c + bytes);
    if (c == NULL)
        return NULL;
    *c = (struct chunk){.cap = bytes, .p = (char *)(c + 1)};
    return c;
}

/* A chunk with room for `rounded` bytes. A large allocation gets its own behind the one being filled. */
static struct chunk *chunk_for(struct cw_arena *mem, size_t rounded)
{
    struct chunk *head = mem->chunks;
    if (head != NULL && head->cap - head->used >= rounded)
        return head;
    bool is_large = rounded > mem->next_chunk / 2;
    struct chunk *c = new_chunk(is_large ? rounded : mem->next_chunk);
    if (c == NULL)
        return NULL;
    if (is_large && head != NULL) {
        c->next = head->next;
        head->next = c;
        return c;
    }
    if (!is_large)
        mem->next_chunk = CW_MIN(mem->next_chunk * 2, CHUNK_BYTES_LAST);
    c->next = head;
    mem->chunks = c;
    return c;
}

static void *take_bytes(struct cw_arena *mem, size_t bytes, size_t rounded)
{
    (void)bytes;
    struct chunk *c = chunk_for(mem, rounded);
    if (c == NULL)
        return NULL;
    void *p = c->p + c->used;
    c->used += rounded;
    memset(p, 0, rounded);
    return p;
}

#endif

void *cw_arena_alloc(struct cw_arena *mem, size_t bytes)
{
    size_t rounded = (CW_MAX(bytes, (size_t)1) + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
    if (rounded < bytes || rounded > mem->cap - mem->used) {
        mem->failed = true;
        return NULL;
    }
    void *p = take_bytes(mem, bytes, rounded);
    if (p == NULL) {
        mem->failed = true;
        return NULL;
    }
    mem->used += rounded;
    return p;
}

void *cw_arena_alloc_array(struct cw_arena *mem, size_t count, size_t bytes)
{
    size_t total = 0;
    if (__builtin_mul_overflow(count, bytes, &total)) {
        mem->failed = true;
        return NULL;
    }
    return cw_arena_alloc(mem, total);
}

char *cw_arena_strdup(struct cw_arena *mem, const char *z)
{
    return z == NULL ? NULL : cw_arena_memdup(mem, z, strlen(z));
}

char *cw_arena_memdup(struct cw_arena *mem, const void *p, size_t n)
{
    if (n == SIZE_MAX) {
        mem->failed = true;
        return NULL;
    }
    char *copy = cw_arena_alloc(mem, n + 1);
    if (copy != NULL && n > 0)
        memcpy(copy, p, n);
    return copy;
}

char *cw_arena_printf(struct cw_arena *mem, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *z = cw_arena_vprintf(mem, fmt, args);
    va_end(args);
    return z;
}

char *cw_arena_vprintf(struct cw_arena *mem, const char *fmt, va_list args)
{
    char small[TEXT_BYTES_COMMON];
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(small, sizeof small, fmt, args);
    char *z = NULL;
    if (n < 0)
        mem->failed = true;
    else if ((size_t)n < sizeof small)
        z = cw_arena_memdup(mem, small, (size_t)n);
    else if ((z = cw_arena_alloc(mem, (size_t)n + 1)) != NULL)
        (void)vsnprintf(z, (size_t)n + 1, fmt, again);
    va_end(again);
    return z;
}

bool cw_arena_defer(struct cw_arena *mem, void (*fn)(void *arg), void *arg)
{
    struct defer *d = malloc(sizeof *d);
    if (d == NULL) {
        mem->failed = true;
        fn(arg);
        return false;
    }
    *d = (struct defer){.next = mem->defers, .fn = fn, .arg = arg};
    mem->defers = d;
    return true;
}

bool cw_arena_failed(const struct cw_arena *mem)
{
    return mem->failed;
}

size_t cw_arena_used(const struct cw_arena *mem)
{
    return mem->used;
}
