/* tests/lib/tempdir.h: a private directory for a test, removed with what is in it. */
#ifndef CW_TESTS_LIB_TEMPDIR_H
#define CW_TESTS_LIB_TEMPDIR_H

/* malloc'ed path; the test fails when it can't be made. */
char *test_tempdir_new(void);
/* Remove it with all files and folders below; frees the path. NULL is fine. */
void test_tempdir_free(char *take_path);
/* malloc'ed "dir/name". */
char *test_path(const char *dir, const char *name);

#endif
