#include "tune/profile_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/atomic_file.h"
#include "core/status.h"
#include "tune/folders.h"

static const off_t most_bytes = (off_t)64 << 20; /* a hundred thousand entries: more is a mistake */

/* ---------------------------------------------------------------------------------- reading -- */

/* The whole file; *text is NULL where there is none. */
static cincel_status read_text(const char *path, char **text, size_t *size)
{
    cincel_status st = CINCEL_OK;
    struct stat facts;
    *text = NULL;
    *size = 0;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* opening a pipe must not wait */
    if (fd < 0)
        return errno == ENOENT ? CINCEL_OK : cincel_fail_errno(CINCEL_IO_ERROR, "%s: cannot open", path);
    if (fstat(fd, &facts) != 0) {
        st = cincel_fail_errno(CINCEL_IO_ERROR, "%s: cannot read", path);
        goto done;
    }
    if (!S_ISREG(facts.st_mode) || facts.st_size > most_bytes) {
        st = cincel_fail(CINCEL_IO_ERROR, "%s: %s", path,
                         S_ISREG(facts.st_mode) ? "too large for a profile" : "is no regular file");
        goto done;
    }
    const size_t room = (size_t)facts.st_size;
    *text = malloc(room + 1);
    if (!*text) st = cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory for %zu bytes", path, room);
    ssize_t got = 1;
    while (st == CINCEL_OK && *size < room && got > 0) { /* less than its size: cut while being read */
        got = read(fd, *text + *size, room - *size);
        if (got > 0) *size += (size_t)got;
        if (got < 0 && errno == EINTR) got = 1;
        if (got < 0) st = cincel_fail_errno(CINCEL_IO_ERROR, "%s: cannot read", path);
    }
done:
    close(fd);
    return st;
}

cincel_status cincel_profile_read(const char *path, struct cincel_profile_content *out)
{
    struct cincel_profile_content c = {.profile = cincel_profile_create()};
    char *text = NULL;
    size_t size;
    bool is_profile = true;
    cincel_status st = CINCEL_OK;
    if (!c.profile) st = cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory", path);
    if (st == CINCEL_OK) st = read_text(path, &text, &size);
    if (st == CINCEL_OK && text) {
        c.there = size > 0;
        if (!cincel_profile_parse(text, size, c.profile, &c.facts, &c.damaged, &is_profile))
            st = is_profile ? cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory", path)
                            : cincel_fail(CINCEL_FORMAT_ERROR, "%s: is no profile this version knows", path);
    }
    free(text);
    if (st != CINCEL_OK) {
        cincel_profile_destroy(c.profile);
        return st;
    }
    *out = c;
    return CINCEL_OK;
}

cincel_status cincel_profile_check_machine(const char *path, const struct cincel_profile_facts *facts,
                                           const char *machine)
{
    const char *its = cincel_profile_machine(facts);
    if (strcmp(its, machine) == 0) return CINCEL_OK;
    return cincel_fail(CINCEL_UNSUPPORTED, "%s: is for machine %s, not for %s", path, *its ? its : "unknown",
                       machine);
}

/* ---------------------------------------------------------------------------------- writing -- */

/* Makes the folder of a file, and takes the lock beside it; *fd is then for close(). What a rewrite that was
   killed left behind goes. */
static cincel_status lock(const char *path, int *fd)
{
    char name[PATH_MAX];
    if (!*path || snprintf(name, sizeof name, "%s.lock", path) >= (int)sizeof name)
        return cincel_fail(CINCEL_IO_ERROR, "profile: the file name \"%.40s\" is %s", path,
                           *path ? "too long" : "empty");
    char *slash = strrchr(name, '/');
    if (slash && slash > name) {
        *slash = '\0';
        if (!cincel_make_folders(name))
            return cincel_fail_errno(CINCEL_IO_ERROR, "%s: cannot make the folder", name);
        *slash = '/';
    }
    *fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (*fd < 0) return cincel_fail_errno(CINCEL_IO_ERROR, "%s: cannot open", name);
    while (flock(*fd, LOCK_EX) != 0) {
        if (errno == EINTR) continue;
        close(*fd);
        return cincel_fail_errno(CINCEL_IO_ERROR, "%s: cannot lock", name);
    }
    cincel_atomic_file_sweep(path);
    return CINCEL_OK;
}

/* The file's own header, for a writer that is about to add to it. */
static cincel_status check_head(const char *path, int fd, off_t size, const char *machine)
{
    char head[2 * CINCEL_PROFILE_HEADER];
    struct cincel_profile_facts facts;
    size_t damaged;
    bool is_profile = false;
    const ssize_t got = pread(fd, head, size < (off_t)sizeof head ? (size_t)size : sizeof head, 0);
    if (got < 0) return cincel_fail_errno(CINCEL_IO_ERROR, "%s: cannot read", path);
    struct cincel_profile *ignored = cincel_profile_create();
    if (!ignored) return cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory", path);
    cincel_profile_parse(head, (size_t)got, ignored, &facts, &damaged, &is_profile);
    cincel_profile_destroy(ignored);
    if (!is_profile) return cincel_fail(CINCEL_FORMAT_ERROR, "%s: is no profile this version knows", path);
    return cincel_profile_check_machine(path, &facts, machine);
}

/* Header where the file is empty, a newline where its last line was cut off, the entry: one write. */
static cincel_status append(const char *path, int fd, const struct cincel_profile_facts *facts,
                            const struct cincel_profile_entry *e)
{
    char text[CINCEL_PROFILE_HEADER + CINCEL_PROFILE_LINE + 1], last = '\n';
    struct stat now;
    size_t size = 0;
    if (fstat(fd, &now) != 0) return cincel_fail_errno(CINCEL_IO_ERROR, "%s: cannot read", path);
    if (!S_ISREG(now.st_mode)) return cincel_fail(CINCEL_IO_ERROR, "%s: is no regular file", path);
    if (now.st_size == 0) {
        size = cincel_profile_print_header(facts, text);
    } else {
        const cincel_status st = check_head(path, fd, now.st_size, cincel_profile_machine(facts));
        if (st != CINCEL_OK) return st;
        if (pread(fd, &last, 1, now.st_size - 1) != 1)
            return cincel_fail_errno(CINCEL_IO_ERROR, "%s: cannot read", path);
        if (last != '\n') text[size++] = '\n';
    }
    size += cincel_profile_print_entry(e, text + size);
    ssize_t done;
    do {
        errno = 0;
        done = write(fd, text, size);
    } while (done < 0 && errno == EINTR);
    if (done == (ssize_t)size && fdatasync(fd) == 0) return CINCEL_OK;
    if (done >= 0 && !errno) errno = ENOSPC;
    const cincel_status st = cincel_fail_errno(CINCEL_IO_ERROR, "%s: cannot write", path);
    if (done > 0 && ftruncate(fd, now.st_size) != 0)
        return cincel_fail_errno(CINCEL_IO_ERROR, "%s: cannot take half an entry back", path);
    return st;
}

cincel_status cincel_profile_append_entry(const char *path, const struct cincel_profile_facts *facts,
                                          const struct cincel_profile_entry *e)
{
    int guard;
    cincel_status st = lock(path, &guard);
    if (st != CINCEL_OK) return st;
    const int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0666);
    if (fd < 0) {
        st = cincel_fail_errno(CINCEL_IO_ERROR, "%s: cannot open", path);
    } else {
        st = append(path, fd, facts, e);
        close(fd);
    }
    close(guard);
    return st;
}

static cincel_status write_all(const char *path, const struct cincel_profile_facts *facts,
                               struct cincel_profile *profile)
{
    struct cincel_atomic_file *file;
    struct cincel_profile_entry e;
    char text[CINCEL_PROFILE_HEADER];
    const cincel_status st = cincel_atomic_file_create(path, &file);
    if (st != CINCEL_OK) return st;
    cincel_atomic_file_write(file, text, cincel_profile_print_header(facts, text));
    for (size_t i = 0; cincel_profile_at(profile, i, &e); i++)
        cincel_atomic_file_write(file, text, cincel_profile_print_entry(&e, text));
    return cincel_atomic_file_commit(file);
}

cincel_status cincel_profile_rewrite(const char *path, const struct cincel_profile_facts *facts,
                                     struct cincel_profile *from, enum cincel_profile_rule rule, bool foreign,
                                     struct cincel_profile_merged *out)
{
    struct cincel_profile_content there = {.profile = NULL};
    struct cincel_profile_merged merged = {0};
    struct cincel_profile_entry e;
    size_t *const count[] = {&merged.added, &merged.replaced, &merged.kept}; /* by fate */
    int guard;
    cincel_status st = lock(path, &guard);
    if (st != CINCEL_OK) return st;
    st = cincel_profile_read(path, &there);
    if (st == CINCEL_OK && there.there && !foreign)
        st = cincel_profile_check_machine(path, &there.facts, cincel_profile_machine(facts));
    for (size_t i = 0; st == CINCEL_OK && cincel_profile_at(from, i, &e); i++) {
        enum cincel_profile_fate fate;
        if (!cincel_profile_put(there.profile, &e, rule, &fate))
            st = cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory", path);
        else
            ++*count[fate];
    }
    merged.damaged = there.damaged;
    if (st == CINCEL_OK) st = write_all(path, there.there ? &there.facts : facts, there.profile);
    cincel_profile_destroy(there.profile);
    close(guard);
    if (st == CINCEL_OK && out) *out = merged;
    return st;
}
