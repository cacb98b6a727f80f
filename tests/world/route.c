#include "tests/world/route.h"

#define ROUTES_MAX 64
#define ANSWERS_MAX 16

static struct {
    const char *method;
    const char *part;
    struct {
        int status;
        const char *body;
        const char *headers;
    } answers[ANSWERS_MAX];
    size_t count;
    size_t next;
} routes[ROUTES_MAX];
static size_t route_count;
static unsigned token_count;

void world_route(const char *method, const char *url_part, int status, const char *body, const char *headers)
{
    size_t i = 0;
    while (i < route_count && !(cw_z_eq(routes[i].method, method) && cw_z_eq(routes[i].part, url_part)))
        i++;
    CW_PRE(i < ROUTES_MAX);
    if (i == route_count) {
        route_count++;
        memset(&routes[i], 0, sizeof routes[i]);
        routes[i].method = method;
        routes[i].part = url_part;
    }
    CW_PRE(routes[i].count < ANSWERS_MAX);
    size_t k = routes[i].count++;
    routes[i].answers[k].status = status;
    routes[i].answers[k].body = body;
    routes[i].answers[k].headers = headers;
}

static void add_headers(struct world_answer *out, struct cw_arena *mem, const char *lines)
{
    while (lines != NULL && *lines != '\0') {
        size_t n = strcspn(lines, "\n");
        char *line = cw_arena_memdup(mem, lines, n);
        char *colon = strstr(line, ": ");
        CW_PRE(colon != NULL);
        *colon = '\0';
        world_answer_header(out, line, colon + 2);
        lines += n + (lines[n] == '\n');
    }
}

static void answer(void *arg, const struct cw_http_req *req, struct cw_arena *mem, struct world_answer *out)
{
    size_t best = ROUTES_MAX;
    (void)arg;
    for (size_t i = 0; i < route_count; i++) {
        if (routes[i].method != NULL && strcmp(routes[i].method, req->method) != 0)
            continue;
        if (strstr(req->url, routes[i].part) == NULL)
            continue;
        if (best == ROUTES_MAX || strlen(routes[i].part) > strlen(routes[best].part))
            best = i;
    }
    if (best == ROUTES_MAX && strstr(req->url, "/oauth2/") != NULL) {
        out->status = 200;
        world_answer_body(out, mem, "{\"access_token\":\"token-%u\",\"expires_in\":3600}", ++token_count);
        return;
    }
    if (best == ROUTES_MAX) {
        out->status = 404;
        out->body = "{\"error\":{\"code\":\"ResourceNotFound\",\"message\":\"no route\"}}";
        return;
    }
    size_t k = routes[best].next;
    if (routes[best].next + 1 < routes[best].count)
        routes[best].next++;
    out->status = routes[best].answers[k].status;
    out->body = routes[best].answers[k].body;
    add_headers(out, mem, routes[best].answers[k].headers);
}

void world_routes(void)
{
    route_count = 0;
    token_count = 0;
    world_set_handler(answer, NULL);
}
