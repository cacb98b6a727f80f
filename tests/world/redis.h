/* tests/world/redis.h: a model of Redis: the commands that our scripts call, the production text of these scripts in Lua 5.1,
 * expiry, WAIT, and a server that dies with or without its data.
 *
 * Time is the world's. A script or a command is one write; a failover forgets the last writes as a whole.
 * Suspends: never.  Thread: one.  Source: redis.io command reference, "Scripting with Lua" (conversion of types). */
#ifndef CW_TESTS_WORLD_REDIS_H
#define CW_TESTS_WORLD_REDIS_H

#include "common/net/redis.h"

struct redis_value {
    enum { REDIS_NIL = 0, REDIS_TEXT, REDIS_STATUS, REDIS_NUMBER, REDIS_LIST, REDIS_ERROR } type;
    struct cw_str text; /* also of errors */
    int64_t number;
    struct redis_value *items;
    size_t count;
};
/* One command, now, whatever the state of the connection. Errors: -CW_EREMOTE (an error answer; remote_code = its first word). */
int redis_command(size_t argc, const struct cw_str *argv, struct cw_arena *mem,
                  struct cw_redis_reply *ret_reply, struct cw_err *err);
int redis_eval(const struct cw_redis_script *script, size_t key_count, const char *const *keys,
               size_t arg_count, const struct cw_str *args, struct cw_arena *mem,
               struct cw_redis_reply *ret_reply, struct cw_err *err);

/* All data is gone. */
void redis_lose_all(void);
/* Forget the last writes that no WAIT has confirmed, at most so many; how many there were. */
size_t redis_lose_last(size_t writes);
/* Remember before-images, so that a failover is possible: from now on. */
void redis_keep_log(bool keep);
size_t redis_key_count(void);

/* The server does not answer before that time: calls under way fail, later ones wait or fail. */
void redis_down_until(int64_t mono_ms);
bool redis_is_down(void);
/* One call in so many takes seconds, there or back. 0 = none. */
void redis_be_slow(int64_t one_in);
/* Called with each write: what wrote (script or command), its first key. */
void redis_on_write(void (*fn)(void *arg, const char *what, const char *key), void *arg);

/* Called after each script that came by a connection. */
void redis_on_script(void (*fn)(void *arg, const char *name, size_t key_count, const char *const *keys,
                                const struct cw_str *args, const struct redis_value *answer),
                     void *arg);
/* What else keeps the same data is told of everything that happens to it: each command or script (script NULL: a command), each key
 * that expired or was forgotten (NULL: all). */
struct redis_mirror {
    void (*ran)(void *arg, const struct cw_redis_script *script, size_t key_count, const char *const *keys,
                size_t argc, const struct cw_str *argv, const struct redis_value *answer);
    void (*gone)(void *arg, const char *key);
};
void redis_set_mirror(const struct redis_mirror *mirror, void *arg);

/* For the parts of the model. */
void redis_tell_gone(const char *key);
/* Values live in mem. */
struct redis_value redis_execute(size_t argc, const struct cw_str *argv, struct cw_arena *mem);
void redis_begin_write(const char *what);
struct redis_value redis_run_lua(const struct cw_redis_script *script, size_t key_count,
                                 const char *const *keys, size_t arg_count, const struct cw_str *args,
                                 struct cw_arena *mem);

#endif
