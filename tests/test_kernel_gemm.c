/* gemm tiles of every usable ISA, bit for bit: all rows and columns a tile can be cut to, all lengths of the
   chain, every operand between unreadable pages. Integers against plain sums; real numbers against the one
   chain of FMAs an element is defined as, in one call and in two. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/cases.h"
#include "tests/support/conv_cases.h"
#include "tests/support/guard.h"

enum { MAX_TAPS = 9, GAP = 3 };

/* The memory of all cases; `copy` is where the expected C is made. */
struct memory {
    struct test_region a, b, c, bias, a_rows, c_rows, copy;
};

struct gemm_case {
    size_t taps, k;
    int m, n, load_c, act, with_bias;
    int low; /* operands begin right after an unreadable page; otherwise they end before one */
    int real;
};

static void *place(const struct test_region *r, int low, size_t bytes, size_t align)
{
    return low ? r->begin : test_region_last(r, bytes, align);
}

static float draw_number(struct test_random *r, int real)
{
    if (!real) return (float)test_draw(r, -4, 4);
    return 2.0f * cincel_random_uniform(&r->source, r->next++) - 1.0f;
}

/* Rows of A in a random order, those below m full of NaN: what they yield must stay unseen. */
static void fill_a(const struct memory *mem, struct test_random *r, const struct gemm_case *g, int mr,
                   struct cincel_gemm_args *args)
{
    const size_t rows = g->taps * (size_t)mr;
    float *a = place(&mem->a, g->low, rows * g->k * sizeof *a, 4);
    const float **pointers = place(&mem->a_rows, g->low, rows * sizeof *pointers, 8);
    for (size_t i = 0; i < rows; i++) pointers[i] = a + i * g->k;
    for (size_t i = rows; i > 1; i--) {
        const size_t other = (size_t)test_draw(r, 0, (int)i - 1);
        const float *const swap = pointers[i - 1];
        pointers[i - 1] = pointers[other];
        pointers[other] = swap;
    }
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < g->k; k++)
            a[(size_t)(pointers[i] - a) + k] = (int)(i % (size_t)mr) < g->m ? draw_number(r, g->real) : NAN;
    args->a = pointers;
}

static void fill_b(const struct memory *mem, struct test_random *r, const struct gemm_case *g, int nr,
                   struct cincel_gemm_args *args)
{
    const size_t rows = g->taps * g->k;
    float *b = place(&mem->b, g->low, rows * (size_t)nr * sizeof *b, 64);
    for (size_t i = 0; i < rows * (size_t)nr; i++)
        b[i] = (int)(i % (size_t)nr) < g->n ? draw_number(r, g->real) : 0.0f;
    args->b = b;
}

static void fill_c(const struct memory *mem, struct test_random *r, const struct gemm_case *g,
                   struct cincel_gemm_args *args)
{
    const size_t ld = (size_t)g->n + GAP, count = (size_t)(g->m - 1) * ld + (size_t)g->n;
    float *c = place(&mem->c, g->low, count * sizeof *c, 4);
    float **pointers = place(&mem->c_rows, g->low, (size_t)g->m * sizeof *pointers, 8);
    float *bias = place(&mem->bias, g->low, (size_t)g->n * sizeof *bias, 4);
    for (float *p = (float *)mem->c.begin; p < (float *)mem->c.end; p++) *p = draw_number(r, g->real);
    for (int i = 0; i < g->m; i++) pointers[i] = c + (size_t)i * ld;
    for (int j = 0; j < g->n; j++) bias[j] = draw_number(r, g->real);
    args->c = pointers;
    args->bias = g->with_bias ? bias : NULL;
}

/* The definition (kernels/kernel.h), element by element, into `copy` where C stands in `c`. */
static void reference(const struct memory *mem, const struct cincel_gemm_args *g, int mr, int nr, int fma)
{
    memcpy(mem->copy.begin, mem->c.begin, (size_t)(mem->c.end - mem->c.begin));
    for (int i = 0; i < g->m; i++)
        for (int j = 0; j < g->n; j++) {
            float *out = (float *)(mem->copy.begin + ((char *)(g->c[i] + j) - mem->c.begin));
            float sum = g->load_c ? *out : 0.0f;
            for (size_t t = 0; t < g->taps; t++)
                for (size_t k = 0; k < g->k; k++) {
                    const float a = g->a[t * (size_t)mr + (size_t)i][k],
                                b = g->b[(t * g->k + k) * (size_t)nr + (size_t)j];
                    sum = fma ? fmaf(a, b, sum) : sum + a * b;
                }
            if (g->bias) sum += g->bias[j];
            *out = g->act == CINCEL_ACT_RELU && sum < 0.0f ? 0.0f : sum;
        }
}

/* Two calls, the chain cut after tap `cut`. */
static void run_in_two(const struct cincel_gemm_row *row, const struct cincel_gemm_args *args, size_t cut)
{
    struct cincel_gemm_args first = *args, second = *args;
    first.taps = cut;
    first.bias = NULL;
    first.act = CINCEL_ACT_NONE;
    second.a += cut * (size_t)row->mr;
    second.b += cut * args->k * (size_t)row->nr;
    second.taps -= cut;
    second.load_c = 1;
    row->run(&first);
    row->run(&second);
}

static void check(const struct memory *mem, const struct cincel_isa *isa, const struct cincel_gemm_row *row,
                  struct test_random *r, const struct gemm_case *g, int in_two)
{
    struct cincel_gemm_args args = {
        .taps = g->taps, .k = g->k, .m = g->m, .n = g->n, .load_c = g->load_c, .act = g->act};
    /* addresses to be fetched are hints: nowhere, a page nobody may read, memory */
    const float *const ahead[] = {NULL, (const float *)mem->c.end, (const float *)mem->c.begin};
    args.ahead = ahead;
    args.ahead_count = (size_t)test_draw(r, 0, 3);
    args.ahead_each = (size_t)test_draw(r, 0, 2);
    args.ahead_until = (size_t)test_draw(r, 0, 40);
    fill_a(mem, r, g, row->mr, &args);
    fill_b(mem, r, g, row->nr, &args);
    fill_c(mem, r, g, &args);
    reference(mem, &args, row->mr, row->nr, isa->has_fma);
    if (in_two)
        run_in_two(row, &args, (size_t)test_draw(r, 0, (int)g->taps));
    else
        row->run(&args);
    if (memcmp(mem->c.begin, mem->copy.begin, (size_t)(mem->c.end - mem->c.begin)) != 0)
        fail_msg("%s: m %d n %d k %zu taps %zu load_c %d act %d bias %d real %d in two %d low %d, seed %llu",
                 row->name, g->m, g->n, g->k, g->taps, g->load_c, g->act, g->with_bias, g->real, in_two,
                 g->low, (unsigned long long)r->source.seed);
}

static const size_t k_values[] = {0, 1, 2, 3, 17}, tap_values[] = {0, 1, 2, 9};
enum { K_VALUES = 5, TAP_VALUES = 4, FLAGS = 16 };

static void set_flags(struct gemm_case *g, int flags)
{
    g->load_c = flags & 1;
    g->act = flags & 2 ? CINCEL_ACT_RELU : CINCEL_ACT_NONE;
    g->with_bias = flags >> 2 & 1;
    g->low = flags >> 3 & 1;
}

/* Every m and n with random lengths; every length with random m and n. */
static void check_row(const struct memory *mem, const struct cincel_isa *isa,
                      const struct cincel_gemm_row *row, struct test_random *r)
{
    char name[64];
    snprintf(name, sizeof name, "gemm_%dx%d_%s", row->mr, row->nr, isa->name);
    assert_string_equal(row->name, name);
    struct gemm_case g = {0};
    for (g.m = 1; g.m <= row->mr; g.m++)
        for (g.n = 1; g.n <= row->nr; g.n++) {
            g.k = k_values[test_draw(r, 0, K_VALUES - 1)];
            g.taps = tap_values[test_draw(r, 0, TAP_VALUES - 1)];
            set_flags(&g, test_draw(r, 0, FLAGS - 1));
            check(mem, isa, row, r, &g, 0);
        }
    for (int i = 0; i < K_VALUES * TAP_VALUES * FLAGS; i++) {
        g.k = k_values[i % K_VALUES];
        g.taps = tap_values[i / K_VALUES % TAP_VALUES];
        set_flags(&g, i / K_VALUES / TAP_VALUES);
        g.m = test_draw(r, 1, row->mr);
        g.n = test_draw(r, 0, 1) ? row->nr : test_draw(r, 1, row->nr);
        check(mem, isa, row, r, &g, 0);
    }
}

static void check_chain(const struct memory *mem, const struct cincel_isa *isa,
                        const struct cincel_gemm_row *row, struct test_random *r)
{
    for (int i = 0; i < FLAGS; i++) {
        struct gemm_case g = {
            .taps = MAX_TAPS, .k = 40, .m = test_draw(r, 1, row->mr), .n = row->nr, .real = 1};
        if (i % 4 == 3) g.n = test_draw(r, 1, row->nr);
        set_flags(&g, i);
        check(mem, isa, row, r, &g, 0);
        check(mem, isa, row, r, &g, 1);
    }
}

struct fixture {
    struct test_target target;
    struct memory memory;
};

typedef void check_function(const struct memory *, const struct cincel_isa *, const struct cincel_gemm_row *,
                            struct test_random *);

static void for_all_rows(struct fixture *f, check_function *check_one, uint32_t purpose)
{
    const long rounds = test_cases(1);
    for (int i = 0; f->target.isas[i]; i++)
        for (int row = 0; row < f->target.isas[i]->gemm_count; row++)
            for (long round = 0; round < rounds; round++) {
                struct test_random r = {{(uint64_t)round, purpose, (uint32_t)row}, 0};
                check_one(&f->memory, f->target.isas[i], &f->target.isas[i]->gemm[row], &r);
            }
}

static void test_integers(void **state) { for_all_rows(*state, check_row, 1); }

static void test_chains(void **state) { for_all_rows(*state, check_chain, 2); }

/* What drivers rely on to serve any m: a row of one line for every nr on offer. */
static void test_single_rows(void **state)
{
    const struct fixture *f = *state;
    for (int i = 0; f->target.isas[i]; i++) {
        const struct cincel_isa *const isa = f->target.isas[i];
        for (int row = 0; row < isa->gemm_count; row++) {
            int found = 0;
            for (int other = 0; other < isa->gemm_count; other++)
                found |= isa->gemm[other].nr == isa->gemm[row].nr && isa->gemm[other].mr == 1;
            if (!found) fail_msg("%s: no row with mr 1 and nr %d", isa->name, isa->gemm[row].nr);
            assert_int_equal(isa->gemm[row].nr % isa->vector_floats, 0);
        }
    }
}

int main(void)
{
    static struct fixture f;
    test_target_create(1, &f.target);
    test_target_emulate(&f.target);
    struct memory *const mem = &f.memory;
    test_region_open(&mem->a, 64 << 10);
    test_region_open(&mem->b, 256 << 10);
    test_region_open(&mem->c, 16 << 10);
    test_region_open(&mem->copy, 16 << 10);
    test_region_open(&mem->bias, 4 << 10);
    test_region_open(&mem->a_rows, 4 << 10);
    test_region_open(&mem->c_rows, 4 << 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_integers, &f),
        cmocka_unit_test_prestate(test_chains, &f),
        cmocka_unit_test_prestate(test_single_rows, &f),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
