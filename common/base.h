/* common/base.h: what every file may rely on: assertions, scope cleanup, forbidden functions.
 *
 * Suspends: never.  Thread: any. */
#ifndef CW_COMMON_BASE_H
#define CW_COMMON_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CW_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define CW_MIN(a, b) ((a) < (b) ? (a) : (b))
#define CW_MAX(a, b) ((a) > (b) ? (a) : (b))
#define CW_PRINTF(fmt_at, args_at) __attribute__((format(printf, fmt_at, args_at)))
#define CW_CHECKED __attribute__((warn_unused_result))

/* Scope cleanup: `CW_AUTO(cw_buf_fini) struct cw_buf b = {0};` calls cw_buf_fini(&b) at the end of the scope. */
#define CW_AUTO(fn) __attribute__((cleanup(fn)))

/* Define `name(type *p)`, which frees *p by free_fn, for use with CW_AUTO on a pointer. */
#define CW_DEFINE_AUTO(name, type, free_fn)                  \
    __attribute__((unused)) static inline void name(type *p) \
    {                                                        \
        if (*p != NULL)                                      \
            free_fn(*p);                                     \
    }
CW_DEFINE_AUTO(cw_auto_str, char *, free)

/* Hand over an owned pointer: the value, leaving NULL behind. */
#define CW_TAKE(p)                   \
    ({                               \
        __auto_type cw_taken_ = (p); \
        (p) = NULL;                  \
        cw_taken_;                   \
    })

/* Assertions are for programmers' errors, stay on in production, one condition each. Bad input is never an assertion. */
#define CW_PRE(cond) ((cond) ? (void)0 : cw_panic(__FILE__, __LINE__, "precondition " #cond))
#define CW_POST(cond) ((cond) ? (void)0 : cw_panic(__FILE__, __LINE__, "postcondition " #cond))
#define CW_BUG_ON(cond) ((cond) ? cw_panic(__FILE__, __LINE__, "bug " #cond) : (void)0)

/* Print what failed, call the panic hook (see cw_panic_set_hook), abort. Never returns. */
_Noreturn void cw_panic(const char *file, int line, const char *what);
/* The hook prints context (current job, last log events). It must not allocate or wait. NULL removes it. */
void cw_panic_set_hook(void (*hook)(void));

#undef sprintf /* for clang, _FORTIFY_SOURCE makes it a macro, which can't be poisoned */
#pragma GCC poison strcpy strcat sprintf vsprintf strtok atoi atol gets

#endif
