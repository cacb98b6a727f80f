#include "common/azure/credential_impl.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>

#include "common/digest.h"

#define VALID_S 600
#define SIGNATURE_BYTES_MAX 1024

/* A certificate with its private key, as OpenSSL holds them. */
struct identity {
    X509 *certificate;
    EVP_PKEY *key;
};

static void free_identity(struct identity *id)
{
    X509_free(id->certificate);
    EVP_PKEY_free(id->key);
}

static int give_password(char *buf, int size, int is_writing, void *arg)
{
    const char *password = arg;
    size_t n = password != NULL ? strlen(password) : 0;
    (void)is_writing;
    if (n == 0 || n > (size_t)size)
        return -1;
    memcpy(buf, password, n);
    return (int)n;
}

static bool read_pem(BIO *file, const char *password, struct identity *out)
{
    out->certificate = PEM_read_bio_X509(file, NULL, NULL, NULL);
    (void)BIO_reset(file);
    out->key = PEM_read_bio_PrivateKey(file, NULL, give_password, (void *)(uintptr_t)password);
    return out->certificate != NULL && out->key != NULL;
}

static bool read_pkcs12(BIO *file, const char *password, struct identity *out)
{
    PKCS12 *bag = d2i_PKCS12_bio(file, NULL);
    bool ok = bag != NULL && PKCS12_parse(bag, password, &out->key, &out->certificate, NULL) == 1;
    PKCS12_free(bag);
    return ok && out->certificate != NULL && out->key != NULL;
}

static bool read_identity(const char *file, size_t bytes, const char *password, struct identity *out)
{
    BIO *text = BIO_new_mem_buf(file, (int)bytes);
    bool is_pem = memmem(file, bytes, "-----BEGIN", 10) != NULL;
    bool ok = text != NULL && (is_pem ? read_pem(text, password, out) : read_pkcs12(text, password, out));
    BIO_free(text);
    return ok && X509_check_private_key(out->certificate, out->key) == 1 &&
           EVP_PKEY_get_base_id(out->key) == EVP_PKEY_RSA;
}

/* RFC 4648 section 5, without padding. */
static void add_base64url(struct cw_buf *out, const void *p, size_t n)
{
    size_t start = out->n;
    cw_buf_add_base64(out, p, n);
    if (out->failed)
        return;
    while (out->n > start && out->p[out->n - 1] == '=')
        out->p[--out->n] = '\0';
    for (size_t i = start; i < out->n; i++)
        out->p[i] = (char)(out->p[i] == '+' ? '-' : out->p[i] == '/' ? '_' : out->p[i]);
}

static bool thumbprint(X509 *certificate, unsigned char out[CW_SHA1_BYTES])
{
    unsigned char *der = NULL;
    int n = i2d_X509(certificate, &der);
    bool ok = n > 0 && cw_sha1(der, (size_t)n, out);
    OPENSSL_free(der);
    return ok;
}

static void add_claims(struct cw_buf *out, const char *client_id, const char *audience_url, int64_t wall_ms)
{
    CW_AUTO(cw_buf_fini) struct cw_buf claims = {0};
    char id[CW_UUID_BYTES];
    int64_t now_s = wall_ms / 1000;
    int64_t end_s = now_s + VALID_S;
    cw_uuid4(id);
    cw_buf_add_z(&claims, "{\"aud\":\"");
    cw_buf_add_json(&claims, audience_url, strlen(audience_url));
    cw_buf_add_z(&claims, "\",\"iss\":\"");
    cw_buf_add_json(&claims, client_id, strlen(client_id));
    cw_buf_add_z(&claims, "\",\"sub\":\"");
    cw_buf_add_json(&claims, client_id, strlen(client_id));
    cw_buf_addf(&claims, "\",\"jti\":\"%s\",\"nbf\":%lld,\"exp\":%lld}", id, (long long)now_s,
                (long long)end_s);
    out->failed = out->failed || claims.failed;
    if (!out->failed)
        add_base64url(out, claims.p, claims.n);
}

static bool sign(EVP_PKEY *key, const char *text, size_t bytes, unsigned char *out, size_t *ret_bytes)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    *ret_bytes = SIGNATURE_BYTES_MAX;
    bool ok = ctx != NULL && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
              EVP_DigestSign(ctx, out, ret_bytes, (const unsigned char *)text, bytes) == 1;
    EVP_MD_CTX_free(ctx);
    return ok;
}

int cw_certificate_assertion(const char *file, size_t file_bytes, const char *password, const char *client_id,
                             const char *audience_url, int64_t wall_ms, struct cw_buf *out,
                             struct cw_err *err)
{
    CW_AUTO(free_identity) struct identity id = {0};
    CW_AUTO(cw_buf_fini) struct cw_buf header = {0};
    unsigned char digest[CW_SHA1_BYTES];
    unsigned char signature[SIGNATURE_BYTES_MAX];
    size_t signature_bytes = 0;
    if (file_bytes == 0 || !read_identity(file, file_bytes, password, &id)) {
        int r = cw_err_set(err, CW_EAUTH, "no usable certificate with an RSA key in the certificate file");
        cw_err_remedy(
            err, "AZURE_CLIENT_CERTIFICATE_PATH must name a PEM or PKCS#12 file with certificate and private "
                 "key; check AZURE_CLIENT_CERTIFICATE_PASSWORD");
        return r;
    }
    bool ok = thumbprint(id.certificate, digest);
    cw_buf_add_z(&header, "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"x5t\":\"");
    add_base64url(&header, digest, sizeof digest);
    cw_buf_add_z(&header, "\"}");
    if (ok && !header.failed)
        add_base64url(out, header.p, header.n);
    cw_buf_add_char(out, '.');
    add_claims(out, client_id, audience_url, wall_ms);
    ok = ok && !header.failed && !out->failed && sign(id.key, out->p, out->n, signature, &signature_bytes);
    cw_buf_add_char(out, '.');
    if (ok)
        add_base64url(out, signature, signature_bytes);
    return ok && !out->failed ? 0 : cw_err_set(err, CW_ENOMEM, "the certificate's assertion can't be signed");
}
