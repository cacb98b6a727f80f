/* A certificate authority and a leaf for the names that azure-sim answers to, made at each start. */
#include "tests/azure/server/server.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#define VALID_DAYS 365
#define SHARDS 20 /* adb-<id>.<n>: n is below this */

static char *pem_text(BIO *bio)
{
    char *data = NULL;
    long n = BIO_get_mem_data(bio, &data);
    return n > 0 ? strndup(data, (size_t)n) : NULL;
}

static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool is_added = extension != NULL && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return is_added;
}

/* Unsigned: names, key, validity. */
static X509 *new_certificate(EVP_PKEY *key, const char *common_name, const X509 *issuer)
{
    unsigned char serial[16] = {0};
    X509 *cert = X509_new();
    BIGNUM *number = BN_new();
    bool is_good = cert != NULL && number != NULL && RAND_bytes(serial, sizeof serial) == 1;
    serial[0] &= 0x7f;
    is_good = is_good && BN_bin2bn(serial, sizeof serial, number) != NULL &&
              BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL &&
              X509_set_version(cert, X509_VERSION_3) == 1;
    is_good = is_good && X509_gmtime_adj(X509_getm_notBefore(cert), -24L * 3600) != NULL &&
              X509_gmtime_adj(X509_getm_notAfter(cert), VALID_DAYS * 24L * 3600) != NULL &&
              X509_set_pubkey(cert, key) == 1;
    is_good = is_good && X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                                                    (const unsigned char *)common_name, -1, -1, 0) == 1;
    is_good =
        is_good && X509_set_issuer_name(cert, X509_get_subject_name(issuer != NULL ? issuer : cert)) == 1;
    BN_free(number);
    if (is_good)
        return cert;
    X509_free(cert);
    return NULL;
}

static X509 *make_ca(EVP_PKEY *key)
{
    unsigned char noise[4] = {0};
    char name[64];
    (void)RAND_bytes(noise, sizeof noise);
    snprintf(name, sizeof name, "azure-sim CA %02x%02x%02x%02x", noise[0], noise[1], noise[2], noise[3]);
    X509 *ca = new_certificate(key, name, NULL);
    if (ca != NULL && add_extension(ca, ca, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
        add_extension(ca, ca, NID_key_usage, "critical,keyCertSign,cRLSign") &&
        add_extension(ca, ca, NID_subject_key_identifier, "hash") && X509_sign(ca, key, EVP_sha256()) > 0)
        return ca;
    X509_free(ca);
    return NULL;
}

static void append(char *buf, size_t buf_bytes, const char *fmt, const char *name)
{
    size_t n = strlen(buf);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(buf + n, buf_bytes - n, fmt, name);
#pragma GCC diagnostic pop
}

static void list_names(const struct sim_names *names, const char *bind, char *buf, size_t buf_bytes)
{
    struct in_addr v4;
    struct in6_addr v6;
    buf[0] = '\0';
    append(buf, buf_bytes, "DNS:%s", names->arm_host);
    append(buf, buf_bytes, ",DNS:%s", names->login_host);
    append(buf, buf_bytes, ",DNS:*%s", names->workspace_suffix);
    for (int i = 0; i < SHARDS; i++) {
        char shard[300];
        snprintf(shard, sizeof shard, "*.%d%s", i, names->workspace_suffix);
        append(buf, buf_bytes, ",DNS:%s", shard);
    }
    append(buf, buf_bytes, ",DNS:%s", "localhost");
    append(buf, buf_bytes, ",IP:%s", "127.0.0.1");
    append(buf, buf_bytes, ",IP:%s", "::1");
    bool is_address = inet_pton(AF_INET, bind, &v4) == 1 || inet_pton(AF_INET6, bind, &v6) == 1;
    if (is_address && strcmp(bind, "127.0.0.1") != 0 && strcmp(bind, "::1") != 0)
        append(buf, buf_bytes, ",IP:%s", bind);
}

static X509 *make_leaf(EVP_PKEY *key, X509 *ca, EVP_PKEY *ca_key, const char *alt_names)
{
    X509 *leaf = new_certificate(key, "azure-sim", ca);
    if (leaf != NULL && add_extension(leaf, ca, NID_basic_constraints, "critical,CA:FALSE") &&
        add_extension(leaf, ca, NID_key_usage, "critical,digitalSignature") &&
        add_extension(leaf, ca, NID_ext_key_usage, "serverAuth") &&
        add_extension(leaf, ca, NID_subject_key_identifier, "hash") &&
        add_extension(leaf, ca, NID_authority_key_identifier, "keyid:always") &&
        add_extension(leaf, ca, NID_subject_alt_name, alt_names) && X509_sign(leaf, ca_key, EVP_sha256()) > 0)
        return leaf;
    X509_free(leaf);
    return NULL;
}

static int write_pem(X509 *ca, X509 *leaf, EVP_PKEY *key, struct sim_certificate *ret)
{
    BIO *bios[3] = {BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem())};
    bool is_good = bios[0] != NULL && bios[1] != NULL && bios[2] != NULL &&
                   PEM_write_bio_X509(bios[0], ca) == 1 && PEM_write_bio_X509(bios[1], leaf) == 1 &&
                   PEM_write_bio_X509(bios[1], ca) == 1 &&
                   PEM_write_bio_PrivateKey(bios[2], key, NULL, NULL, 0, NULL, NULL) == 1;
    struct sim_certificate made = {0};
    if (is_good)
        made = (struct sim_certificate){pem_text(bios[0]), pem_text(bios[1]), pem_text(bios[2])};
    for (size_t i = 0; i < 3; i++)
        BIO_free(bios[i]);
    if (made.ca != NULL && made.chain != NULL && made.key != NULL) {
        *ret = made;
        return 0;
    }
    sim_certificate_fini(&made);
    return -1;
}

int sim_certificate_make(const struct sim_names *names, const char *bind,
                         struct sim_certificate *ret_certificate)
{
    char alt_names[16384];
    list_names(names, bind, alt_names, sizeof alt_names);
    EVP_PKEY *ca_key = EVP_EC_gen("P-256"), *key = EVP_EC_gen("P-256");
    X509 *ca = ca_key != NULL && key != NULL ? make_ca(ca_key) : NULL;
    X509 *leaf = ca != NULL ? make_leaf(key, ca, ca_key, alt_names) : NULL;
    int r = leaf != NULL ? write_pem(ca, leaf, key, ret_certificate) : -1;
    X509_free(leaf);
    X509_free(ca);
    EVP_PKEY_free(key);
    EVP_PKEY_free(ca_key);
    return r;
}

const char *sim_certificate_problem(const struct sim_certificate *certificate)
{
    BIO *chain = BIO_new_mem_buf(certificate->chain, -1), *secret = BIO_new_mem_buf(certificate->key, -1);
    X509 *leaf = chain != NULL ? PEM_read_bio_X509(chain, NULL, NULL, NULL) : NULL;
    char no_password[] = "";
    EVP_PKEY *key = secret != NULL ? PEM_read_bio_PrivateKey(secret, NULL, NULL, no_password) : NULL;
    const char *problem = NULL;
    if (leaf == NULL)
        problem = "the certificate is no PEM: it begins with -----BEGIN CERTIFICATE-----, the leaf first";
    else if (key == NULL)
        problem = "the key is no PEM without a password: openssl pkey writes one";
    else if (X509_check_private_key(leaf, key) != 1)
        problem = "the key is not that of the certificate: give the pair that was made together";
    else if (X509_cmp_current_time(X509_get0_notAfter(leaf)) < 0)
        problem =
            "the certificate has expired: make a new one, or leave --cert and --key out and one is made";
    EVP_PKEY_free(key);
    X509_free(leaf);
    BIO_free(secret);
    BIO_free(chain);
    return problem;
}

void sim_certificate_fini(struct sim_certificate *certificate)
{
    free(certificate->ca);
    free(certificate->chain);
    free(certificate->key);
    *certificate = (struct sim_certificate){0};
}
