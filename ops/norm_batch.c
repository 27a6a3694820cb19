/* Batch norm: statistics of columns, then one multiply-add an element; backward alike. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "ops/norm.h"

/*
 * A slice is worth its merge from a chunk of rows and 256 KB on; 256 of them keep 32 threads even. Narrow
 * tensors are folded to at least MIN_COLS columns: whole registers, and chains enough to hide latencies.
 */
enum { MIN_COLS = 32, SLICE_FLOATS = 64 * 1024, MAX_SLICES = 256 };

/* Columns a task takes: what its buffers on the stack hold, and what stays in half of a small L2. */
enum { MAX_STRIP = 2048, MIN_STRIP = 64, STRIP_FLOATS = 32 * 1024 };

/* The first rows of a slice: their mean is what the next chunk is centred on. */
enum { HEAD_ROWS = 16 };

/*
 * The tensor as it is worked on. `fold` rows of few channels are one row of fold · channels columns; `rest`
 * elements, rows that do not fill the last folded one, follow. Slices decide bits and follow from the
 * problem; strips and threads do not.
 */
struct cut {
    size_t fold, cols, rows, rest;
    size_t slices, slice_rows;
};

static struct cut make_cut(const cincel_batch_norm_desc *d)
{
    struct cut c = {.fold = 1};
    while (c.fold * d->channels < MIN_COLS && c.fold * 2 <= d->rows) c.fold *= 2;
    c.cols = c.fold * d->channels;
    c.rows = d->rows / c.fold;
    c.rest = d->rows % c.fold * d->channels;
    const size_t worth = cincel_min(c.rows / CINCEL_NORM_CHUNK, c.rows * c.cols / SLICE_FLOATS);
    c.slice_rows = cincel_div_up(c.rows, cincel_max(1, cincel_min(worth, MAX_SLICES)));
    c.slices = cincel_div_up(c.rows, c.slice_rows);
    return c;
}

/* A call in progress. Parameters of columns are those of channels, repeated where rows are folded. */
struct norm {
    const struct cincel_norm_row *kernel;
    const struct cincel_vector_row *vector;
    const cincel_batch_norm_desc *d;
    const struct cincel_norm_tensors *t;
    struct cut cut;
    size_t strip, strips;     /* columns a task takes, and how many such there are */
    float *shift, *a, *b, *c; /* [cols] */
    double *sum[3];           /* [slices][cols]: mean and Σ (x − mean)²; or what gradient_sums gives */
};

static size_t carve(struct norm *n, void *workspace)
{
    struct cincel_carver carver = {workspace, 0};
    const size_t cols = n->cut.cols, partial = n->cut.slices * cols;
    float **const params[] = {&n->shift, &n->a, &n->b, &n->c};
    for (int i = 0; i < 4; i++) *params[i] = cincel_carve(&carver, cols * sizeof(float));
    for (int i = 0; i < 3; i++) n->sum[i] = cincel_carve(&carver, partial * sizeof(double));
    return carver.used;
}

size_t cincel_batch_norm_bytes(const cincel_batch_norm_desc *d)
{
    struct norm n = {.cut = make_cut(d)};
    return carve(&n, NULL);
}

/* With one slice a strip is small enough to be read from cache the second time; else it is as wide as
   leaves every thread several tasks, and alone it is all columns: whole rows are better streams. */
static size_t strip_of(const struct cut *c, int threads)
{
    size_t strip = STRIP_FLOATS / c->rows;
    if (c->slices > 1) strip = c->cols / cincel_div_up(8 * (size_t)threads, c->slices);
    if (c->slices > 1 && threads == 1) strip = cincel_round_up(c->cols, MIN_STRIP);
    strip = strip / MIN_STRIP * MIN_STRIP;
    return cincel_min(cincel_max(strip, MIN_STRIP), MAX_STRIP);
}

static struct norm begin(const struct cincel_crew *crew, const cincel_batch_norm_desc *d,
                         const struct cincel_norm_tensors *t)
{
    struct norm n = {crew->isa->norm, crew->isa->vector, d, t, .cut = make_cut(d)};
    n.strip = strip_of(&n.cut, crew->threads);
    n.strips = cincel_div_up(n.cut.cols, n.strip);
    carve(&n, t->workspace);
    return n;
}

/* One task: a strip of columns of one slice. */
struct task {
    size_t slice, col, width; /* columns [col, col + width) */
    size_t at, rows;          /* its first element; its rows */
    int last;                 /* it is followed by the rest */
};

static struct task task_of(const struct norm *n, size_t number)
{
    struct task k = {.slice = number / n->strips, .col = number % n->strips * n->strip};
    const size_t first = k.slice * n->cut.slice_rows;
    k.width = cincel_min(n->strip, n->cut.cols - k.col);
    k.rows = cincel_min(n->cut.slice_rows, n->cut.rows - first);
    k.at = first * n->cut.cols + k.col;
    k.last = number + 1 == n->cut.slices * n->strips && n->cut.rest > 0;
    assert(!k.last || n->strips == 1); /* only narrow tensors are folded */
    return k;
}

/*
 * Runs `gather` over all tasks, `finish` over all channels and `apply` over all tasks, with barriers between.
 * A worker applies to what it gathered, last first: that is still in its caches. With one slice, a worker
 * does all three to one strip after the other, out of its cache, without barriers.
 */
struct steps {
    struct norm *n;
    void (*gather)(const struct norm *n, const struct task *k);
    void (*finish)(const struct norm *n, size_t channel);
    void (*apply)(const struct norm *n, const struct task *k);
};

static void strips_body(void *data, struct cincel_worker *worker, size_t phase)
{
    (void)phase;
    const struct steps *s = data;
    size_t number;
    while (cincel_claim(worker, s->n->strips, &number)) {
        const struct task k = task_of(s->n, number);
        s->gather(s->n, &k);
        for (size_t c = k.col; c < cincel_min(k.col + k.width, s->n->d->channels); c++) s->finish(s->n, c);
        s->apply(s->n, &k);
    }
    s->n->kernel->fence();
}

static void slices_body(void *data, struct cincel_worker *worker, size_t phase)
{
    const struct steps *s = data;
    const struct norm *n = s->n;
    size_t end;
    if (phase == 1) {
        for (size_t c = cincel_share(worker, n->d->channels, 16, &end); c < end; c++) s->finish(n, c);
        return;
    }
    const size_t first = cincel_share(worker, n->cut.slices * n->strips, 1, &end);
    for (size_t i = 0; i < end - first; i++) {
        const struct task k = task_of(n, phase == 0 ? first + i : end - 1 - i);
        (phase == 0 ? s->gather : s->apply)(n, &k);
    }
    n->kernel->fence();
}

static void run_steps(const struct cincel_crew *crew, struct steps *s)
{
    const int threads = cincel_crew_threads(crew, s->n->d->rows * s->n->d->channels, CINCEL_FLOATS_A_THREAD);
    if (s->n->cut.slices == 1)
        cincel_team_run(crew->team, threads, 1, strips_body, s);
    else
        cincel_team_run(crew->team, threads, 3, slices_body, s);
}

static float of_channel(const float *values, size_t c, float otherwise)
{
    return values ? values[c] : otherwise;
}

/* Writes a channel's parameter to all its columns. */
static void put_columns(const struct norm *n, float *param, size_t channel, double value)
{
    for (size_t c = channel; c < n->cut.cols; c += n->d->channels) param[c] = (float)value;
}

/* ------------------------------------------------------------------------------------ training -- */

/* Count, mean and Σ (x − mean)² of some rows; merging: Chan, Golub & LeVeque, 1983. */
struct moments {
    double count, mean, m2;
};

static struct moments merged(struct moments a, struct moments b)
{
    const double count = a.count + b.count, delta = b.mean - a.mean, share = b.count / count;
    return (struct moments){count, a.mean + delta * share, a.m2 + b.m2 + delta * delta * a.count * share};
}

/* Rows of the next chunk. Chunks grow with what the shift is known from, so that a bad start (the head far
   from the mean) cannot cost more than a factor of 9 in the rounding of a variance. */
static size_t chunk_rows(size_t done, size_t rows)
{
    const size_t chunk = done == 0 ? HEAD_ROWS : cincel_min(CINCEL_NORM_CHUNK, 8 * done);
    return cincel_min(chunk, rows - done);
}

static void gather_moments(const struct norm *n, const struct task *k)
{
    float shift[MAX_STRIP], sum[MAX_STRIP], square[MAX_STRIP];
    double *mean = n->sum[0] + k->slice * n->cut.cols + k->col;
    double *m2 = n->sum[1] + k->slice * n->cut.cols + k->col;
    const float *x = n->t->x + k->at;
    struct cincel_norm_columns_args args = {
        .ld = n->cut.cols, .cols = k->width, .shift = shift, .sum0 = sum, .sum1 = square};

    const size_t head = chunk_rows(0, k->rows);
    memset(sum, 0, k->width * sizeof *sum);
    n->vector->column_sum(x, n->cut.cols, head, k->width, sum);
    for (size_t j = 0; j < k->width; j++) mean[j] = sum[j] / (float)head, m2[j] = 0.0;
    for (size_t done = 0; done < k->rows; done += args.rows) {
        args.x = x + done * n->cut.cols;
        args.rows = chunk_rows(done, k->rows);
        memset(sum, 0, k->width * sizeof *sum);
        memset(square, 0, k->width * sizeof *square);
        for (size_t j = 0; j < k->width; j++) shift[j] = (float)mean[j];
        n->kernel->moments(&args);
        const double rows = (double)args.rows;
        for (size_t j = 0; j < k->width; j++) {
            const double off = sum[j] / rows;
            const struct moments chunk = {rows, shift[j] + off, square[j] - off * sum[j]};
            const struct moments all = merged((struct moments){(double)done, mean[j], m2[j]}, chunk);
            mean[j] = all.mean, m2[j] = all.m2;
        }
    }
}

/* Slices in order, in each the folds in order, then the rest. */
static struct moments channel_moments(const struct norm *n, size_t channel)
{
    const struct cut *cut = &n->cut;
    const float *rest = n->t->x + cut->rows * cut->cols;
    struct moments all = {0};
    for (size_t s = 0; s < cut->slices; s++) {
        const double rows = (double)cincel_min(cut->slice_rows, cut->rows - s * cut->slice_rows);
        for (size_t c = channel; c < cut->cols; c += n->d->channels)
            all = merged(all,
                         (struct moments){rows, n->sum[0][s * cut->cols + c], n->sum[1][s * cut->cols + c]});
    }
    for (size_t c = channel; c < cut->rest; c += n->d->channels)
        all = merged(all, (struct moments){1.0, rest[c], 0.0});
    return all;
}

/* The mean in single precision is off by up to half an ULP, much where the spread is small: the offset puts
   that right. */
static void finish_train(const struct norm *n, size_t channel)
{
    const struct cincel_norm_tensors *t = n->t;
    const struct moments all = channel_moments(n, channel);
    const double inv_std = 1.0 / sqrt(all.m2 / all.count + (double)n->d->eps);
    const float mean = (float)all.mean;
    const double scale = inv_std * (double)of_channel(t->gamma, channel, 1.0f);
    const double offset = (double)of_channel(t->beta, channel, 0.0f) - (all.mean - (double)mean) * scale;
    t->mean[channel] = mean;
    t->inv_std[channel] = (float)inv_std;
    put_columns(n, n->shift, channel, mean);
    put_columns(n, n->a, channel, scale);
    put_columns(n, n->b, channel, offset);
    if (!t->running_mean) return;
    const double keep = 1.0 - (double)n->d->momentum, take = n->d->momentum;
    t->running_mean[channel] = (float)(keep * (double)t->running_mean[channel] + take * all.mean);
    t->running_var[channel] =
        (float)(keep * (double)t->running_var[channel] + take * all.m2 / (all.count - 1.0));
}

static void apply_scale(const struct norm *n, const struct task *k)
{
    struct cincel_norm_columns_args args = {.x = n->t->x + k->at,
                                            .out = n->t->y + k->at,
                                            .stream = n->t->stream,
                                            .ld = n->cut.cols,
                                            .rows = k->rows,
                                            .cols = k->width,
                                            .shift = n->shift + k->col,
                                            .a = n->a + k->col,
                                            .b = n->b + k->col};
    n->kernel->scale(&args);
    if (!k->last) return;
    args.x += k->rows * n->cut.cols;
    args.out += k->rows * n->cut.cols;
    args.rows = 1;
    args.cols = n->cut.rest;
    n->kernel->scale(&args);
}

void cincel_batch_norm_run_train(const struct cincel_crew *crew, const cincel_batch_norm_desc *d,
                                 const struct cincel_norm_tensors *t)
{
    struct norm n = begin(crew, d, t);
    run_steps(crew, &(struct steps){&n, gather_moments, finish_train, apply_scale});
}

/* ------------------------------------------------------------------------------------ backward -- */

static void gather_gradients(const struct norm *n, const struct task *k)
{
    float sums[3][MAX_STRIP];
    double *const into[3] = {n->sum[0] + k->slice * n->cut.cols + k->col,
                             n->sum[1] + k->slice * n->cut.cols + k->col,
                             n->sum[2] + k->slice * n->cut.cols + k->col};
    struct cincel_norm_columns_args args = {.ld = n->cut.cols,
                                            .cols = k->width,
                                            .shift = n->shift + k->col,
                                            .sum0 = sums[0],
                                            .sum1 = sums[1],
                                            .sum2 = sums[2]};
    for (int i = 0; i < 3; i++) memset(into[i], 0, k->width * sizeof **into);
    for (size_t done = 0; done < k->rows; done += args.rows) {
        args.x = n->t->x + k->at + done * n->cut.cols;
        args.dy = n->t->dy + k->at + done * n->cut.cols;
        args.rows = cincel_min(CINCEL_NORM_CHUNK, k->rows - done);
        for (int i = 0; i < 3; i++) memset(sums[i], 0, k->width * sizeof **sums);
        n->kernel->gradient_sums(&args);
        for (int i = 0; i < 3; i++)
            for (size_t j = 0; j < k->width; j++) into[i][j] += (double)sums[i][j];
    }
}

/* Σ dy, Σ dy · (x − shift) and Σ (x − shift) of a channel, in the order of channel_moments. */
static void channel_gradients(const struct norm *n, size_t channel, double sums[3])
{
    const struct cut *cut = &n->cut;
    const size_t rest = cut->rows * cut->cols;
    for (int i = 0; i < 3; i++) sums[i] = 0.0;
    for (size_t s = 0; s < cut->slices; s++)
        for (size_t c = channel; c < cut->cols; c += n->d->channels)
            for (int i = 0; i < 3; i++) sums[i] += n->sum[i][s * cut->cols + c];
    for (size_t c = channel; c < cut->rest; c += n->d->channels) {
        const double dy = n->t->dy[rest + c], d = (double)n->t->x[rest + c] - (double)n->shift[channel];
        sums[0] += dy;
        sums[1] += dy * d;
        sums[2] += d;
    }
}

/* `off`: what the mean in single precision is short of the exact one. */
static void finish_backward(const struct norm *n, size_t channel)
{
    const struct cincel_norm_tensors *t = n->t;
    double sums[3];
    channel_gradients(n, channel, sums);
    const double rows = (double)n->d->rows, off = sums[2] / rows, inv_std = t->inv_std_in[channel];
    const double dgamma = inv_std * (sums[1] - off * sums[0]);
    const double of_dy = inv_std * (double)of_channel(t->gamma, channel, 1.0f);
    const double of_x = -of_dy * inv_std * dgamma / rows;
    put_columns(n, n->a, channel, of_dy);
    put_columns(n, n->b, channel, of_x);
    put_columns(n, n->c, channel, -of_dy * sums[0] / rows - of_x * off);
    if (t->dgamma) t->dgamma[channel] = (float)dgamma;
    if (t->dbeta) t->dbeta[channel] = (float)sums[0];
}

static void apply_gradient(const struct norm *n, const struct task *k)
{
    struct cincel_norm_columns_args args = {.x = n->t->x + k->at,
                                            .dy = n->t->dy + k->at,
                                            .out = n->t->dx + k->at,
                                            .stream = n->t->stream,
                                            .ld = n->cut.cols,
                                            .rows = k->rows,
                                            .cols = k->width,
                                            .shift = n->shift + k->col,
                                            .a = n->a + k->col,
                                            .b = n->b + k->col,
                                            .c = n->c + k->col};
    n->kernel->gradient(&args);
    if (!k->last) return;
    args.x += k->rows * n->cut.cols;
    args.dy += k->rows * n->cut.cols;
    args.out += k->rows * n->cut.cols;
    args.rows = 1;
    args.cols = n->cut.rest;
    n->kernel->gradient(&args);
}

void cincel_batch_norm_run_backward(const struct cincel_crew *crew, const cincel_batch_norm_desc *d,
                                    const struct cincel_norm_tensors *t)
{
    struct norm n = begin(crew, d, t);
    for (size_t c = 0; c < d->channels; c++) put_columns(&n, n.shift, c, t->mean_in[c]);
    run_steps(crew, &(struct steps){&n, gather_gradients, finish_backward, apply_gradient});
}

/* ----------------------------------------------------------------------------------- inference -- */

/* gamma / sqrt(var + eps) */
static double infer_scale(const cincel_batch_norm_desc *d, const struct cincel_norm_tensors *t,
                          size_t channel)
{
    const double std = sqrt((double)t->var_in[channel] + (double)d->eps);
    return (double)of_channel(t->gamma, channel, 1.0f) / std;
}

/* Parameters of a strip on the stack: inference has no workspace. */
static void infer_strip(const struct norm *n, size_t col, size_t width, size_t first, size_t rows,
                        size_t rest)
{
    const struct cincel_norm_tensors *t = n->t;
    float shift[MAX_STRIP], scale[MAX_STRIP], offset[MAX_STRIP];
    for (size_t j = 0; j < width; j++) {
        const size_t channel = (col + j) % n->d->channels;
        shift[j] = t->mean_in[channel];
        scale[j] = (float)infer_scale(n->d, t, channel);
        offset[j] = of_channel(t->beta, channel, 0.0f);
    }
    const size_t at = first * n->cut.cols + col;
    struct cincel_norm_columns_args args = {.x = t->x + at,
                                            .out = t->y + at,
                                            .stream = t->stream,
                                            .ld = n->cut.cols,
                                            .rows = rows,
                                            .cols = width,
                                            .shift = shift,
                                            .a = scale,
                                            .b = offset};
    n->kernel->scale(&args);
    args.x += rows * n->cut.cols;
    args.out += rows * n->cut.cols;
    args.rows = 1;
    args.cols = rest;
    if (rest > 0) n->kernel->scale(&args);
}

static void infer_body(void *data, struct cincel_worker *worker, size_t phase)
{
    (void)phase;
    const struct norm *n = data;
    size_t end;
    const size_t first = cincel_share(worker, n->cut.rows, 4, &end);
    const size_t rest = end == n->cut.rows && first < end ? n->cut.rest : 0;
    if (first == end) return;
    for (size_t col = 0; col < n->cut.cols; col += MAX_STRIP)
        infer_strip(n, col, cincel_min(MAX_STRIP, n->cut.cols - col), first, end - first, rest);
    n->kernel->fence();
}

void cincel_batch_norm_run_infer(const struct cincel_crew *crew, const cincel_batch_norm_desc *d,
                                 const struct cincel_norm_tensors *t)
{
    struct norm n = {crew->isa->norm, crew->isa->vector, d, t, .cut = make_cut(d)};
    const int threads = cincel_crew_threads(crew, d->rows * d->channels, CINCEL_FLOATS_A_THREAD);
    cincel_team_run(crew->team, threads, 1, infer_body, &n);
}

void cincel_batch_norm_fold_weights(const cincel_batch_norm_desc *d, const struct cincel_norm_tensors *t,
                                    size_t inner, const float *w, const float *bias, float *w_out,
                                    float *bias_out)
{
    for (size_t c = 0; c < d->channels; c++) {
        const double scale = infer_scale(d, t, c);
        const double centred = (double)of_channel(bias, c, 0.0f) - (double)t->mean_in[c];
        for (size_t i = 0; i < inner; i++) w_out[c * inner + i] = (float)((double)w[c * inner + i] * scale);
        bias_out[c] = (float)((double)of_channel(t->beta, c, 0.0f) + centred * scale);
    }
}
