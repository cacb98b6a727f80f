#include "common/digest.h"
#include "common/time.h"

uint64_t cw_random_u64(void)
{
    uint64_t v = 0;
    cw_random_bytes(&v, sizeof v);
    return v;
}

int64_t cw_random_between(int64_t lo, int64_t hi)
{
    CW_PRE(lo <= hi);
    uint64_t span = (uint64_t)hi - (uint64_t)lo + 1; /* 0 = all 2^64 values */
    if (span == 0)
        return (int64_t)cw_random_u64();
    uint64_t unfair = (0 - span) % span; /* so many low values would come up once too often */
    uint64_t v = cw_random_u64();
    while (v < unfair)
        v = cw_random_u64();
    return (int64_t)((uint64_t)lo + v % span);
}

static void print_uuid(unsigned char bytes[16], unsigned version, char out[CW_UUID_BYTES])
{
    bytes[6] = (unsigned char)((bytes[6] & 0x0F) | version << 4);
    bytes[8] = (unsigned char)((bytes[8] & 0x3F) | 0x80);
    static const size_t parts[] = {4, 2, 2, 2, 6};
    for (size_t i = 0; i < CW_ARRAY_LEN(parts); i++) {
        cw_hex(bytes, parts[i], out);
        bytes += parts[i];
        out += 2 * parts[i] + 1;
        if (i + 1 < CW_ARRAY_LEN(parts))
            out[-1] = '-';
    }
}

void cw_uuid4(char out[CW_UUID_BYTES])
{
    unsigned char bytes[16];
    cw_random_bytes(bytes, sizeof bytes);
    print_uuid(bytes, 4, out);
}

/* 6f1c1f0e-9d3b-4c55-8a7e-2b9f4d1c7a60: drawn once for this project; a change would give every verdict a new id. */
static const unsigned char uuid_namespace[16] = {0x6f, 0x1c, 0x1f, 0x0e, 0x9d, 0x3b, 0x4c, 0x55,
                                                 0x8a, 0x7e, 0x2b, 0x9f, 0x4d, 0x1c, 0x7a, 0x60};

void cw_uuid5(const char *name, size_t name_bytes, char out[CW_UUID_BYTES])
{
    unsigned char digest[CW_SHA1_BYTES];
    char small[512];
    size_t total = sizeof uuid_namespace + name_bytes;
    char *text = total <= sizeof small ? small : malloc(total);
    CW_BUG_ON(text == NULL);
    memcpy(text, uuid_namespace, sizeof uuid_namespace);
    if (name_bytes > 0)
        memcpy(text + sizeof uuid_namespace, name, name_bytes);
    bool is_done = cw_sha1(text, total, digest);
    if (text != small)
        free(text);
    CW_BUG_ON(!is_done);
    print_uuid(digest, 5, out);
}
