#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "common/azure/credential_impl.h"
#include "common/json.h"

#define URL "https://login.chinacloudapi.cn/t/oauth2/v2.0/token"
#define WALL_MS INT64_C(1795489964123)

static EVP_PKEY *key;
static X509 *certificate;

static X509 *make_certificate(EVP_PKEY *of)
{
    X509 *x = X509_new();
    assert_non_null(x);
    assert_int_equal(X509_set_version(x, X509_VERSION_3), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(x), 1), 1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(x), 0));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(x), 3600));
    assert_int_equal(X509_set_pubkey(x, of), 1);
    assert_true(X509_sign(x, of, EVP_sha256()) > 0);
    return x;
}

static int setup(void **state)
{
    (void)state;
    key = EVP_RSA_gen(2048);
    certificate = make_certificate(key);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    X509_free(certificate);
    EVP_PKEY_free(key);
    return 0;
}

/* Key and certificate as one PEM text; the key encrypted when there is a password. */
static BIO *as_pem(EVP_PKEY *k, X509 *x, const char *password)
{
    BIO *out = BIO_new(BIO_s_mem());
    int n = password != NULL ? (int)strlen(password) : 0;
    assert_int_equal(PEM_write_bio_PrivateKey(out, k, password != NULL ? EVP_aes_256_cbc() : NULL,
                                              (const unsigned char *)password, n, NULL, NULL),
                     1);
    assert_int_equal(PEM_write_bio_X509(out, x), 1);
    return out;
}

static int assertion_of(BIO *file, const char *password, struct cw_buf *out, struct cw_err *err)
{
    char *p = NULL;
    long n = BIO_get_mem_data(file, &p);
    return cw_certificate_assertion(p, (size_t)n, password, "client", URL, WALL_MS, out, err);
}

static void decode(const char *p, size_t n, struct cw_buf *out)
{
    CW_AUTO(cw_buf_fini) struct cw_buf text = {0};
    for (size_t i = 0; i < n; i++)
        cw_buf_add_char(&text, p[i] == '-' ? '+' : p[i] == '_' ? '/' : p[i]);
    while (text.n % 4 != 0)
        cw_buf_add_char(&text, '=');
    assert_true(cw_buf_add_base64_decoded(out, text.p, text.n));
}

static void check_jwt(const char *jwt)
{
    const char *dot = strchr(jwt, '.');
    const char *second = strchr(dot + 1, '.');
    CW_AUTO(cw_buf_fini) struct cw_buf header = {0};
    CW_AUTO(cw_buf_fini) struct cw_buf claims = {0};
    CW_AUTO(cw_buf_fini) struct cw_buf signature = {0};
    decode(jwt, (size_t)(dot - jwt), &header);
    decode(dot + 1, (size_t)(second - dot) - 1, &claims);
    decode(second + 1, strlen(second + 1), &signature);
    json_t *h = json_loadb(header.p, header.n, 0, NULL);
    json_t *c = json_loadb(claims.p, claims.n, 0, NULL);
    assert_string_equal(cw_json_str(h, "alg", ""), "RS256");
    assert_int_equal(strlen(cw_json_str(h, "x5t", "")), 27);
    assert_string_equal(cw_json_str(c, "aud", ""), URL);
    assert_string_equal(cw_json_str(c, "iss", ""), "client");
    assert_string_equal(cw_json_str(c, "sub", ""), "client");
    assert_int_equal(cw_json_int(c, "exp", 0) - cw_json_int(c, "nbf", 0), 600);
    assert_int_equal(cw_json_int(c, "nbf", 0), WALL_MS / 1000);
    json_decref(h);
    json_decref(c);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(EVP_DigestVerify(ctx, (const unsigned char *)signature.p, signature.n,
                                      (const unsigned char *)jwt, (size_t)(second - jwt)),
                     1);
    EVP_MD_CTX_free(ctx);
}

static void a_pem_signs(void **state)
{
    (void)state;
    static const char *const passwords[] = {NULL, "hush"};
    for (size_t i = 0; i < 2; i++) {
        CW_AUTO(cw_buf_fini) struct cw_buf jwt = {0};
        struct cw_err err = {0};
        BIO *file = as_pem(key, certificate, passwords[i]);
        assert_int_equal(assertion_of(file, passwords[i], &jwt, &err), 0);
        check_jwt(jwt.p);
        BIO_free(file);
    }
}

static void a_pkcs12_signs(void **state)
{
    (void)state;
    CW_AUTO(cw_buf_fini) struct cw_buf jwt = {0};
    struct cw_err err = {0};
    BIO *file = BIO_new(BIO_s_mem());
    PKCS12 *bag = PKCS12_create("hush", "us", key, certificate, NULL, 0, 0, 0, 0, 0);
    assert_int_equal(i2d_PKCS12_bio(file, bag), 1);
    assert_int_equal(assertion_of(file, "hush", &jwt, &err), 0);
    check_jwt(jwt.p);
    cw_buf_reset(&jwt);
    assert_int_equal(assertion_of(file, "loud", &jwt, &err), -CW_EAUTH);
    PKCS12_free(bag);
    BIO_free(file);
}

static void refuse(BIO *file, const char *password)
{
    CW_AUTO(cw_buf_fini) struct cw_buf jwt = {0};
    struct cw_err err = {0};
    assert_int_equal(assertion_of(file, password, &jwt, &err), -CW_EAUTH);
    assert_non_null(strstr(err.remedy, "AZURE_CLIENT_CERTIFICATE_PATH"));
    assert_null(strstr(err.text, "hush"));
    BIO_free(file);
}

static void what_cannot_sign_is_refused(void **state)
{
    (void)state;
    EVP_PKEY *other = EVP_RSA_gen(2048);
    EVP_PKEY *curve = EVP_EC_gen("P-256");
    X509 *of_curve = make_certificate(curve);
    refuse(as_pem(key, certificate, "hush"), "hush2");
    refuse(as_pem(key, certificate, "hush"), NULL);
    refuse(as_pem(other, certificate, NULL), NULL);
    refuse(as_pem(curve, of_curve, NULL), NULL);
    refuse(BIO_new(BIO_s_mem()), NULL);
    BIO *noise = BIO_new(BIO_s_mem());
    assert_true(BIO_puts(noise, "-----BEGIN nothing") > 0);
    refuse(noise, NULL);
    X509_free(of_curve);
    EVP_PKEY_free(curve);
    EVP_PKEY_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pem_signs),
        cmocka_unit_test(a_pkcs12_signs),
        cmocka_unit_test(what_cannot_sign_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
