/* IDX files as data sets: a pair of files, or the four files of a folder. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/status.h"
#include "train/dataset.h"
#include "train/idx.h"

static const char set_name[] = "mnist (IDX)";
enum { MNIST_CLASSES = 10 };

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Labels as numbers; *classes: in, the number allowed, or 0: any; out, one more than the largest. */
static cincel_status take_labels(const char *path, const struct cincel_idx *idx, int *classes, int32_t **out)
{
    const size_t count = idx->shape[0];
    int32_t *labels = malloc(count * sizeof *labels);
    if (!labels) return cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory for %zu labels", path, count);
    int32_t largest = 0;
    for (size_t i = 0; i < count; i++) {
        labels[i] = idx->data[i];
        if (*classes && labels[i] >= *classes) {
            const int label = labels[i];
            free(labels);
            return cincel_fail(CINCEL_FORMAT_ERROR, "%s: label %d of sample %zu is out of range: %d classes",
                               path, label, i, *classes);
        }
        if (labels[i] > largest) largest = labels[i];
    }
    if (!*classes) *classes = largest + 1;
    *out = labels;
    return CINCEL_OK;
}

static cincel_status load(const char *images, const char *labels, int classes, cincel_dataset **out)
{
    struct cincel_idx pixels = {.data = NULL}, digits = {.data = NULL};
    int32_t *numbers = NULL;
    cincel_status status = cincel_idx_read(images, CINCEL_IDX_IMAGES, &pixels);
    if (status == CINCEL_OK) status = cincel_idx_read(labels, CINCEL_IDX_LABELS, &digits);
    if (status == CINCEL_OK && pixels.shape[0] != digits.shape[0]) {
        status = cincel_fail(CINCEL_FORMAT_ERROR, "%s: %zu images, but %zu labels in %s", images,
                             pixels.shape[0], digits.shape[0], base_name(labels));
    }
    if (status == CINCEL_OK) status = take_labels(labels, &digits, &classes, &numbers);
    if (status == CINCEL_OK) {
        status = cincel_dataset_from_bytes(set_name, pixels.shape[0], (int)pixels.shape[1],
                                           (int)pixels.shape[2], 1, classes, pixels.data, numbers, out);
        pixels.data = NULL; /* taken over */
    }
    cincel_idx_free(&pixels);
    cincel_idx_free(&digits);
    return status;
}

cincel_status cincel_dataset_idx(const char *images, const char *labels, cincel_dataset **out)
{
    if (!images) return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: images is NULL");
    if (!labels) return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: labels is NULL");
    if (!out) return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: out is NULL");
    return load(images, labels, 0, out);
}

/* `folder/name` or `folder/name.gz`, whichever is there. */
static cincel_status find_file(const char *folder, const char *name, char **out)
{
    static const char *const suffixes[] = {"", ".gz"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char *path;
        if (asprintf(&path, "%s/%s%s", folder, name, suffixes[i]) < 0)
            return cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory for a file name", folder);
        if (access(path, F_OK) == 0) {
            *out = path;
            return CINCEL_OK;
        }
        free(path);
    }
    if (access(folder, F_OK) != 0)
        return cincel_fail_errno(CINCEL_IO_ERROR, "%s: cannot open folder", folder);
    return cincel_fail(CINCEL_IO_ERROR, "%s: folder holds neither %s nor %s.gz", folder, name, name);
}

static cincel_status load_part(const char *folder, const char *images, const char *labels,
                               cincel_dataset **out)
{
    char *image_path = NULL, *label_path = NULL;
    cincel_status status = find_file(folder, images, &image_path);
    if (status == CINCEL_OK) status = find_file(folder, labels, &label_path);
    if (status == CINCEL_OK) status = load(image_path, label_path, MNIST_CLASSES, out);
    free(image_path);
    free(label_path);
    return status;
}

cincel_status cincel_dataset_mnist(const char *folder, cincel_dataset **train, cincel_dataset **test)
{
    if (!folder) return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: folder is NULL");
    if (!train && !test) return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: train and test are both NULL");
    cincel_dataset *first = NULL, *second = NULL;
    cincel_status status = CINCEL_OK;
    if (train) status = load_part(folder, "train-images-idx3-ubyte", "train-labels-idx1-ubyte", &first);
    if (test && status == CINCEL_OK)
        status = load_part(folder, "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", &second);
    if (first && second && (first->height != second->height || first->width != second->width)) {
        status = cincel_fail(CINCEL_FORMAT_ERROR, "%s: training images are %d x %d, test images %d x %d",
                             folder, first->height, first->width, second->height, second->width);
    }
    if (status != CINCEL_OK) {
        cincel_dataset_destroy(first);
        cincel_dataset_destroy(second);
        return status;
    }
    if (train) *train = first;
    if (test) *test = second;
    return CINCEL_OK;
}
