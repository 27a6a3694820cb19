/* Element-wise operations on teams of 1 to 16 threads: against double precision where they compute, and
   bit for bit the same for every number of threads. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ops/eltwise.h"
#include "tests/support/cases.h"
#include "tests/support/conv_cases.h"

enum { TEAM = 16, LONG = 300 * 1000 + 7 }; /* enough elements to put all 16 threads to work */
static const int thread_counts[] = {1, 2, 3, 7, TEAM};
enum { THREAD_COUNTS = sizeof thread_counts / sizeof *thread_counts };

struct fixture {
    struct test_target all;
    struct cincel_team *team;
};

static float *draw_floats(struct test_random *r, size_t count, float scale)
{
    float *x = malloc(count * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < count; i++) x[i] = scale * (float)test_draw(r, -1000, 1000) * 1e-3f;
    return x;
}

static float *copy_of(const float *x, size_t count)
{
    float *y = malloc(count * sizeof *y);
    assert_non_null(y);
    memcpy(y, x, count * sizeof *y);
    return y;
}

/* Everything that streams, in one sequence: the last results carry all earlier ones. */
static void stream_all(const struct cincel_crew *crew, const float *x, size_t count, float *w, float *v)
{
    float *y = copy_of(x, count);
    cincel_eltwise_math(crew, CINCEL_MATH_TANH, y, y, count);
    cincel_eltwise_math(crew, CINCEL_MATH_SIGMOID, y, y, count);
    cincel_eltwise_math(crew, CINCEL_MATH_LOG, y, y, count);
    cincel_eltwise_math(crew, CINCEL_MATH_EXP, y, y, count);
    cincel_eltwise_sgd(crew, w, y, v, count, 0.1f, 0.9f, 1e-3f);
    cincel_eltwise_sgd(crew, w, y, NULL, count, 0.1f, 0.0f, 0.0f);
    cincel_eltwise_act_forward(crew, CINCEL_ACT_RELU, 0.0f, w, y, count);
    cincel_eltwise_act_backward(crew, CINCEL_ACT_RELU, 0.0f, y, v, v, count);
    cincel_eltwise_act_forward(crew, CINCEL_ACT_NONE, 0.0f, y, w, count);
    free(y);
}

static void test_streams_do_not_depend_on_threads(void **state)
{
    const struct fixture *f = *state;
    for (int i = 0; f->all.isas[i]; i++)
        for (size_t count = 0; count <= LONG; count = count * 9 + 5) {
            struct test_random r = {{count, 0, 0}, 0};
            float *x = draw_floats(&r, count + 1, 3.0f), *w0 = draw_floats(&r, count + 1, 1.0f);
            float *v0 = draw_floats(&r, count + 1, 1.0f), *first_w = NULL, *first_v = NULL;
            for (int t = 0; t < THREAD_COUNTS; t++) {
                const struct cincel_crew crew = {f->team, thread_counts[t], f->all.isas[i]};
                float *w = copy_of(w0, count + 1), *v = copy_of(v0, count + 1);
                stream_all(&crew, x, count, w, v);
                if (t == 0) {
                    first_w = w, first_v = v;
                    continue;
                }
                assert_memory_equal(w, first_w, (count + 1) * sizeof *w); /* and nothing past the end */
                assert_memory_equal(v, first_v, (count + 1) * sizeof *v);
                free(w), free(v);
            }
            assert_memory_equal(first_w + count, w0 + count, sizeof *w0);
            free(first_w), free(first_v), free(x), free(w0), free(v0);
        }
}

/* The sequence of two steps on one weight, worked out by hand. */
static void test_sgd_formula(void **state)
{
    const struct fixture *f = *state;
    for (int i = 0; f->all.isas[i]; i++) {
        const struct cincel_crew crew = {f->team, 1, f->all.isas[i]};
        float w = 1.0f, v = 0.0f;
        const float dw = 0.25f;
        cincel_eltwise_sgd(&crew, &w, &dw, &v, 1, 0.5f, 0.5f, 0.25f); /* g = 0.5, v = 0.5, w = 0.75 */
        assert_true(v == 0.5f && w == 0.75f);
        cincel_eltwise_sgd(&crew, &w, &dw, &v, 1, 0.5f, 0.5f, 0.0f); /* g = 0.25, v = 0.5, w = 0.5 */
        assert_true(v == 0.5f && w == 0.5f);
    }
}

int main(void)
{
    static struct fixture f;
    test_target_create(TEAM, &f.all);
    f.team = cincel_team_create(TEAM);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_streams_do_not_depend_on_threads, &f),
        cmocka_unit_test_prestate(test_sgd_formula, &f),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    cincel_team_destroy(f.team);
    return failed;
}
