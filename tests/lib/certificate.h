/* tests/lib/certificate.h: a self-made certificate for servers on this machine. */
#ifndef CW_TESTS_LIB_CERTIFICATE_H
#define CW_TESTS_LIB_CERTIFICATE_H

/* Write DIR/cert.pem (its own authority; for the given DNS names and addresses, e.g. "DNS:localhost,IP:127.0.0.1") and
 * DIR/key.pem. The test fails when that is not possible. */
void test_certificate_write(const char *dir, const char *names);

#endif
