# One row an ISA, best first: name | CMAKE_SYSTEM_PROCESSOR pattern | compile flags.
# The only machine flags of the whole build stand here; each folder's `needs` equals its flags.
set(CINCEL_ISA_TABLE
  "avx512|x86_64|amd64|-mavx2 -mfma -mavx512f -mavx512bw -mavx512dq -mavx512vl"
  "avx2|x86_64|amd64|-mavx2 -mfma"
  "neon|aarch64|arm64|"
  "generic|.*|.*|"
)

# Adds an object library for each ISA of this processor to CINCEL_ISA_OBJECTS and writes
# cincel_isa_list.h, the list kernels/isas.c is made of. CINCEL_ISAS: their names, best first.
function(cincel_add_isas)
  set(list "")
  set(objects "")
  set(names "")
  foreach(row IN LISTS CINCEL_ISA_TABLE)
    string(REPLACE "|" ";" cells "${row}")
    list(GET cells 0 name)
    list(GET cells 1 cpu)
    list(GET cells 2 cpu_alias)
    list(GET cells 3 flags)
    if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "^(${cpu}|${cpu_alias})$")
      continue()
    endif()
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/${name}/*.c)
    separate_arguments(flags)
    add_library(cincel-kernels-${name} OBJECT ${sources})
    target_compile_options(cincel-kernels-${name} PRIVATE ${flags} -ffp-contract=off -fno-math-errno)
    if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
      # Long chains of arithmetic on several registers: in step, as gcc does not put them by itself. With it
      # GELU takes 27 cycles a register of a Zen 3 and not 36.
      set(in_step ${sources})
      list(FILTER in_step INCLUDE REGEX "/(vector|loss)\\.c$")
      set_source_files_properties(${in_step} PROPERTIES
        COMPILE_OPTIONS "-fschedule-insns;-fsched-pressure")
    endif()
    target_link_libraries(cincel-kernels-${name} PRIVATE cincel-flags)
    list(APPEND objects $<TARGET_OBJECTS:cincel-kernels-${name}>)
    list(APPEND names ${name})
    string(APPEND list "CINCEL_ISA(${name})\n")
  endforeach()
  file(GENERATE OUTPUT ${PROJECT_BINARY_DIR}/generated/cincel_isa_list.h CONTENT "${list}")
  set(CINCEL_ISA_OBJECTS ${objects} PARENT_SCOPE)
  set(CINCEL_ISAS ${names} PARENT_SCOPE)
endfunction()
