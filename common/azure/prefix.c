#include "common/azure/prefix.h"

#include "common/str.h"

static bool parse_number(const char **at, unsigned max, unsigned *ret_value)
{
    const char *p = *at;
    unsigned v = 0;
    size_t digits = 0;
    while (*p >= '0' && *p <= '9' && digits < 4) {
        v = v * 10 + (unsigned)(*p - '0');
        p++;
        digits++;
    }
    if (digits == 0 || digits > 3 || v > max || (digits > 1 && (*at)[0] == '0'))
        return false;
    *at = p;
    *ret_value = v;
    return true;
}

static bool parse_address(const char **at, uint32_t *ret_address)
{
    uint32_t address = 0;
    for (int i = 0; i < 4; i++) {
        unsigned v = 0;
        if (i > 0) {
            if (**at != '.')
                return false;
            (*at)++;
        }
        if (!parse_number(at, 255, &v))
            return false;
        address = address << 8 | v;
    }
    *ret_address = address;
    return true;
}

static uint32_t mask_of(int bits)
{
    return bits == 0 ? 0 : UINT32_MAX << (32 - bits);
}

static uint64_t size_of(int bits)
{
    return (uint64_t)1 << (32 - bits);
}

static uint64_t end_of(struct cw_prefix p)
{
    return (uint64_t)p.base + size_of(p.bits);
}

bool cw_address_parse(const char *z, uint32_t *ret_address)
{
    uint32_t address = 0;
    if (z == NULL || !parse_address(&z, &address) || *z != '\0')
        return false;
    *ret_address = address;
    return true;
}

bool cw_prefix_parse(const char *z, struct cw_prefix *ret_prefix)
{
    uint32_t base = 0;
    unsigned bits = 0;
    if (z == NULL || !parse_address(&z, &base) || *z != '/')
        return false;
    z++;
    if (!parse_number(&z, 32, &bits) || *z != '\0' || (base & ~mask_of((int)bits)) != 0)
        return false;
    *ret_prefix = (struct cw_prefix){base, (int)bits};
    return true;
}

void cw_prefix_format(struct cw_prefix p, char out[CW_PREFIX_BYTES])
{
    (void)snprintf(out, CW_PREFIX_BYTES, "%u.%u.%u.%u/%d", (p.base >> 24) & 255U, (p.base >> 16) & 255U,
                   (p.base >> 8) & 255U, p.base & 255U, p.bits & 63);
}

bool cw_prefix_has_address(struct cw_prefix p, uint32_t address)
{
    return (address & mask_of(p.bits)) == p.base;
}

bool cw_prefix_contains(struct cw_prefix outer, struct cw_prefix inner)
{
    return inner.bits >= outer.bits && cw_prefix_has_address(outer, inner.base);
}

bool cw_prefix_overlaps(struct cw_prefix a, struct cw_prefix b)
{
    return a.base < end_of(b) && b.base < end_of(a);
}

bool cw_prefix_is_private(struct cw_prefix p)
{
    static const struct cw_prefix spaces[] = {
        {0x0A000000U, 8}, {0xAC100000U, 12}, {0xC0A80000U, 16}, {0x64400000U, 10}};
    for (size_t i = 0; i < CW_ARRAY_LEN(spaces); i++)
        if (cw_prefix_contains(spaces[i], p))
            return true;
    return false;
}

bool cw_prefix_nth(struct cw_prefix space, int bits, uint32_t n, struct cw_prefix *ret_prefix)
{
    if (bits < space.bits || bits > 32)
        return false;
    uint64_t base = (uint64_t)space.base + (uint64_t)n * size_of(bits);
    if (base + size_of(bits) > end_of(space))
        return false;
    *ret_prefix = (struct cw_prefix){(uint32_t)base, bits};
    return true;
}

/* The end of a used prefix that overlaps; 0 when none does. */
static uint64_t end_of_overlap(const struct cw_prefix *used, size_t used_count, struct cw_prefix p)
{
    uint64_t end = 0;
    for (size_t i = 0; i < used_count; i++)
        if (cw_prefix_overlaps(used[i], p))
            end = CW_MAX(end, end_of(used[i]));
    return end;
}

bool cw_prefix_first_free(const struct cw_prefix *spaces, size_t space_count, const struct cw_prefix *used,
                          size_t used_count, int bits, struct cw_prefix *ret_prefix)
{
    for (size_t s = 0; s < space_count; s++) {
        uint64_t step = size_of(bits);
        if (bits < spaces[s].bits)
            continue;
        uint64_t base = spaces[s].base;
        while (base + step <= end_of(spaces[s])) {
            struct cw_prefix candidate = {(uint32_t)base, bits};
            uint64_t end = end_of_overlap(used, used_count, candidate);
            if (end == 0) {
                *ret_prefix = candidate;
                return true;
            }
            base = (end + step - 1) / step * step;
        }
    }
    return false;
}
