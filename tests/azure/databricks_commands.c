/* API 1.2: execution contexts and commands. A command is not run: what it would print is computed when it starts. */
#include "tests/azure/databricks.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tests/azure/graph.h"

#define PROBE_MARK "# causeway-probe/1 "

/* ---- results --------------------------------------------------------------------------------------------------------------------- */

static json_t *text_result(json_t *take_text)
{
    return json_pack("{s:s,s:o}", "resultType", "text", "data", take_text);
}

static json_t *error_result(const char *summary)
{
    return json_pack("{s:s,s:s,s:o}", "resultType", "error", "summary", summary, "cause",
                     az_strf("%s\n\tat simulated.node(<command>:1)", summary));
}

/* The text without blanks at both ends, in buf. */
static const char *trimmed(const char *text, char *buf, size_t buf_bytes)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t n = strlen(text);
    while (n > 0 && (isspace((unsigned char)text[n - 1]) || text[n - 1] == ';'))
        n--;
    snprintf(buf, buf_bytes, "%.*s", (int)(n < buf_bytes ? n : buf_bytes - 1), text);
    return buf;
}

/* "1+1", "6 * 7", "8": at most one operator. */
static bool evaluate(const char *text, long long *ret_value)
{
    char *end;
    long long a = strtoll(text, &end, 10), b = 0;
    if (end == text)
        return false;
    while (*end == ' ')
        end++;
    char operator_ = *end;
    if (operator_ == '\0') {
        *ret_value = a;
        return true;
    }
    const char *rest = end + 1;
    b = strtoll(rest, &end, 10);
    if (end == rest || *end != '\0' || strchr("+-*", operator_) == NULL || llabs(a) > 1000000 ||
        llabs(b) > 1000000)
        return false;
    *ret_value = operator_ == '+' ? a + b : operator_ == '-' ? a - b : a * b;
    return true;
}

/* The inside of name(…) when that is the whole text. */
static bool inside_call(const char *text, const char *name, char *buf, size_t buf_bytes)
{
    size_t n = strlen(text), k = strlen(name);
    if (n < k + 2 || strncmp(text, name, k) != 0 || text[k] != '(' || text[n - 1] != ')')
        return false;
    snprintf(buf, buf_bytes, "%.*s", (int)(n - k - 2), text + k + 1);
    return strpbrk(buf, "()") == NULL || buf[0] == '"' || buf[0] == '\'' ||
           strncmp(buf, "spark.range(", 12) == 0;
}

static bool spark_count(const char *text, long long *ret_value)
{
    char *end;
    if (strncmp(text, "spark.range(", 12) != 0)
        return false;
    long long n = strtoll(text + 12, &end, 10);
    if (end == text + 12 || strcmp(end, ").count()") != 0)
        return false;
    *ret_value = n > 0 ? n : 0;
    return true;
}

static json_t *python_result(struct az_model *m, const char *text)
{
    char inner[1024];
    long long value;
    if (evaluate(text, &value) || spark_count(text, &value)) {
        const char *prefix = az_chance(m, 0.5) ? "Out[1]: " : "";
        return text_result(az_strf("%s%lld", prefix, value));
    }
    if (inside_call(text, "print", inner, sizeof inner)) {
        size_t n = strlen(inner);
        if (n >= 2 && (inner[0] == '"' || inner[0] == '\'') && inner[n - 1] == inner[0])
            return text_result(json_stringn(inner + 1, n - 2));
        if (evaluate(inner, &value) || spark_count(inner, &value))
            return text_result(az_strf("%lld", value));
    }
    return NULL;
}

static json_t *sql_result(const char *text)
{
    long long value;
    if (strncasecmp(text, "select ", 7) != 0 || !evaluate(text + 7, &value))
        return NULL;
    return json_pack("{s:s,s:[[I]],s:[{s:s,s:s,s:s}],s:b,s:b}", "resultType", "table", "data",
                     (json_int_t)value, "schema", "name", text + 7, "type", "\"integer\"", "metadata", "{}",
                     "truncated", 0, "isJsonSchema", 1);
}

static json_t *probe_result(struct az_model *m, struct az_resource *ws, const json_t *cluster,
                            const char *text)
{
    json_error_t error;
    size_t n = strcspn(text, "\r\n");
    json_t *want = json_loadb(text + strlen(PROBE_MARK), n - strlen(PROBE_MARK), 0, &error);
    if (want == NULL)
        return error_result("ValueError: the probe's first line is no JSON");
    json_t *seen = az_graph_probe(m, ws, az_str(cluster, "driver.host_private_ip"), want);
    char *line = json_dumps(seen, JSON_COMPACT);
    const char *prefix = az_chance(m, 0.3) ? "Out[1]: " : "";
    json_t *result = text_result(az_strf("%sCAUSEWAY-PROBE/1 %s\n", prefix, line != NULL ? line : "{}"));
    free(line);
    json_decref(want);
    json_decref(seen);
    return result;
}

json_t *dbx_command_result(struct az_model *m, struct az_resource *workspace, json_t *cluster,
                           const char *language, const char *text)
{
    char small[2048];
    json_t *result = NULL;
    if (strncmp(text, PROBE_MARK, strlen(PROBE_MARK)) == 0 && strcmp(language, "python") == 0)
        return probe_result(m, workspace, cluster, text);
    if (strlen(text) >= sizeof small)
        return error_result("NotImplementedError: the simulator cannot run this command");
    trimmed(text, small, sizeof small);
    if (strcmp(language, "python") == 0)
        result = python_result(m, small);
    else if (strcmp(language, "sql") == 0)
        result = sql_result(small);
    if (result != NULL)
        return result;
    return error_result(
        "NotImplementedError: the simulator runs the causeway probe, sums of two numbers, print of a literal, "
        "spark.range(n).count() and, in sql, SELECT of a number; nothing else");
}

/* ---- contexts ----------------------------------------------------------------------------------------------------------------------- */

/* The cluster of a 1.2 request when it can work. NULL after replying. */
static json_t *ready_cluster(struct dbx_call *c)
{
    const char *id = az_call_query(c->call, "clusterId");
    if (id == NULL)
        id = az_str(c->call->body, "clusterId");
    json_t *cluster = dbx_find(c->data, "clusters", "cluster_id", id);
    if (cluster == NULL) {
        dbx_error_12(c, id[0] == '\0' ? 400 : 500, "%s",
                     id[0] == '\0' ? "missing clusterId" : "ClusterNotFoundException: Cluster not found");
        return NULL;
    }
    if (!dbx_cluster_is_usable(cluster)) {
        dbx_error_12(c, 500, "ClusterNotReadyException: Cluster %s is not running (state %s)", id,
                     az_str(cluster, "state"));
        return NULL;
    }
    return cluster;
}

static bool is_not_ready_yet(struct dbx_call *c, json_t *cluster)
{
    int64_t left = az_int(cluster, "_notReady", 0);
    if (left <= 0)
        return false;
    json_object_set_new(cluster, "_notReady", json_integer((json_int_t)left - 1));
    dbx_error_12(c, 500, "ClusterNotReadyException: Cluster %s is not ready to accept commands",
                 az_str(cluster, "cluster_id"));
    return true;
}

static size_t contexts_on(json_t *data, const char *cluster_id)
{
    size_t i, count = 0;
    const json_t *context;
    json_array_foreach(dbx_list(data, "contexts"), i, context)
        count += strcmp(az_str(context, "cluster"), cluster_id) == 0;
    return count;
}

static void create_context(struct dbx_call *c)
{
    static const char *const languages[] = {"python", "scala", "sql", "r"};
    const char *language = az_str(c->call->body, "language");
    char id[DBX_ID_BYTES];
    bool is_known = false;
    json_t *cluster = ready_cluster(c);
    if (cluster == NULL || is_not_ready_yet(c, cluster))
        return;
    for (size_t i = 0; i < sizeof languages / sizeof languages[0]; i++)
        is_known |= strcmp(languages[i], language) == 0;
    if (!is_known) {
        dbx_error_12(c, 400, "unknown language \"%s\"", language);
        return;
    }
    if (contexts_on(c->data, az_str(cluster, "cluster_id")) >= DBX_CONTEXTS_MAX) {
        dbx_error_12(c, 500, "ContextLimitExceeded: maximum execution contexts limit set to %d",
                     DBX_CONTEXTS_MAX);
        return;
    }
    int64_t ready = az_now(c->m) + az_duration(c->m, "context.create", 2, 10);
    json_array_append_new(dbx_list(c->data, "contexts"),
                          json_pack("{s:s,s:s,s:s,s:I,s:I}", "id", dbx_number_id(c->m, id), "cluster",
                                    az_str(cluster, "cluster_id"), "language", language, "readyMs",
                                    (json_int_t)ready, "generation",
                                    (json_int_t)az_int(cluster, "_generation", 0)));
    dbx_cluster_touch(c->m, cluster);
    az_reply_json(c->res, 200, json_pack("{s:s}", "id", id));
    dbx_ledger(c, "contexts/create", id, true, NULL, NULL);
}

/* The context of a request; one that an earlier life of its cluster had is gone. NULL after replying. */
static json_t *context_of(struct dbx_call *c, json_t *cluster)
{
    const char *id = az_call_query(c->call, "contextId");
    if (id == NULL)
        id = az_str(c->call->body, "contextId");
    json_t *context = dbx_find(c->data, "contexts", "id", id);
    if (context != NULL && az_int(context, "generation", -1) == az_int(cluster, "_generation", 0) &&
        strcmp(az_str(context, "cluster"), az_str(cluster, "cluster_id")) == 0)
        return context;
    dbx_error_12(c, 500, "ContextNotFound: Execution context %s not found", id);
    return NULL;
}

static bool is_ready(const struct dbx_call *c, const json_t *context)
{
    return az_now(c->m) >= az_int(context, "readyMs", 0);
}

static void context_status(struct dbx_call *c)
{
    json_t *cluster = ready_cluster(c);
    json_t *context = cluster != NULL ? context_of(c, cluster) : NULL;
    if (context != NULL)
        az_reply_json(c->res, 200,
                      json_pack("{s:s,s:s}", "id", az_str(context, "id"), "status",
                                is_ready(c, context) ? "Running" : "Pending"));
}

static void destroy_context(struct dbx_call *c)
{
    json_t *cluster = ready_cluster(c);
    json_t *context = cluster != NULL ? context_of(c, cluster) : NULL;
    if (context == NULL)
        return;
    az_reply_json(c->res, 200, json_pack("{s:s}", "id", az_str(context, "id")));
    dbx_ledger(c, "contexts/destroy", az_str(context, "id"), true, NULL, NULL);
    dbx_remove(c->data, "contexts", context);
}

/* ---- commands ----------------------------------------------------------------------------------------------------------------------- */

static void execute(struct dbx_call *c)
{
    char id[DBX_ID_BYTES];
    json_t *cluster = ready_cluster(c);
    json_t *context = cluster != NULL ? context_of(c, cluster) : NULL;
    const char *text = az_str_or_null(c->call->body, "command");
    if (context == NULL)
        return;
    if (text == NULL || !is_ready(c, context)) {
        dbx_error_12(c, text == NULL ? 400 : 500, "%s",
                     text == NULL ? "missing command" : "ContextNotReady: not yet running");
        return;
    }
    const char *language = az_str(c->call->body, "language");
    json_t *result = dbx_command_result(c->m, c->workspace, cluster,
                                        language[0] != '\0' ? language : az_str(context, "language"), text);
    json_t *commands = dbx_list(c->data, "commands");
    if (json_array_size(commands) >= DBX_COMMANDS_MAX)
        json_array_remove(commands, 0);
    int64_t started = az_now(c->m) + az_duration(c->m, "command.queue", 0.2, 1);
    int64_t done = started + az_duration(c->m, "command.run", 1, 6);
    json_array_append_new(commands,
                          json_pack("{s:s,s:s,s:I,s:I,s:o}", "id", dbx_hex_id(c->m, 32, id), "context",
                                    az_str(context, "id"), "startedMs", (json_int_t)started, "doneMs",
                                    (json_int_t)done, "results", result));
    dbx_cluster_touch(c->m, cluster);
    az_reply_json(c->res, 200, json_pack("{s:s}", "id", id));
    dbx_ledger(c, "commands/execute", id, true, NULL, NULL);
}

static json_t *command_of(struct dbx_call *c)
{
    json_t *cluster = ready_cluster(c);
    json_t *context = cluster != NULL ? context_of(c, cluster) : NULL;
    const char *id = az_call_query(c->call, "commandId");
    if (context == NULL)
        return NULL;
    if (id == NULL)
        id = az_str(c->call->body, "commandId");
    json_t *command = dbx_find(c->data, "commands", "id", id);
    if (command == NULL)
        dbx_error_12(c, 500, "CommandNotFound: Command %s not found", id);
    return command;
}

static void command_status(struct dbx_call *c)
{
    json_t *command = command_of(c);
    if (command == NULL)
        return;
    int64_t now = az_now(c->m);
    bool is_cancelled = az_bool(command, "isCancelled", false);
    bool is_done = now >= az_int(command, "doneMs", 0);
    const char *status = is_cancelled                             ? "Cancelled"
                         : is_done                                ? "Finished"
                         : now >= az_int(command, "startedMs", 0) ? "Running"
                                                                  : "Queued";
    json_t *answer = json_pack("{s:s,s:s}", "id", az_str(command, "id"), "status", status);
    if (is_done && !is_cancelled)
        json_object_set(answer, "results", json_object_get(command, "results"));
    else
        json_object_set_new(answer, "results", json_null());
    az_reply_json(c->res, 200, answer);
}

static void cancel(struct dbx_call *c)
{
    json_t *command = command_of(c);
    if (command == NULL)
        return;
    if (az_now(c->m) < az_int(command, "doneMs", 0))
        json_object_set_new(command, "isCancelled", json_true());
    az_reply_json(c->res, 200, json_pack("{s:s}", "id", az_str(command, "id")));
}

const struct dbx_route dbx_command_routes[] = {
    {"POST", "1.2/contexts/create", create_context, false},
    {"GET", "1.2/contexts/status", context_status, false},
    {"POST", "1.2/contexts/destroy", destroy_context, false},
    {"POST", "1.2/commands/execute", execute, false},
    {"GET", "1.2/commands/status", command_status, false},
    {"POST", "1.2/commands/cancel", cancel, false},
    {NULL, NULL, NULL, false},
};
