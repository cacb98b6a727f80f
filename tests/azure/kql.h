/* tests/azure/kql.h: the small part of Kusto's language that Resource Graph queries here need.
 *
 * A query is cut into tokens once; expressions are evaluated from the tokens for each row. What is not
 * understood is an error, never ignored. */
#ifndef CW_TESTS_AZURE_KQL_H
#define CW_TESTS_AZURE_KQL_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#define KQL_TOKENS_MAX 512
#define KQL_TEXT_MAX 8192
#define KQL_DEPTH_MAX 16

struct kql {
    char text[KQL_TEXT_MAX]; /* the tokens, NUL-terminated one after the other */
    struct {
        const char *text;
        char kind; /* 'n' name or path, 's' string, 'd' number, 'o' operator, 0 end */
    } tokens[KQL_TOKENS_MAX];
    size_t count;
    size_t at; /* next token */
    const char *tenant;
    char problem[256]; /* "" = fine */
};

/* Cut the query. false with problem set. */
bool kql_cut(struct kql *q, const char *query);
/* Take the next token if it is this operator or (ignoring case) this word. */
bool kql_take(struct kql *q, const char *text);
/* The next token's text and kind; not taken. */
const char *kql_peek(const struct kql *q, char *ret_kind);
/* Say what is wrong, once. Answers false. */
bool kql_fail(struct kql *q, const char *what, const char *text);
/* Evaluate a condition at q->at for the row, and move behind it. */
bool kql_condition(struct kql *q, const json_t *row, int depth);
/* Evaluate a value (path, literal or function); new reference, json_null() for what is absent. */
json_t *kql_value(struct kql *q, const json_t *row, int depth);

#endif
