/*
 * A profile as text, `MACHINE_KEY.profile`:
 *
 *   cincel-profile 1
 *   # problem | threads allowed | choice | fastest | median / fastest | untuned choice | checksum
 *   machine amd-25-1-avx2-l1_32k-l2_512k
 *   isa avx2
 *   cores 2
 *   …
 *   conv/fwd n64 g1 ic32 … acc0 | t2 | direct avx2 gemm_6x16_avx2 t2 edge=0 … | 512300 ns | x1.021 | 640100
 * ns | 1c291ca3
 *
 * Empty lines and those that begin with # say nothing. Figures are whole numbers with a fixed number of
 * places: nothing depends on the locale. A line's checksum is FNV-1a of all before its last separator, so
 * that a torn line or a flipped bit is seen as such; it keeps nobody from writing what they want, and every
 * choice is checked again before it is used.
 */
#ifndef CINCEL_TUNE_PROFILE_TEXT_H
#define CINCEL_TUNE_PROFILE_TEXT_H

#include "tune/profile.h"

enum { CINCEL_PROFILE_LINE = 768, CINCEL_PROFILE_FACTS = 8, CINCEL_PROFILE_HEADER = 1024 };

/* The header's lines: names (profile_text.c) and values; "" where the file has none. */
struct cincel_profile_facts {
    char value[CINCEL_PROFILE_FACTS][96];
};
extern const char *const cincel_profile_fact_names[CINCEL_PROFILE_FACTS];

/* The machine key, the first of the facts. */
const char *cincel_profile_machine(const struct cincel_profile_facts *facts);

/* Of this machine, build and ISA. */
void cincel_profile_facts_here(const struct cincel_machine *machine, const char *isa,
                               struct cincel_profile_facts *out);

/* The whole header; returns its length. */
size_t cincel_profile_print_header(const struct cincel_profile_facts *facts, char out[CINCEL_PROFILE_HEADER]);

/* One entry with its newline; returns the length. */
size_t cincel_profile_print_entry(const struct cincel_profile_entry *e, char out[CINCEL_PROFILE_LINE]);

/* An entry without its newline; false where anything is wrong with it. */
bool cincel_profile_parse_entry(const char *line, struct cincel_profile_entry *out);

/*
 * Reads `size` bytes into `profile` and `facts`; of several entries for one problem the one with the larger
 * gain stays. Lines that are neither entry, fact nor comment are counted in *damaged. False for lack of
 * memory, and (with *is_profile false) where the first line says that this is something else.
 */
bool cincel_profile_parse(const char *text, size_t size, struct cincel_profile *profile,
                          struct cincel_profile_facts *facts, size_t *damaged, bool *is_profile);

#endif
