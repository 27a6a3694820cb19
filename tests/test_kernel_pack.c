/* Packing of every usable ISA, bit for bit against plain loops: panels of every width on offer and of others,
   all column counts, short and long k, every operand between unreadable pages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/cases.h"
#include "tests/support/conv_cases.h"
#include "tests/support/guard.h"

enum movement { TRANSPOSE, COPY, UNTRANSPOSE, UNTRANSPOSE_ADD, MOVEMENTS };
static const char *const movement_names[MOVEMENTS] = {"transpose", "copy", "untranspose",
                                                      "untranspose, adding"};

enum { MAX_K = 37, MAX_NR = 64 };

/* `copy` is where the expected contents of `to` are made. */
struct memory {
    struct test_region from, to, copy;
};

static void fill(const struct test_region *region, struct test_random *r)
{
    for (float *p = (float *)region->begin; p < (float *)region->end; p++) *p = (float)test_draw(r, -99, 99);
}

/* Floats a matrix of that many rows spans, the last one ending with its last column. */
static size_t span(size_t rows, size_t ld, size_t cols) { return rows && cols ? (rows - 1) * ld + cols : 0; }

/* The definitions (kernels/kernel.h). */
static void reference(enum movement movement, const float *src, size_t ld, size_t k_count, int n, int nr,
                      float *dst)
{
    for (size_t k = 0; k < k_count; k++)
        for (int j = 0; j < (movement <= COPY ? nr : n); j++) {
            float *const panel = dst + k * (size_t)nr + (size_t)j, *const plain = dst + (size_t)j * ld + k;
            const float packed = src[movement >= UNTRANSPOSE ? k * (size_t)nr + (size_t)j : 0];
            switch (movement) {
            case TRANSPOSE: *panel = j < n ? src[(size_t)j * ld + k] : 0.0f; break;
            case COPY: *panel = j < n ? src[k * ld + (size_t)j] : 0.0f; break;
            case UNTRANSPOSE: *plain = packed; break;
            default: *plain += packed; break;
            }
        }
}

static void check(const struct memory *mem, const struct cincel_pack_row *row, struct test_random *r,
                  enum movement movement, size_t k_count, int n, int nr)
{
    const int low = test_draw(r, 0, 1);
    const size_t ld = (movement == COPY ? (size_t)n : k_count) + (size_t)test_draw(r, 0, 5);
    const size_t panel = k_count * (size_t)nr;
    const size_t plain = movement == COPY ? span(k_count, ld, (size_t)n) : span((size_t)n, ld, k_count);
    const size_t from_count = movement <= COPY ? plain : panel, to_count = movement <= COPY ? panel : plain;
    float *const src = low ? (float *)mem->from.begin : test_region_last(&mem->from, from_count * 4, 4);
    float *const dst = low ? (float *)mem->to.begin : test_region_last(&mem->to, to_count * 4, 4);
    memcpy(mem->copy.begin, mem->to.begin, (size_t)(mem->to.end - mem->to.begin));
    reference(movement, src, ld, k_count, n, nr, (float *)(mem->copy.begin + ((char *)dst - mem->to.begin)));
    switch (movement) {
    case TRANSPOSE: row->transpose(src, ld, k_count, n, nr, dst); break;
    case COPY: row->copy(src, ld, k_count, n, nr, dst); break;
    default: row->untranspose(src, nr, k_count, n, dst, ld, movement == UNTRANSPOSE_ADD); break;
    }
    if (memcmp(mem->to.begin, mem->copy.begin, (size_t)(mem->to.end - mem->to.begin)) != 0)
        fail_msg("%s %s: k %zu n %d nr %d ld %zu low %d, seed %llu", row->name, movement_names[movement],
                 k_count, n, nr, ld, low, (unsigned long long)r->source.seed);
}

struct fixture {
    struct test_target target;
    struct memory memory;
};

static void check_width(const struct memory *mem, const struct cincel_pack_row *row, struct test_random *r,
                        int nr)
{
    static const size_t k_values[] = {0, 1, 3, 8, 16, 32, MAX_K};
    fill(&mem->from, r);
    fill(&mem->to, r);
    for (int n = 1; n <= nr; n++)
        for (int i = 0; i < 7 * MOVEMENTS; i++)
            check(mem, row, r, (enum movement)(i % MOVEMENTS), k_values[i / MOVEMENTS], n, nr);
}

static void test_movements(void **state)
{
    const struct fixture *f = *state;
    const long rounds = test_cases(1);
    for (int i = 0; f->target.isas[i]; i++) {
        const struct cincel_isa *const isa = f->target.isas[i];
        for (long round = 0; round < rounds; round++) {
            struct test_random r = {{(uint64_t)round, (uint32_t)i, 0}, 0};
            for (int nr = isa->vector_floats; nr <= 64; nr += isa->vector_floats)
                check_width(&f->memory, isa->pack, &r, nr);
            check_width(&f->memory, isa->pack, &r, test_draw(&r, 1, isa->vector_floats - 1));
            check_width(&f->memory, isa->pack, &r,
                        isa->vector_floats + test_draw(&r, 1, isa->vector_floats - 1));
        }
    }
}

/* One pass cuts a matrix into panels that may overlap; nothing between or behind them is touched. */
static void check_split(const struct memory *mem, const struct cincel_isa *isa, struct test_random *r)
{
    struct cincel_split_args a = {.rows = (size_t)test_draw(r, 0, 11),
                                  .columns = (size_t)test_draw(r, 1, 40)};
    a.ld = a.columns + (size_t)test_draw(r, 0, 5);
    a.nr = (size_t)isa->vector_floats * (size_t)test_draw(r, 1, 2);
    a.step = (size_t)test_draw(r, 1, (int)a.nr);
    a.panels = (size_t)test_draw(r, 0, (int)((a.columns - 1) / a.step) + 1);
    if (a.panels > 6) a.panels = 6;
    a.dst_panel = a.rows * a.nr + (size_t)test_draw(r, 0, 3);
    const size_t used = a.panels ? (a.panels - 1) * a.dst_panel + a.rows * a.nr : 0;
    a.src = test_region_last(&mem->from, span(a.rows, a.ld, a.columns) * 4, 4);
    a.dst = test_region_last(&mem->to, used * 4, 4);
    memcpy(mem->copy.begin, mem->to.begin, (size_t)(mem->to.end - mem->to.begin));
    float *const expected = (float *)(mem->copy.begin + ((char *)a.dst - mem->to.begin));
    for (size_t p = 0; p < a.panels; p++)
        for (size_t i = 0; i < a.rows; i++)
            for (size_t j = 0; j < a.nr; j++)
                expected[p * a.dst_panel + i * a.nr + j] =
                    p * a.step + j < a.columns ? a.src[i * a.ld + p * a.step + j] : 0.0f;
    isa->pack->split(&a);
    if (memcmp(mem->to.begin, mem->copy.begin, (size_t)(mem->to.end - mem->to.begin)) != 0)
        fail_msg("%s split: rows %zu columns %zu ld %zu panels %zu step %zu nr %zu, seed %llu",
                 isa->pack->name, a.rows, a.columns, a.ld, a.panels, a.step, a.nr,
                 (unsigned long long)r->source.seed);
}

static void test_split(void **state)
{
    const struct fixture *f = *state;
    const long rounds = test_cases(300);
    for (int i = 0; f->target.isas[i]; i++)
        for (long round = 0; round < rounds; round++) {
            struct test_random r = {{(uint64_t)round, (uint32_t)i, 1}, 0};
            if (round % 100 == 0) fill(&f->memory.from, &r);
            if (round % 100 == 0) fill(&f->memory.to, &r);
            check_split(&f->memory, f->target.isas[i], &r);
        }
}

/* Lines of 16 floats go where the contract says, common stores or past the caches; nothing else is touched.
 */
static void check_blocks(const struct memory *mem, const struct cincel_isa *isa, struct test_random *r)
{
    enum { LINE = 16 };
    struct cincel_blocks_args a = {.pixels = (size_t)test_draw(r, 0, 7),
                                   .blocks = (size_t)test_draw(r, 0, 6),
                                   .first = (size_t)test_draw(r, 0, 3),
                                   .split = (size_t)test_draw(r, 1, 3),
                                   .ahead = (size_t)test_draw(r, 0, 1) * 999};
    const size_t columns = (a.first + a.pixels) / a.split + 1;
    a.src_block = LINE + (size_t)test_draw(r, 0, 2);
    a.src_px = (a.blocks + 1) * a.src_block + (size_t)test_draw(r, 0, 3);
    a.dst_px = LINE + (size_t)test_draw(r, 0, 1);
    a.dst_phase = columns * a.dst_px + (size_t)test_draw(r, 0, 1);
    a.dst_block = a.split * a.dst_phase + (size_t)test_draw(r, 0, 2);
    const bool some = a.pixels > 0 && a.blocks > 0;
    const size_t read = some ? (a.pixels - 1) * a.src_px + (a.blocks - 1) * a.src_block + LINE : 0;
    size_t written = 0;
    for (size_t p = 0; some && p < a.pixels; p++) {
        const size_t q = a.first + p, at = q % a.split * a.dst_phase + q / a.split * a.dst_px;
        if (at + (a.blocks - 1) * a.dst_block + LINE > written)
            written = at + (a.blocks - 1) * a.dst_block + LINE;
    }
    a.src = test_region_last(&mem->from, read * 4, 4);
    a.dst = test_region_last(&mem->to, written * 4, 4);
    memcpy(mem->copy.begin, mem->to.begin, (size_t)(mem->to.end - mem->to.begin));
    float *const expected = (float *)(mem->copy.begin + ((char *)a.dst - mem->to.begin));
    for (size_t p = 0; p < a.pixels; p++) {
        const size_t q = a.first + p, at = q % a.split * a.dst_phase + q / a.split * a.dst_px;
        for (size_t b = 0; b < a.blocks; b++)
            for (size_t j = 0; j < LINE; j++)
                expected[at + b * a.dst_block + j] = a.src[p * a.src_px + b * a.src_block + j];
    }
    isa->pack->blocks(&a);
    if (memcmp(mem->to.begin, mem->copy.begin, (size_t)(mem->to.end - mem->to.begin)) != 0)
        fail_msg("%s blocks: pixels %zu blocks %zu first %zu split %zu, seed %llu", isa->pack->name, a.pixels,
                 a.blocks, a.first, a.split, (unsigned long long)r->source.seed);
}

static void test_blocks(void **state)
{
    const struct fixture *f = *state;
    const long rounds = test_cases(300);
    for (int i = 0; f->target.isas[i]; i++)
        for (long round = 0; round < rounds; round++) {
            struct test_random r = {{(uint64_t)round, (uint32_t)i, 2}, 0};
            if (round % 100 == 0) fill(&f->memory.from, &r);
            if (round % 100 == 0) fill(&f->memory.to, &r);
            check_blocks(&f->memory, f->target.isas[i], &r);
        }
}

int main(void)
{
    static struct fixture f;
    test_target_create(1, &f.target);
    test_target_emulate(&f.target);
    test_region_open(&f.memory.from, (size_t)MAX_NR * (MAX_K + 5) * 4);
    test_region_open(&f.memory.to, (size_t)MAX_NR * (MAX_K + 5) * 4);
    test_region_open(&f.memory.copy, (size_t)MAX_NR * (MAX_K + 5) * 4);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_movements, &f),
        cmocka_unit_test_prestate(test_split, &f),
        cmocka_unit_test_prestate(test_blocks, &f),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
