/* Facts from a journal that somebody has meddled with: what can be decoded is encoded to the same again, and merges. */
#include "schema/facts_v1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CW_AUTO(cw_auto_arena) struct cw_arena *mem = NULL;
    if (cw_arena_new((size_t)64 << 20, &mem) < 0)
        return 0;
    struct cw_facts facts;
    struct cw_facts again;
    struct cw_facts merged = {0};
    struct cw_err err = {0};
    if (cw_facts_decode((const char *)data, size, mem, &facts, &err) < 0) {
        CW_BUG_ON(err.text[0] == '\0');
        return 0;
    }
    char *text = cw_facts_encode(&facts, mem);
    CW_BUG_ON(text == NULL);
    CW_BUG_ON(cw_facts_decode(text, strlen(text), mem, &again, &err) < 0);
    CW_BUG_ON(strcmp(cw_facts_encode(&again, mem), text) != 0);
    CW_BUG_ON(cw_facts_merge(&merged, &facts, mem) < 0);
    CW_BUG_ON(strcmp(cw_facts_encode(&merged, mem), text) != 0);
    return 0;
}
