/* The production text of the scripts, in Lua 5.1 as Redis has it. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "tests/world/redis.h"

#define SCRIPTS_MAX 64
#define ARGS_MAX 64
#define DEPTH_MAX 8
#define RUNS_A_SWEEP 200 /* Lua's memory is swept after so many scripts, not a little at each */

static struct {
    lua_State *lua;
    struct {
        const char *text;
        int ref;
    } scripts[SCRIPTS_MAX];
    size_t count;
    size_t runs;          /* since the last sweep */
    struct cw_arena *mem; /* of the script that runs */
} engine;

__attribute__((destructor)) static void close_at_exit(void)
{
    if (engine.lua != NULL)
        lua_close(engine.lua);
}

/* ---- from Redis to Lua ----------------------------------------------------------------------------------------------- */

static void push(lua_State *l, const struct redis_value *v)
{
    switch (v->type) {
    case REDIS_NIL:
        lua_pushboolean(l, 0);
        break;
    case REDIS_TEXT:
        lua_pushlstring(l, v->text.p, v->text.n);
        break;
    case REDIS_STATUS:
        lua_newtable(l);
        lua_pushlstring(l, v->text.p, v->text.n);
        lua_setfield(l, -2, "ok");
        break;
    case REDIS_NUMBER:
        lua_pushnumber(l, (lua_Number)v->number);
        break;
    case REDIS_LIST:
        lua_newtable(l);
        for (size_t i = 0; i < v->count; i++) {
            push(l, &v->items[i]);
            lua_rawseti(l, -2, (int)i + 1);
        }
        break;
    case REDIS_ERROR:
        lua_pushlstring(l, v->text.p, v->text.n);
        break;
    }
}

/* redis.call(): numbers become text with 17 digits, whole ones without a fraction. */
static int call(lua_State *l)
{
    struct cw_str argv[ARGS_MAX];
    char numbers[ARGS_MAX][32];
    int argc = lua_gettop(l);
    if (argc < 1 || argc > ARGS_MAX)
        return luaL_error(l, "redis.call: %d arguments", argc);
    for (int i = 0; i < argc; i++) {
        if (lua_type(l, i + 1) == LUA_TNUMBER) {
            int n = snprintf(numbers[i], sizeof numbers[i], "%.17g", (double)lua_tonumber(l, i + 1));
            argv[i] = (struct cw_str){numbers[i], (size_t)n};
        } else if (lua_type(l, i + 1) == LUA_TSTRING) {
            argv[i].p = lua_tolstring(l, i + 1, &argv[i].n);
        } else {
            return luaL_error(l, "Lua redis() command arguments must be strings or integers");
        }
    }
    struct redis_value v = redis_execute((size_t)argc, argv, engine.mem);
    push(l, &v);
    return v.type == REDIS_ERROR ? lua_error(l) : 1;
}

/* ---- from Lua to Redis ----------------------------------------------------------------------------------------------- */

static struct redis_value pull(lua_State *l, int depth);

static struct redis_value pull_table(lua_State *l, int depth)
{
    struct redis_value v = {.type = REDIS_LIST};
    CW_BUG_ON(depth == DEPTH_MAX);
    lua_getfield(l, -1, "ok");
    if (lua_isstring(l, -1)) {
        v = pull(l, depth + 1);
        v.type = REDIS_STATUS;
        lua_pop(l, 1);
        return v;
    }
    lua_pop(l, 1);
    size_t cap = lua_objlen(l, -1);
    v.items = cw_arena_alloc_array(engine.mem, cap + 1, sizeof *v.items);
    CW_BUG_ON(v.items == NULL);
    /* A list ends at the first nil. */
    for (int i = 1; v.count < cap; i++) {
        lua_rawgeti(l, -1, i);
        bool is_nil = lua_isnil(l, -1);
        if (!is_nil)
            v.items[v.count++] = pull(l, depth + 1);
        lua_pop(l, 1);
        if (is_nil)
            break;
    }
    return v;
}

/* The top of the stack, which stays there. */
static struct redis_value pull(lua_State *l, int depth)
{
    size_t n;
    switch (lua_type(l, -1)) {
    case LUA_TSTRING: {
        const char *p = lua_tolstring(l, -1, &n);
        return (struct redis_value){.type = REDIS_TEXT, .text = {cw_arena_memdup(engine.mem, p, n), n}};
    }
    case LUA_TNUMBER:
        return (struct redis_value){.type = REDIS_NUMBER, .number = (int64_t)lua_tonumber(l, -1)};
    case LUA_TBOOLEAN:
        return lua_toboolean(l, -1) ? (struct redis_value){.type = REDIS_NUMBER, .number = 1}
                                    : (struct redis_value){.type = REDIS_NIL};
    case LUA_TTABLE:
        return pull_table(l, depth);
    default:
        return (struct redis_value){.type = REDIS_NIL};
    }
}

/* ---- scripts --------------------------------------------------------------------------------------------------------- */

static void open_lua(void)
{
    if (engine.lua != NULL)
        return;
    engine.lua = luaL_newstate();
    CW_BUG_ON(engine.lua == NULL);
    luaL_openlibs(engine.lua);
    (void)lua_gc(engine.lua, LUA_GCSTOP, 0);
    lua_newtable(engine.lua);
    lua_pushcfunction(engine.lua, call);
    lua_setfield(engine.lua, -2, "call");
    lua_setglobal(engine.lua, "redis");
}

static void push_script(const struct cw_redis_script *script)
{
    for (size_t i = 0; i < engine.count; i++) {
        if (engine.scripts[i].text == script->lua) {
            lua_rawgeti(engine.lua, LUA_REGISTRYINDEX, engine.scripts[i].ref);
            return;
        }
    }
    CW_BUG_ON(engine.count == SCRIPTS_MAX);
    if (luaL_loadstring(engine.lua, script->lua) != 0)
        cw_panic(__FILE__, __LINE__, lua_tostring(engine.lua, -1));
    lua_pushvalue(engine.lua, -1);
    engine.scripts[engine.count].text = script->lua;
    engine.scripts[engine.count++].ref = luaL_ref(engine.lua, LUA_REGISTRYINDEX);
}

static void set_keys(size_t count, const char *const *keys)
{
    lua_newtable(engine.lua);
    for (size_t i = 0; i < count; i++) {
        lua_pushstring(engine.lua, keys[i]);
        lua_rawseti(engine.lua, -2, (int)i + 1);
    }
    lua_setglobal(engine.lua, "KEYS");
}

static void set_args(size_t count, const struct cw_str *args)
{
    lua_newtable(engine.lua);
    for (size_t i = 0; i < count; i++) {
        lua_pushlstring(engine.lua, args[i].p, args[i].n);
        lua_rawseti(engine.lua, -2, (int)i + 1);
    }
    lua_setglobal(engine.lua, "ARGV");
}

struct redis_value redis_run_lua(const struct cw_redis_script *script, size_t key_count,
                                 const char *const *keys, size_t arg_count, const struct cw_str *args,
                                 struct cw_arena *mem)
{
    open_lua();
    engine.mem = mem;
    push_script(script);
    set_keys(key_count, keys);
    set_args(arg_count, args);
    struct redis_value v;
    if (lua_pcall(engine.lua, 0, 1, 0) != 0) {
        v = pull(engine.lua, 0);
        v.type = REDIS_ERROR;
    } else {
        v = pull(engine.lua, 0);
    }
    lua_settop(engine.lua, 0);
    engine.mem = NULL;
    if (++engine.runs == RUNS_A_SWEEP) {
        engine.runs = 0;
        (void)lua_gc(engine.lua, LUA_GCCOLLECT, 0);
        (void)lua_gc(engine.lua, LUA_GCSTOP, 0);
    }
    return v;
}
