/* The ISAs of this build, in order of preference: the list itself comes from cmake/isa.cmake. */
#include "kernels/kernel.h"

#define CINCEL_ISA(name) extern const struct cincel_isa cincel_isa_##name;
#include "cincel_isa_list.h"
#undef CINCEL_ISA

#define CINCEL_ISA(name) &cincel_isa_##name,
const struct cincel_isa *const cincel_isas[] = {
#include "cincel_isa_list.h"
    NULL};
