/* Transposition of every usable ISA, bit for bit against plain loops: every remainder, dense and spaced rows,
   both operands between unreadable pages, nothing written between the rows of dst. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/cases.h"
#include "tests/support/conv_cases.h"
#include "tests/support/guard.h"

enum { MAX_SIDE = 100, REGION_FLOATS = MAX_SIDE * (MAX_SIDE + 4) };

struct fixture {
    struct test_target target;
    struct test_region from, to, copy;
};

static void fill(const struct test_region *region, struct test_random *r)
{
    uint32_t *word = (uint32_t *)region->begin;
    for (; word < (uint32_t *)region->end; word++) *word = cincel_random_bits(&r->source, r->next++);
}

/* A region's first or last `floats` floats. */
static float *place(const struct test_region *region, size_t floats, int first)
{
    return first ? (float *)region->begin : test_region_last(region, floats * sizeof(float), sizeof(float));
}

static void check(const struct fixture *f, const struct cincel_layout_row *row, struct test_random *r,
                  size_t rows, size_t cols)
{
    const size_t src_ld = cols + (size_t)(test_draw(r, 0, 2) == 0 ? test_draw(r, 1, 4) : 0);
    const size_t dst_ld = rows + (size_t)(test_draw(r, 0, 2) == 0 ? test_draw(r, 1, 4) : 0);
    const int src_first = test_draw(r, 0, 1), dst_first = test_draw(r, 0, 1);
    const float *src = place(&f->from, (rows - 1) * src_ld + cols, src_first);
    float *dst = place(&f->to, (cols - 1) * dst_ld + rows, dst_first);
    const size_t bytes = (size_t)(f->to.end - f->to.begin);
    memcpy(f->copy.begin, f->to.begin, bytes);
    char *const expected = f->copy.begin + ((char *)dst - f->to.begin);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            memcpy(expected + (j * dst_ld + i) * sizeof(float), src + i * src_ld + j, sizeof(float));
    const size_t ahead = (size_t)test_draw(r, 0, 1) * cols, dst_ahead = (size_t)test_draw(r, 0, 1) * rows;
    row->transpose(src, src_ld, rows, cols, dst, dst_ld, ahead, dst_ahead);
    if (memcmp(f->to.begin, f->copy.begin, bytes) != 0)
        fail_msg("%s: rows %zu cols %zu src_ld %zu dst_ld %zu first %d %d, seed %llu", row->name, rows, cols,
                 src_ld, dst_ld, src_first, dst_first, (unsigned long long)r->source.seed);
}

/* Whole lines of dst, past the caches. */
static void check_past(const struct fixture *f, const struct cincel_layout_row *row, struct test_random *r)
{
    const size_t rows = 16 * (size_t)test_draw(r, 1, MAX_SIDE / 16),
                 cols = (size_t)test_draw(r, 16, MAX_SIDE);
    const float *src = place(&f->from, rows * cols, test_draw(r, 0, 1) == 0);
    float *dst = (float *)f->to.begin;
    memset(dst, 0, rows * cols * sizeof *dst);
    row->transpose_past(src, cols, rows, cols, dst, rows, (size_t)test_draw(r, 0, 1) * cols);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            if (memcmp(dst + j * rows + i, src + i * cols + j, sizeof *dst) != 0)
                fail_msg("%s past the caches: rows %zu cols %zu at %zu %zu", row->name, rows, cols, i, j);
}

/* All small sizes, then larger ones at random. */
static void blocks_of_any_size_are_transposed(void **state)
{
    const struct fixture *f = *state;
    const long rounds = test_cases(400);
    for (int i = 0; f->target.isas[i]; i++) {
        const struct cincel_layout_row *row = f->target.isas[i]->layout;
        struct test_random r = {{0, (uint32_t)i, 2}, 0};
        fill(&f->from, &r);
        fill(&f->to, &r);
        for (size_t rows = 1; rows <= 35; rows++)
            for (size_t cols = 1; cols <= 35; cols++) check(f, row, &r, rows, cols);
        for (long round = 0; round < rounds; round++) {
            struct test_random s = {{(uint64_t)round, (uint32_t)i, 3}, 0};
            const size_t rows = (size_t)test_draw(&s, 1, MAX_SIDE);
            check(f, row, &s, rows, (size_t)test_draw(&s, 1, MAX_SIDE));
            if (row->transpose_past) check_past(f, row, &s);
        }
        if (row->transpose_past) f->target.isas[i]->vector->fence();
    }
}

int main(void)
{
    static struct fixture f;
    test_target_create(1, &f.target);
    test_target_emulate(&f.target);
    test_region_open(&f.from, REGION_FLOATS * sizeof(float));
    test_region_open(&f.to, REGION_FLOATS * sizeof(float));
    test_region_open(&f.copy, REGION_FLOATS * sizeof(float));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(blocks_of_any_size_are_transposed, &f),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
