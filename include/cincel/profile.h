/*
 * cincel: profiles, the results of tuning that outlive a process.
 *
 * A profile is a text file for one machine, one line a problem, pass and number of threads: the choice that
 * was fastest, its time, and the time of the untuned choice in the same session (docs/tuning.md). A context
 * reads them once, when it is made, from four layers, of which a later one has precedence:
 *
 *   what is built in      the cost model
 *   the system's          each folder of $XDG_CONFIG_DIRS (/etc/xdg), `cincel/MACHINE_KEY.profile`
 *   the user's            $XDG_CONFIG_HOME (~/.config), `cincel/MACHINE_KEY.profile`
 *   $CINCEL_PROFILE       that file
 *
 * and not at all with CINCEL_PROFILES_NONE or `reproducible`. A file that cannot be used, a damaged line, an
 * entry that is not valid here: each is passed over and said in the log; none is an error while a context is
 * made. What MEASURE finds joins the context's profile at once; nothing is written unless a call here is
 * made.
 */
#ifndef CINCEL_PROFILE_H
#define CINCEL_PROFILE_H

#include "cincel/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Flags of _load and _merge, to be or-ed. */
enum { CINCEL_PROFILE_FORCE = 1u /* take another machine's file too */ };

/* What became of a file's entries. */
typedef struct cincel_profile_stats {
    size_t size;
    size_t entries;  /* of the file, whole and readable */
    size_t added;    /* for problems that had none */
    size_t replaced; /* in place of another */
    size_t kept;     /* the other stayed: _merge only */
    size_t damaged;  /* lines skipped: cut off, changed, or never of a profile */
} cincel_profile_stats;
#define CINCEL_PROFILE_STATS_INIT                   \
    {                                               \
        sizeof(cincel_profile_stats), 0, 0, 0, 0, 0 \
    }

/*
 * Reads `path` on top of what the context knows: its entries replace those of the same problem. Thread-safe;
 * plans made later use them. `stats` may be NULL.
 * INVALID_ARGUMENT: a null pointer, unknown flags, or a context that is `reproducible`; IO_ERROR: cannot be
 * read or is not there; FORMAT_ERROR: no profile; UNSUPPORTED: another machine's and not forced.
 */
CINCEL_API cincel_status cincel_profile_load(cincel_context *ctx, const char *path, unsigned flags,
                                             cincel_profile_stats *stats);

/*
 * Merges what MEASURE found on this context into a file, which is made if it is not there. `path` NULL: the
 * user's. Several processes may do so at once, and may be killed: nothing is lost. What was measured here
 * replaces what the file had for the same problem. UNSUPPORTED: the file is another machine's, or (`path`
 * NULL) there is no home folder.
 */
CINCEL_API cincel_status cincel_profile_save(cincel_context *ctx, const char *path);

/* Adds what MEASURE or CONFIRM found for this plan to a file, in one write; of several entries for a problem
   in a file the last one counts. INVALID_ARGUMENT for plans made otherwise.
   `path` as for _save. */
CINCEL_API cincel_status cincel_profile_append(const cincel_plan *plan, const char *path);

/* Merges the file `from` into the file `to` by the same rule. `to` is made, for the machine of `from`, if it
   is not there; both must be of one machine, unless forced. `stats` (of `from`) may be NULL. */
CINCEL_API cincel_status cincel_profile_merge(const char *to, const char *from, unsigned flags,
                                              cincel_profile_stats *stats);

/* Which file. */
typedef enum cincel_profile_layer {
    CINCEL_PROFILE_SYSTEM = 0, /* the one with precedence */
    CINCEL_PROFILE_USER,
    CINCEL_PROFILE_ENVIRONMENT
} cincel_profile_layer;

/* Path of a layer's file on this machine, whether it is there or not; UNSUPPORTED where the environment names
   none, INVALID_ARGUMENT where `size` bytes are too few. */
CINCEL_API cincel_status cincel_profile_path(const cincel_context *ctx, cincel_profile_layer layer, char *out,
                                             size_t size);

/* Entries the context knows, read or measured; 0 for NULL. */
CINCEL_API size_t cincel_profile_entries(cincel_context *ctx);

/* Where a plan's choice came from. */
typedef enum cincel_plan_source {
    CINCEL_SOURCE_MODEL = 0, /* the cost model */
    CINCEL_SOURCE_EXACT,     /* the profile's entry for this problem and number of threads */
    CINCEL_SOURCE_NEIGHBOUR, /* its entry for a similar problem */
    CINCEL_SOURCE_MEASURED,  /* MEASURE, just now */
    CINCEL_SOURCE_GIVEN      /* cincel_options.choice */
} cincel_plan_source;

/* What is known of a plan's speed; seconds a call, conversions of layouts left out. */
typedef struct cincel_plan_timing {
    size_t size;
    cincel_plan_source source;
    double seconds;         /* measured (EXACT, MEASURED), else expected */
    double default_seconds; /* of the untuned choice in the same session; 0: not known */
    double spread;          /* median over fastest of the measured times; 0: not known */
} cincel_plan_timing;
#define CINCEL_PLAN_TIMING_INIT                                        \
    {                                                                  \
        sizeof(cincel_plan_timing), CINCEL_SOURCE_MODEL, 0.0, 0.0, 0.0 \
    }

/* Fills *out, whose size is set. */
CINCEL_API cincel_status cincel_plan_describe_timing(const cincel_plan *plan, cincel_plan_timing *out);

#ifdef __cplusplus
}
#endif
#endif
