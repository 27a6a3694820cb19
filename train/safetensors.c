#include "train/safetensors.h"

#include <assert.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/atomic_file.h"
#include "core/memory.h"
#include "core/status.h"
#include "train/reader.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format is little-endian, and copied as it is");

/*
 * A parsed header takes up to ~50 times its text in memory. 8 MiB is the text of some 80 000 tensors;
 * the format itself allows 100 MB, which would let a crafted file ask for gigabytes.
 */
enum { LENGTH_BYTES = 8, HEADER_MOST = 8 << 20 };

static const struct {
    const char *name;
    size_t bytes; /* a number */
} types[] = {[CINCEL_TENSOR_F32] = {"F32", sizeof(float)}, [CINCEL_TENSOR_I64] = {"I64", sizeof(int64_t)}};

/* What one tensor is called in messages: names may be of any length. */
#define TENSOR "tensor '%.80s'"

struct tensor {
    struct cincel_tensor_entry entry;
    size_t begin, end; /* in the data */
};

struct cincel_tensor_file {
    json_t *header; /* owns the names */
    char *path;
    char *bytes; /* the whole file */
    const char *data;
    size_t data_size;
    struct tensor *tensors; /* by begin */
    size_t count;
};

/* "2 x 3 x 3", "" for a scalar */
static const char *shape_text(int ndim, const size_t *shape, char *out, size_t size)
{
    size_t used = 0;
    out[0] = 0;
    for (int i = 0; i < ndim && used < size; i++) {
        const int more = snprintf(out + used, size - used, "%s%zu", i ? " x " : "", shape[i]);
        used += more > 0 ? (size_t)more : 0;
    }
    return out;
}

/* ---- reading: one header entry */

static cincel_status bad_tensor(const struct cincel_tensor_file *file, const char *name, const char *problem)
{
    return cincel_fail(CINCEL_FORMAT_ERROR, "%s: " TENSOR ": %s", file->path, name, problem);
}

/* A size in the header: an integer, not negative, that fits. */
static bool take_size(const json_t *value, size_t *out)
{
    if (!json_is_integer(value)) return false;
    const json_int_t number = json_integer_value(value);
    if (number < 0 || (uintmax_t)number > PTRDIFF_MAX) return false;
    *out = (size_t)number;
    return true;
}

static cincel_status take_shape(const struct cincel_tensor_file *file, const json_t *shape,
                                struct cincel_tensor_entry *entry)
{
    if (!json_is_array(shape)) return bad_tensor(file, entry->name, "shape is no array");
    if (json_array_size(shape) > CINCEL_TENSOR_DIMS)
        return cincel_fail(CINCEL_FORMAT_ERROR,
                           "%s: " TENSOR ": shape has %zu dimensions, at most %d are read", file->path,
                           entry->name, json_array_size(shape), CINCEL_TENSOR_DIMS);
    entry->ndim = (int)json_array_size(shape);
    entry->count = 1;
    for (int i = 0; i < entry->ndim; i++) {
        if (!take_size(json_array_get(shape, (size_t)i), &entry->shape[i]))
            return bad_tensor(file, entry->name, "shape holds something other than a size");
        if (!cincel_mul(entry->count, entry->shape[i], &entry->count))
            return bad_tensor(file, entry->name, "shape overflows");
    }
    return CINCEL_OK;
}

static cincel_status take_place(const struct cincel_tensor_file *file, const json_t *offsets,
                                struct tensor *tensor)
{
    const char *name = tensor->entry.name;
    if (!json_is_array(offsets) || json_array_size(offsets) != 2 ||
        !take_size(json_array_get(offsets, 0), &tensor->begin) ||
        !take_size(json_array_get(offsets, 1), &tensor->end))
        return bad_tensor(file, name, "data_offsets is not a pair of sizes");
    if (tensor->begin > tensor->end || tensor->end > file->data_size)
        return cincel_fail(CINCEL_FORMAT_ERROR,
                           "%s: " TENSOR ": data_offsets [%zu, %zu] leave the %zu bytes of data", file->path,
                           name, tensor->begin, tensor->end, file->data_size);
    size_t bytes;
    if (!cincel_mul(tensor->entry.count, types[tensor->entry.type].bytes, &bytes) ||
        bytes != tensor->end - tensor->begin)
        return cincel_fail(CINCEL_FORMAT_ERROR,
                           "%s: " TENSOR ": %zu numbers do not take the %zu bytes of data_offsets",
                           file->path, name, tensor->entry.count, tensor->end - tensor->begin);
    return CINCEL_OK;
}

static cincel_status take_tensor(const struct cincel_tensor_file *file, const char *name, const json_t *value,
                                 struct tensor *tensor)
{
    tensor->entry.name = name;
    if (!json_is_object(value)) return bad_tensor(file, name, "is described by no object");
    const char *dtype = json_string_value(json_object_get(value, "dtype"));
    if (!dtype) return bad_tensor(file, name, "dtype is no string");
    const bool counts = strcmp(dtype, types[CINCEL_TENSOR_I64].name) == 0;
    if (!counts && strcmp(dtype, types[CINCEL_TENSOR_F32].name) != 0)
        return cincel_fail(CINCEL_UNSUPPORTED, "%s: " TENSOR ": dtype is %.16s, only F32 and I64 are read",
                           file->path, name, dtype);
    tensor->entry.type = counts ? CINCEL_TENSOR_I64 : CINCEL_TENSOR_F32;
    const cincel_status status = take_shape(file, json_object_get(value, "shape"), &tensor->entry);
    return status == CINCEL_OK ? take_place(file, json_object_get(value, "data_offsets"), tensor) : status;
}

static cincel_status check_metadata(const struct cincel_tensor_file *file, json_t *metadata)
{
    const char *key;
    json_t *value;
    bool fine = json_is_object(metadata);
    json_object_foreach(metadata, key, value) fine = fine && json_is_string(value);
    return fine ? CINCEL_OK
                : cincel_fail(CINCEL_FORMAT_ERROR, "%s: __metadata__ is no object of strings", file->path);
}

/* ---- reading: the whole */

static int by_place(const void *a, const void *b)
{
    const struct tensor *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end) return x->end < y->end ? -1 : 1;
    return strcmp(x->entry.name, y->entry.name); /* empty tensors in one place: a fixed order */
}

/* The format wants the data indexed whole: each tensor begins where the one before it ends. This alone
   rules out overlaps, holes and bytes that belong to nobody. */
static cincel_status check_places(const struct cincel_tensor_file *file)
{
    size_t end = 0;
    for (size_t i = 0; i < file->count; i++) {
        const struct tensor *tensor = &file->tensors[i];
        if (tensor->begin != end)
            return cincel_fail(CINCEL_FORMAT_ERROR,
                               "%s: " TENSOR ": begins at byte %zu, the one before it ends at %zu",
                               file->path, tensor->entry.name, tensor->begin, end);
        end = tensor->end;
    }
    if (end != file->data_size)
        return cincel_fail(CINCEL_FORMAT_ERROR, "%s: %zu bytes of data, the tensors take %zu", file->path,
                           file->data_size, end);
    return CINCEL_OK;
}

static cincel_status take_header(struct cincel_tensor_file *file)
{
    file->tensors = calloc(json_object_size(file->header) + 1, sizeof *file->tensors);
    if (!file->tensors) return cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory for its tensors", file->path);
    const char *name;
    json_t *value;
    json_object_foreach(file->header, name, value)
    {
        const cincel_status status = strcmp(name, "__metadata__") == 0
                                         ? check_metadata(file, value)
                                         : take_tensor(file, name, value, &file->tensors[file->count++]);
        if (status != CINCEL_OK) return status;
    }
    qsort(file->tensors, file->count, sizeof *file->tensors, by_place);
    return check_places(file);
}

/* Of file->bytes: header length, JSON, tensors. */
static cincel_status parse(struct cincel_tensor_file *file, size_t size)
{
    uint64_t length = 0;
    if (size < LENGTH_BYTES)
        return cincel_fail(CINCEL_FORMAT_ERROR, "%s: truncated: %zu bytes are no safetensors file",
                           file->path, size);
    memcpy(&length, file->bytes, LENGTH_BYTES);
    if (length > size - LENGTH_BYTES)
        return cincel_fail(CINCEL_FORMAT_ERROR, "%s: truncated: header length is %llu, %zu bytes follow",
                           file->path, (unsigned long long)length, size - LENGTH_BYTES);
    if (length > HEADER_MOST)
        return cincel_fail(CINCEL_UNSUPPORTED, "%s: header length is %llu, at most %d are read", file->path,
                           (unsigned long long)length, HEADER_MOST);
    file->data = file->bytes + LENGTH_BYTES + length;
    file->data_size = size - LENGTH_BYTES - (size_t)length;

    json_error_t error;
    file->header = json_loadb(file->bytes + LENGTH_BYTES, (size_t)length, JSON_REJECT_DUPLICATES, &error);
    if (!file->header)
        return cincel_fail(CINCEL_FORMAT_ERROR, "%s: header is no JSON: byte %d: %s", file->path,
                           error.position, error.text);
    if (!json_is_object(file->header))
        return cincel_fail(CINCEL_FORMAT_ERROR, "%s: header is no JSON object", file->path);
    return take_header(file);
}

/* Takes over `bytes`, also when it fails. */
static cincel_status open_bytes(char *bytes, size_t size, const char *path, struct cincel_tensor_file **out)
{
    struct cincel_tensor_file *file = calloc(1, sizeof *file);
    if (file) file->path = strdup(path);
    if (!file || !file->path) {
        free(file);
        free(bytes);
        return cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory to open it", path);
    }
    file->bytes = bytes;
    const cincel_status status = parse(file, size);
    if (status == CINCEL_OK)
        *out = file;
    else
        cincel_tensor_file_close(file);
    return status;
}

cincel_status cincel_tensor_file_parse(const void *bytes, size_t size, const char *name,
                                       struct cincel_tensor_file **out)
{
    assert((bytes || !size) && name && out);
    char *copy = malloc(size ? size : 1);
    if (!copy) return cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory for its %zu bytes", name, size);
    if (size) memcpy(copy, bytes, size);
    return open_bytes(copy, size, name, out);
}

cincel_status cincel_tensor_file_open(const char *path, struct cincel_tensor_file **out)
{
    assert(path && out);
    struct cincel_reader *reader;
    cincel_status status = cincel_reader_open_plain(path, &reader);
    if (status != CINCEL_OK) return status;
    void *bytes = NULL;
    const size_t size = cincel_reader_left(reader);
    status = cincel_reader_block(reader, size, &bytes, "the file");
    cincel_reader_close(reader);
    return status == CINCEL_OK ? open_bytes(bytes, size, path, out) : status;
}

void cincel_tensor_file_close(struct cincel_tensor_file *file)
{
    if (!file) return;
    json_decref(file->header);
    free(file->tensors);
    free(file->bytes);
    free(file->path);
    free(file);
}

size_t cincel_tensor_file_count(const struct cincel_tensor_file *file) { return file->count; }

const struct cincel_tensor_entry *cincel_tensor_file_entry(const struct cincel_tensor_file *file,
                                                           size_t index)
{
    assert(index < file->count);
    return &file->tensors[index].entry;
}

cincel_status cincel_tensor_file_find(const struct cincel_tensor_file *file, const char *name, int ndim,
                                      const size_t *shape, const struct cincel_tensor_entry **out)
{
    assert(file && name && ndim >= 0 && ndim <= CINCEL_TENSOR_DIMS && (shape || !ndim) && out);
    const struct cincel_tensor_entry *found = NULL;
    for (size_t i = 0; i < file->count && !found; i++) {
        if (strcmp(file->tensors[i].entry.name, name) == 0) found = &file->tensors[i].entry;
    }
    if (!found) return bad_tensor(file, name, "is missing");
    bool same = found->ndim == ndim;
    for (int i = 0; i < ndim && same; i++) same = found->shape[i] == shape[i];
    if (!same) {
        char is[CINCEL_TENSOR_DIMS * 24], want[CINCEL_TENSOR_DIMS * 24];
        return cincel_fail(CINCEL_FORMAT_ERROR, "%s: " TENSOR ": shape is [%s], the model has [%s]",
                           file->path, name, shape_text(found->ndim, found->shape, is, sizeof is),
                           shape_text(ndim, shape, want, sizeof want));
    }
    *out = found;
    return CINCEL_OK;
}

void cincel_tensor_file_read(const struct cincel_tensor_file *file, const struct cincel_tensor_entry *entry,
                             float *out)
{
    assert(file && entry && out);
    /* the entry is the first member of its tensor */
    const struct tensor *tensor = (const struct tensor *)entry;
    assert(tensor >= file->tensors && tensor < file->tensors + file->count);
    const char *data = file->data + tensor->begin;
    if (entry->type == CINCEL_TENSOR_F32) {
        memcpy(out, data, tensor->end - tensor->begin);
        return;
    }
    for (size_t i = 0; i < entry->count; i++) {
        int64_t number; /* at any place in the file */
        memcpy(&number, data + i * sizeof number, sizeof number);
        out[i] = (float)number;
    }
}

const char *cincel_tensor_file_metadata(const struct cincel_tensor_file *file, const char *key)
{
    return json_string_value(json_object_get(json_object_get(file->header, "__metadata__"), key));
}

/* ---- writing */

/* Adds one tensor's line to the header; *offset moves past its data. */
static cincel_status describe(const char *path, const struct cincel_tensor_source *source, json_t *header,
                              size_t *offset)
{
    const size_t begin = *offset;
    size_t bytes = types[source->type].bytes;
    bool fits = true;
    json_t *shape = json_array();
    for (int i = 0; i < source->ndim; i++) {
        fits = fits && cincel_mul(bytes, source->shape[i], &bytes);
        json_array_append_new(shape, json_integer((json_int_t)source->shape[i]));
    }
    fits = fits && !__builtin_add_overflow(begin, bytes, offset) && *offset <= PTRDIFF_MAX;

    cincel_status status = CINCEL_OK;
    if (!fits) {
        status = cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: " TENSOR ": shape overflows", path, source->name);
    } else if (strcmp(source->name, "__metadata__") == 0 || json_object_get(header, source->name)) {
        status = cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: " TENSOR ": name is taken", path, source->name);
    } else {
        json_t *entry = json_pack("{s:s, s:O, s:[I, I]}", "dtype", types[source->type].name, "shape", shape,
                                  "data_offsets", (json_int_t)begin, (json_int_t)*offset);
        if (json_object_set_new(header, source->name, entry) != 0)
            status = cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: " TENSOR ": name is no UTF-8, or no memory",
                                 path, source->name);
    }
    json_decref(shape);
    return status;
}

static cincel_status set_metadata(const char *path, const struct cincel_tensor_metadata *metadata,
                                  size_t count, json_t *header)
{
    json_t *object = json_object();
    for (size_t i = 0; i < count; i++) {
        if (json_object_set_new(object, metadata[i].key, json_string(metadata[i].value)) != 0) {
            json_decref(object);
            return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: metadata '%.80s' is no UTF-8, or no memory",
                               path, metadata[i].key);
        }
    }
    return json_object_set_new(header, "__metadata__", object) == 0
               ? CINCEL_OK
               : cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory for the header", path);
}

/* The header's text, padded with spaces so that the data begins at a multiple of 8 bytes, as every
   writer of the format does. */
static cincel_status make_header(const char *path, const struct cincel_tensor_source *tensors, size_t count,
                                 const struct cincel_tensor_metadata *metadata, size_t metadata_count,
                                 char **out)
{
    json_t *header = json_object();
    if (!header) return cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory for the header", path);
    size_t offset = 0;
    cincel_status status = CINCEL_OK;
    if (metadata_count) status = set_metadata(path, metadata, metadata_count, header);
    for (size_t i = 0; i < count && status == CINCEL_OK; i++)
        status = describe(path, &tensors[i], header, &offset);

    char *text = status == CINCEL_OK ? json_dumps(header, JSON_COMPACT) : NULL;
    json_decref(header);
    if (status != CINCEL_OK) return status;
    const int padded =
        text ? asprintf(out, "%-*s", (int)cincel_round_up(strlen(text), LENGTH_BYTES), text) : -1;
    free(text);
    return padded >= 0 ? CINCEL_OK : cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory for the header", path);
}

static size_t count_of(const struct cincel_tensor_source *source)
{
    size_t count = 1;
    for (int i = 0; i < source->ndim; i++) count *= source->shape[i];
    return count;
}

static void write_numbers(struct cincel_atomic_file *file, const struct cincel_tensor_source *source,
                          const float *data)
{
    const size_t count = count_of(source);
    if (source->type == CINCEL_TENSOR_F32) cincel_atomic_file_write(file, data, count * sizeof *data);
    for (size_t i = 0; i < count && source->type == CINCEL_TENSOR_I64; i++) {
        const int64_t number = (int64_t)data[i];
        cincel_atomic_file_write(file, &number, sizeof number);
    }
}

cincel_status cincel_tensor_file_write(const char *path, const struct cincel_tensor_source *tensors,
                                       size_t count, const struct cincel_tensor_metadata *metadata,
                                       size_t metadata_count)
{
    assert(path && (tensors || !count) && (metadata || !metadata_count));
    char *header = NULL;
    cincel_status status = make_header(path, tensors, count, metadata, metadata_count, &header);
    if (status != CINCEL_OK) return status;

    /* memory for the largest tensor that is made on the way out */
    size_t largest = 0;
    for (size_t i = 0; i < count; i++) {
        if (!tensors[i].data) largest = cincel_max(largest, count_of(&tensors[i]));
    }
    float *made = largest ? malloc(largest * sizeof *made) : NULL;
    struct cincel_atomic_file *file = NULL;
    if (largest && !made)
        status =
            cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory for a tensor of %zu numbers", path, largest);
    if (status == CINCEL_OK) status = cincel_atomic_file_create(path, &file);
    if (status == CINCEL_OK) {
        const uint64_t length = strlen(header);
        cincel_atomic_file_write(file, &length, LENGTH_BYTES);
        cincel_atomic_file_write(file, header, (size_t)length);
        for (size_t i = 0; i < count; i++) {
            if (!tensors[i].data) tensors[i].fill(tensors[i].user, made);
            write_numbers(file, &tensors[i], tensors[i].data ? tensors[i].data : made);
        }
        status = cincel_atomic_file_commit(file);
    }
    free(made);
    free(header);
    return status;
}
