#include "train/idx.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>

#include "core/memory.h"
#include "core/status.h"
#include "train/reader.h"

enum { IDX_UNSIGNED_BYTE = 0x08 };

static uint32_t big_endian(const uint8_t *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static const char *kind_of(int ndim)
{
    return ndim == CINCEL_IDX_IMAGES ? "images" : ndim == CINCEL_IDX_LABELS ? "labels" : "something else";
}

static cincel_status check_magic(const char *path, const uint8_t *magic, int ndim)
{
    if (magic[0] || magic[1]) {
        return cincel_fail(CINCEL_FORMAT_ERROR, "%s: is no IDX file: magic 0x%08x, expected 0x%08x", path,
                           big_endian(magic), IDX_UNSIGNED_BYTE << 8 | ndim);
    }
    if (magic[2] != IDX_UNSIGNED_BYTE) {
        return cincel_fail(CINCEL_FORMAT_ERROR, "%s: IDX type 0x%02x, only 0x08 (unsigned bytes) is read",
                           path, magic[2]);
    }
    if (magic[3] != ndim) {
        return cincel_fail(CINCEL_FORMAT_ERROR,
                           "%s: mislabelled: IDX file of %d dimensions (%s) where %s (%d) belong", path,
                           magic[3], kind_of(magic[3]), kind_of(ndim), ndim);
    }
    return CINCEL_OK;
}

static cincel_status read_header(struct cincel_reader *reader, const char *path, int ndim,
                                 struct cincel_idx *out, size_t *bytes)
{
    uint8_t magic[4], dimension[4];
    cincel_status status = cincel_reader_read(reader, magic, sizeof magic, "the IDX magic");
    if (status == CINCEL_OK) status = check_magic(path, magic, ndim);

    *bytes = 1;
    for (int i = 0; i < CINCEL_IDX_IMAGES; i++) out->shape[i] = 1;
    for (int i = 0; i < ndim && status == CINCEL_OK; i++) {
        status = cincel_reader_read(reader, dimension, sizeof dimension, "an IDX dimension");
        if (status != CINCEL_OK) break;
        out->shape[i] = big_endian(dimension);
        if (out->shape[i] == 0 || out->shape[i] > INT_MAX) {
            status = cincel_fail(CINCEL_FORMAT_ERROR, "%s: IDX dimension %d is %zu, must be 1 to %d", path, i,
                                 out->shape[i], INT_MAX);
        } else if (!cincel_mul(*bytes, out->shape[i], bytes)) {
            status = cincel_fail(CINCEL_FORMAT_ERROR, "%s: IDX dimensions %zu x %zu x %zu overflow", path,
                                 out->shape[0], out->shape[1], out->shape[2]);
        }
    }
    return status;
}

cincel_status cincel_idx_read(const char *path, int ndim, struct cincel_idx *out)
{
    assert(path && out && (ndim == CINCEL_IDX_LABELS || ndim == CINCEL_IDX_IMAGES));
    struct cincel_reader *reader;
    cincel_status status = cincel_reader_open(path, &reader);
    if (status != CINCEL_OK) return status;

    struct cincel_idx idx = {.data = NULL};
    size_t bytes;
    void *data = NULL;
    status = read_header(reader, path, ndim, &idx, &bytes);
    if (status == CINCEL_OK)
        status = cincel_reader_block(reader, bytes, &data, "the data its IDX header states");
    if (status == CINCEL_OK) status = cincel_reader_end(reader);
    cincel_reader_close(reader);

    if (status == CINCEL_OK) {
        idx.data = data;
        *out = idx;
    } else {
        free(data);
    }
    return status;
}

void cincel_idx_free(struct cincel_idx *idx)
{
    free(idx->data);
    idx->data = NULL;
}
