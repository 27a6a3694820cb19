#include "core/fpmode.h"

#if defined(__x86_64__)

#include <xmmintrin.h>

enum { MXCSR_DAZ = 0x0040, MXCSR_FTZ = 0x8000 };

uint64_t cincel_fpmode_enter(void)
{
    const unsigned saved = _mm_getcsr();
    _mm_setcsr(saved | MXCSR_DAZ | MXCSR_FTZ);
    return saved;
}

void cincel_fpmode_leave(uint64_t saved) { _mm_setcsr((unsigned)saved); }

#elif defined(__aarch64__)

static const uint64_t fpcr_fz = (uint64_t)1 << 24; /* flushes inputs and results */

uint64_t cincel_fpmode_enter(void)
{
    uint64_t saved;
    __asm__ volatile("mrs %0, fpcr" : "=r"(saved));
    __asm__ volatile("msr fpcr, %0" : : "r"(saved | fpcr_fz) : "memory");
    return saved;
}

void cincel_fpmode_leave(uint64_t saved) { __asm__ volatile("msr fpcr, %0" : : "r"(saved) : "memory"); }

#else

uint64_t cincel_fpmode_enter(void) { return 0; }
void cincel_fpmode_leave(uint64_t saved) { (void)saved; }

#endif
