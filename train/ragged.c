/* Data sets of sequences of different lengths: kept one behind the other, gathered padded, batched by length.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/abi.h"
#include "core/memory.h"
#include "core/philox.h"
#include "core/status.h"
#include "train/dataset.h"
#include "train/random.h"

/* Batches in a pool: so many that its sequences have about any length, so few that what is in a batch
   together changes from epoch to epoch. */
enum { POOL = 50 };

/* ------------------------------------------------------------------------------------------- making -- */

static cincel_status fail_value(const char *field, long value, const char *rule)
{
    return cincel_fail(CINCEL_INVALID_ARGUMENT, "ragged: %s is %ld, must be %s", field, value, rule);
}

/* What is there and how long; *steps: the longest, *rows: all steps together. */
static cincel_status check_lengths(const cincel_ragged *r, int *steps, size_t *rows)
{
    if (!r->x) return cincel_fail(CINCEL_INVALID_ARGUMENT, "ragged: x is NULL");
    if (!r->lengths) return cincel_fail(CINCEL_INVALID_ARGUMENT, "ragged: lengths is NULL");
    if (r->count == 0) return cincel_fail(CINCEL_INVALID_ARGUMENT, "ragged: count is 0, must be > 0");
    if (r->steps < 0) return fail_value("steps", r->steps, ">= 0");
    if (r->channels <= 0) return fail_value("channels", r->channels, "> 0");
    *steps = r->steps;
    *rows = 0;
    for (size_t i = 0; i < r->count; i++) {
        const int length = r->lengths[i];
        if (length < 1 || (r->steps > 0 && length > r->steps)) {
            return cincel_fail(CINCEL_INVALID_ARGUMENT, "ragged: lengths[%zu] is %d, must be >= 1%s", i,
                               length, length < 1 ? "" : " and at most `steps`");
        }
        if (length > *steps) *steps = length;
        *rows += (size_t)length;
    }
    size_t bytes;
    if (!cincel_mul(cincel_max(*rows, (size_t)*steps), (size_t)r->channels * sizeof *r->x, &bytes) ||
        bytes > PTRDIFF_MAX) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "ragged: %zu steps of %d channels overflow", *rows,
                           r->channels);
    }
    return CINCEL_OK;
}

static cincel_status check_labels(const cincel_ragged *r, size_t labels)
{
    if (r->classes <= 0) return fail_value("classes", r->classes, "> 0");
    for (size_t i = 0; i < labels; i++) {
        if (r->labels[i] >= 0 && r->labels[i] < r->classes) continue;
        if (r->step_labels && r->labels[i] == CINCEL_LABEL_IGNORED) continue;
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "ragged: labels[%zu] is %d, must be 0 to %d", i,
                           (int)r->labels[i], r->classes - 1);
    }
    return CINCEL_OK;
}

static cincel_status check_targets(const cincel_ragged *r, size_t *bytes)
{
    if (r->target_count <= 0) return fail_value("target_count", r->target_count, "> 0");
    if (!cincel_mul(r->count, (size_t)r->target_count * sizeof *r->targets, bytes) || *bytes > PTRDIFF_MAX) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "ragged: %zu sequences of %d targets overflow", r->count,
                           r->target_count);
    }
    for (size_t i = 0; i < *bytes / sizeof *r->targets; i++) {
        if (isfinite(r->targets[i])) continue;
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "ragged: targets[%zu] is %g, must be finite", i,
                           (double)r->targets[i]);
    }
    return CINCEL_OK;
}

/* Room for what is kept; NULL: no memory. */
static cincel_dataset *make_room(const char *name, size_t count, int steps, size_t rows, int channels,
                                 int classes, bool step_labels, int target_count)
{
    cincel_dataset *data = cincel_dataset_new(name, count, steps, 1, channels, classes, target_count);
    if (!data) return NULL;
    const size_t labels = step_labels ? rows : count;
    data->step_labels = step_labels;
    if (step_labels) data->positions = steps;
    data->begin = calloc(count + 1, sizeof *data->begin);
    data->numbers = malloc(rows * (size_t)channels * sizeof *data->numbers);
    if (target_count > 0)
        data->targets = malloc(count * (size_t)target_count * sizeof *data->targets);
    else
        data->labels = malloc(labels * sizeof *data->labels);
    if (data->begin && data->numbers && (data->targets || data->labels)) return data;
    cincel_dataset_destroy(data);
    return NULL;
}

cincel_status cincel_dataset_ragged(const cincel_ragged *from, cincel_dataset **out)
{
    cincel_ragged r = CINCEL_RAGGED_INIT;
    if (!from) return cincel_fail(CINCEL_INVALID_ARGUMENT, "ragged: description is NULL");
    if (!out) return cincel_fail(CINCEL_INVALID_ARGUMENT, "ragged: out is NULL");
    int steps = 0;
    size_t rows = 0, target_bytes = 0;
    cincel_status status = cincel_struct_in("ragged", from, sizeof *from, sizeof r, &r);
    if (status == CINCEL_OK && !r.labels == !r.targets) {
        status = cincel_fail(CINCEL_INVALID_ARGUMENT, "ragged: %s labels and targets, must be one of them",
                             r.labels ? "both" : "neither");
    }
    if (status == CINCEL_OK) status = check_lengths(&r, &steps, &rows);
    const size_t labels = r.step_labels ? rows : r.count;
    if (status == CINCEL_OK) status = r.labels ? check_labels(&r, labels) : check_targets(&r, &target_bytes);
    if (status != CINCEL_OK) return status;
    cincel_dataset *data = make_room("sequences", r.count, steps, rows, r.channels, r.labels ? r.classes : 0,
                                     r.labels && r.step_labels, r.labels ? 0 : r.target_count);
    if (!data) return cincel_fail(CINCEL_OUT_OF_MEMORY, "ragged: no memory for %zu sequences", r.count);
    for (size_t i = 0; i < r.count; i++) data->begin[i + 1] = data->begin[i] + (size_t)r.lengths[i];
    memcpy(data->numbers, r.x, rows * (size_t)r.channels * sizeof *r.x);
    if (r.labels)
        memcpy(data->labels, r.labels, labels * sizeof *r.labels);
    else
        memcpy(data->targets, r.targets, target_bytes);
    *out = data;
    return CINCEL_OK;
}

cincel_dataset *cincel_ragged_copy(const cincel_dataset *data, const size_t *index, size_t n)
{
    assert(data->begin && n > 0);
    size_t rows = 0;
    for (size_t i = 0; i < n; i++) rows += cincel_ragged_length(data, index[i]);
    cincel_dataset *copy = make_room(data->name, n, data->height, rows, data->channels, data->classes,
                                     data->step_labels, data->target_count);
    if (!copy) return NULL;
    const size_t channels = (size_t)data->channels, targets = (size_t)data->target_count;
    for (size_t i = 0; i < n; i++) {
        const size_t from = data->begin[index[i]], to = copy->begin[i];
        const size_t length = cincel_ragged_length(data, index[i]);
        copy->begin[i + 1] = to + length;
        memcpy(copy->numbers + to * channels, data->numbers + from * channels,
               length * channels * sizeof *copy->numbers);
        if (data->step_labels)
            memcpy(copy->labels + to, data->labels + from, length * sizeof *copy->labels);
        else if (data->labels)
            copy->labels[i] = data->labels[index[i]];
        else
            memcpy(copy->targets + i * targets, data->targets + index[i] * targets,
                   targets * sizeof *copy->targets);
    }
    return copy;
}

/* ---------------------------------------------------------------------------------------- gathering -- */

void cincel_ragged_gather_x(const cincel_dataset *data, size_t i, float *x)
{
    const size_t channels = (size_t)data->channels, own = cincel_ragged_length(data, i) * channels;
    memcpy(x, data->numbers + data->begin[i] * channels, own * sizeof *x);
    memset(x + own, 0, (data->sample - own) * sizeof *x);
}

void cincel_ragged_gather_labels(const cincel_dataset *data, size_t i, int32_t *labels)
{
    if (!data->step_labels) {
        *labels = data->labels[i];
        return;
    }
    const size_t own = cincel_ragged_length(data, i);
    memcpy(labels, data->labels + data->begin[i], own * sizeof *labels);
    for (size_t s = own; s < (size_t)data->positions; s++) labels[s] = CINCEL_LABEL_IGNORED;
}

cincel_status cincel_dataset_lengths(const cincel_dataset *data, const size_t *index, size_t n, int *lengths)
{
    if (!lengths) return cincel_fail(CINCEL_INVALID_ARGUMENT, "dataset: lengths is NULL");
    const cincel_status status = cincel_dataset_gather(data, index, n, NULL, NULL); /* checks the index */
    if (status != CINCEL_OK) return status;
    for (size_t i = 0; i < n; i++)
        lengths[i] = data->begin ? (int)cincel_ragged_length(data, index[i]) : data->height;
    return CINCEL_OK;
}

/* ----------------------------------------------------------------------------------------- batching -- */

/* Lets the sample at `at` sink to where no child is longer. */
static void sink(const cincel_dataset *data, size_t *index, size_t at, size_t n)
{
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        const size_t right = child + 1;
        if (right < n && cincel_ragged_length(data, index[right]) > cincel_ragged_length(data, index[child]))
            child = right;
        if (cincel_ragged_length(data, index[child]) <= cincel_ragged_length(data, index[at])) return;
        const size_t kept = index[at];
        index[at] = index[child];
        index[child] = kept;
    }
}

/* Heapsort (Williams, 1964): in place, and the same wherever it runs, which qsort need not be where lengths
   are the same. */
void cincel_ragged_sort(const cincel_dataset *data, size_t *index, size_t n)
{
    for (size_t i = n / 2; i-- > 0;) sink(data, index, i, n);
    for (size_t end = n; end > 1; end--) {
        const size_t longest = index[0];
        index[0] = index[end - 1];
        index[end - 1] = longest;
        sink(data, index, 0, end - 1);
    }
}

void cincel_ragged_batches(const cincel_dataset *data, size_t *index, size_t n, size_t batch, uint64_t seed,
                           uint32_t epoch)
{
    for (size_t first = 0; first < n; first += POOL * batch)
        cincel_ragged_sort(data, index + first, cincel_min(POOL * batch, n - first));
    const struct cincel_random random = {seed, RANDOM_BATCHES, epoch};
    for (size_t left = n / batch; left > 1; left--) {
        const size_t other = cincel_random_below(&random, left - 1, (uint32_t)left);
        for (size_t i = 0; i < batch; i++) {
            const size_t kept = index[(left - 1) * batch + i];
            index[(left - 1) * batch + i] = index[other * batch + i];
            index[other * batch + i] = kept;
        }
    }
}
