/*
 * What tuning found, in memory: entries by problem and number of threads, and the nearest ones to a problem
 * that has none. Any number of threads may use one profile at once.
 */
#ifndef CINCEL_TUNE_PROFILE_H
#define CINCEL_TUNE_PROFILE_H

#include "ops/algo.h"

/* Extents that neighbours differ in: batch, input and output channels, height, width, threads. */
enum { CINCEL_PROFILE_SIZES = 6 };

struct cincel_profile_entry {
    char key[CINCEL_PROBLEM_KEY];
    int threads; /* that were allowed; the choice may use fewer */
    char choice[CINCEL_CHOICE_TEXT];
    double seconds;         /* the fastest run */
    double spread;          /* median over fastest, ≥ 1 */
    double default_seconds; /* the fastest run of the untuned choice, in the same session */

    /* set by _entry_identify */
    uint64_t structure;               /* equal for problems that can learn from each other */
    float size[CINCEL_PROFILE_SIZES]; /* log2 */

    bool refused;  /* its choice is not valid here: never tried again */
    bool measured; /* by this process, not read */
};

/* Which of two entries of one problem stays. */
enum cincel_profile_rule {
    CINCEL_PROFILE_NEWER,  /* the one put last: a layer above, a new measurement */
    CINCEL_PROFILE_FASTER, /* the larger gain over the untuned choice of its own session: times of different
                              sessions say more about the sessions; the one that was there stays in a tie */
};

/* What became of an entry. */
enum cincel_profile_fate { CINCEL_PROFILE_ADDED, CINCEL_PROFILE_REPLACED, CINCEL_PROFILE_KEPT };

struct cincel_profile;

/* NULL: no memory. */
struct cincel_profile *cincel_profile_create(void);
void cincel_profile_destroy(struct cincel_profile *profile); /* NULL is allowed */

/* Fills key, threads and what is derived from them. */
void cincel_profile_identify(struct cincel_profile_entry *e, const struct cincel_problem *p, int threads);

/* default_seconds / seconds */
double cincel_profile_gain(const struct cincel_profile_entry *e);

/* Copies the entry in; false: no memory. `fate` may be NULL. */
bool cincel_profile_put(struct cincel_profile *profile, const struct cincel_profile_entry *e,
                        enum cincel_profile_rule rule, enum cincel_profile_fate *fate);

/* The entry of this key and number of threads. */
bool cincel_profile_find(struct cincel_profile *profile, const char *key, int threads,
                         struct cincel_profile_entry *out);

/*
 * The nearest entries of the same structure as `like` (identified), nearest first, refused ones and `like`
 * itself left out; returns how many, at most `room`. Distance: doublings from one to the other, all
 * extents together; none beyond `farthest`.
 */
int cincel_profile_nearest(struct cincel_profile *profile, const struct cincel_profile_entry *like,
                           float farthest, struct cincel_profile_entry *out, int room);

/* Marks an entry whose choice failed its check. */
void cincel_profile_refuse(struct cincel_profile *profile, const char *key, int threads);

size_t cincel_profile_size(struct cincel_profile *profile);

/* The i-th entry in the order of arrival; false past the end. */
bool cincel_profile_at(struct cincel_profile *profile, size_t i, struct cincel_profile_entry *out);

#endif
