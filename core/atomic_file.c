#include "core/atomic_file.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/status.h"

enum { BUFFER_BYTES = 1 << 16, NAME_ATTEMPTS = 1000 };

struct cincel_atomic_file {
    int fd;
    int error; /* errno of the first failure, 0: none */
    size_t used;
    char *path, *temporary;
    char buffer[BUFFER_BYTES];
};

static cincel_status failed(const char *path, int error)
{
    errno = error;
    return cincel_fail_errno(CINCEL_IO_ERROR, "%s: cannot write", path);
}

static void release(struct cincel_atomic_file *file)
{
    if (file->fd >= 0) close(file->fd);
    free(file->path);
    free(file->temporary);
    free(file);
}

/*
 * A name of our own in the target's folder: `target.PID-N.tmp`. O_EXCL makes N unique among the threads
 * of this process and the leftovers of killed ones; the mode follows the umask, which mkstemp's would not.
 */
static int open_temporary(struct cincel_atomic_file *file)
{
    for (int attempt = 0; attempt < NAME_ATTEMPTS; attempt++) {
        free(file->temporary);
        file->temporary = NULL;
        if (asprintf(&file->temporary, "%s.%ld-%d.tmp", file->path, (long)getpid(), attempt) < 0) {
            file->temporary = NULL;
            return ENOMEM;
        }
        file->fd = open(file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file->fd >= 0) return 0;
        if (errno != EEXIST) return errno;
    }
    return EEXIST;
}

cincel_status cincel_atomic_file_create(const char *path, struct cincel_atomic_file **out)
{
    assert(path && out);
    if (!*path) return cincel_fail(CINCEL_IO_ERROR, "cannot write: the file name is empty");
    struct stat target;
    if (lstat(path, &target) == 0 && !S_ISREG(target.st_mode) && !S_ISLNK(target.st_mode))
        return cincel_fail(CINCEL_IO_ERROR, "%s: cannot write: exists and is no regular file", path);

    struct cincel_atomic_file *file = malloc(sizeof *file);
    if (!file) return cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory for the write buffer", path);
    file->fd = -1;
    file->error = 0;
    file->used = 0;
    file->temporary = NULL;
    file->path = strdup(path);

    const int error = file->path ? open_temporary(file) : ENOMEM;
    if (error) {
        release(file);
        return failed(path, error);
    }
    *out = file;
    return CINCEL_OK;
}

static void write_through(struct cincel_atomic_file *file, const char *data, size_t bytes)
{
    while (bytes && !file->error) {
        const ssize_t done = write(file->fd, data, bytes);
        if (done >= 0) {
            data += done;
            bytes -= (size_t)done;
        } else if (errno != EINTR) {
            file->error = errno;
        }
    }
}

static void flush(struct cincel_atomic_file *file)
{
    write_through(file, file->buffer, file->used);
    file->used = 0;
}

cincel_status cincel_atomic_file_write(struct cincel_atomic_file *file, const void *data, size_t bytes)
{
    assert(file && (data || !bytes));
    if (bytes > BUFFER_BYTES - file->used) flush(file);
    if (bytes > BUFFER_BYTES) {
        write_through(file, data, bytes);
    } else if (bytes && !file->error) {
        memcpy(file->buffer + file->used, data, bytes);
        file->used += bytes;
    }
    return file->error ? failed(file->path, file->error) : CINCEL_OK;
}

cincel_status cincel_atomic_file_printf(struct cincel_atomic_file *file, const char *format, ...)
{
    assert(file && format);
    char *line = NULL;
    va_list arguments;
    va_start(arguments, format);
    const int length = vasprintf(&line, format, arguments);
    va_end(arguments);
    if (length < 0) {
        if (!file->error) file->error = ENOMEM;
        return failed(file->path, file->error);
    }
    const cincel_status status = cincel_atomic_file_write(file, line, (size_t)length);
    free(line);
    return status;
}

/* The folder of `path`, for the caller to free; NULL: no memory. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    const size_t length = slash ? (size_t)(slash - path) : 0;
    return slash ? strndup(path, length ? length : 1) : strdup(".");
}

/* The folder of `path`, synced: only then does the new name survive a power cut. */
static int sync_folder(const char *path)
{
    char *folder = folder_of(path);
    if (!folder) return ENOMEM;

    int error = 0;
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        /* A folder one may write to but not list cannot be synced; the rename itself has happened. */
        error = errno == EACCES ? 0 : errno;
    } else {
        /* EINVAL: a file system that has no such operation for folders. */
        if (fsync(fd) != 0 && errno != EINVAL) error = errno;
        close(fd);
    }
    free(folder);
    return error;
}

cincel_status cincel_atomic_file_commit(struct cincel_atomic_file *file)
{
    assert(file);
    flush(file);
    if (!file->error && fsync(file->fd) != 0) file->error = errno;
    const int closed = close(file->fd);
    file->fd = -1;
    if (!file->error && closed != 0) file->error = errno;

    if (!file->error && rename(file->temporary, file->path) != 0) file->error = errno;
    if (file->error)
        unlink(file->temporary);
    else
        file->error = sync_folder(file->path);

    const cincel_status status = file->error ? failed(file->path, file->error) : CINCEL_OK;
    release(file);
    return status;
}

void cincel_atomic_file_abandon(struct cincel_atomic_file *file)
{
    if (!file) return;
    unlink(file->temporary);
    release(file);
}

cincel_status cincel_atomic_file_replace(const char *path, const void *data, size_t bytes)
{
    struct cincel_atomic_file *file;
    const cincel_status status = cincel_atomic_file_create(path, &file);
    if (status != CINCEL_OK) return status;
    cincel_atomic_file_write(file, data, bytes);
    return cincel_atomic_file_commit(file);
}

/* Is `file` a name that open_temporary makes for `target`? */
static bool is_temporary(const char *file, const char *target)
{
    const size_t length = strlen(target);
    int used = -1;
    if (strncmp(file, target, length) != 0) return false;
    sscanf(file + length, ".%*[0-9]-%*[0-9].tmp%n", &used);
    return used > 0 && file[length + (size_t)used] == '\0';
}

void cincel_atomic_file_sweep(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = folder_of(path);
    DIR *list = folder ? opendir(folder) : NULL;
    free(folder);
    if (!list) return; /* what cannot be listed stays as it is: no reader takes notice of it */
    for (struct dirent *entry; (entry = readdir(list));)
        if (is_temporary(entry->d_name, slash ? slash + 1 : path)) unlinkat(dirfd(list), entry->d_name, 0);
    closedir(list);
}
