/*
 * The figures of docs/numerics.md: max |error| / RMS of the output, against double, of every algorithm of
 * convolution and of the norms, on uniform and on ReLU-like data. Fails where an algorithm's declared
 * constant (struct cincel_algo.error, times the root of the chain's length) is exceeded. Of large outputs
 * samples are compared, as many as there are cases.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/memory.h"
#include "ops/norm.h"
#include "ops/reference.h"
#include "tests/support/cases.h"
#include "tests/support/conv_cases.h"

enum { SAMPLES = 4096, LEAST = 256 }; /* fewer say too little of the root of the mean square */

static const struct {
    const char *name;
    int n, c, side, k, kernel_h, kernel_w, stride;
} shapes[] = {{"3x3, 16 -> 32, 28x28", 4, 16, 28, 32, 3, 3, 1},
              {"3x3, 64 -> 64, 14x14", 4, 64, 14, 64, 3, 3, 1},
              {"3x3, 512 -> 128, 7x7", 2, 512, 7, 128, 3, 3, 1},
              {"3x3 stride 2, 64 -> 64, 28x28", 4, 64, 28, 64, 3, 3, 2},
              {"5x5, 64 -> 64, 14x14", 2, 64, 14, 64, 5, 5, 1},
              {"2x2, 64 -> 64, 14x14", 4, 64, 14, 64, 2, 2, 1},
              {"4x4, 64 -> 64, 14x14", 4, 64, 14, 64, 4, 4, 1},
              {"7x7, 64 -> 64, 14x14", 2, 64, 14, 64, 7, 7, 1},
              {"7x7, 32 -> 16, 20x20", 2, 32, 20, 16, 7, 7, 1},
              {"1x3, 64 -> 64, 14x14", 4, 64, 14, 64, 1, 3, 1},
              {"5x1, 64 -> 64, 14x14", 4, 64, 14, 64, 5, 1, 1},
              {"1x7, 64 -> 64, 14x14", 4, 64, 14, 64, 1, 7, 1},
              {"1x1, 256 -> 64, 14x14", 4, 256, 14, 64, 1, 1, 1},
              {"linear, 1024 -> 256, 64 rows", 64, 1024, 1, 256, 1, 1, 1},
              {"linear, 1024 -> 256, 1 row", 1, 1024, 1, 256, 1, 1, 1}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

/* −1 … 1; ReLU-like: half of it 0 */
static void fill(struct test_random *r, float *x, size_t count, int relu)
{
    for (size_t i = 0; i < count; i++) {
        const float v = (float)test_draw(r, -1000000, 1000000) * 1e-6f;
        x[i] = relu && v < 0.0f ? 0.0f : v;
    }
}

struct error {
    double max, square;
    size_t count;
};

static void add(struct error *e, double got, double want)
{
    if (!(fabs(got - want) <= e->max)) e->max = fabs(got - want);
    e->square += want * want;
    e->count++;
}

static double relative(const struct error *e) { return e->max / sqrt(e->square / (double)e->count); }

/* ------------------------------------------------------------------------------- convolution -- */

/* One problem with its data, and what enumeration shows of it: the first choice of each algorithm is run. */
struct study {
    const struct test_target *target;
    struct cincel_team *team;
    struct cincel_problem problem;
    struct conv_case c;
    const float *out;
    const double *exact;
    const size_t *index;
    size_t samples;
    const char *shape, *data;
    const struct cincel_algo *seen[16];
    int seen_count, failures;
};

static bool visit(void *user, const struct cincel_algo *algo, const struct cincel_choice *choice)
{
    static const char *const passes[] = {"forward", "backward-data", "backward-weights"};
    struct study *s = user;
    for (int i = 0; i < s->seen_count; i++)
        if (s->seen[i] == algo) return true;
    if (s->seen_count == 16 || !conv_case_run(s->target, algo, &s->problem, choice, &s->c, s->team)) {
        s->failures++;
        return false;
    }
    s->seen[s->seen_count++] = algo;
    struct error e = {0};
    for (size_t i = 0; i < s->samples; i++) add(&e, (double)s->out[s->index[i]], s->exact[i]);
    const double chain = algo->chain ? algo->chain(&s->problem, choice) : cincel_chain_length(&s->problem);
    const double allowed = algo->error * sqrt(chain);
    const int fused = s->target->isas[0]->has_fma; /* generic rounds twice, and promises nothing */
    const int bad = fused && !(relative(&e) <= allowed);
    printf("| %s | %s | %s | %s | %.0f | %.1e | %.1e%s |\n", algo->name, passes[s->problem.pass], s->shape,
           s->data, chain, relative(&e), allowed, bad ? " EXCEEDED" : "");
    s->failures += bad;
    return true;
}

static int study_conv(const struct test_target *target, struct cincel_team *team, int shape, cincel_pass pass,
                      int relu)
{
    static double exact[SAMPLES];
    static size_t index[SAMPLES];
    struct test_random r = {{(uint64_t)shape, 0, 0}, 0};
    struct study s = {.target = target,
                      .team = team,
                      .exact = exact,
                      .index = index,
                      .shape = shapes[shape].name,
                      .data = relu ? "ReLU-like" : "uniform"};
    cincel_conv_desc d = CINCEL_CONV_DESC_INIT;
    d.n = shapes[shape].n, d.ic = shapes[shape].c, d.oc = shapes[shape].k;
    d.ih = d.iw = shapes[shape].side, d.kh = shapes[shape].kernel_h, d.kw = shapes[shape].kernel_w;
    d.stride_h = d.stride_w = shapes[shape].stride;
    d.pad_top = d.pad_bottom = d.kh / 2, d.pad_left = d.pad_right = d.kw / 2;
    if (cincel_problem_conv(&d, pass, "conv", &s.problem) != CINCEL_OK) return 1;
    conv_case_create(&r, &s.problem, CONV_UNIFORM, &s.c);
    fill(&r, s.c.x, s.c.x_count, relu);
    fill(&r, s.c.w, s.c.w_count, 0);
    fill(&r, s.c.dy, s.c.y_count, 0);
    const struct cincel_tensors t = conv_case_tensors(&s.c);
    const size_t size = cincel_reference_size(&s.problem);
    s.samples = cincel_min(size, cincel_max(LEAST, cincel_min((size_t)test_cases(SAMPLES), SAMPLES)));
    /* odd, lest all samples lie in one column of a tensor, behind which a zero of x may stand */
    const size_t apart = (size / s.samples - 1) | 1;
    for (size_t i = 0; i < s.samples; i++) index[i] = i * apart;
    cincel_reference_conv(&s.problem, &t, index, s.samples, exact);
    s.out = pass == CINCEL_FORWARD ? s.c.y : pass == CINCEL_BACKWARD_DATA ? s.c.dx : s.c.dw;
    char why[CINCEL_WHY];
    cincel_choice_enumerate(&target->target, &s.problem, CINCEL_DEFAULT_KNOBS, 1, 1.0, visit, &s, why);
    conv_case_free(&s.c);
    return s.failures + (s.seen_count == 0);
}

/* ------------------------------------------------------------------------------------- norms -- */

/* Mean and 1 / sqrt(var + eps) of `count` values `step` apart. */
static void exact_statistics(const float *x, size_t count, size_t step, double *mean, double *inv_std)
{
    double m2 = 0.0;
    *mean = 0.0;
    for (size_t i = 0; i < count; i++) *mean += (double)x[i * step] / (double)count;
    for (size_t i = 0; i < count; i++) m2 += pow((double)x[i * step] - *mean, 2);
    *inv_std = 1.0 / sqrt(m2 / (double)count + 1e-5);
}

static int study_norm(const struct cincel_crew *crew, float centre, int relu)
{
    enum { ROWS = 25088, COLS = 64, ALL = ROWS * COLS };
    const cincel_batch_norm_desc b = {sizeof b, ROWS, COLS, 1e-5f, 0.1f};
    const cincel_layer_norm_desc l = {sizeof l, ROWS, COLS, 1e-5f};
    static float mean[COLS], inv_std[COLS];
    float *x = malloc(ALL * sizeof *x), *y = malloc(ALL * sizeof *y);
    void *ws = cincel_aligned_alloc(cincel_batch_norm_bytes(&b));
    int failures = !x || !y || !ws;
    struct test_random r = {{9, 0, 0}, 0};
    if (!failures) fill(&r, x, ALL, relu);
    for (size_t i = 0; !failures && i < ALL; i++) x[i] += centre;
    for (int layer = 0; !failures && layer < 2; layer++) {
        const struct cincel_norm_tensors t = {
            .x = x, .y = y, .mean = mean, .inv_std = inv_std, .workspace = ws};
        struct cincel_norm_tensors forward = t;
        forward.mean = forward.inv_std = NULL;
        layer ? cincel_layer_norm_run_forward(crew, &l, &forward) : cincel_batch_norm_run_train(crew, &b, &t);
        struct error e = {0};
        for (size_t g = 0; g < (layer ? ROWS : COLS); g += layer ? 64 : 4) {
            const size_t count = layer ? COLS : ROWS, step = layer ? 1 : COLS, at = layer ? g * COLS : g;
            double m, s;
            exact_statistics(x + at, count, step, &m, &s);
            for (size_t i = 0; i < count; i++)
                add(&e, (double)y[at + i * step], ((double)x[at + i * step] - m) * s);
        }
        printf("| %s | forward | 25088 x 64 | %s, about %g | | %.1e | |\n",
               layer ? "layer norm" : "batch norm", relu ? "ReLU-like" : "uniform", (double)centre,
               relative(&e));
        failures += !(relative(&e) < 1e-5);
    }
    free(x), free(y), cincel_aligned_free(ws);
    return failures;
}

int main(void)
{
    static struct test_target target;
    test_target_create(1, &target);
    struct cincel_team *team = cincel_team_create(1);
    int failures = 0;
    printf("%s\n| algorithm | pass | problem | data | chain | max error / RMS | declared "
           "|\n|---|---|---|---|---|---|---|\n",
           target.isas[0]->name);
    for (int shape = 0; shape < SHAPES; shape++)
        for (int pass = CINCEL_FORWARD; pass <= CINCEL_BACKWARD_WEIGHTS; pass++)
            for (int relu = 0; relu < 2; relu++)
                failures += study_conv(&target, team, shape, (cincel_pass)pass, relu);
    const struct cincel_crew crew = {team, 1, target.isas[0], 0};
    for (int kind = 0; kind < 4; kind++) failures += study_norm(&crew, kind / 2 ? 1000.0f : 0.0f, kind % 2);
    cincel_team_destroy(team);
    return failures > 0;
}
