/* Outer-product tiles of every usable ISA, bit for bit: all column counts, few and many pixels, any strides,
   every operand between unreadable pages. Integers against plain sums; real numbers against the one chain of
   FMAs an element is defined as, in one call and in two. */
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

/* The memory of all cases; `copy` is where the expected W is made. */
struct memory {
    struct test_region x, dy, w, copy;
};

struct outer_case {
    size_t images, rows, pixels;
    int n, load_w;
    int low; /* operands begin right after an unreadable page; otherwise they end before one */
    int real;
};

static float draw_number(struct test_random *r, int real)
{
    if (!real) return (float)test_draw(r, -4, 4);
    return 2.0f * cincel_random_uniform(&r->source, r->next++) - 1.0f;
}

/* A tensor of images x rows x pixels x channels with random gaps; all of its region is filled. */
static const float *fill_tensor(const struct test_region *region, struct test_random *r,
                                const struct outer_case *o, int channels, ptrdiff_t *image, ptrdiff_t *row,
                                ptrdiff_t *px)
{
    *px = channels + test_draw(r, 0, 1) * test_draw(r, 0, 9);
    *row = *px * (ptrdiff_t)o->pixels + test_draw(r, 0, 9);
    *image = *row * (ptrdiff_t)o->rows + test_draw(r, 0, 9);
    size_t count = 0;
    if (o->images > 0 && o->rows > 0 && o->pixels > 0)
        count = (o->images - 1) * (size_t)*image + (o->rows - 1) * (size_t)*row +
                (o->pixels - 1) * (size_t)*px + (size_t)channels;
    float *const p = o->low ? (float *)region->begin : test_region_last(region, count * sizeof *p, 4);
    for (size_t i = 0; i < count; i++) p[i] = draw_number(r, o->real);
    return p;
}

/* The definition (kernels/kernel.h), element by element, into `copy` where W stands in `w`. */
static void reference(const struct memory *mem, const struct cincel_outer_args *o, int mr, int nr, int fma)
{
    memcpy(mem->copy.begin, mem->w.begin, (size_t)(mem->w.end - mem->w.begin));
    float *const w = (float *)(mem->copy.begin + ((char *)o->w - mem->w.begin));
    for (int i = 0; i < mr; i++)
        for (int j = 0; j < o->n; j++) {
            float sum = o->load_w ? w[i * nr + j] : 0.0f;
            for (size_t image = 0; image < o->images; image++)
                for (size_t row = 0; row < o->rows; row++)
                    for (size_t px = 0; px < o->pixels; px++) {
                        const float a = o->x[(ptrdiff_t)image * o->x_image + (ptrdiff_t)row * o->x_row +
                                             (ptrdiff_t)px * o->x_px + i];
                        const float b = o->dy[(ptrdiff_t)image * o->dy_image + (ptrdiff_t)row * o->dy_row +
                                              (ptrdiff_t)px * o->dy_px + j];
                        sum = fma ? fmaf(a, b, sum) : sum + a * b;
                    }
            w[i * nr + j] = sum;
        }
}

/* Two calls, the chain cut before image `cut`. */
static void run_in_two(const struct cincel_outer_row *row, const struct cincel_outer_args *args, size_t cut)
{
    struct cincel_outer_args first = *args, second = *args;
    first.images = cut;
    second.images -= cut;
    second.x += (ptrdiff_t)cut * args->x_image;
    second.dy += (ptrdiff_t)cut * args->dy_image;
    second.load_w = 1;
    row->run(&first);
    row->run(&second);
}

static void check(const struct memory *mem, const struct cincel_isa *isa, const struct cincel_outer_row *row,
                  struct test_random *r, const struct outer_case *o, int in_two)
{
    struct cincel_outer_args args = {
        .images = o->images, .rows = o->rows, .pixels = o->pixels, .n = o->n, .load_w = o->load_w};
    args.x = fill_tensor(&mem->x, r, o, row->mr, &args.x_image, &args.x_row, &args.x_px);
    args.dy = fill_tensor(&mem->dy, r, o, o->n, &args.dy_image, &args.dy_row, &args.dy_px);
    const size_t count = (size_t)row->mr * (size_t)row->nr;
    args.w = o->low ? (float *)mem->w.begin : test_region_last(&mem->w, count * sizeof *args.w, 64);
    for (float *p = (float *)mem->w.begin; p < (float *)mem->w.end; p++) *p = draw_number(r, o->real);
    reference(mem, &args, row->mr, row->nr, isa->has_fma);
    if (in_two)
        run_in_two(row, &args, (size_t)test_draw(r, 0, (int)o->images));
    else
        row->run(&args);
    float *const expected = (float *)(mem->copy.begin + ((char *)args.w - mem->w.begin));
    for (int i = 0; i < row->mr; i++) /* columns n … nr−1 may hold anything */
        for (int j = o->n; j < row->nr; j++) expected[i * row->nr + j] = args.w[i * row->nr + j];
    if (memcmp(mem->w.begin, mem->copy.begin, (size_t)(mem->w.end - mem->w.begin)) != 0)
        fail_msg("%s: n %d images %zu rows %zu pixels %zu load_w %d real %d in two %d low %d, seed %llu",
                 row->name, o->n, o->images, o->rows, o->pixels, o->load_w, o->real, in_two, o->low,
                 (unsigned long long)r->source.seed);
}

static void check_row(const struct memory *mem, const struct cincel_isa *isa,
                      const struct cincel_outer_row *row, struct test_random *r)
{
    static const size_t pixels[] = {0, 1, 2, 3, 7, 17};
    char name[64];
    snprintf(name, sizeof name, "outer_%dx%d_%s", row->mr, row->nr, isa->name);
    assert_string_equal(row->name, name);
    struct outer_case o = {0};
    for (o.n = 1; o.n <= row->nr; o.n++)
        for (int i = 0; i < 6 * 4; i++) {
            o.pixels = pixels[i % 6];
            o.load_w = i / 6 & 1;
            o.low = i / 12 & 1;
            o.images = (size_t)(test_draw(r, 0, 9) ? test_draw(r, 1, 2) : 0);
            o.rows = (size_t)(test_draw(r, 0, 9) ? test_draw(r, 1, 3) : 0);
            check(mem, isa, row, r, &o, 0);
        }
}

static void check_chain(const struct memory *mem, const struct cincel_isa *isa,
                        const struct cincel_outer_row *row, struct test_random *r)
{
    for (int i = 0; i < 16; i++) {
        struct outer_case o = {.images = 3, .rows = 5, .pixels = 19, .n = row->nr, .real = 1};
        if (i % 4 == 3) o.n = test_draw(r, 1, row->nr);
        o.load_w = i & 1;
        o.low = i >> 1 & 1;
        check(mem, isa, row, r, &o, 0);
        check(mem, isa, row, r, &o, 1);
    }
}

struct fixture {
    struct test_target target;
    struct memory memory;
};

typedef void check_function(const struct memory *, const struct cincel_isa *, const struct cincel_outer_row *,
                            struct test_random *);

static void for_all_rows(struct fixture *f, check_function *check_one, uint32_t purpose)
{
    const long rounds = test_cases(1);
    for (int i = 0; f->target.isas[i]; i++)
        for (int row = 0; row < f->target.isas[i]->outer_count; row++)
            for (long round = 0; round < rounds; round++) {
                struct test_random r = {{(uint64_t)round, purpose, (uint32_t)row}, 0};
                check_one(&f->memory, f->target.isas[i], &f->target.isas[i]->outer[row], &r);
            }
}

static void test_integers(void **state) { for_all_rows(*state, check_row, 1); }

static void test_chains(void **state) { for_all_rows(*state, check_chain, 2); }

/* What drivers rely on to cover any number of channels: a row of one channel for every nr on offer. */
static void test_single_channels(void **state)
{
    const struct fixture *f = *state;
    for (int i = 0; f->target.isas[i]; i++) {
        const struct cincel_isa *const isa = f->target.isas[i];
        for (int row = 0; row < isa->outer_count; row++) {
            int found = 0;
            for (int other = 0; other < isa->outer_count; other++)
                found |= isa->outer[other].nr == isa->outer[row].nr && isa->outer[other].mr == 1;
            if (!found) fail_msg("%s: no row with mr 1 and nr %d", isa->name, isa->outer[row].nr);
        }
    }
}

int main(void)
{
    static struct fixture f;
    test_target_create(1, &f.target);
    test_target_emulate(&f.target);
    test_region_open(&f.memory.x, 64 << 10);
    test_region_open(&f.memory.dy, 128 << 10);
    test_region_open(&f.memory.w, 8 << 10);
    test_region_open(&f.memory.copy, 8 << 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_integers, &f),
        cmocka_unit_test_prestate(test_chains, &f),
        cmocka_unit_test_prestate(test_single_channels, &f),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
