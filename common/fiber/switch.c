#include "common/fiber/switch.h"

#define STACK_ALIGN ((uintptr_t)16)

#if defined(__x86_64__)

static void fill(struct cw_switch_frame *frame, void (*fn)(void *arg), void *arg)
{
    uint32_t mxcsr = 0;
    uint16_t x87_control = 0;
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    __asm__ volatile("fnstcw %0" : "=m"(x87_control));
    *frame = (struct cw_switch_frame){
        .mxcsr = mxcsr & ~UINT32_C(0x3F), /* the control bits, no pending exception flags */
        .x87_control = x87_control,
        .r12 = (uint64_t)(uintptr_t)fn,
        .rbx = (uint64_t)(uintptr_t)arg,
        .rip = (uint64_t)(uintptr_t)cw_switch_boot + CW_SWITCH_BOOT_ENTRY,
    };
}

#elif defined(__aarch64__)

static void fill(struct cw_switch_frame *frame, void (*fn)(void *arg), void *arg)
{
    *frame = (struct cw_switch_frame){
        .x19 = (uint64_t)(uintptr_t)fn,
        .x20 = (uint64_t)(uintptr_t)arg,
        .x30 = (uint64_t)(uintptr_t)cw_switch_boot + CW_SWITCH_BOOT_ENTRY,
    };
}

#endif

void *cw_switch_prepare(char *base, size_t bytes, void (*fn)(void *arg), void *arg)
{
    uintptr_t top = ((uintptr_t)base + bytes) & ~(STACK_ALIGN - 1);
    uintptr_t sp = top - STACK_ALIGN - sizeof(struct cw_switch_frame);
    struct cw_switch_frame *frame = (struct cw_switch_frame *)sp;
    fill(frame, fn, arg);
    return frame;
}
