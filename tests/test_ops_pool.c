/* Max pooling as an algorithm, against the plain reference: random windows, strides (overlapping, with
   gaps) and asymmetric padding, every choice, every usable ISA, 1 to 16 threads, bit for bit. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ops/pool.h"
#include "ops/reference.h"
#include "tests/support/cases.h"
#include "tests/support/conv_cases.h"
#include "tests/support/guard.h"

enum { TEAM = 16 };
static const int thread_counts[] = {1, 2, 3, 7, TEAM};

struct fixture {
    struct test_target all;
    struct cincel_team *team;
};

static void draw_axis(struct test_random *r, int *in, int *kernel, int *stride, int *low, int *high)
{
    *in = test_draw(r, 1, 24);
    *kernel = test_draw(r, 1, test_draw(r, 0, 5) == 0 ? 16 : 4);
    *stride = test_draw(r, 1, *kernel + 2);
    *low = test_draw(r, 0, *kernel - 1);
    *high = test_draw(r, 0, *kernel - 1);
}

static void draw_problem(struct test_random *r, cincel_pass pass, struct cincel_problem *out)
{
    cincel_pool_desc d = CINCEL_POOL_DESC_INIT;
    do {
        d.n = test_draw(r, 1, 3);
        d.c = test_draw(r, 0, 1) ? 16 * test_draw(r, 1, 5) : test_draw(r, 1, 70);
        d.accumulate = test_draw(r, 0, 3) == 0;
        draw_axis(r, &d.ih, &d.kh, &d.stride_h, &d.pad_top, &d.pad_bottom);
        draw_axis(r, &d.iw, &d.kw, &d.stride_w, &d.pad_left, &d.pad_right);
    } while (cincel_problem_pool(&d, pass, out) != CINCEL_OK);
}

/* Tensors of a problem, each ending at an unreadable page, and the reference's results. */
struct pool_case {
    size_t in, out; /* elements of x and of y */
    float *x, *y, *dy, *dx, *want_y, *start_dx, *first_dx;
    uint8_t *argmax, *want_argmax;
    double *want_dx;
};

static float *guarded_floats(size_t count) { return test_guarded(count * sizeof(float)); }

/* Integers, so that ties are frequent and sums exact; forward some cases get NaN and infinities too. */
static void create_case(struct test_random *r, const struct cincel_problem *p, int special,
                        struct pool_case *c)
{
    const cincel_pool_desc *d = &p->pool.d;
    c->in = (size_t)d->n * (size_t)d->ih * (size_t)d->iw * (size_t)d->c;
    c->out = (size_t)d->n * (size_t)p->pool.oh * (size_t)p->pool.ow * (size_t)d->c;
    c->x = guarded_floats(c->in), c->dx = guarded_floats(c->in);
    c->start_dx = guarded_floats(c->in), c->first_dx = guarded_floats(c->in);
    c->y = guarded_floats(c->out), c->dy = guarded_floats(c->out), c->want_y = guarded_floats(c->out);
    c->argmax = test_guarded(c->out), c->want_argmax = test_guarded(c->out);
    c->want_dx = test_guarded(c->in * sizeof(double));
    static const float values[] = {NAN, INFINITY, -INFINITY, -0.0f};
    for (size_t i = 0; i < c->in; i++) {
        const int plain = !special || test_draw(r, 0, 19) > 0;
        c->x[i] = plain ? (float)test_draw(r, -20, 20) : values[test_draw(r, 0, 3)];
        c->start_dx[i] = (float)test_draw(r, -9, 9);
    }
    for (size_t i = 0; i < c->out; i++) c->dy[i] = (float)test_draw(r, -9, 9);
    const struct cincel_tensors t = {.x = c->x, .dy = c->dy, .dx = c->start_dx, .argmax_in = c->want_argmax};
    cincel_reference_maxpool_forward(p, &t, NULL, c->out, c->want_y, c->want_argmax);
    cincel_reference_maxpool_backward(p, &t, NULL, c->in, c->want_dx);
}

static void free_case(struct pool_case *c)
{
    float *const in[] = {c->x, c->dx, c->start_dx, c->first_dx}, *const out[] = {c->y, c->dy, c->want_y};
    for (size_t i = 0; i < sizeof in / sizeof *in; i++) test_guarded_free(in[i], c->in * sizeof(float));
    for (size_t i = 0; i < sizeof out / sizeof *out; i++) test_guarded_free(out[i], c->out * sizeof(float));
    test_guarded_free(c->argmax, c->out);
    test_guarded_free(c->want_argmax, c->out);
    test_guarded_free(c->want_dx, c->in * sizeof(double));
}

/* Runs one choice on outputs filled with what must not stay. */
static void run_choice(const struct fixture *f, const struct cincel_problem *p,
                       const struct cincel_choice *choice, const struct pool_case *c, uint8_t *argmax)
{
    const struct cincel_algo *algo = cincel_algo_find(p, choice->algo);
    struct cincel_prepared *prepared;
    assert_int_equal(algo->workspace(&f->all.target, p, choice), 0);
    assert_int_equal(algo->build(&f->all.target, p, choice, &prepared), CINCEL_OK);
    memset(c->y, 0xff, c->out * sizeof(float));
    memset(c->argmax, 0xff, c->out);
    memcpy(c->dx, c->start_dx, c->in * sizeof(float));
    const struct cincel_tensors t = {
        .x = c->x, .y = c->y, .argmax_out = argmax, .dy = c->dy, .argmax_in = c->want_argmax, .dx = c->dx};
    algo->run(prepared, &t, f->team);
    algo->discard(prepared);
}

static bool results_hold(const struct cincel_problem *p, const struct pool_case *c)
{
    if (p->pass == CINCEL_FORWARD)
        return memcmp(c->y, c->want_y, c->out * sizeof(float)) == 0 &&
               memcmp(c->argmax, c->want_argmax, c->out) == 0;
    for (size_t i = 0; i < c->in; i++)
        if ((double)c->dx[i] != c->want_dx[i]) return false;
    return true;
}

/* Every ISA, every value of the knobs that check() admits, every thread count. */
static void check_choices(const struct fixture *f, const struct cincel_problem *p, const struct pool_case *c,
                          long seed)
{
    const struct cincel_algo *algo =
        p->pass == CINCEL_FORWARD ? &cincel_algo_pool_max_forward : &cincel_algo_pool_max_backward;
    int tried = 0;
    for (int i = 0; f->all.isas[i]; i++)
        for (int stream = 0; stream <= 1; stream++)
            for (size_t t = 0; t < sizeof thread_counts / sizeof *thread_counts; t++) {
                struct cincel_choice choice = {.threads = thread_counts[t], .knob = {stream}};
                snprintf(choice.algo, sizeof choice.algo, "%s", algo->name);
                snprintf(choice.isa, sizeof choice.isa, "%s", f->all.isas[i]->name);
                char why[CINCEL_WHY], text[CINCEL_CHOICE_TEXT];
                if (!cincel_choice_check(&f->all.target, p, &choice, 1e-3, why)) continue;
                run_choice(f, p, &choice, c, c->argmax);
                tried++;
                cincel_choice_print(p, &choice, text);
                if (!results_hold(p, c)) fail_msg("seed %ld: %s", seed, text);
            }
    assert_true(tried >= (int)(sizeof thread_counts / sizeof *thread_counts));
}

static void test_against_the_reference(void **state)
{
    const struct fixture *f = *state;
    const long cases = test_cases(300);
    for (long seed = 0; seed < cases; seed++)
        for (int pass = CINCEL_FORWARD; pass <= CINCEL_BACKWARD_DATA; pass++) {
            struct test_random r = {{(uint64_t)seed, 0, 0}, 0};
            struct cincel_problem p;
            struct pool_case c;
            draw_problem(&r, (cincel_pass)pass, &p);
            create_case(&r, &p, seed % 3 == 0, &c);
            check_choices(f, &p, &c, seed);
            free_case(&c);
        }
}

/* Without argmax the same maxima; and sums that do round have one order on every ISA and thread count. */
static void test_fixed_order_and_no_argmax(void **state)
{
    const struct fixture *f = *state;
    struct test_random r = {{77, 0, 0}, 0};
    struct cincel_problem p;
    cincel_pool_desc d = CINCEL_POOL_DESC_INIT;
    d.n = 2, d.c = 48, d.ih = 19, d.iw = 17, d.kh = 5, d.kw = 4, d.stride_h = d.stride_w = 1;
    d.pad_top = 4, d.pad_right = 3;
    for (int pass = CINCEL_FORWARD; pass <= CINCEL_BACKWARD_DATA; pass++) {
        struct pool_case c;
        assert_int_equal(cincel_problem_pool(&d, (cincel_pass)pass, &p), CINCEL_OK);
        create_case(&r, &p, 0, &c);
        for (size_t i = 0; i < c.out; i++) c.dy[i] = (float)test_draw(&r, -9999, 9999) / 3.0f;
        for (int i = 0; f->all.isas[i]; i++)
            for (int threads = 1; threads <= TEAM; threads += 5) {
                struct cincel_choice choice = {.threads = threads};
                strcpy(choice.algo, pass == CINCEL_FORWARD ? "rows" : "gather");
                snprintf(choice.isa, sizeof choice.isa, "%s", f->all.isas[i]->name);
                run_choice(f, &p, &choice, &c, NULL);
                if (i == 0 && threads == 1) memcpy(c.first_dx, c.dx, c.in * sizeof(float));
                if (pass == CINCEL_FORWARD) assert_memory_equal(c.y, c.want_y, c.out * sizeof(float));
                if (pass != CINCEL_FORWARD) assert_memory_equal(c.dx, c.first_dx, c.in * sizeof(float));
            }
        free_case(&c);
    }
}

static void test_refusals(void **state)
{
    const struct fixture *f = *state;
    struct cincel_problem p;
    cincel_pool_desc d = CINCEL_POOL_DESC_INIT;
    d.c = 24, d.ih = d.iw = 40, d.kh = 16, d.kw = 16;
    struct cincel_choice choice = {.algo = "rows", .threads = 1};
    snprintf(choice.isa, sizeof choice.isa, "%s", f->all.isas[0]->name);
    char why[CINCEL_WHY] = "";
    assert_int_equal(cincel_problem_pool(&d, CINCEL_FORWARD, &p), CINCEL_OK);
    assert_true(cincel_choice_check(&f->all.target, &p, &choice, 1e-3, why)); /* 256 cells fit a byte */
    choice.knob[0] = 1;
    assert_false(cincel_choice_check(&f->all.target, &p, &choice, 1e-3, why));
    assert_non_null(strstr(why, "stream=1"));
    choice.knob[0] = 0;
    d.kw = 17;
    assert_int_equal(cincel_problem_pool(&d, CINCEL_FORWARD, &p), CINCEL_OK);
    assert_false(cincel_choice_check(&f->all.target, &p, &choice, 1e-3, why));
    assert_non_null(strstr(why, "16x17"));
}

int main(void)
{
    static struct fixture f;
    test_target_create(TEAM, &f.all);
    f.team = cincel_team_create(TEAM);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_against_the_reference, &f),
        cmocka_unit_test_prestate(test_fixed_order_and_no_argmax, &f),
        cmocka_unit_test_prestate(test_refusals, &f),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    cincel_team_destroy(f.team);
    return failed;
}
