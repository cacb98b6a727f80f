#include "common/str.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void cw_buf_add_base64(struct cw_buf *b, const void *p, size_t n)
{
    const unsigned char *u = p;
    for (size_t i = 0; i < n && !b->failed; i += 3) {
        size_t have = CW_MIN(n - i, (size_t)3);
        uint32_t v = (uint32_t)u[i] << 16;
        if (have > 1)
            v |= (uint32_t)u[i + 1] << 8;
        if (have > 2)
            v |= u[i + 2];
        char quad[4] = {alphabet[v >> 18 & 63], alphabet[v >> 12 & 63],
                        have > 1 ? alphabet[v >> 6 & 63] : '=', have > 2 ? alphabet[v & 63] : '='};
        cw_buf_add(b, quad, sizeof quad);
    }
}

static int sextet(char c)
{
    const char *at = c == '\0' ? NULL : strchr(alphabet, c);
    return at == NULL ? -1 : (int)(at - alphabet);
}

/* One group of four characters with `pad` '=' at its end into 3 - pad bytes. */
static bool decode_quad(const char *p, size_t pad, unsigned char out[3])
{
    uint32_t v = 0;
    for (size_t i = 0; i < 4; i++) {
        int s = i >= 4 - pad ? 0 : sextet(p[i]);
        if (s < 0)
            return false;
        v = v << 6 | (uint32_t)s;
    }
    out[0] = (unsigned char)(v >> 16);
    out[1] = (unsigned char)(v >> 8);
    out[2] = (unsigned char)v;
    return true;
}

bool cw_buf_add_base64_decoded(struct cw_buf *b, const char *p, size_t n)
{
    if (n % 4 != 0)
        return false;
    size_t start = b->n;
    for (size_t i = 0; i < n; i += 4) {
        size_t pad = 0;
        if (i + 4 == n)
            pad = p[i + 3] != '=' ? 0 : p[i + 2] != '=' ? 1 : 2;
        unsigned char bytes[3];
        if (!decode_quad(p + i, pad, bytes)) {
            b->n = start;
            if (b->p != NULL)
                b->p[start] = '\0';
            return false;
        }
        cw_buf_add(b, bytes, 3 - pad);
    }
    return true;
}
