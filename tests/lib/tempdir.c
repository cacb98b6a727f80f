#include "tests/lib/tempdir.h"

#include <ftw.h>
#include <unistd.h>

#include "common/str.h"

char *test_tempdir_new(void)
{
    const char *base = getenv("TMPDIR");
    CW_AUTO(cw_buf_fini) struct cw_buf path = {0};
    cw_buf_addf(&path, "%s/causeway-test-XXXXXX", base != NULL ? base : "/tmp");
    char *dir = cw_buf_take(&path);
    if (dir == NULL || mkdtemp(dir) == NULL)
        cw_panic(__FILE__, __LINE__, "no temporary directory");
    return dir;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

void test_tempdir_free(char *take_path)
{
    if (take_path == NULL)
        return;
    (void)nftw(take_path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(take_path);
}

char *test_path(const char *dir, const char *name)
{
    struct cw_buf path = {0};
    cw_buf_addf(&path, "%s/%s", dir, name);
    return cw_buf_take(&path);
}
