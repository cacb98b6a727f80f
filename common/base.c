#include "common/base.h"

#include <unistd.h>

static void (*panic_hook)(void);
static _Thread_local bool is_panicking;

void cw_panic_set_hook(void (*hook)(void))
{
    panic_hook = hook;
}

void cw_panic(const char *file, int line, const char *what)
{
    char text[512];
    int n = snprintf(text, sizeof text, "causeway: %s:%d: %s\n", file, line, what);
    size_t len = n < 0 ? 0 : CW_MIN((size_t)n, sizeof text - 1);
    (void)!write(STDERR_FILENO, text, len);
    if (!is_panicking) {
        is_panicking = true;
        if (panic_hook != NULL)
            panic_hook();
    }
    abort();
}
