#include "tests/lib/certificate.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "common/base.h"
#include "tests/lib/tempdir.h"

#define VALID_S 86400

static void need(bool ok, const char *what)
{
    if (!ok)
        cw_panic(__FILE__, __LINE__, what);
}

static void extend(X509 *cert, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    need(extension != NULL && X509_add_ext(cert, extension, -1) == 1, "certificate extension");
    X509_EXTENSION_free(extension);
}

static X509 *make(EVP_PKEY *key, const char *names)
{
    X509 *cert = X509_new();
    need(cert != NULL, "certificate");
    (void)X509_set_version(cert, X509_VERSION_3);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    (void)X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    (void)X509_gmtime_adj(X509_getm_notAfter(cert), VALID_S);
    (void)X509_set_pubkey(cert, key);
    X509_NAME *name = X509_get_subject_name(cert);
    (void)X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"causeway test", -1, -1,
                                     0);
    (void)X509_set_issuer_name(cert, name);
    extend(cert, NID_basic_constraints, "critical,CA:TRUE");
    extend(cert, NID_subject_alt_name, names);
    need(X509_sign(cert, key, EVP_sha256()) > 0, "sign the certificate");
    return cert;
}

void test_certificate_write(const char *dir, const char *names)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    need(key != NULL, "key");
    X509 *cert = make(key, names);
    CW_AUTO(cw_auto_str) char *cert_path = test_path(dir, "cert.pem");
    CW_AUTO(cw_auto_str) char *key_path = test_path(dir, "key.pem");
    FILE *cert_file = fopen(cert_path, "we");
    FILE *key_file = fopen(key_path, "we");
    need(cert_file != NULL && PEM_write_X509(cert_file, cert) == 1 && fclose(cert_file) == 0,
         "write the certificate");
    need(key_file != NULL && PEM_write_PrivateKey(key_file, key, NULL, NULL, 0, NULL, NULL) == 1 &&
             fclose(key_file) == 0,
         "write the key");
    X509_free(cert);
    EVP_PKEY_free(key);
}
