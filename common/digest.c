#include "common/digest.h"

#include <openssl/evp.h>
#include <pthread.h>

static EVP_MD *sha1, *sha256;
static pthread_once_t fetching = PTHREAD_ONCE_INIT;

/* Once for the process: OpenSSL looks for a digest's code for longer than it runs. */
static void fetch_all(void)
{
    sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

static bool digest(EVP_MD *const *md, const void *p, size_t n, unsigned char *out, size_t out_bytes)
{
    memset(out, 0, out_bytes);
    unsigned len = 0;
    if (pthread_once(&fetching, fetch_all) != 0 || *md == NULL)
        return false;
    return EVP_Digest(n == 0 ? "" : p, n, out, &len, *md, NULL) == 1 && len == out_bytes;
}

bool cw_sha1(const void *p, size_t n, unsigned char out[CW_SHA1_BYTES])
{
    return digest(&sha1, p, n, out, CW_SHA1_BYTES);
}

bool cw_sha256(const void *p, size_t n, unsigned char out[CW_SHA256_BYTES])
{
    return digest(&sha256, p, n, out, CW_SHA256_BYTES);
}

void cw_hex(const void *p, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *u = p;
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[u[i] >> 4];
        out[2 * i + 1] = digits[u[i] & 15];
    }
    out[2 * n] = '\0';
}
