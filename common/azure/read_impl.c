#include "common/azure/read_impl.h"

const char *const *cw_read_strings(const json_t *v, const char *path, struct cw_arena *mem, size_t *ret_count)
{
    const json_t *array = cw_json_at(v, path);
    *ret_count = 0;
    if (!json_is_array(array) || json_array_size(array) == 0)
        return NULL;
    const char **out = cw_arena_alloc_array(mem, json_array_size(array), sizeof *out);
    if (out == NULL)
        return NULL;
    size_t index;
    json_t *item;
    json_array_foreach(array, index, item)
        if (json_is_string(item))
            out[(*ret_count)++] = json_string_value(item);
    return out;
}

const char *cw_read_joined(const json_t *v, const char *one, const char *many, struct cw_arena *mem)
{
    CW_AUTO(cw_buf_fini) struct cw_buf out = {0};
    const char *z = cw_read_str(v, one);
    if (z != NULL && z[0] != '\0')
        cw_buf_add_z(&out, z);
    size_t index;
    json_t *item;
    json_array_foreach(cw_json_at(v, many), index, item)
        if (json_is_string(item))
            cw_buf_addf(&out, "%s%s", out.n > 0 ? "," : "", json_string_value(item));
    return cw_arena_strdup(mem, cw_buf_z(&out));
}

json_t *cw_build_tags(struct cw_tags tags)
{
    json_t *out = json_object();
    for (size_t i = 0; out != NULL && i < tags.count; i++) {
        if (!cw_json_set_str(out, tags.items[i].name, tags.items[i].value)) {
            json_decref(out);
            return NULL;
        }
    }
    return out;
}

json_t *cw_build_ref(const char *id)
{
    return id != NULL ? json_pack("{s:s}", "id", id) : NULL;
}

int cw_check_built(const json_t *v, struct cw_err *err)
{
    return v != NULL ? 0 : cw_err_set(err, CW_ENOMEM, "out of memory while building a request");
}

int cw_check_mem(const struct cw_call *call, struct cw_err *err)
{
    return cw_arena_failed(call->mem) ? cw_err_set(err, CW_ENOMEM, "out of memory while reading an answer")
                                      : 0;
}
