/* Synthetic digits: the same on every machine, different from seed to seed, learnable and not trivial. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "cincel/train.h"

enum { PIXELS = 28 * 28, CLASSES = 10 };

struct digits {
    size_t count;
    float *x;
    int32_t *labels;
};

static struct digits make(size_t count, uint64_t seed)
{
    struct digits d = {count, malloc(count * PIXELS * sizeof(float)), malloc(count * sizeof(int32_t))};
    size_t *index = malloc(count * sizeof *index);
    for (size_t i = 0; i < count; i++) index[i] = i;
    cincel_dataset *data;
    assert_int_equal(cincel_dataset_synthetic_digits(count, seed, &data), CINCEL_OK);
    assert_int_equal(cincel_dataset_gather(data, index, count, d.x, d.labels), CINCEL_OK);
    cincel_dataset_info info = CINCEL_DATASET_INFO_INIT;
    assert_int_equal(cincel_dataset_describe(data, &info), CINCEL_OK);
    assert_string_equal(info.name, "synthetic digits");
    assert_int_equal(info.height * info.width * info.channels, PIXELS);
    assert_int_equal(info.classes, CLASSES);
    cincel_dataset_destroy(data);
    free(index);
    return d;
}

static void release(struct digits *d)
{
    free(d->x);
    free(d->labels);
}

static uint64_t digest(const struct digits *d)
{
    uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */
    for (size_t i = 0; i < d->count * PIXELS; i++)
        hash = (hash ^ (uint64_t)(d->x[i] * 255 + 0.5f)) * 0x100000001b3;
    for (size_t i = 0; i < d->count; i++) hash = (hash ^ (uint64_t)d->labels[i]) * 0x100000001b3;
    return hash;
}

/* The digits of a seed are part of every result made with them: they must not change by accident, nor
   from one processor or C library to another. */
static void test_golden(void **state)
{
    (void)state;
    struct digits d = make(100, 1);
    if (digest(&d) != 0x44704c7a2971ccd9u) fail_msg("digest is 0x%016llx", (unsigned long long)digest(&d));
    release(&d);
}

static void test_pure_function_of_seed_and_number(void **state)
{
    (void)state;
    struct digits few = make(50, 7), more = make(200, 7), other = make(50, 8);
    assert_memory_equal(few.x, more.x, 50 * PIXELS * sizeof(float));
    assert_memory_equal(few.labels, more.labels, 50 * sizeof(int32_t));
    for (size_t i = 0; i < 50; i++) {
        assert_memory_not_equal(few.x + i * PIXELS, other.x + i * PIXELS, PIXELS * sizeof(float));
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(few.x + i * PIXELS, few.x + j * PIXELS, PIXELS * sizeof(float));
    }
    release(&few);
    release(&more);
    release(&other);
}

/* Ink where digits have it, the border mostly free, every class about as often. */
static void test_pictures(void **state)
{
    (void)state;
    struct digits d = make(3000, 3);
    size_t histogram[CLASSES] = {0};
    double middle = 0, border = 0;
    for (size_t i = 0; i < d.count; i++) {
        assert_in_range(d.labels[i], 0, CLASSES - 1);
        histogram[d.labels[i]]++;
        float most = 0;
        for (int p = 0; p < PIXELS; p++) {
            const float value = d.x[i * PIXELS + (size_t)p];
            assert_true(value >= 0 && value <= 1);
            if (value > most) most = value;
            const int y = p / 28, x = p % 28;
            if (x == 0 || y == 0 || x == 27 || y == 27) border += value / 108;
            if (x >= 8 && x < 20 && y >= 6 && y < 22) middle += value / 192;
        }
        assert_true(most > 0.4f);
    }
    for (int c = 0; c < CLASSES; c++) assert_in_range(histogram[c], 240, 360); /* 300 ± 3.6 σ */
    assert_true(border / (double)d.count < 0.1);
    assert_true(middle / (double)d.count > 0.2);
    release(&d);
}

/* The nearest neighbour among 2000 others: far from chance, far from perfect. */
static void test_difficulty(void **state)
{
    (void)state;
    enum { KNOWN = 2000, ASKED = 300 };
    struct digits d = make(KNOWN + ASKED, 5);
    size_t hits = 0;
    for (size_t q = KNOWN; q < KNOWN + ASKED; q++) {
        float best = 1e30f;
        size_t nearest = 0;
        for (size_t i = 0; i < KNOWN; i++) {
            float sum = 0;
            for (int p = 0; p < PIXELS; p++) {
                const float e = d.x[i * PIXELS + (size_t)p] - d.x[q * PIXELS + (size_t)p];
                sum += e * e;
            }
            if (sum < best) {
                best = sum;
                nearest = i;
            }
        }
        hits += d.labels[nearest] == d.labels[q];
    }
    assert_in_range(hits, ASKED * 60 / 100, ASKED * 95 / 100);
    release(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_pure_function_of_seed_and_number),
        cmocka_unit_test(test_pictures),
        cmocka_unit_test(test_difficulty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
