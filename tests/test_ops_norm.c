/* Batch norm and layer norm on teams of 1 to 16 threads: against double precision over random shapes and hard
   data, against PyTorch, against differences of their own outputs, and the same bits for any number of
   threads. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/memory.h"
#include "ops/norm.h"
#include "tests/golden/norm.h"
#include "tests/support/cases.h"
#include "tests/support/conv_cases.h"
#include "tests/support/guard.h"

enum { TEAM = 16 };
static const int thread_counts[] = {1, 2, 3, 7, TEAM};
enum { THREAD_COUNTS = sizeof thread_counts / sizeof *thread_counts };

struct fixture {
    struct test_target all;
    struct cincel_team *team;
};

/* Kinds of data: N(0, 1)-like; as a ReLU leaves it; far from zero; constant; one huge value. */
enum data { PLAIN, RELU, FAR, CONSTANT, SPIKE, DATA_KINDS };

struct tensor {
    const char *name;
    float *got, *first;
    double *want;
    size_t count;
};

/* A problem, what it must give, and what it gave. Layer norm has its statistics along the other axis. */
enum { X, DY, GAMMA, BETA, RUNNING_MEAN, RUNNING_VAR, INPUTS };
enum { Y, MEAN, INV_STD, NEW_MEAN, NEW_VAR, DX, DGAMMA, DBETA, INFER_Y, OUTPUTS };
struct norm_case {
    int layer;
    size_t rows, cols, groups; /* groups: statistics there are */
    float eps, momentum;
    float *in[INPUTS];
    size_t in_count[INPUTS];
    struct tensor out[OUTPUTS];
    void *workspace;
    size_t workspace_bytes;
};

static float draw_float(struct test_random *r)
{
    return (float)(test_draw(r, -1000, 1000) + test_draw(r, -1000, 1000)) * 1e-3f;
}

static float draw_element(struct test_random *r, enum data kind, size_t row)
{
    const float v = draw_float(r);
    switch (kind) {
    case RELU: return v > 0.0f ? v : 0.0f;
    case FAR: return 20000.0f + v;
    case CONSTANT: return 3.25f;
    case SPIKE: return row == 0 ? 1000.0f + v : v;
    default: return v;
    }
}

static void create(struct test_random *r, int layer, size_t rows, size_t cols, enum data kind,
                   struct norm_case *c)
{
    *c = (struct norm_case){.layer = layer, .rows = rows, .cols = cols, .groups = layer ? rows : cols};
    c->eps = 1e-5f, c->momentum = 0.1f;
    const size_t all = rows * cols;
    const size_t inputs[INPUTS] = {all, all, cols, cols, cols, cols};
    for (int i = 0; i < INPUTS; i++) {
        c->in_count[i] = inputs[i];
        c->in[i] = test_guarded(inputs[i] * sizeof(float));
        for (size_t k = 0; k < inputs[i]; k++)
            c->in[i][k] = i == X ? draw_element(r, kind, k / cols) : draw_float(r);
    }
    for (size_t k = 0; k < cols; k++) c->in[RUNNING_VAR][k] = 0.5f + fabsf(c->in[RUNNING_VAR][k]);
    static const char *const names[] = {"y",  "mean",   "inv_std", "running_mean", "running_var",
                                        "dx", "dgamma", "dbeta",   "infer_y"};
    const size_t outputs[OUTPUTS] = {all, c->groups, c->groups, cols, cols, all, cols, cols, all};
    for (int i = 0; i < OUTPUTS; i++) {
        const size_t bytes = outputs[i] * sizeof(float);
        c->out[i] = (struct tensor){names[i], test_guarded(bytes), malloc(bytes), NULL, outputs[i]};
        c->out[i].want = calloc(outputs[i], sizeof(double));
        assert_true(c->out[i].first && c->out[i].want);
    }
    const cincel_batch_norm_desc b = {sizeof b, rows, cols, c->eps, c->momentum};
    const cincel_layer_norm_desc l = {sizeof l, rows, cols, c->eps};
    c->workspace_bytes = layer ? cincel_layer_norm_bytes(&l) : cincel_batch_norm_bytes(&b);
    assert_true(c->workspace_bytes % CINCEL_ALIGN == 0);
    c->workspace = test_guarded(c->workspace_bytes);
}

static void destroy(struct norm_case *c)
{
    for (int i = 0; i < INPUTS; i++) test_guarded_free(c->in[i], c->in_count[i] * sizeof(float));
    for (int i = 0; i < OUTPUTS; i++) {
        test_guarded_free(c->out[i].got, c->out[i].count * sizeof(float));
        free(c->out[i].first), free(c->out[i].want);
    }
    test_guarded_free(c->workspace, c->workspace_bytes);
}

/* Element k of group g, and the column it lies in. */
static size_t element(const struct norm_case *c, size_t g, size_t k)
{
    return c->layer ? g * c->cols + k : k * c->cols + g;
}

/* The formulas of norm.h, of one group in double. */
static void exact_group(struct norm_case *c, size_t g)
{
    const size_t count = c->layer ? c->cols : c->rows;
    const float *x = c->in[X], *dy = c->in[DY], *gamma = c->in[GAMMA], *beta = c->in[BETA];
    double mean = 0.0, m2 = 0.0, up = 0.0, project = 0.0;
    for (size_t k = 0; k < count; k++) mean += x[element(c, g, k)];
    mean /= (double)count;
    for (size_t k = 0; k < count; k++) m2 += pow(x[element(c, g, k)] - mean, 2);
    const double inv_std = 1.0 / sqrt(m2 / (double)count + (double)c->eps), m = c->momentum;
    for (size_t k = 0; k < count; k++) {
        const size_t at = element(c, g, k), col = at % c->cols;
        const double normal = (x[at] - mean) * inv_std, grad = (double)dy[at] * (double)gamma[col];
        c->out[Y].want[at] = normal * (double)gamma[col] + (double)beta[col];
        c->out[DGAMMA].want[col] += (double)dy[at] * normal;
        c->out[DBETA].want[col] += dy[at];
        up += grad / (double)count, project += grad * normal / (double)count;
    }
    for (size_t k = 0; k < count; k++) {
        const size_t at = element(c, g, k);
        const double grad = (double)dy[at] * (double)gamma[at % c->cols];
        c->out[DX].want[at] = inv_std * (grad - up - (x[at] - mean) * inv_std * project);
    }
    c->out[MEAN].want[g] = mean;
    c->out[INV_STD].want[g] = inv_std;
    if (c->layer) return;
    c->out[NEW_MEAN].want[g] = (1 - m) * (double)c->in[RUNNING_MEAN][g] + m * mean;
    c->out[NEW_VAR].want[g] = (1 - m) * (double)c->in[RUNNING_VAR][g] + m * m2 / (double)(c->rows - 1);
    const double scale = (double)gamma[g] / sqrt((double)c->in[RUNNING_VAR][g] + (double)c->eps);
    for (size_t k = 0; k < count; k++) {
        const size_t at = element(c, g, k);
        c->out[INFER_Y].want[at] = (x[at] - (double)c->in[RUNNING_MEAN][g]) * scale + (double)beta[g];
    }
}

static struct cincel_norm_tensors tensors_of(const struct norm_case *c, int stream)
{
    return (struct cincel_norm_tensors){.x = c->in[X],
                                        .dy = c->in[DY],
                                        .gamma = c->in[GAMMA],
                                        .beta = c->in[BETA],
                                        .running_mean = c->out[NEW_MEAN].got,
                                        .running_var = c->out[NEW_VAR].got,
                                        .y = c->out[Y].got,
                                        .mean = c->out[MEAN].got,
                                        .inv_std = c->out[INV_STD].got,
                                        .mean_in = c->out[MEAN].got,
                                        .inv_std_in = c->out[INV_STD].got,
                                        .dx = c->out[DX].got,
                                        .dgamma = c->out[DGAMMA].got,
                                        .dbeta = c->out[DBETA].got,
                                        .stream = stream,
                                        .workspace = c->workspace};
}

/* Forward, backward and inference, from a workspace full of NaN. */
static void run(const struct cincel_crew *crew, struct norm_case *c, int stream)
{
    const cincel_batch_norm_desc b = {sizeof b, c->rows, c->cols, c->eps, c->momentum};
    const cincel_layer_norm_desc l = {sizeof l, c->rows, c->cols, c->eps};
    struct cincel_norm_tensors t = tensors_of(c, stream);
    memset(c->workspace, 0xff, c->workspace_bytes);
    for (int i = 0; i < OUTPUTS; i++) memset(c->out[i].got, 0xff, c->out[i].count * sizeof(float));
    memcpy(c->out[NEW_MEAN].got, c->in[RUNNING_MEAN], c->cols * sizeof(float));
    memcpy(c->out[NEW_VAR].got, c->in[RUNNING_VAR], c->cols * sizeof(float));
    if (c->layer) {
        cincel_layer_norm_run_forward(crew, &l, &t);
        memset(c->workspace, 0xff, c->workspace_bytes);
        cincel_layer_norm_run_backward(crew, &l, &t);
        return;
    }
    cincel_batch_norm_run_train(crew, &b, &t);
    memset(c->workspace, 0xff, c->workspace_bytes);
    cincel_batch_norm_run_backward(crew, &b, &t);
    t.mean_in = c->in[RUNNING_MEAN], t.var_in = c->in[RUNNING_VAR];
    t.y = c->out[INFER_Y].got;
    cincel_batch_norm_run_infer(crew, &b, &t);
}

/* Errors in units of the tensor's RMS (of dx and dgamma: of what they are differences of), and a few ULP. */
static void compare(const struct norm_case *c, const struct tensor *t, const char *isa, double tolerance)
{
    double square = 0.0, scale = 0.0;
    for (size_t k = 0; k < t->count; k++) square += t->want[k] * t->want[k];
    scale = sqrt(square / (double)t->count);
    if (t == c->out + DX ||
        t == c->out + DGAMMA) /* these cancel where all x are alike, or a group is small */
        for (size_t g = 0; g < c->groups; g++) scale = fmax(scale, c->out[INV_STD].want[g] * 0.1);
    for (size_t k = 0; k < t->count; k++)
        if (!(fabs((double)t->got[k] - t->want[k]) <= tolerance * scale + 5e-7 * fabs(t->want[k]) + 1e-9))
            fail_msg("%s: %s norm %zu x %zu: %s[%zu] is %.9g, exact %.9g", isa, c->layer ? "layer" : "batch",
                     c->rows, c->cols, t->name, k, (double)t->got[k], t->want[k]);
}

static void check_case(const struct fixture *f, const struct cincel_isa *isa, struct norm_case *c,
                       double tolerance)
{
    for (int t = 0; t < THREAD_COUNTS; t++) {
        const struct cincel_crew crew = {f->team, thread_counts[t], isa, 0};
        run(&crew, c, t % 2);
        for (int i = 0; i < OUTPUTS; i++) {
            const size_t bytes = c->out[i].count * sizeof(float);
            if (c->layer && (i == NEW_MEAN || i == NEW_VAR || i == INFER_Y)) continue;
            if (t == 0) compare(c, c->out + i, isa->name, tolerance);
            if (t == 0) memcpy(c->out[i].first, c->out[i].got, bytes);
            assert_memory_equal(c->out[i].got, c->out[i].first, bytes);
        }
    }
}

/* Sums of this many terms, and outliers of a thousand standard deviations. */
static double tolerance_of(size_t count, enum data kind)
{
    return (kind == SPIKE ? 8e-6 : 2e-6) + 1e-7 * sqrt((double)count);
}

static void check_shape(const struct fixture *f, struct test_random *r, int layer, size_t rows, size_t cols,
                        enum data kind)
{
    struct norm_case c;
    create(r, layer, rows, cols, kind, &c);
    for (size_t g = 0; g < c.groups; g++) exact_group(&c, g);
    for (int i = 0; f->all.isas[i]; i++)
        check_case(f, f->all.isas[i], &c, tolerance_of(layer ? cols : rows, kind));
    destroy(&c);
}

static void test_random_shapes(void **state)
{
    const struct fixture *f = *state;
    const long cases = test_cases(150);
    for (long seed = 0; seed < cases; seed++) {
        struct test_random r = {{(uint64_t)seed, 0, 0}, 0};
        const size_t cols = (size_t)test_draw(&r, 1, seed % 4 ? 80 : 1000);
        const size_t rows = (size_t)test_draw(&r, 2, seed % 3 ? 60 : 1200);
        check_shape(f, &r, 0, rows, cols, (enum data)(seed % DATA_KINDS));
        check_shape(f, &r, 1, (size_t)test_draw(&r, 1, 200), cols, (enum data)(seed % DATA_KINDS));
    }
}

/* Several slices, every way to fold, a last row that is not full. */
static void test_large_shapes(void **state)
{
    const struct fixture *f = *state;
    static const size_t shapes[][2] = {{200003, 1}, {65537, 3},  {33000, 7},  {9001, 31},
                                       {5000, 64},  {1100, 300}, {1025, 1030}};
    const long cases = test_cases(sizeof shapes / sizeof *shapes);
    for (long s = 0; s < cases && s < (long)(sizeof shapes / sizeof *shapes); s++) {
        struct test_random r = {{(uint64_t)s, 1, 0}, 0};
        check_shape(f, &r, 0, shapes[s][0], shapes[s][1], s % 2 ? FAR : PLAIN);
        check_shape(f, &r, 1, shapes[s][0], shapes[s][1], s % 2 ? PLAIN : FAR);
        check_shape(f, &r, 1, shapes[s][1], shapes[s][0], s % 2 ? SPIKE : RELU);
    }
}

/* ---------------------------------------------------------------------------------- PyTorch -- */

static void load(float *to, const float *golden, size_t count) { memcpy(to, golden, count * sizeof(float)); }

static void same(const char *name, const float *got, const float *golden, size_t count)
{
    for (size_t k = 0; k < count; k++)
        if (!(fabsf(got[k] - golden[k]) <= 1e-5f * fmaxf(1.0f, fabsf(golden[k]))))
            fail_msg("%s[%zu] is %.9g, PyTorch %.9g", name, k, (double)got[k], (double)golden[k]);
}

static void check_golden(const struct fixture *f, const struct cincel_isa *isa, int layer)
{
    enum { ALL = GOLDEN_ROWS * GOLDEN_COLS };
    struct norm_case c;
    create(&(struct test_random){{0, 0, 0}, 0}, layer, GOLDEN_ROWS, GOLDEN_COLS, PLAIN, &c);
    c.eps = golden_eps, c.momentum = golden_momentum;
    load(c.in[X], golden_x, ALL);
    load(c.in[DY], golden_dy, ALL);
    load(c.in[GAMMA], golden_gamma, GOLDEN_COLS);
    load(c.in[BETA], golden_beta, GOLDEN_COLS);
    load(c.in[RUNNING_MEAN], golden_running_mean, GOLDEN_COLS);
    load(c.in[RUNNING_VAR], golden_running_var, GOLDEN_COLS);
    run(&(struct cincel_crew){f->team, 2, isa, 0}, &c, 0);
    same("y", c.out[Y].got, layer ? golden_layer_y : golden_batch_y, ALL);
    same("dx", c.out[DX].got, layer ? golden_layer_dx : golden_batch_dx, ALL);
    same("dgamma", c.out[DGAMMA].got, layer ? golden_layer_dgamma : golden_batch_dgamma, GOLDEN_COLS);
    same("dbeta", c.out[DBETA].got, layer ? golden_layer_dbeta : golden_batch_dbeta, GOLDEN_COLS);
    if (!layer) {
        same("infer y", c.out[INFER_Y].got, golden_infer_y, ALL);
        same("running_mean", c.out[NEW_MEAN].got, golden_running_mean_after, GOLDEN_COLS);
        same("running_var", c.out[NEW_VAR].got, golden_running_var_after, GOLDEN_COLS);
    }
    destroy(&c);
}

static void test_golden(void **state)
{
    const struct fixture *f = *state;
    for (int i = 0; f->all.isas[i]; i++)
        for (int layer = 0; layer < 2; layer++) check_golden(f, f->all.isas[i], layer);
}

/* ------------------------------------------------------------------------------ differences -- */

/* Σ dy · y of the forward pass alone. */
static double objective(const struct cincel_crew *crew, struct norm_case *c)
{
    run(crew, c, 0);
    double sum = 0.0;
    for (size_t k = 0; k < c->rows * c->cols; k++) sum += (double)c->in[DY][k] * (double)c->out[Y].got[k];
    return sum;
}

/* The gradients are the slopes of the outputs, whatever formula they come from. */
static void check_differences(const struct cincel_crew *crew, uint64_t seed, int layer)
{
    static const struct {
        int in, out;
    } pairs[] = {{X, DX}, {GAMMA, DGAMMA}, {BETA, DBETA}};
    struct test_random r = {{seed, 3, 0}, 0};
    struct norm_case c;
    create(&r, layer, (size_t)test_draw(&r, 4, 12), (size_t)test_draw(&r, 4, 12), PLAIN, &c);
    for (size_t p = 0; p < sizeof pairs / sizeof *pairs; p++)
        for (size_t k = 0; k < c.in_count[pairs[p].in]; k++) {
            float *v = c.in[pairs[p].in] + k;
            const float at = *v, h = 1e-2f;
            run(crew, &c, 0);
            const double slope = c.out[pairs[p].out].got[k];
            *v = at + h;
            const double above = objective(crew, &c);
            const float up = *v;
            *v = at - h;
            const double below = objective(crew, &c), width = (double)up - (double)*v;
            *v = at;
            assert_true(fabs((above - below) / width - slope) < 5e-3 * fmax(1.0, fabs(slope)));
        }
    destroy(&c);
}

static void test_differences(void **state)
{
    const struct fixture *f = *state;
    const struct cincel_crew crew = {f->team, 1, f->all.isas[0], 0};
    const long cases = test_cases(10);
    for (long seed = 0; seed < cases; seed++) check_differences(&crew, (uint64_t)seed, (int)(seed % 2));
}

/* ------------------------------------------------------------------------------------- in place -- */

static void test_in_place_and_optional(void **state)
{
    const struct fixture *f = *state;
    const struct cincel_crew crew = {f->team, 3, f->all.isas[0], 0};
    for (int layer = 0; layer < 2; layer++)
        for (size_t cols = 3; cols < 300; cols = cols * 6 + 1) {
            struct test_random r = {{cols, 4, 0}, 0};
            struct norm_case c;
            create(&r, layer, 3000, cols, PLAIN, &c);
            const size_t bytes = c.rows * cols * sizeof(float);
            const cincel_batch_norm_desc b = {sizeof b, c.rows, cols, c.eps, c.momentum};
            const cincel_layer_norm_desc l = {sizeof l, c.rows, cols, c.eps};
            for (size_t k = 0; k < cols; k++) c.in[GAMMA][k] = 1.0f, c.in[BETA][k] = 0.0f;
            run(&crew, &c, 0);
            for (int i = 0; i < OUTPUTS; i++)
                memcpy(c.out[i].first, c.out[i].got, c.out[i].count * sizeof(float));
            struct cincel_norm_tensors t = tensors_of(&c, 0);
            t.gamma = t.beta = NULL; /* 1 and 0 */
            t.dgamma = t.dbeta = t.running_mean = t.running_var = NULL;
            t.dx = c.in[DY]; /* in place */
            layer ? cincel_layer_norm_run_backward(&crew, &l, &t)
                  : cincel_batch_norm_run_backward(&crew, &b, &t);
            assert_memory_equal(t.dx, c.out[DX].first, bytes);
            t.y = c.in[X];
            layer ? cincel_layer_norm_run_forward(&crew, &l, &t) : cincel_batch_norm_run_train(&crew, &b, &t);
            assert_memory_equal(t.y, c.out[Y].first, bytes);
            destroy(&c);
        }
}

int main(void)
{
    static struct fixture f;
    test_target_create(TEAM, &f.all);
    f.team = cincel_team_create(TEAM);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_random_shapes, &f),
        cmocka_unit_test_prestate(test_large_shapes, &f),
        cmocka_unit_test_prestate(test_golden, &f),
        cmocka_unit_test_prestate(test_differences, &f),
        cmocka_unit_test_prestate(test_in_place_and_optional, &f),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    cincel_team_destroy(f.team);
    return failed;
}
