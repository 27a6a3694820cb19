#include "train/reader.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "core/status.h"

enum {
    FIRST_BLOCK = 1 << 20, /* memory taken at first for data of unknown size */
    READ_STEP = 1 << 30,   /* gzread counts in unsigned int and returns an int */
    DEFLATE_MOST = 1032    /* a length-258 match takes at least 2 bits: no stream expands further */
};

struct cincel_reader {
    int fd;       /* -1: owned by gz */
    gzFile gz;    /* NULL for a plain file */
    size_t limit; /* most bytes in all */
    size_t done;
    char path[];
};

static cincel_status open_gzip(struct cincel_reader *reader)
{
    if (__builtin_mul_overflow(reader->limit, (size_t)DEFLATE_MOST, &reader->limit)) reader->limit = SIZE_MAX;
    reader->gz = gzdopen(reader->fd, "rb");
    if (!reader->gz) return cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory to decompress", reader->path);
    reader->fd = -1;
    gzbuffer(reader->gz, 1 << 17);
    return CINCEL_OK;
}

/* The file is open: is it one we can read, and how much can it hold? */
static cincel_status inspect(struct cincel_reader *reader, bool gzip)
{
    struct stat facts;
    if (fstat(reader->fd, &facts) != 0)
        return cincel_fail_errno(CINCEL_IO_ERROR, "%s: cannot read", reader->path);
    if (!S_ISREG(facts.st_mode)) return cincel_fail(CINCEL_IO_ERROR, "%s: is no regular file", reader->path);
    if ((uintmax_t)facts.st_size > SIZE_MAX)
        return cincel_fail(CINCEL_UNSUPPORTED, "%s: is too large for this machine", reader->path);
    reader->limit = (size_t)facts.st_size;

    unsigned char magic[2] = {0};
    if (!gzip) return CINCEL_OK;
    if (pread(reader->fd, magic, sizeof magic, 0) < 0)
        return cincel_fail_errno(CINCEL_IO_ERROR, "%s: cannot read", reader->path);
    return magic[0] == 0x1f && magic[1] == 0x8b ? open_gzip(reader) : CINCEL_OK;
}

static cincel_status open_reader(const char *path, bool gzip, struct cincel_reader **out)
{
    assert(path && out);
    const size_t length = strlen(path) + 1;
    struct cincel_reader *reader = malloc(sizeof *reader + length);
    if (!reader) return cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory to open it", path);
    memcpy(reader->path, path, length);
    reader->gz = NULL;
    reader->done = 0;
    /* O_NONBLOCK: a named pipe nobody writes to would block here, before it can be refused. */
    reader->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    cincel_status status;
    if (reader->fd < 0)
        status = cincel_fail_errno(CINCEL_IO_ERROR, "%s: cannot open", path);
    else
        status = inspect(reader, gzip);
    if (status == CINCEL_OK)
        *out = reader;
    else
        cincel_reader_close(reader);
    return status;
}

cincel_status cincel_reader_open(const char *path, struct cincel_reader **out)
{
    return open_reader(path, true, out);
}

cincel_status cincel_reader_open_plain(const char *path, struct cincel_reader **out)
{
    return open_reader(path, false, out);
}

void cincel_reader_close(struct cincel_reader *reader)
{
    if (!reader) return;
    if (reader->gz) gzclose(reader->gz);
    if (reader->fd >= 0) close(reader->fd);
    free(reader);
}

size_t cincel_reader_left(const struct cincel_reader *reader) { return reader->limit - reader->done; }

static cincel_status gzip_failed(struct cincel_reader *reader)
{
    int error;
    const char *text = gzerror(reader->gz, &error);
    if (error == Z_ERRNO) return cincel_fail_errno(CINCEL_IO_ERROR, "%s: cannot read", reader->path);
    if (error == Z_MEM_ERROR)
        return cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory to decompress", reader->path);
    /* zlib puts its own name for the file, "<fd:3>: ", before the sentence */
    const char *sentence = strstr(text, ": ");
    return cincel_fail(CINCEL_FORMAT_ERROR, "%s: gzip data damaged: %s", reader->path,
                       sentence ? sentence + 2 : text);
}

/* Up to `bytes` bytes, fewer only at the end of the file. */
static cincel_status read_some(struct cincel_reader *reader, char *out, size_t bytes, size_t *got)
{
    *got = 0;
    while (*got < bytes) {
        const size_t left = bytes - *got;
        const size_t step = left < READ_STEP ? left : READ_STEP;
        ssize_t now;
        if (reader->gz) {
            now = gzread(reader->gz, out + *got, (unsigned)step);
            /* an end in mid-stream: what was decompressed is returned, then nothing, and the error stays */
            int error = Z_OK;
            if (now == 0) gzerror(reader->gz, &error);
            if (now < 0 || error != Z_OK) return gzip_failed(reader);
        } else {
            now = read(reader->fd, out + *got, step);
            if (now < 0 && errno == EINTR) continue;
            if (now < 0) return cincel_fail_errno(CINCEL_IO_ERROR, "%s: cannot read", reader->path);
        }
        if (now == 0) break;
        *got += (size_t)now;
    }
    return CINCEL_OK;
}

cincel_status cincel_reader_read(struct cincel_reader *reader, void *out, size_t bytes, const char *what)
{
    assert(reader && (out || !bytes));
    size_t got;
    const cincel_status status = read_some(reader, out, bytes, &got);
    if (status != CINCEL_OK) return status;
    if (got < bytes) {
        return cincel_fail(CINCEL_FORMAT_ERROR, "%s: truncated: %s takes %zu bytes, only %zu follow",
                           reader->path, what, bytes, got);
    }
    /* a file may grow under our hands */
    if (bytes > cincel_reader_left(reader)) reader->limit = reader->done + bytes;
    reader->done += bytes;
    return CINCEL_OK;
}

cincel_status cincel_reader_some(struct cincel_reader *reader, void *out, size_t bytes, size_t *got)
{
    assert(reader && out && got);
    const cincel_status status = read_some(reader, out, bytes, got);
    if (status == CINCEL_OK && *got > cincel_reader_left(reader)) reader->limit = reader->done + *got;
    if (status == CINCEL_OK) reader->done += *got;
    return status;
}

cincel_status cincel_reader_block(struct cincel_reader *reader, size_t bytes, void **out, const char *what)
{
    assert(reader && out);
    if (bytes > cincel_reader_left(reader)) {
        return cincel_fail(CINCEL_FORMAT_ERROR, "%s: truncated: %s takes %zu bytes, %s%zu follow",
                           reader->path, what, bytes, reader->gz ? "at most " : "only ",
                           cincel_reader_left(reader));
    }
    char *block = NULL;
    size_t have = 0, room = 0;
    cincel_status status = CINCEL_OK;
    do {
        room = !reader->gz ? bytes : room ? room * 2 : FIRST_BLOCK;
        if (room > bytes || room < have) room = bytes;
        char *larger = realloc(block, room ? room : 1);
        if (!larger) {
            status = cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory for the %zu bytes of %s", reader->path,
                                 bytes, what);
            break;
        }
        block = larger;
        status = cincel_reader_read(reader, block + have, room - have, what);
        have = room;
    } while (status == CINCEL_OK && have < bytes);

    if (status == CINCEL_OK)
        *out = block;
    else
        free(block);
    return status;
}

cincel_status cincel_reader_end(struct cincel_reader *reader)
{
    assert(reader);
    char byte;
    size_t got;
    const cincel_status status = read_some(reader, &byte, 1, &got);
    if (status == CINCEL_OK && got) {
        return cincel_fail(CINCEL_FORMAT_ERROR, "%s: longer than the %zu bytes its header states",
                           reader->path, reader->done);
    }
    return status;
}
