/* Flush-to-zero and denormals-are-zero for the duration of a plan: denormals in LSTM states make
   training up to 260x slower without it. */
#ifndef CINCEL_CORE_FPMODE_H
#define CINCEL_CORE_FPMODE_H

#include <stdint.h>

/* Sets FTZ/DAZ (x86: MXCSR; aarch64: FPCR.FZ) on this thread; returns the state to restore. */
uint64_t cincel_fpmode_enter(void);
void cincel_fpmode_leave(uint64_t saved);

#endif
