/* The three doors to the outside: whoever links another file in place of this one owns time and chance. */
#include "common/time.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec ts;
    CW_BUG_ON(clock_gettime(id, &ts) != 0);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t cw_mono_ms(void)
{
    return read_clock(CLOCK_BOOTTIME); /* goes on while the machine is suspended: a lease must not stretch */
}

int64_t cw_wall_ms(void)
{
    return read_clock(CLOCK_REALTIME);
}

void cw_random_bytes(void *p, size_t n)
{
    char *at = p;
    while (n > 0) {
        ssize_t got = getrandom(at, CW_MIN(n, (size_t)256), 0);
        if (got < 0 && errno == EINTR)
            continue;
        CW_BUG_ON(got <= 0);
        at += got;
        n -= (size_t)got;
    }
}
