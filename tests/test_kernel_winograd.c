/*
 * Winograd's transforms of every usable ISA against the construction they come from (Cook & Toom:
 * interpolation at the points of body/winograd_points.inc, here in double from the points alone; for stride 2
 * by its phases). Integers, weights divisible as the scales want: equal to the last bit up to six points;
 * nearly so beyond, where coefficients are no integers. Any part of a patch may be missing, sources and
 * planes end at unreadable pages, nothing beside the stated elements is written.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/cases.h"
#include "tests/support/conv_cases.h"
#include "tests/support/guard.h"

enum { MAX_A = 10, EXACT_A = 6, MAX_COUNT = 40, MAX_VEC = 16, UNIT = 576 };

enum transform { INPUT, WEIGHTS, GRADIENT, WEIGHTS_GRADIENT, BACK_INPUT, OUTPUT, BACK_OUTPUT, TRANSFORMS };
static const char *const names[TRANSFORMS] = {"input",      "weights", "gradient",   "weights gradient",
                                              "back input", "output",  "back output"};

/* rows x cols of one step. */
struct matrix {
    int rows, cols;
    double at[MAX_A][MAX_A];
};

/* Of so many finite ones; ∞ may be another. */
static double point(int finite, int i)
{
    static const double three_pairs[] = {0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5};
    static const double four_pairs[] = {0.0, 0.5, -0.5, 2.0, -2.0, 0.8, -0.8, 1.25, -1.25};
    return finite > 7 ? four_pairs[i] : three_pairs[i];
}

/* Coefficients of the product of (x − point j) over j < finite, j ≠ skip. */
static void product(int finite, int skip, double out[MAX_A])
{
    int degree = 0;
    memset(out, 0, MAX_A * sizeof *out);
    out[0] = 1.0;
    for (int j = 0; j < finite; j++) {
        if (j == skip) continue;
        degree++;
        for (int k = degree; k >= 0; k--) out[k] = (k ? out[k - 1] : 0.0) - point(finite, j) * out[k];
    }
}

static double power(double x, int n)
{
    double p = 1.0;
    while (n-- > 0) p *= x;
    return p;
}

/* a x n: powers of the points, the last row for ∞ unless all are finite; `scaled`: over the product of their
   distances. */
static struct matrix vandermonde(int a, int finite, int n, int scaled)
{
    struct matrix v = {a, n, {{0.0}}};
    for (int i = 0; i < finite; i++) {
        double distance = 1.0;
        for (int j = 0; j < finite; j++)
            if (j != i && scaled) distance *= point(finite, i) - point(finite, j);
        for (int k = 0; k < n; k++) v.at[i][k] = power(point(finite, i), k) / distance;
    }
    if (finite < a) v.at[a - 1][n - 1] = 1.0;
    return v;
}

static struct matrix transposed(struct matrix m)
{
    struct matrix t = {m.cols, m.rows, {{0.0}}};
    for (int i = 0; i < m.rows; i++)
        for (int j = 0; j < m.cols; j++) t.at[j][i] = m.at[i][j];
    return t;
}

/* F(m, r) with stride 1; phase 1: what makes the last finite point's 0 is taken from all finite points', and
   0 it is on the way back. */
static struct matrix dense_step(enum transform what, int m, int r, int finite, int phase)
{
    const int a = m + r - 1;
    struct matrix b = {a, a, {{0.0}}};
    switch (what) {
    case INPUT:
        for (int i = 0; i < a; i++) product(finite, i < finite ? i : -1, b.at[i]);
        for (int i = 0; phase && i < finite; i++)
            for (int k = 0; k < a; k++) b.at[i][k] -= b.at[finite - 1][k];
        return b;
    case WEIGHTS: return vandermonde(a, finite, r, 1);
    case GRADIENT: return vandermonde(a, finite, m, 0);
    case WEIGHTS_GRADIENT: return transposed(vandermonde(a, finite, r, 1));
    default:
        b = transposed(vandermonde(a, finite, m, 0));
        for (int i = 0; phase && i < m; i++) b.at[i][finite - 1] = 0.0;
        return b;
    }
}

/* F(m, 2) of the even samples, and the odd ones each for itself. */
static struct matrix split_step(enum transform what, int m, int phase)
{
    struct matrix s = {2 * m + 1, 2 * m + 1, {{0.0}}};
    const enum transform dense = what == BACK_INPUT ? INPUT : what == BACK_OUTPUT ? OUTPUT : what;
    const struct matrix even = dense_step(dense, m, 2, m + 1, 0);
    switch (what) {
    case WEIGHTS_GRADIENT: return transposed(split_step(WEIGHTS, m, phase));
    case OUTPUT: return transposed(split_step(GRADIENT, m, phase));
    case INPUT: break;
    case WEIGHTS: s.rows = m + 2, s.cols = 3; break;
    case GRADIENT: s.cols = m; break;
    case BACK_INPUT: s.cols = m + 1; break;
    default: s.rows = 2 * m;
    }
    const int stretch = what == INPUT || what == WEIGHTS ? 2 : 1; /* from one even sample to the next */
    for (int i = 0; i < even.rows; i++)
        for (int j = 0; j < even.cols; j++)
            s.at[what == BACK_OUTPUT ? 2 * i + phase : i][stretch * j] = even.at[i][j];
    if (what == WEIGHTS) s.at[m + 1][1] = 1.0;
    for (int i = 0; i < m && what != WEIGHTS; i++) switch (what) {
        case INPUT: s.at[m + 1 + i][2 * i + 1] = 1.0; break;
        case GRADIENT: s.at[m + 1 + i][i] = 1.0; break;
        case BACK_INPUT: s.at[m + 1 + i][i + !phase] = 1.0; break;
        default: s.at[2 * i + !phase][m + 1 + i] = 1.0;
        }
    return s;
}

static struct matrix step_of(enum transform what, const struct cincel_winograd_row *row, int phase)
{
    return row->stride == 2 ? split_step(what, row->m, phase)
                            : dense_step(what, row->m, row->r, (row->m + row->r - 2) | 1, phase);
}

/* What becomes of the rows: the same as of the columns in square schemes, nothing in those of one row. */
static struct matrix across(enum transform what, const struct cincel_winograd_row *row, int phase)
{
    return row->square ? step_of(what, row, phase) : (struct matrix){1, 1, {{1.0}}};
}

/* out = A in T^T; *scale: the largest sum of magnitudes */
static void apply(const struct matrix *a, const struct matrix *t, double in[MAX_A][MAX_A],
                  double out[MAX_A][MAX_A], double *scale)
{
    *scale = 0.0;
    for (int i = 0; i < a->rows; i++)
        for (int j = 0; j < t->rows; j++) {
            double sum = 0.0;
            out[i][j] = 0.0;
            for (int k = 0; k < a->cols; k++)
                for (int l = 0; l < t->cols; l++) {
                    const double term = a->at[i][k] * t->at[j][l] * in[k][l];
                    out[i][j] += term;
                    sum += fabs(term);
                }
            *scale = fmax(*scale, sum);
        }
}

/* Where rounding is allowed, `wanted` becomes what the kernel gave if that is near. */
static void allow(const struct cincel_winograd_row *row, float is, float *wanted, double scale)
{
    if (row->stride == 1 && row->m + row->r - 1 > EXACT_A &&
        fabs((double)is - (double)*wanted) <= 1e-6 * scale)
        *wanted = is;
}

struct memory {
    struct test_region from, to, copy;
};

static void fill(const struct test_region *region, struct test_random *r, int unit)
{
    for (float *p = (float *)region->begin; p < (float *)region->end; p++)
        *p = (float)(unit * test_draw(r, -9, 9));
}

static void compare(const struct memory *mem, const char *row, const char *what, const struct test_random *r)
{
    if (memcmp(mem->to.begin, mem->copy.begin, (size_t)(mem->to.end - mem->to.begin)) != 0)
        fail_msg("%s %s, seed %llu", row, what, (unsigned long long)r->source.seed);
}

static void check_gather(const struct memory *mem, const struct cincel_isa *isa,
                         const struct cincel_winograd_row *row, enum transform what, struct test_random *r)
{
    const int row_phase = test_draw(r, 0, 1), col_phase = test_draw(r, 0, 1);
    const struct matrix t = step_of(what, row, col_phase), rows_t = across(what, row, row_phase);
    const size_t in = (size_t)t.cols, out = (size_t)t.rows, lanes = (size_t)isa->vector_floats;
    const size_t in_rows = (size_t)rows_t.cols, planes = (size_t)rows_t.rows * out;
    static double scales[MAX_COUNT + MAX_VEC];
    struct cincel_winograd_gather_args a = {
        .count = (size_t)test_draw(r, 1, MAX_COUNT), .row_phase = row_phase, .col_phase = col_phase};
    const size_t written = (a.count + lanes - 1) / lanes * lanes;
    a.src_col = a.count + (size_t)test_draw(r, 0, 3);
    a.src_row = in * a.src_col + (size_t)test_draw(r, 0, 3);
    a.plane = written + (size_t)test_draw(r, 0, 20);
    a.row_begin = test_draw(r, 0, 1) ? 0 : test_draw(r, 0, (int)in_rows);
    a.col_begin = test_draw(r, 0, 1) ? 0 : test_draw(r, 0, (int)in);
    a.row_end = test_draw(r, 0, 1) ? (int)in_rows : test_draw(r, a.row_begin, (int)in_rows);
    a.col_end = test_draw(r, 0, 1) ? (int)in : test_draw(r, a.col_begin, (int)in);
    const int rows = a.row_end - a.row_begin, cols = a.col_end - a.col_begin;
    const size_t used =
        rows && cols ? (size_t)(rows - 1) * a.src_row + (size_t)(cols - 1) * a.src_col + a.count : 0;
    fill(&mem->from, r, what == WEIGHTS || what == WEIGHTS_GRADIENT ? UNIT : 1);
    fill(&mem->to, r, 1);
    a.src = test_region_last(&mem->from, used * sizeof(float), 4);
    a.dst = test_region_last(&mem->to, ((planes - 1) * a.plane + written) * sizeof(float), 4);
    memcpy(mem->copy.begin, mem->to.begin, (size_t)(mem->to.end - mem->to.begin));
    float *const expected = (float *)(mem->copy.begin + ((char *)a.dst - mem->to.begin));
    for (size_t c = 0; c < written; c++) {
        double d[MAX_A][MAX_A] = {{0.0}}, e[MAX_A][MAX_A];
        for (int i = 0; i < rows && c < a.count; i++)
            for (int j = 0; j < cols; j++)
                d[a.row_begin + i][a.col_begin + j] =
                    (double)a.src[(size_t)i * a.src_row + (size_t)j * a.src_col + c];
        apply(&rows_t, &t, d, e, &scales[c]);
        for (size_t i = 0; i < planes; i++) expected[i * a.plane + c] = (float)(e[i / out][i % out] + 0.0);
    }
    switch (what) {
    case INPUT: row->input(&a); break;
    case WEIGHTS: row->weights(&a); break;
    case GRADIENT: row->gradient(&a); break;
    case WEIGHTS_GRADIENT: row->weights_gradient(&a); break;
    default: row->back_input(&a); break;
    }
    for (size_t c = 0; c < written; c++)
        for (size_t i = 0; i < planes; i++)
            allow(row, a.dst[i * a.plane + c], &expected[i * a.plane + c], scales[c]);
    for (float *p = (float *)mem->to.begin; p < (float *)mem->to.end; p++) *p += 0.0f; /* −0 is 0 */
    for (float *p = (float *)mem->copy.begin; p < (float *)mem->copy.end; p++) *p += 0.0f;
    compare(mem, row->name, names[what], r);
}

static void check_output(const struct memory *mem, const struct cincel_isa *isa,
                         const struct cincel_winograd_row *row, enum transform what, struct test_random *r)
{
    const int row_phase = test_draw(r, 0, 1), col_phase = test_draw(r, 0, 1);
    const struct matrix t = step_of(what, row, col_phase), rows_t = across(what, row, row_phase);
    const size_t in = (size_t)t.cols, planes = (size_t)rows_t.cols * in, lanes = (size_t)isa->vector_floats;
    static double scales[MAX_COUNT];
    float bias[MAX_COUNT];
    struct cincel_winograd_output_args a = {.count = (size_t)test_draw(r, 1, MAX_COUNT),
                                            .row_phase = row_phase,
                                            .col_phase = col_phase,
                                            .rows = test_draw(r, 0, rows_t.rows),
                                            .cols = test_draw(r, 0, t.rows),
                                            .load_dst = test_draw(r, 0, 1),
                                            .act = test_draw(r, 0, 1) ? CINCEL_ACT_RELU : CINCEL_ACT_NONE};
    const size_t read = (a.count + lanes - 1) / lanes * lanes;
    for (size_t c = 0; c < a.count; c++) bias[c] = (float)test_draw(r, -99, 99);
    a.bias = test_draw(r, 0, 1) ? bias : NULL;
    a.plane = read + (size_t)test_draw(r, 0, 20);
    a.dst_col = a.count + (size_t)test_draw(r, 0, 3);
    a.dst_row = (size_t)t.rows * a.dst_col + (size_t)test_draw(r, 0, 3);
    fill(&mem->from, r, 1);
    fill(&mem->to, r, 1);
    a.src = test_region_last(&mem->from, ((planes - 1) * a.plane + read) * sizeof(float), 4);
    a.dst = test_region_last(
        &mem->to,
        a.rows && a.cols
            ? ((size_t)(a.rows - 1) * a.dst_row + (size_t)(a.cols - 1) * a.dst_col + a.count) * sizeof(float)
            : 0,
        4);
    memcpy(mem->copy.begin, mem->to.begin, (size_t)(mem->to.end - mem->to.begin));
    float *const expected = (float *)(mem->copy.begin + ((char *)a.dst - mem->to.begin));
    for (size_t c = 0; c < a.count; c++) {
        double d[MAX_A][MAX_A], e[MAX_A][MAX_A];
        for (size_t i = 0; i < planes; i++) d[i / in][i % in] = (double)a.src[i * a.plane + c];
        apply(&rows_t, &t, d, e, &scales[c]);
        for (int i = 0; i < a.rows; i++)
            for (int j = 0; j < a.cols; j++) {
                float *const at = expected + (size_t)i * a.dst_row + (size_t)j * a.dst_col + c;
                const double v =
                    e[i][j] + (a.bias ? (double)bias[c] : 0.0) + (a.load_dst ? (double)*at : 0.0);
                *at = (float)(a.act == CINCEL_ACT_RELU && v < 0.0 ? 0.0 : v + 0.0);
            }
    }
    what == OUTPUT ? row->output(&a) : row->back_output(&a);
    for (size_t c = 0; c < a.count; c++)
        for (size_t i = 0; i < (size_t)a.rows; i++)
            for (size_t j = 0; j < (size_t)a.cols; j++) {
                const size_t at = i * a.dst_row + j * a.dst_col + c;
                allow(row, a.dst[at], &expected[at], scales[c] + 99.0);
            }
    for (float *p = (float *)mem->to.begin; p < (float *)mem->to.end; p++) *p += 0.0f;
    for (float *p = (float *)mem->copy.begin; p < (float *)mem->copy.end; p++) *p += 0.0f;
    compare(mem, row->name, names[what], r);
}

struct fixture {
    struct test_target target;
    struct memory memory;
};

static void test_transforms(void **state)
{
    const struct fixture *f = *state;
    const long rounds = test_cases(40);
    for (int i = 0; f->target.isas[i]; i++)
        for (int k = 0; k < f->target.isas[i]->winograd_count; k++)
            for (long round = 0; round < rounds; round++) {
                const struct cincel_isa *const isa = f->target.isas[i];
                struct test_random r = {{(uint64_t)round, (uint32_t)i, (uint32_t)k}, 0};
                const struct cincel_winograd_row *const row = &isa->winograd[k];
                assert_true(row->m * row->stride + row->r - row->stride <= MAX_A);
                for (int what = INPUT; what < OUTPUT; what++)
                    if (what != BACK_INPUT || row->back_input)
                        check_gather(&f->memory, isa, row, (enum transform)what, &r);
                check_output(&f->memory, isa, row, OUTPUT, &r);
                if (row->back_output) check_output(&f->memory, isa, row, BACK_OUTPUT, &r);
            }
}

int main(void)
{
    enum { FLOATS = MAX_A * MAX_A * (MAX_COUNT + MAX_VEC + 20) + MAX_A * 3 };
    static struct fixture f;
    test_target_create(1, &f.target);
    test_target_emulate(&f.target);
    test_region_open(&f.memory.from, FLOATS * sizeof(float));
    test_region_open(&f.memory.to, FLOATS * sizeof(float));
    test_region_open(&f.memory.copy, FLOATS * sizeof(float));
    const struct CMUnitTest tests[] = {cmocka_unit_test_prestate(test_transforms, &f)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
