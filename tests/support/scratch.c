#include "tests/support/scratch.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void need(int fine, const char *what)
{
    if (fine) return;
    perror(what);
    abort();
}

void scratch_open(struct scratch *s)
{
    const char *base = getenv("TMPDIR");
    snprintf(s->folder, sizeof s->folder, "%s/cincel-test-XXXXXX", base && *base ? base : "/tmp");
    need(mkdtemp(s->folder) != NULL, s->folder);
}

const char *scratch_path(struct scratch *s, const char *name)
{
    snprintf(s->path, sizeof s->path, "%s/%s", s->folder, name);
    return s->path;
}

const char *scratch_write(struct scratch *s, const char *name, const void *bytes, size_t size)
{
    /* a new file each time: file systems flush a truncated one to disk, which takes milliseconds */
    remove(scratch_path(s, name));
    FILE *f = fopen(s->path, "wb");
    need(f != NULL, s->path);
    need(fwrite(bytes, 1, size, f) == size, s->path);
    need(fclose(f) == 0, s->path);
    return s->path;
}

uint8_t *scratch_read(struct scratch *s, const char *name, size_t *size)
{
    FILE *f = fopen(scratch_path(s, name), "rb");
    if (!f) return NULL;
    need(fseek(f, 0, SEEK_END) == 0, s->path);
    *size = (size_t)ftell(f);
    rewind(f);
    uint8_t *bytes = malloc(*size + 1);
    need(bytes != NULL, "malloc");
    need(fread(bytes, 1, *size, f) == *size, s->path);
    fclose(f);
    return bytes;
}

/* Calls `visit` on each entry's path. */
static size_t walk(const struct scratch *s, int (*visit)(const char *path))
{
    DIR *d = opendir(s->folder);
    need(d != NULL, s->folder);
    size_t count = 0;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        char path[600];
        snprintf(path, sizeof path, "%s/%s", s->folder, e->d_name);
        if (visit) visit(path);
        count++;
    }
    closedir(d);
    return count;
}

size_t scratch_count(const struct scratch *s) { return walk(s, NULL); }

void scratch_close(struct scratch *s)
{
    walk(s, remove);
    need(rmdir(s->folder) == 0, s->folder);
}
