/* tests/unit/common/check.h: what each cmocka file includes first. */
#ifndef CW_TESTS_UNIT_COMMON_CHECK_H
#define CW_TESTS_UNIT_COMMON_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base.h"

#endif
