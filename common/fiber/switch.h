/* common/fiber/switch.h: the context switch, in assembly. For common/fiber alone.
 *
 * A parked context is one stack pointer; above it lie the registers that a called function must preserve, in the order of
 * struct cw_switch_frame. ops/gdb reads the same layout.  Source: System V AMD64 ABI 3.2.3; AAPCS64, section 6. */
#ifndef CW_COMMON_FIBER_SWITCH_H
#define CW_COMMON_FIBER_SWITCH_H

#include "common/base.h"

#if defined(__x86_64__)
#define CW_SWITCH_BOOT_ENTRY 1 /* behind the nop */
struct cw_switch_frame {
    uint32_t mxcsr;
    uint32_t x87_control;
    uint64_t r15, r14, r13, r12, rbx, rbp;
    uint64_t rip;
};
#elif defined(__aarch64__)
#define CW_SWITCH_BOOT_ENTRY 4
struct cw_switch_frame {
    uint64_t d8_to_d15[8];
    uint64_t x19, x20, x21, x22, x23, x24, x25, x26, x27, x28;
    uint64_t x29, x30;
};
#else
#error "a context switch for this processor is missing: see common/fiber/switch_x86_64.S"
#endif

/* Save the running context, its stack pointer at *save_sp, and go on where load_sp was saved. */
void cw_switch(void **save_sp, void *load_sp);
/* The first frame of each fiber: calls fn(arg), which never returns. Entered by cw_switch only, CW_SWITCH_BOOT_ENTRY bytes
 * behind its start: a debugger takes the byte before a return address for the call. */
void cw_switch_boot(void);
/* Prepare a stack of [base, base + bytes) so that the first switch to the returned pointer calls fn(arg). */
void *cw_switch_prepare(char *base, size_t bytes, void (*fn)(void *arg), void *arg);

#endif
