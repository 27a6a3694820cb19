/*
 * Profiles on disk. Writers hold a lock on `FILE.lock`, which stays behind; readers need none: an append is
 * one write of whole lines, and a rewrite replaces the file as a whole. A process killed at any moment loses
 * nothing that was finished; what an append was cut off in is a damaged line, and the next one begins afresh.
 */
#ifndef CINCEL_TUNE_PROFILE_FILE_H
#define CINCEL_TUNE_PROFILE_FILE_H

#include "tune/profile_text.h"

struct cincel_profile_content {
    struct cincel_profile *profile; /* for cincel_profile_destroy */
    struct cincel_profile_facts facts;
    size_t damaged; /* lines skipped */
    bool there;     /* false: no such file, or an empty one */
};

/*
 * Reads all. A file that is not there is empty. IO_ERROR: cannot be read, no regular file, or over 64 MB;
 * FORMAT_ERROR: no profile at all. `out` is written on success only.
 */
cincel_status cincel_profile_read(const char *path, struct cincel_profile_content *out);

/* UNSUPPORTED where `facts`, of the file `path`, are of another machine than `machine`. */
cincel_status cincel_profile_check_machine(const char *path, const struct cincel_profile_facts *facts,
                                           const char *machine);

/* Adds one entry; makes the file, with these facts, and its folder where they are not there. A file of
   another machine is refused. */
cincel_status cincel_profile_append_entry(const char *path, const struct cincel_profile_facts *facts,
                                          const struct cincel_profile_entry *e);

struct cincel_profile_merged {
    size_t added, replaced, kept; /* entries of the source */
    size_t damaged;               /* lines of the target that went */
};

/* Merges the entries of `from` into the file by the rule, under the lock, and replaces it as a whole.
   `foreign`: another machine's file is no hindrance. `out` may be NULL. */
cincel_status cincel_profile_rewrite(const char *path, const struct cincel_profile_facts *facts,
                                     struct cincel_profile *from, enum cincel_profile_rule rule, bool foreign,
                                     struct cincel_profile_merged *out);

#endif
