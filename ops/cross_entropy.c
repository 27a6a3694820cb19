/* Cross-entropy of logits: phase 0 looks at the labels alone, phase 1 at the logits. */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "core/status.h"
#include "ops/loss.h"
#include "ops/softmax.h"

/* Sums are taken within blocks of rows and then block by block: an order the threads do not change. */
enum { BLOCKS = 256 };

struct cross_entropy {
    const struct cincel_isa *isa;
    const cincel_cross_entropy_desc *d;
    const float *x;
    const int32_t *labels;
    float *dx;
    bool count_hits;
    bool stream; /* dx goes past the caches */
    double class_weight_sum;
    size_t rows_per_block, blocks;
    /* of phase 0 */
    double weight[BLOCKS];    /* Σ w[label] of rows not ignored */
    size_t first_bad[BLOCKS]; /* row of a label that is no class; d->rows: none */
    /* of phase 1 */
    double sum[BLOCKS];
    size_t hits[BLOCKS];
};

static double weight_of(const cincel_cross_entropy_desc *d, int32_t label)
{
    return d->class_weights ? (double)d->class_weights[label] : 1.0;
}

static void look_at_labels(struct cross_entropy *l, size_t block, size_t begin, size_t end)
{
    const cincel_cross_entropy_desc *d = l->d;
    double weight = 0.0;
    size_t bad = d->rows;
    for (size_t r = begin; r < end; r++) {
        const int32_t label = l->labels[r];
        if (label == d->ignore_index) continue;
        if (label < 0 || (size_t)label >= d->cols) {
            bad = r;
            break;
        }
        weight += weight_of(d, label);
    }
    l->weight[block] = weight;
    l->first_bad[block] = bad;
}

/*
 * With p = softmax(x), y the label, w the class weights, C their sum, c the number of classes, e the
 * smoothing: loss = −(1−e) w_y log p_y − e/c Σ_j w_j log p_j dx_j = ((1−e) w_y + e/c C) p_j − (1−e) w_y [j =
 * y] − e/c w_j Returns the row's loss, not yet divided by the weight of the rows; `per_weight` is 1 over
 * that.
 */
static double one_row(const struct cross_entropy *l, size_t r, double per_weight, float *block, size_t *hits)
{
    const cincel_cross_entropy_desc *d = l->d;
    const struct cincel_softmax_row *row = l->isa->softmax;
    const float *x = l->x + r * d->cols;
    float *dx = l->dx ? l->dx + r * d->cols : NULL;
    const int32_t label = l->labels[r];
    if (label == d->ignore_index) {
        if (dx) memset(dx, 0, d->cols * sizeof *dx);
        return 0.0;
    }
    const double own_weight = (1.0 - (double)d->label_smoothing) * weight_of(d, label);
    const double each = (double)d->label_smoothing / (double)d->cols;
    /* all that is read of x comes before dx, which may be x, is written */
    const float own = x[label];
    const double smooth_sum = each > 0.0 ? row->dot(x, d->class_weights, d->cols) : 0.0;
    if (l->count_hits) *hits += (size_t)row->is_first_max(x, d->cols, (size_t)label);

    const struct cincel_softmax_flow flow =
        cincel_softmax_flow(d->rows, d->cols, r, l->stream ? block : NULL);
    const float shift = (float)(-each * per_weight);
    const struct cincel_softmax_target target = {
        .scale = (float)((own_weight + each * l->class_weight_sum) * per_weight),
        .shift = d->class_weights ? 0.0f : shift,
        .own = (float)(own_weight * per_weight),
        .at = (size_t)label};
    const double log_sum = row->run(x, dx, d->cols, &target, &flow);
    if (dx && d->class_weights && each > 0.0)
        l->isa->vector->add_scaled(shift, d->class_weights, 1.0f, dx, dx, d->cols);
    double loss = own_weight * (log_sum - (double)own);
    if (each > 0.0) loss += each * (l->class_weight_sum * log_sum - smooth_sum);
    return loss;
}

static double total_weight(const struct cross_entropy *l)
{
    double total = 0.0;
    for (size_t b = 0; b < l->blocks; b++) total += l->weight[b];
    return total;
}

/* The first row whose label is no class, or d->rows. */
static size_t first_bad(const struct cross_entropy *l)
{
    size_t bad = l->d->rows;
    for (size_t b = 0; b < l->blocks; b++) bad = cincel_min(bad, l->first_bad[b]);
    return bad;
}

static void body(void *data, struct cincel_worker *worker, size_t phase)
{
    struct cross_entropy *l = data;
    const size_t rows = l->d->rows;
    if (phase == 1 && first_bad(l) < rows) return;
    const double total = phase == 1 ? total_weight(l) : 0.0;
    const double per_weight = total > 0.0 ? 1.0 / total : 0.0;
    _Alignas(64) float block[CINCEL_SOFTMAX_BLOCK]; /* for rows on their way */
    size_t last;
    for (size_t b = cincel_share(worker, l->blocks, 1, &last); b < last; b++) {
        const size_t begin = b * l->rows_per_block;
        const size_t end = cincel_min(begin + l->rows_per_block, rows);
        if (phase == 0) {
            look_at_labels(l, b, begin, end);
            continue;
        }
        double sum = 0.0;
        size_t hits = 0;
        for (size_t r = begin; r < end; r++) sum += one_row(l, r, per_weight, block, &hits);
        l->sum[b] = sum;
        l->hits[b] = hits;
    }
    if (l->stream) l->isa->vector->fence();
}

/* Σ of the class weights, each of which must be a number and not below 0. */
static cincel_status sum_class_weights(const cincel_cross_entropy_desc *d, double *sum)
{
    *sum = (double)d->cols;
    if (!d->class_weights) return CINCEL_OK;
    *sum = 0.0;
    for (size_t j = 0; j < d->cols; j++) {
        const float w = d->class_weights[j];
        if (!(w >= 0.0f && isfinite(w)))
            return cincel_fail(CINCEL_INVALID_ARGUMENT,
                               "cross_entropy: class_weights[%zu] is %g, must be finite and >= 0", j,
                               (double)w);
        *sum += (double)w;
    }
    return CINCEL_OK;
}

cincel_status cincel_cross_entropy_rows(const struct cincel_crew *crew, const cincel_cross_entropy_desc *d,
                                        const float *x, const int32_t *labels, double *loss, size_t *hits,
                                        float *dx)
{
    struct cross_entropy l = {.isa = crew->isa, .d = d, .x = x, .labels = labels, .dx = dx};
    const cincel_status status = sum_class_weights(d, &l.class_weight_sum);
    if (status != CINCEL_OK) return status;
    l.count_hits = hits != NULL;
    /* but for what is added afterwards to rows already stored */
    const bool added_to = d->class_weights && d->label_smoothing > 0.0f;
    l.stream = dx && dx != x && !added_to && cincel_softmax_streams(crew, dx, d->rows, d->cols);
    l.rows_per_block = cincel_div_up(d->rows, BLOCKS);
    l.blocks = cincel_div_up(d->rows, l.rows_per_block);
    const int threads = cincel_crew_threads(crew, d->rows * d->cols, CINCEL_EXPS_A_THREAD);
    cincel_team_run(crew->team, threads, 2, body, &l);

    const size_t bad = first_bad(&l);
    if (bad < d->rows)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "cross_entropy: label of row %zu is %d, must be 0 to %zu",
                           bad, (int)labels[bad], d->cols - 1);
    double sum = 0.0;
    size_t hit_rows = 0;
    for (size_t b = 0; b < l.blocks; b++) {
        sum += l.sum[b];
        hit_rows += l.hits[b];
    }
    if (loss) *loss = sum / total_weight(&l);
    if (hits) *hits = hit_rows;
    return CINCEL_OK;
}
