/* common/sanitize.h: which sanitizer this file is compiled with: CW_WITH_ASAN, CW_WITH_TSAN are 0 or 1.
 *
 * Suspends: never.  Thread: any. */
#ifndef CW_COMMON_SANITIZE_H
#define CW_COMMON_SANITIZE_H

#ifndef __has_feature
#define __has_feature(x) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define CW_WITH_ASAN 1
#else
#define CW_WITH_ASAN 0
#endif

#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define CW_WITH_TSAN 1
#else
#define CW_WITH_TSAN 0
#endif

#endif
