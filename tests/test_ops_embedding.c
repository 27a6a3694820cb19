/* Embeddings on small integers, where sums are exact: any width, count and number of threads, on every ISA.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ops/embedding.h"
#include "tests/support/cases.h"
#include "tests/support/conv_cases.h"
#include "tests/support/guard.h"

enum { THREADS = 7 };

struct fixture {
    struct test_target all;
    struct cincel_team *team;
};

static void check(const struct cincel_crew *crew, size_t count, size_t vocabulary, size_t width,
                  struct test_random *r)
{
    const size_t table = vocabulary * width * sizeof(float), rows = count * width * sizeof(float);
    float *w = test_guarded(table), *y = test_guarded(rows);
    float *dy = test_guarded(rows), *dw = test_guarded(table);
    float *want = calloc(vocabulary * width, sizeof *want);
    int32_t *ids = malloc(count * sizeof *ids);
    for (size_t i = 0; i < vocabulary * width; i++) w[i] = (float)test_draw(r, -99, 99), dw[i] = 7.0f;
    for (size_t i = 0; i < count * width; i++) dy[i] = (float)test_draw(r, -99, 99);
    for (size_t i = 0; i < count; i++) ids[i] = (int32_t)test_draw(r, 0, (int)vocabulary - 1);
    cincel_embedding_gather(crew, ids, w, count, width, y);
    cincel_embedding_scatter(crew, ids, dy, count, vocabulary, width, dw);
    for (size_t i = 0; i < count; i++) {
        assert_memory_equal(y + i * width, w + (size_t)ids[i] * width, width * sizeof *y);
        for (size_t c = 0; c < width; c++) want[(size_t)ids[i] * width + c] += dy[i * width + c];
    }
    assert_memory_equal(dw, want, table);
    test_guarded_free(w, table), test_guarded_free(y, rows);
    test_guarded_free(dy, rows), test_guarded_free(dw, table);
    free(want);
    free(ids);
}

static void test_embedding(void **state)
{
    const struct fixture *f = *state;
    struct test_random r = {{31, 0, 0}, 0};
    for (int i = 0; f->all.isas[i]; i++) {
        const long cases = test_cases(60);
        for (long c = 0; c < cases; c++) {
            const struct cincel_crew crew = {f->team, (int)test_draw(&r, 1, THREADS), f->all.isas[i], 0};
            const size_t count = (size_t)test_draw(&r, 1, c % 8 ? 40 : 900);
            check(&crew, count, (size_t)test_draw(&r, 1, 70), (size_t)test_draw(&r, 1, 90), &r);
        }
    }
}

int main(void)
{
    static struct fixture f;
    test_target_create(THREADS, &f.all);
    test_target_emulate(&f.all);
    f.team = cincel_team_create(THREADS);
    const struct CMUnitTest tests[] = {cmocka_unit_test_prestate(test_embedding, &f)};
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    cincel_team_destroy(f.team);
    return failed;
}
