/* $filter of lists of groups and resources: name eq 'value', joined by "and". */
#include "tests/azure/arm.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static const char *skip_blanks(const char *s)
{
    while (*s == ' ')
        s++;
    return s;
}

static bool is_word(const char *s, const char *word)
{
    size_t n = strlen(word);
    return strncasecmp(s, word, n) == 0 && !isalnum((unsigned char)s[n]);
}

/* 'value' with '' for a quote; NULL: it is none. */
static const char *read_value(const char *s, char *buf, size_t buf_bytes)
{
    size_t n = 0;
    if (*s++ != '\'')
        return NULL;
    for (; *s != '\0' && (*s != '\'' || s[1] == '\''); s++) {
        s += *s == '\'';
        if (n + 1 < buf_bytes)
            buf[n++] = *s;
    }
    buf[n] = '\0';
    return *s == '\'' ? s + 1 : NULL;
}

bool az_filter_parse(const char *text, const char *const *fields, struct az_filter *ret)
{
    *ret = (struct az_filter){.count = 0};
    const char *at = skip_blanks(text != NULL ? text : "");
    while (*at != '\0') {
        const char *const *field = fields;
        while (*field != NULL && !is_word(at, *field))
            field++;
        if (*field == NULL || ret->count == AZ_FILTER_MAX)
            return false;
        at = skip_blanks(at + strlen(*field));
        bool is_not = is_word(at, "ne");
        if (!is_not && !is_word(at, "eq"))
            return false;
        ret->terms[ret->count].field = *field;
        ret->terms[ret->count].is_not = is_not;
        at = read_value(skip_blanks(at + 2), ret->terms[ret->count].value, sizeof ret->terms[0].value);
        if (at == NULL)
            return false;
        ret->count++;
        at = skip_blanks(at);
        if (*at != '\0' && !is_word(at, "and"))
            return false;
        at = skip_blanks(*at != '\0' ? at + 3 : at);
    }
    return true;
}

static const char *group_of(const struct az_resource *r)
{
    while (r != NULL && strcmp(r->type, AZ_T_GROUP) != 0)
        r = r->parent;
    return r != NULL ? r->name : "";
}

static bool has_tag(const struct az_resource *r, const char *wanted_name, const char *wanted_value)
{
    const char *name;
    json_t *value;
    json_object_foreach(json_object_get(r->body, "tags"), name, value)
        if ((wanted_name == NULL || az_ieq(name, wanted_name)) &&
            (wanted_value == NULL ||
             (json_is_string(value) && strcmp(json_string_value(value), wanted_value) == 0)))
            return true;
    return false;
}

bool az_filter_matches(const struct az_filter *filter, const struct az_resource *r)
{
    const char *tag_name = NULL, *tag_value = NULL;
    for (size_t i = 0; i < filter->count; i++) {
        const char *field = filter->terms[i].field, *value = filter->terms[i].value;
        bool is_so = true;
        if (strcmp(field, "tagName") == 0)
            tag_name = value;
        else if (strcmp(field, "tagValue") == 0)
            tag_value = value;
        else if (strcmp(field, "resourceType") == 0)
            is_so = az_ieq(value, r->type);
        else if (strcmp(field, "resourceGroup") == 0)
            is_so = az_ieq(value, group_of(r));
        else if (strcmp(field, "location") == 0)
            is_so = az_location_eq(value, az_str(r->body, "location"));
        else
            is_so = az_ieq(value, r->name);
        if (is_so == filter->terms[i].is_not)
            return false;
    }
    return (tag_name == NULL && tag_value == NULL) || has_tag(r, tag_name, tag_value);
}
