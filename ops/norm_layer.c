/* Layer norm: a row is read once from memory and again from cache; column sums of the backward pass by slice.
 */
#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "ops/norm.h"

/* A slice is worth its merge from 256 KB on; 64 of them keep 8 threads even and the workspace small. */
enum { SLICE_FLOATS = 64 * 1024, MAX_SLICES = 64 };

struct norm {
    const struct cincel_norm_row *kernel;
    const cincel_layer_norm_desc *d;
    const struct cincel_norm_tensors *t;
    size_t slices, slice_rows; /* follow from the problem */
    size_t stride;             /* of the slices below: whole cache lines */
    float *chunk[2];           /* [slices][stride]: dgamma and dbeta of the chunk at work */
    double *sum[2];            /* [slices][stride]: of the slice */
};

/* ------------------------------------------------------------------------------------- forward -- */

/*
 * Rows of a group wait for each other's statistics, not for their own: divisions and roots overlap. The
 * group stays in L1 meanwhile.
 */
enum { MAX_GROUP = 16, GROUP_FLOATS = 2 * 1024 };

static size_t group_rows(const cincel_layer_norm_desc *d)
{
    return cincel_min(cincel_max(1, GROUP_FLOATS / d->cols), MAX_GROUP);
}

/* Rows r … r + count − 1; those `group` rows on are next where they lie before `end`. */
static void forward_rows(const struct norm *n, size_t r, size_t count, size_t group, size_t end)
{
    const struct cincel_norm_tensors *t = n->t;
    const size_t cols = n->d->cols;
    double mean[MAX_GROUP], m2[MAX_GROUP], inv_std[MAX_GROUP];
    for (size_t i = 0; i < count; i++) n->kernel->row_moments(t->x + (r + i) * cols, cols, mean + i, m2 + i);
    for (size_t i = 0; i < count; i++) inv_std[i] = 1.0 / sqrt(m2[i] / (double)cols + (double)n->d->eps);
    for (size_t i = 0; i < count; i++) {
        const float shift = (float)mean[i];
        n->kernel->row_scale(
            &(struct cincel_norm_row_args){.x = t->x + (r + i) * cols,
                                           .out = t->y + (r + i) * cols,
                                           .count = cols,
                                           .gamma = t->gamma,
                                           .beta = t->beta,
                                           .shift = shift,
                                           .a = (float)inv_std[i],
                                           .b = (float)(((double)shift - mean[i]) * inv_std[i]),
                                           .stream = n->t->stream,
                                           .ahead = r + i + group < end ? group * cols : 0});
        if (!t->mean) continue;
        t->mean[r + i] = shift;
        t->inv_std[r + i] = (float)inv_std[i];
    }
}

/* Rows short enough for the kernel that takes several at a time. */
static bool is_short(const struct norm *n) { return n->d->cols <= CINCEL_NORM_SHORT; }

static void forward_short(const struct norm *n, size_t first, size_t end)
{
    const struct cincel_norm_tensors *t = n->t;
    const size_t cols = n->d->cols;
    if (first == end) return;
    n->kernel->short_forward(&(struct cincel_norm_short_args){.x = t->x + first * cols,
                                                              .out = t->y + first * cols,
                                                              .rows = end - first,
                                                              .cols = cols,
                                                              .gamma = t->gamma,
                                                              .beta = t->beta,
                                                              .eps = n->d->eps,
                                                              .mean = t->mean ? t->mean + first : NULL,
                                                              .inv_std = t->mean ? t->inv_std + first : NULL,
                                                              .stream = t->stream});
}

static void forward_body(void *data, struct cincel_worker *worker, size_t phase)
{
    (void)phase;
    const struct norm *n = data;
    const size_t group = group_rows(n->d);
    size_t end;
    size_t r = cincel_share(worker, n->d->rows, 1, &end);
    if (is_short(n))
        forward_short(n, r, end);
    else
        for (; r < end; r += group) forward_rows(n, r, cincel_min(group, end - r), group, end);
    n->kernel->fence();
}

void cincel_layer_norm_run_forward(const struct cincel_crew *crew, const cincel_layer_norm_desc *d,
                                   const struct cincel_norm_tensors *t)
{
    struct norm n = {.kernel = crew->isa->norm, .d = d, .t = t};
    const int threads = cincel_crew_threads(crew, d->rows * d->cols, CINCEL_FLOATS_A_THREAD);
    cincel_team_run(crew->team, threads, 1, forward_body, &n);
}

/* ------------------------------------------------------------------------------------ backward -- */

static size_t carve(struct norm *n, const cincel_layer_norm_desc *d, void *workspace)
{
    struct cincel_carver carver = {workspace, 0};
    const size_t worth = cincel_min(d->rows, d->rows * d->cols / SLICE_FLOATS);
    n->slice_rows = cincel_div_up(d->rows, cincel_max(1, cincel_min(worth, MAX_SLICES)));
    n->slices = cincel_div_up(d->rows, n->slice_rows);
    n->stride = cincel_round_up(d->cols, CINCEL_ALIGN / sizeof(float));
    for (int i = 0; i < 2; i++) n->chunk[i] = cincel_carve(&carver, n->slices * n->stride * sizeof(float));
    for (int i = 0; i < 2; i++) n->sum[i] = cincel_carve(&carver, n->slices * n->stride * sizeof(double));
    return carver.used;
}

size_t cincel_layer_norm_bytes(const cincel_layer_norm_desc *d)
{
    struct norm n = {0};
    return carve(&n, d, NULL);
}

/* What row_gradient needs of a row. With x̂ = (d − off) · inv_std, d = x − shift: `off` is what the mean in
   single precision is short of the exact one. */
static void finish_row(const struct norm *n, const double sums[3], double inv_std,
                       struct cincel_norm_row_args *args)
{
    const double cols = (double)n->d->cols, off = sums[2] / cols;
    const double projection = inv_std * (sums[1] - off * sums[0]) / cols; /* Σ g x̂ / cols */
    const double of_x = -inv_std * inv_std * projection;
    args->a = (float)inv_std;
    args->b = (float)of_x;
    args->c = (float)(-inv_std * sums[0] / cols - of_x * off);
    args->p = (float)inv_std;
    args->q = (float)(-off * inv_std);
}

static void backward_rows(const struct norm *n, size_t r, size_t count, size_t end, float *dgamma,
                          float *dbeta)
{
    const struct cincel_norm_tensors *t = n->t;
    const size_t cols = n->d->cols, group = group_rows(n->d);
    struct cincel_norm_row_args args[MAX_GROUP];
    double sums[MAX_GROUP][3];
    for (size_t i = 0; i < count; i++) {
        args[i] = (struct cincel_norm_row_args){.x = t->x + (r + i) * cols,
                                                .dy = t->dy + (r + i) * cols,
                                                .out = t->dx + (r + i) * cols,
                                                .count = cols,
                                                .gamma = t->gamma,
                                                .dgamma = dgamma,
                                                .dbeta = dbeta,
                                                .shift = t->mean_in[r + i],
                                                .stream = n->t->stream,
                                                .ahead = r + i + group < end ? group * cols : 0};
        n->kernel->row_gradient_sums(args + i, sums[i]);
    }
    for (size_t i = 0; i < count; i++) finish_row(n, sums[i], t->inv_std_in[r + i], args + i);
    for (size_t i = 0; i < count; i++) n->kernel->row_gradient(args + i);
}

static void backward_short(const struct norm *n, size_t r, size_t rows, float *dgamma, float *dbeta)
{
    const struct cincel_norm_tensors *t = n->t;
    const size_t cols = n->d->cols;
    n->kernel->short_backward(&(struct cincel_norm_short_args){.x = t->x + r * cols,
                                                               .dy = t->dy + r * cols,
                                                               .out = t->dx + r * cols,
                                                               .rows = rows,
                                                               .cols = cols,
                                                               .gamma = t->gamma,
                                                               .mean_in = t->mean_in + r,
                                                               .inv_std_in = t->inv_std_in + r,
                                                               .dgamma = dgamma,
                                                               .dbeta = dbeta,
                                                               .stream = t->stream});
}

static void backward_slice(const struct norm *n, size_t s)
{
    const size_t cols = n->d->cols, end = cincel_min((s + 1) * n->slice_rows, n->d->rows);
    const size_t group = group_rows(n->d);
    float *const chunk[2] = {n->chunk[0] + s * n->stride, n->chunk[1] + s * n->stride};
    double *const sum[2] = {n->sum[0] + s * n->stride, n->sum[1] + s * n->stride};
    for (int i = 0; i < 2; i++) memset(sum[i], 0, cols * sizeof **sum);
    for (size_t r = s * n->slice_rows; r < end;) {
        const size_t stop = cincel_min(r + CINCEL_NORM_CHUNK, end);
        for (int i = 0; i < 2; i++) memset(chunk[i], 0, cols * sizeof **chunk);
        for (size_t count; r < stop; r += count) {
            count = is_short(n) ? stop - r : cincel_min(group, stop - r);
            if (is_short(n))
                backward_short(n, r, count, chunk[0], chunk[1]);
            else
                backward_rows(n, r, count, end, chunk[0], chunk[1]);
        }
        for (int i = 0; i < 2; i++)
            for (size_t j = 0; j < cols; j++) sum[i][j] += (double)chunk[i][j];
    }
}

static void merge_columns(const struct norm *n, size_t begin, size_t end)
{
    float *const out[2] = {n->t->dgamma, n->t->dbeta};
    for (int i = 0; i < 2; i++)
        for (size_t j = begin; out[i] && j < end; j++) {
            double sum = 0.0;
            for (size_t s = 0; s < n->slices; s++) sum += n->sum[i][s * n->stride + j];
            out[i][j] = (float)sum;
        }
}

static void backward_body(void *data, struct cincel_worker *worker, size_t phase)
{
    const struct norm *n = data;
    size_t at, end;
    if (phase == 0) {
        while (cincel_claim(worker, n->slices, &at)) backward_slice(n, at);
        n->kernel->fence();
    } else {
        at = cincel_share(worker, n->d->cols, 16, &end);
        merge_columns(n, at, end);
    }
}

void cincel_layer_norm_run_backward(const struct cincel_crew *crew, const cincel_layer_norm_desc *d,
                                    const struct cincel_norm_tensors *t)
{
    struct norm n = {.kernel = crew->isa->norm, .d = d, .t = t};
    carve(&n, d, t->workspace);
    const int threads = cincel_crew_threads(crew, d->rows * d->cols, CINCEL_FLOATS_A_THREAD);
    cincel_team_run(crew->team, threads, 2, backward_body, &n);
}
