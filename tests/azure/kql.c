/* Tokens and expressions of Resource Graph queries. */
#include "tests/azure/kql.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tests/azure/core.h"

bool kql_fail(struct kql *q, const char *what, const char *text)
{
    if (q->problem[0] == '\0')
        snprintf(q->problem, sizeof q->problem, "%s: '%.120s'", what, text);
    return false;
}

static size_t operator_length(const char *s)
{
    static const char *const two[] = {"==", "!=", "=~", "!~", "<=", ">="};
    for (size_t i = 0; i < sizeof two / sizeof two[0]; i++)
        if (strncmp(s, two[i], 2) == 0)
            return 2;
    return strchr("|(),=<>[]", *s) != NULL ? 1 : 0;
}

static bool is_name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '$';
}

/* Length of the token at s and where its text begins and ends; 0 = none known. */
static size_t measure(const char *s, char *ret_kind, const char **ret_from, size_t *ret_n)
{
    size_t n = 0;
    *ret_from = s;
    if (*s == '\'' || *s == '"') {
        const char *end = strchr(s + 1, *s);
        *ret_kind = 's';
        *ret_from = s + 1;
        *ret_n = end != NULL ? (size_t)(end - s - 1) : 0;
        return end != NULL ? *ret_n + 2 : 0;
    }
    if (s[0] == '!' && isalpha((unsigned char)s[1]))
        n = 1;
    if (is_name_char(*s) || n == 1) {
        *ret_kind = isdigit((unsigned char)*s) ? 'd' : 'n';
        while (is_name_char(s[n]) ||
               (*ret_kind == 'n' && s[n] == '-' && strncasecmp(s, "project-", 8) == 0) ||
               (s[n] == '~' && n >= 2))
            n++;
        *ret_n = n;
        return n;
    }
    *ret_kind = 'o';
    *ret_n = operator_length(s);
    return *ret_n;
}

bool kql_cut(struct kql *q, const char *query)
{
    size_t used = 0;
    if (strlen(query) >= KQL_TEXT_MAX / 2)
        return kql_fail(q, "the query is too long", "");
    for (const char *s = query; *s != '\0';) {
        char kind;
        const char *from;
        size_t n = 0;
        if (isspace((unsigned char)*s)) {
            s++;
            continue;
        }
        size_t length = measure(s, &kind, &from, &n);
        if (length == 0 || q->count == KQL_TOKENS_MAX - 1 || used + n + 1 > sizeof q->text)
            return kql_fail(q, "unexpected text", s);
        memcpy(q->text + used, from, n);
        q->text[used + n] = '\0';
        q->tokens[q->count].text = q->text + used;
        q->tokens[q->count++].kind = kind;
        used += n + 1;
        s += length;
    }
    q->tokens[q->count].text = "";
    q->tokens[q->count].kind = 0;
    return true;
}

const char *kql_peek(const struct kql *q, char *ret_kind)
{
    if (ret_kind != NULL)
        *ret_kind = q->tokens[q->at].kind;
    return q->tokens[q->at].text;
}

bool kql_take(struct kql *q, const char *text)
{
    char kind;
    const char *next = kql_peek(q, &kind);
    if ((kind != 'n' && kind != 'o') || strcasecmp(next, text) != 0)
        return false;
    q->at++;
    return true;
}

/* Member names are looked up as Kusto does for dynamic values: exactly, then ignoring case (columns). */
static json_t *lookup(const json_t *row, const char *path)
{
    json_t *found = az_at(row, path);
    if (found != NULL)
        return found;
    const char *key;
    json_t *value;
    size_t n = strcspn(path, ".");
    json_object_foreach((json_t *)row, key, value)
        if (strlen(key) == n && strncasecmp(key, path, n) == 0)
            return path[n] == '.' ? az_at(value, path + n + 1) : value;
    return NULL;
}

static json_t *change_case(json_t *take_value, bool is_upper)
{
    const char *s = json_string_value(take_value);
    char *copy = s != NULL ? strdup(s) : NULL;
    if (copy == NULL)
        return take_value;
    for (char *c = copy; *c != '\0'; c++)
        *c = (char)(is_upper ? toupper((unsigned char)*c) : tolower((unsigned char)*c));
    json_decref(take_value);
    json_t *changed = json_string(copy);
    free(copy);
    return changed;
}

static json_t *to_text(json_t *take_value)
{
    if (json_is_string(take_value))
        return take_value;
    char *text =
        json_is_null(take_value) ? strdup("") : json_dumps(take_value, JSON_ENCODE_ANY | JSON_COMPACT);
    json_t *s = json_string(text != NULL ? text : "");
    free(text);
    json_decref(take_value);
    return s;
}

static bool is_empty(const json_t *v)
{
    return v == NULL || json_is_null(v) || (json_is_string(v) && json_string_length(v) == 0);
}

static json_t *call_function(struct kql *q, const char *name, const json_t *row, int depth)
{
    json_t *v = kql_value(q, row, depth + 1);
    if (!kql_take(q, ")"))
        (void)kql_fail(q, "')' expected before", kql_peek(q, NULL));
    if (strcasecmp(name, "tolower") == 0 || strcasecmp(name, "toupper") == 0)
        return change_case(v, strcasecmp(name, "toupper") == 0);
    if (strcasecmp(name, "tostring") == 0)
        return to_text(v);
    if (strcasecmp(name, "tobool") == 0 || strcasecmp(name, "toint") == 0)
        return v;
    bool result = is_empty(v);
    json_decref(v);
    if (strcasecmp(name, "isempty") == 0 || strcasecmp(name, "isnull") == 0)
        return json_boolean(result);
    if (strcasecmp(name, "isnotempty") == 0 || strcasecmp(name, "isnotnull") == 0)
        return json_boolean(!result);
    (void)kql_fail(q, "function not simulated", name);
    return json_null();
}

static json_t *index_into(struct kql *q, json_t *take_value)
{
    while (kql_take(q, "[")) {
        char kind;
        const char *key = kql_peek(q, &kind);
        json_t *next = kind == 's' ? json_object_get(take_value, key)
                                   : json_array_get(take_value, (size_t)strtoul(key, NULL, 10));
        q->at++;
        json_incref(next);
        json_decref(take_value);
        take_value = next != NULL ? next : json_null();
        if (!kql_take(q, "]"))
            (void)kql_fail(q, "']' expected before", kql_peek(q, NULL));
        const char *rest = kql_peek(q, &kind);
        if (kind == 'n' && rest[0] == '.') {
            json_t *member = json_incref(az_at(take_value, rest + 1));
            q->at++;
            json_decref(take_value);
            take_value = member != NULL ? member : json_null();
        }
    }
    return take_value;
}

json_t *kql_value(struct kql *q, const json_t *row, int depth)
{
    char kind;
    const char *text = kql_peek(q, &kind);
    if (depth > KQL_DEPTH_MAX || kind == 0 || kind == 'o') {
        (void)kql_fail(q, depth > KQL_DEPTH_MAX ? "the query is nested too deeply" : "a value is expected at",
                       text);
        return json_null();
    }
    q->at++;
    if (kind == 's')
        return json_string(text);
    if (kind == 'd')
        return strchr(text, '.') != NULL ? json_real(strtod(text, NULL))
                                         : json_integer(strtoll(text, NULL, 10));
    if (strcasecmp(text, "true") == 0 || strcasecmp(text, "false") == 0)
        return json_boolean(strcasecmp(text, "true") == 0);
    if (kql_take(q, "("))
        return call_function(q, text, row, depth);
    json_t *found = lookup(row, text);
    return index_into(q, found != NULL ? json_incref(found) : json_null());
}

static bool text_matches(const char *op, const char *a, const char *b)
{
    size_t n = strlen(a), k = strlen(b);
    if (strcasecmp(op, "==") == 0)
        return strcmp(a, b) == 0;
    if (strcasecmp(op, "=~") == 0)
        return strcasecmp(a, b) == 0;
    if (strcasecmp(op, "startswith") == 0)
        return n >= k && strncasecmp(a, b, k) == 0;
    if (strcasecmp(op, "endswith") == 0)
        return n >= k && strcasecmp(a + n - k, b) == 0;
    return strcasestr(a, b) != NULL;
}

static bool values_match(const char *op, const json_t *a, const json_t *b)
{
    if (json_is_string(a) && json_is_string(b))
        return text_matches(op, json_string_value(a), json_string_value(b));
    if (json_is_number(a) && json_is_number(b)) {
        double x = json_number_value(a), y = json_number_value(b);
        return op[0] == '<'   ? x < y || (op[1] == '=' && x == y)
               : op[0] == '>' ? x > y || (op[1] == '=' && x == y)
                              : x == y;
    }
    if (json_is_boolean(a) && json_is_string(b))
        return strcasecmp(json_is_true(a) ? "true" : "false", json_string_value(b)) == 0;
    return op[0] == '=' && json_equal(a, b) == 1;
}

/* in (…), in~ (…), and with a "!" before. */
static bool is_in_list(struct kql *q, const char *op, const json_t *row, const json_t *a, int depth)
{
    bool found = false, is_loose = strchr(op, '~') != NULL;
    if (!kql_take(q, "("))
        return kql_fail(q, "'(' expected before", kql_peek(q, NULL));
    do {
        json_t *b = kql_value(q, row, depth + 1);
        found |= values_match(is_loose ? "=~" : "==", a, b);
        json_decref(b);
    } while (q->problem[0] == '\0' && kql_take(q, ","));
    if (!kql_take(q, ")"))
        return kql_fail(q, "')' expected before", kql_peek(q, NULL));
    return found;
}

static bool is_operator(const char *op)
{
    static const char *const known[] = {
        "==", "=~", "<", ">", "<=", ">=", "contains", "has", "startswith", "endswith"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcasecmp(op, known[i]) == 0)
            return true;
    return false;
}

static bool comparison(struct kql *q, const json_t *row, int depth)
{
    json_t *a = kql_value(q, row, depth);
    const char *op = kql_peek(q, NULL);
    bool result = false, is_not = op[0] == '!';
    if (strcasecmp(op, "and") == 0 || strcasecmp(op, "or") == 0 || op[0] == '|' || op[0] == ')' ||
        op[0] == '\0') {
        result = json_is_true(a);
        json_decref(a);
        return result;
    }
    q->at++;
    const char *plain = strcmp(op, "!=") == 0 ? "==" : strcmp(op, "!~") == 0 ? "=~" : is_not ? op + 1 : op;
    if (strcasecmp(plain, "in") == 0 || strcasecmp(plain, "in~") == 0) {
        result = is_in_list(q, plain, row, a, depth);
    } else if (!is_operator(plain)) {
        (void)kql_fail(q, "operator not simulated", op);
    } else {
        json_t *b = kql_value(q, row, depth);
        result = values_match(plain, a, b);
        json_decref(b);
    }
    json_decref(a);
    return is_not ? !result : result;
}

static bool primary(struct kql *q, const json_t *row, int depth)
{
    if (depth > KQL_DEPTH_MAX)
        return kql_fail(q, "the query is nested too deeply", "");
    bool is_not = kql_take(q, "not");
    if (!kql_take(q, "("))
        return is_not ? kql_fail(q, "'(' expected after", "not") : comparison(q, row, depth);
    bool result = kql_condition(q, row, depth + 1);
    if (!kql_take(q, ")"))
        return kql_fail(q, "')' expected before", kql_peek(q, NULL));
    return is_not ? !result : result;
}

bool kql_condition(struct kql *q, const json_t *row, int depth)
{
    bool any = false;
    do {
        bool all = true;
        do {
            bool one = primary(q, row, depth);
            all = all && one;
        } while (q->problem[0] == '\0' && kql_take(q, "and"));
        any = any || all;
    } while (q->problem[0] == '\0' && kql_take(q, "or"));
    return any;
}
