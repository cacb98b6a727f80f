/* The data of the model of Redis, and the commands. */
#include <ctype.h>
#include <strings.h>

#include "tests/world/clock.h"
#include "tests/world/redis.h"

#define BUCKETS 256
#define LOG_MAX 64 /* writes that a failover may forget */
#define WRITES_OF_ONE 16

struct field {
    char *name;
    char *value;
    size_t bytes;
};

struct entry {
    struct entry *next;
    char *key;
    char *text; /* NULL = a hash */
    size_t bytes;
    struct field *fields;
    size_t field_count;
    int64_t expires_ms; /* monotonic time of the world; INT64_MAX = never */
};

/* What a key was before a write; was == NULL: it did not exist. */
struct image {
    char *key;
    struct entry *was;
};

struct write {
    struct image images[WRITES_OF_ONE];
    size_t count;
};

static struct {
    struct entry *buckets[BUCKETS];
    struct write log[LOG_MAX]; /* ring */
    size_t log_count;
    size_t log_first;
    bool keeps_log;
    bool has_write; /* since redis_begin_write() */
    const char *what;
    void (*on_write)(void *arg, const char *what, const char *key);
    void *on_write_arg;
} db;

/* ---- entries --------------------------------------------------------------------------------------------------------- */

static void *must(void *p)
{
    CW_BUG_ON(p == NULL);
    return p;
}

static char *copy_bytes(const char *p, size_t n)
{
    char *copy = must(malloc(n + 1));
    if (n > 0)
        memcpy(copy, p, n);
    copy[n] = '\0';
    return copy;
}

static void free_entry(struct entry *e)
{
    if (e == NULL)
        return;
    for (size_t i = 0; i < e->field_count; i++) {
        free(e->fields[i].name);
        free(e->fields[i].value);
    }
    free(e->fields);
    free(e->text);
    free(e->key);
    free(e);
}

static struct entry *copy_entry(const struct entry *e)
{
    struct entry *c = must(calloc(1, sizeof *c));
    *c = *e;
    c->next = NULL;
    c->key = must(strdup(e->key));
    c->text = e->text == NULL ? NULL : copy_bytes(e->text, e->bytes);
    c->fields = must(calloc(e->field_count + 1, sizeof *c->fields));
    for (size_t i = 0; i < e->field_count; i++) {
        c->fields[i].name = must(strdup(e->fields[i].name));
        c->fields[i].value = copy_bytes(e->fields[i].value, e->fields[i].bytes);
        c->fields[i].bytes = e->fields[i].bytes;
    }
    return c;
}

static struct entry **bucket_of(const char *key)
{
    uint32_t h = 2166136261u;
    for (const char *p = key; *p != '\0'; p++)
        h = (h ^ (uint8_t)*p) * 16777619u;
    return &db.buckets[h % BUCKETS];
}

static struct entry *find(const char *key)
{
    for (struct entry **at = bucket_of(key); *at != NULL; at = &(*at)->next) {
        struct entry *e = *at;
        if (strcmp(e->key, key) != 0)
            continue;
        if (e->expires_ms > cw_mono_ms())
            return e;
        redis_tell_gone(key);
        *at = e->next;
        free_entry(e);
        return NULL;
    }
    return NULL;
}

static void drop(const char *key)
{
    struct entry *e = find(key);
    if (e == NULL)
        return;
    struct entry **at = bucket_of(key);
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    free_entry(e);
}

static void put(struct entry *take_entry)
{
    drop(take_entry->key);
    struct entry **at = bucket_of(take_entry->key);
    take_entry->next = *at;
    *at = take_entry;
}

static struct entry *make(const char *key)
{
    struct entry *e = find(key);
    if (e != NULL)
        return e;
    e = must(calloc(1, sizeof *e));
    e->key = must(strdup(key));
    e->expires_ms = INT64_MAX;
    put(e);
    return e;
}

/* ---- the log --------------------------------------------------------------------------------------------------------- */

static void forget_write(struct write *w)
{
    for (size_t i = 0; i < w->count; i++) {
        free(w->images[i].key);
        free_entry(w->images[i].was);
    }
    w->count = 0;
}

static void forget_log(void)
{
    for (size_t i = 0; i < LOG_MAX; i++)
        forget_write(&db.log[i]);
    db.log_count = db.log_first = 0;
}

void redis_keep_log(bool keep)
{
    db.keeps_log = keep;
    forget_log();
}

void redis_on_write(void (*fn)(void *arg, const char *what, const char *key), void *arg)
{
    db.on_write = fn;
    db.on_write_arg = arg;
}

void redis_begin_write(const char *what)
{
    db.has_write = false;
    db.what = what;
}

static struct write *new_write(void)
{
    if (db.log_count == LOG_MAX) {
        forget_write(&db.log[db.log_first]);
        db.log_first = (db.log_first + 1) % LOG_MAX;
        db.log_count--;
    }
    return &db.log[(db.log_first + db.log_count++) % LOG_MAX];
}

/* To be called before a key is changed. */
static void note_write(const char *key)
{
    if (!db.has_write && db.on_write != NULL)
        db.on_write(db.on_write_arg, db.what, key);
    bool is_first = !db.has_write;
    db.has_write = true;
    if (!db.keeps_log)
        return;
    struct write *w = is_first ? new_write() : &db.log[(db.log_first + db.log_count - 1) % LOG_MAX];
    for (size_t i = 0; i < w->count; i++) {
        if (strcmp(w->images[i].key, key) == 0)
            return;
    }
    CW_BUG_ON(w->count == WRITES_OF_ONE);
    const struct entry *e = find(key);
    w->images[w->count++] = (struct image){must(strdup(key)), e == NULL ? NULL : copy_entry(e)};
}

size_t redis_lose_last(size_t writes)
{
    size_t n = CW_MIN(writes, db.log_count);
    for (size_t i = 0; i < n; i++) {
        struct write *w = &db.log[(db.log_first + --db.log_count) % LOG_MAX];
        for (size_t k = w->count; k > 0; k--) {
            drop(w->images[k - 1].key);
            if (w->images[k - 1].was != NULL)
                put(CW_TAKE(w->images[k - 1].was));
        }
        forget_write(w);
    }
    return n;
}

void redis_lose_all(void)
{
    redis_tell_gone(NULL);
    for (size_t i = 0; i < BUCKETS; i++) {
        while (db.buckets[i] != NULL) {
            struct entry *e = db.buckets[i];
            db.buckets[i] = e->next;
            free_entry(e);
        }
    }
    forget_log();
}

size_t redis_key_count(void)
{
    size_t n = 0;
    for (size_t i = 0; i < BUCKETS; i++)
        for (const struct entry *e = db.buckets[i]; e != NULL; e = e->next)
            n += e->expires_ms > cw_mono_ms();
    return n;
}

/* ---- answers --------------------------------------------------------------------------------------------------------- */

static struct redis_value number(int64_t n)
{
    return (struct redis_value){.type = REDIS_NUMBER, .number = n};
}

static struct redis_value text_of(struct cw_arena *mem, const char *p, size_t n)
{
    if (p == NULL)
        return (struct redis_value){.type = REDIS_NIL};
    return (struct redis_value){.type = REDIS_TEXT, .text = {must(cw_arena_memdup(mem, p, n)), n}};
}

static struct redis_value fail(struct cw_arena *mem, const char *text)
{
    return (struct redis_value){.type = REDIS_ERROR, .text = cw_str_of(must(cw_arena_strdup(mem, text)))};
}

static struct redis_value status(const char *text)
{
    return (struct redis_value){.type = REDIS_STATUS, .text = cw_str_of(text)};
}

static struct redis_value wrong_type(struct cw_arena *mem)
{
    return fail(mem, "WRONGTYPE Operation against a key holding the wrong kind of value");
}

static struct redis_value list(struct cw_arena *mem, size_t cap)
{
    return (struct redis_value){
        .type = REDIS_LIST, .items = must(cw_arena_alloc_array(mem, cap + 1, sizeof(struct redis_value)))};
}

/* ---- commands -------------------------------------------------------------------------------------------------------- */

struct call {
    size_t argc;
    const struct cw_str *argv; /* NUL-terminated */
    struct cw_arena *mem;
    struct entry *e; /* of the first key */
};

static const char *arg(const struct call *c, size_t i)
{
    return c->argv[i].p;
}

static struct field *field_of(const struct entry *e, const char *name)
{
    for (size_t i = 0; e != NULL && i < e->field_count; i++) {
        if (strcmp(e->fields[i].name, name) == 0)
            return &e->fields[i];
    }
    return NULL;
}

static void set_field(struct entry *e, const char *name, struct cw_str value)
{
    struct field *f = field_of(e, name);
    if (f == NULL) {
        e->fields = must(realloc(e->fields, (e->field_count + 1) * sizeof *e->fields));
        f = &e->fields[e->field_count++];
        *f = (struct field){.name = must(strdup(name))};
    }
    free(f->value);
    f->value = copy_bytes(value.p, value.n);
    f->bytes = value.n;
}

static struct redis_value get(struct call *c)
{
    if (c->e != NULL && c->e->text == NULL)
        return wrong_type(c->mem);
    return c->e == NULL ? text_of(c->mem, NULL, 0) : text_of(c->mem, c->e->text, c->e->bytes);
}

static struct redis_value set(struct call *c)
{
    int64_t ttl = 0;
    bool only_new = false;
    for (size_t i = 3; i < c->argc; i++) {
        if (strcasecmp(arg(c, i), "PX") == 0 && i + 1 < c->argc && cw_z_to_i64(arg(c, ++i), &ttl) && ttl > 0)
            continue;
        if (strcasecmp(arg(c, i), "NX") != 0)
            return fail(c->mem, "ERR syntax error");
        only_new = true;
    }
    if (only_new && c->e != NULL)
        return text_of(c->mem, NULL, 0);
    note_write(arg(c, 1));
    drop(arg(c, 1));
    struct entry *e = make(arg(c, 1));
    e->text = copy_bytes(c->argv[2].p, c->argv[2].n);
    e->bytes = c->argv[2].n;
    e->expires_ms = ttl > 0 ? cw_mono_ms() + ttl : INT64_MAX;
    return status("OK");
}

static struct redis_value setnx(struct call *c)
{
    if (c->e != NULL)
        return number(0);
    c->argc = 3;
    (void)set(c);
    return number(1);
}

static struct redis_value del(struct call *c)
{
    int64_t n = 0;
    for (size_t i = 1; i < c->argc; i++) {
        if (find(arg(c, i)) == NULL)
            continue;
        note_write(arg(c, i));
        drop(arg(c, i));
        n++;
    }
    return number(n);
}

static struct redis_value exists(struct call *c)
{
    return number(c->e != NULL);
}

static struct redis_value incr(struct call *c)
{
    int64_t n = 0;
    if (c->e != NULL && c->e->text == NULL)
        return wrong_type(c->mem);
    if (c->e != NULL && !cw_z_to_i64(c->e->text, &n))
        return fail(c->mem, "ERR value is not an integer or out of range");
    note_write(arg(c, 1));
    struct entry *e = make(arg(c, 1));
    char buf[24];
    int k = snprintf(buf, sizeof buf, "%lld", (long long)n + 1);
    free(e->text);
    e->text = copy_bytes(buf, (size_t)k);
    e->bytes = (size_t)k;
    return number(n + 1);
}

static struct redis_value pexpire(struct call *c)
{
    int64_t ttl;
    if (!cw_z_to_i64(arg(c, 2), &ttl))
        return fail(c->mem, "ERR value is not an integer or out of range");
    if (c->e == NULL)
        return number(0);
    note_write(arg(c, 1));
    if (ttl <= 0)
        drop(arg(c, 1));
    else
        c->e->expires_ms = cw_mono_ms() + ttl;
    return number(1);
}

static struct redis_value pttl(struct call *c)
{
    if (c->e == NULL)
        return number(-2);
    return number(c->e->expires_ms == INT64_MAX ? -1 : c->e->expires_ms - cw_mono_ms());
}

static struct redis_value hget(struct call *c)
{
    const struct field *f = field_of(c->e, arg(c, 2));
    return f == NULL ? text_of(c->mem, NULL, 0) : text_of(c->mem, f->value, f->bytes);
}

static struct redis_value hmget(struct call *c)
{
    struct redis_value all = list(c->mem, c->argc);
    for (size_t i = 2; i < c->argc; i++) {
        const struct field *f = field_of(c->e, arg(c, i));
        all.items[all.count++] = f == NULL ? text_of(c->mem, NULL, 0) : text_of(c->mem, f->value, f->bytes);
    }
    return all;
}

static struct redis_value hset(struct call *c)
{
    int64_t added = 0;
    if (c->argc % 2 != 0)
        return fail(c->mem, "ERR wrong number of arguments for 'hset' command");
    note_write(arg(c, 1));
    struct entry *e = make(arg(c, 1));
    for (size_t i = 2; i < c->argc; i += 2) {
        added += field_of(e, arg(c, i)) == NULL;
        set_field(e, arg(c, i), c->argv[i + 1]);
    }
    return number(added);
}

static struct redis_value hsetnx(struct call *c)
{
    if (field_of(c->e, arg(c, 2)) != NULL)
        return number(0);
    note_write(arg(c, 1));
    set_field(make(arg(c, 1)), arg(c, 2), c->argv[3]);
    return number(1);
}

static struct redis_value hdel(struct call *c)
{
    int64_t n = 0;
    for (size_t i = 2; i < c->argc; i++) {
        struct field *f = field_of(c->e, arg(c, i));
        if (f == NULL)
            continue;
        if (n++ == 0)
            note_write(arg(c, 1));
        free(f->name);
        free(f->value);
        size_t at = (size_t)(f - c->e->fields);
        memmove(f, f + 1, (--c->e->field_count - at) * sizeof *f);
    }
    if (n > 0 && c->e->field_count == 0)
        drop(arg(c, 1));
    return number(n);
}

static struct redis_value hincrby(struct call *c)
{
    int64_t n = 0, by;
    const struct field *f = field_of(c->e, arg(c, 2));
    if (!cw_z_to_i64(arg(c, 3), &by) || (f != NULL && !cw_z_to_i64(f->value, &n)))
        return fail(c->mem, "ERR hash value is not an integer");
    note_write(arg(c, 1));
    n += by;
    char buf[24];
    (void)snprintf(buf, sizeof buf, "%lld", (long long)n);
    set_field(make(arg(c, 1)), arg(c, 2), cw_str_of(buf));
    return number(n);
}

static struct redis_value hash_list(struct call *c, bool with_values)
{
    struct redis_value all = list(c->mem, c->e == NULL ? 0 : c->e->field_count * 2);
    for (size_t i = 0; c->e != NULL && i < c->e->field_count; i++) {
        const struct field *f = &c->e->fields[i];
        all.items[all.count++] = text_of(c->mem, f->name, strlen(f->name));
        if (with_values)
            all.items[all.count++] = text_of(c->mem, f->value, f->bytes);
    }
    return all;
}

static struct redis_value hgetall(struct call *c)
{
    return hash_list(c, true);
}

static struct redis_value hkeys(struct call *c)
{
    return hash_list(c, false);
}

static struct redis_value hexists(struct call *c)
{
    return number(field_of(c->e, arg(c, 2)) != NULL);
}

static struct redis_value hlen(struct call *c)
{
    return number(c->e == NULL ? 0 : (int64_t)c->e->field_count);
}

static struct redis_value time_now(struct call *c)
{
    char s[24], us[24];
    int64_t now = world_wall_ms();
    (void)snprintf(s, sizeof s, "%lld", (long long)(now / 1000));
    (void)snprintf(us, sizeof us, "%lld", (long long)(now % 1000 * 1000));
    struct redis_value all = list(c->mem, 2);
    all.items[all.count++] = text_of(c->mem, s, strlen(s));
    all.items[all.count++] = text_of(c->mem, us, strlen(us));
    return all;
}

static struct redis_value ping(struct call *c)
{
    (void)c;
    return status("PONG");
}

/* One replica, which is always there: what was written until now outlives a failover. */
static struct redis_value wait_replicas(struct call *c)
{
    (void)c;
    forget_log();
    return number(1);
}

enum kind { ANY = 0, HASH };
static const struct {
    const char *name;
    size_t argc_least;
    enum kind kind;
    struct redis_value (*fn)(struct call *c);
} commands[] = {
    {"GET", 2, ANY, get},          {"SET", 3, ANY, set},
    {"DEL", 2, ANY, del},          {"EXISTS", 2, ANY, exists},
    {"INCR", 2, ANY, incr},        {"PEXPIRE", 3, ANY, pexpire},
    {"PTTL", 2, ANY, pttl},        {"HGET", 3, HASH, hget},
    {"HMGET", 3, HASH, hmget},     {"HSET", 4, HASH, hset},
    {"HSETNX", 4, HASH, hsetnx},   {"HDEL", 3, HASH, hdel},
    {"HINCRBY", 4, HASH, hincrby}, {"HGETALL", 2, HASH, hgetall},
    {"HKEYS", 2, HASH, hkeys},     {"HEXISTS", 3, HASH, hexists},
    {"HLEN", 2, HASH, hlen},       {"TIME", 1, ANY, time_now},
    {"PING", 1, ANY, ping},        {"WAIT", 3, ANY, wait_replicas},
    {"SETNX", 3, ANY, setnx},
};

struct redis_value redis_execute(size_t argc, const struct cw_str *argv, struct cw_arena *mem)
{
    for (size_t i = 0; argc > 0 && i < CW_ARRAY_LEN(commands); i++) {
        if (strcasecmp(commands[i].name, argv[0].p) != 0)
            continue;
        if (argc < commands[i].argc_least)
            return fail(mem, "ERR wrong number of arguments");
        struct call *c = cw_arena_alloc(mem, sizeof *c);
        must(c);
        *c = (struct call){argc, argv, mem, commands[i].argc_least < 2 ? NULL : find(argv[1].p)};
        if (commands[i].kind == HASH && c->e != NULL && c->e->text != NULL)
            return wrong_type(mem);
        return commands[i].fn(c);
    }
    cw_panic(__FILE__, __LINE__,
             argc == 0 ? "no command" : argv[0].p); /* a script has learned something: so must the model */
}
