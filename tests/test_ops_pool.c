/* Pooling as an algorithm, against the plain reference: every kind, random windows, strides (overlapping,
   with gaps), asymmetric padding, adaptive and global windows, every choice, every usable ISA, 1 to 16
   threads. Maxima and their gradients bit for bit; averages of integers too, where the windows' sizes are
   powers of two. */
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
enum { THREAD_COUNTS = sizeof thread_counts / sizeof *thread_counts };

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
    cincel_pool_desc d;
    do {
        d = (cincel_pool_desc)CINCEL_POOL_DESC_INIT;
        d.kind = (cincel_pool_kind)test_draw(r, CINCEL_POOL_MAX, CINCEL_POOL_AVG_EXCLUDE_PAD);
        d.n = test_draw(r, 1, 3);
        d.c = test_draw(r, 0, 1) ? 16 * test_draw(r, 1, 5) : test_draw(r, 1, 70);
        d.accumulate = test_draw(r, 0, 3) == 0;
        draw_axis(r, &d.ih, &d.kh, &d.stride_h, &d.pad_top, &d.pad_bottom);
        draw_axis(r, &d.iw, &d.kw, &d.stride_w, &d.pad_left, &d.pad_right);
        const int form = test_draw(r, 0, 5);
        if (form == 0) d.oh = test_draw(r, 1, d.ih + 3), d.ow = test_draw(r, 1, d.iw + 3);
        if (form == 1) {
            d.oh = d.ow = 1;
            d.c = test_draw(r, 1, 400); /* some of them cut in slices */
        }
    } while (cincel_problem_pool(&d, pass, out) != CINCEL_OK);
}

/* Tensors of a problem, each ending at an unreadable page, and the reference's results. */
struct pool_case {
    size_t in, out; /* elements of x and of y */
    size_t number;  /* bytes of an element of argmax */
    bool exact;     /* results must equal the reference's */
    float *x, *y, *dy, *dx, *start_dx, *first;
    void *argmax, *want_argmax;
    double *want_y, *want_dx;
};

static float *guarded_floats(size_t count) { return test_guarded(count * sizeof(float)); }

static bool power_of_two(int v) { return (v & (v - 1)) == 0; }

/* Averages have none, and a guarded buffer has one byte at least. */
static size_t argmax_room(const struct pool_case *c) { return c->number ? c->out * c->number : 1; }

/* Maxima with their cells as the plan keeps them. */
static void expect_maxima(const struct cincel_problem *p, const struct cincel_tensors *t,
                          const struct pool_case *c)
{
    float *y = guarded_floats(c->out);
    int32_t *cell = test_guarded(c->out * sizeof *cell);
    cincel_reference_maxpool_forward(p, t, NULL, c->out, y, cell);
    for (size_t i = 0; i < c->out; i++) {
        c->want_y[i] = (double)y[i];
        if (c->number == 1)
            ((uint8_t *)c->want_argmax)[i] = (uint8_t)cell[i];
        else
            ((int32_t *)c->want_argmax)[i] = cell[i];
    }
    test_guarded_free(y, c->out * sizeof *y);
    test_guarded_free(cell, c->out * sizeof *cell);
}

/* Integers, so that ties are frequent and sums exact; maxima of some cases get NaN and infinities too. */
static void create_case(struct test_random *r, const struct cincel_problem *p, int special,
                        struct pool_case *c)
{
    const cincel_pool_desc *d = &p->pool.d;
    const bool max = d->kind == CINCEL_POOL_MAX;
    c->in = (size_t)d->n * (size_t)d->ih * (size_t)d->iw * (size_t)d->c;
    c->out = (size_t)d->n * (size_t)p->pool.oh * (size_t)p->pool.ow * (size_t)d->c;
    c->number = cincel_problem_argmax_bytes(p);
    c->exact = max || (d->kind == CINCEL_POOL_AVG_INCLUDE_PAD && power_of_two(d->kh) && power_of_two(d->kw));
    c->x = guarded_floats(c->in), c->dx = guarded_floats(c->in), c->start_dx = guarded_floats(c->in);
    c->y = guarded_floats(c->out), c->dy = guarded_floats(c->out);
    c->first = guarded_floats(c->in + c->out);
    c->argmax = test_guarded(argmax_room(c)), c->want_argmax = test_guarded(argmax_room(c));
    c->want_y = test_guarded(c->out * sizeof(double)), c->want_dx = test_guarded(c->in * sizeof(double));
    static const float values[] = {NAN, INFINITY, -INFINITY, -0.0f};
    for (size_t i = 0; i < c->in; i++) {
        const int plain = !special || !max || test_draw(r, 0, 19) > 0;
        c->x[i] = plain ? (float)test_draw(r, -20, 20) : values[test_draw(r, 0, 3)];
        c->start_dx[i] = (float)test_draw(r, -9, 9);
    }
    for (size_t i = 0; i < c->out; i++) c->dy[i] = (float)test_draw(r, -9, 9);
    const struct cincel_tensors t = {.x = c->x, .dy = c->dy, .dx = c->start_dx, .argmax_in = c->want_argmax};
    if (max)
        expect_maxima(p, &t, c);
    else
        cincel_reference_avgpool_forward(p, &t, NULL, c->out, c->want_y);
    cincel_reference_pool_backward(p, &t, NULL, c->in, c->want_dx);
}

static void free_case(struct pool_case *c)
{
    float *const in[] = {c->x, c->dx, c->start_dx}, *const out[] = {c->y, c->dy};
    for (size_t i = 0; i < sizeof in / sizeof *in; i++) test_guarded_free(in[i], c->in * sizeof(float));
    for (size_t i = 0; i < sizeof out / sizeof *out; i++) test_guarded_free(out[i], c->out * sizeof(float));
    test_guarded_free(c->first, (c->in + c->out) * sizeof(float));
    test_guarded_free(c->argmax, argmax_room(c));
    test_guarded_free(c->want_argmax, argmax_room(c));
    test_guarded_free(c->want_y, c->out * sizeof(double));
    test_guarded_free(c->want_dx, c->in * sizeof(double));
}

/* Runs one choice on outputs and a workspace filled with what must not stay. */
static void run_choice(const struct fixture *f, const struct cincel_problem *p,
                       const struct cincel_choice *choice, const struct pool_case *c, void *argmax)
{
    const struct cincel_algo *algo = cincel_algo_find(p, choice->algo);
    struct cincel_prepared *prepared;
    const size_t bytes = algo->workspace(&f->all.target, p, choice);
    void *ws = bytes ? test_guarded(bytes) : NULL;
    if (ws) memset(ws, 0xff, bytes);
    assert_int_equal(algo->build(&f->all.target, p, choice, &prepared), CINCEL_OK);
    memset(c->y, 0xff, c->out * sizeof(float));
    memset(c->argmax, 0xff, c->out * c->number);
    memcpy(c->dx, c->start_dx, c->in * sizeof(float));
    const struct cincel_tensors t = {.x = c->x,
                                     .y = c->y,
                                     .argmax_out = argmax,
                                     .dy = c->dy,
                                     .argmax_in = c->want_argmax,
                                     .dx = c->dx,
                                     .workspace = ws};
    algo->run(prepared, &t, f->team);
    algo->discard(prepared);
    if (ws) test_guarded_free(ws, bytes);
}

/* Equal, both NaN, or as close as a handful of roundings of numbers up to 20 (or sums of a hundred 9s). */
static bool value_holds(const struct pool_case *c, float got, double want)
{
    if (isnan(want)) return isnan(got);
    if (c->exact)
        return (double)got == want && (want != 0.0 || !signbit(got) == !signbit(want) || got == 0.0f);
    return fabs((double)got - want) <= 2e-6 * (10.0 + fabs(want));
}

static bool results_hold(const struct cincel_problem *p, const struct pool_case *c)
{
    const bool forward = p->pass == CINCEL_FORWARD;
    const size_t count = forward ? c->out : c->in;
    for (size_t i = 0; i < count; i++) {
        if (!value_holds(c, forward ? c->y[i] : c->dx[i], forward ? c->want_y[i] : c->want_dx[i]))
            return false;
    }
    return !forward || memcmp(c->argmax, c->want_argmax, c->out * c->number) == 0;
}

/* Every algorithm, ISA and value of the knobs that check() admits, every thread count: right, and the bits
   of the first. */
static void check_choices(const struct fixture *f, const struct cincel_problem *p, const struct pool_case *c,
                          long seed)
{
    static const char *const algos[] = {"rows", "slices", "gather"};
    const bool forward = p->pass == CINCEL_FORWARD;
    const float *result = forward ? c->y : c->dx;
    const size_t bytes = (forward ? c->out : c->in) * sizeof(float);
    int tried = 0;
    for (int i = 0; f->all.isas[i]; i++)
        for (int n = 0; n < 3 * 2 * THREAD_COUNTS; n++) {
            struct cincel_choice choice = {.threads = thread_counts[n / 6], .knob = {n % 2}};
            snprintf(choice.algo, sizeof choice.algo, "%s", algos[n / 2 % 3]);
            snprintf(choice.isa, sizeof choice.isa, "%s", f->all.isas[i]->name);
            char why[CINCEL_WHY], text[CINCEL_CHOICE_TEXT];
            const struct cincel_algo *algo = cincel_algo_find(p, choice.algo);
            if (!algo || (algo->knob_count == 0 && choice.knob[0] == 1)) continue;
            if (!cincel_choice_check(&f->all.target, p, &choice, 1e-3, why)) continue;
            run_choice(f, p, &choice, c, c->number ? c->argmax : NULL);
            if (tried++ == 0) memcpy(c->first, result, bytes);
            cincel_choice_print(p, &choice, text);
            if (!results_hold(p, c)) fail_msg("seed %ld: %s", seed, text);
            if (memcmp(c->first, result, bytes) != 0) fail_msg("seed %ld: %s: other bits", seed, text);
        }
    assert_true(tried >= THREAD_COUNTS);
}

static void test_against_the_reference(void **state)
{
    const struct fixture *f = *state;
    const long cases = test_cases(400);
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

/* Windows so large that a plan does not list what all runs of pixels see, each call lists its own. */
static void test_large_windows(void **state)
{
    const struct fixture *f = *state;
    struct test_random r = {{79, 0, 0}, 0};
    cincel_pool_desc d = CINCEL_POOL_DESC_INIT;
    d.c = 5, d.ih = 40, d.iw = 34, d.kh = d.kw = 24;
    for (int n = 0; n < 6; n++) {
        struct cincel_problem p;
        struct pool_case c;
        d.kind = (cincel_pool_kind)(n / 2);
        assert_int_equal(cincel_problem_pool(&d, (cincel_pass)(n % 2), &p), CINCEL_OK);
        create_case(&r, &p, n % 3 == 0, &c);
        check_choices(f, &p, &c, n);
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
    for (int n = 0; n < 6; n++) {
        const int pass = n % 2;
        struct pool_case c;
        d.kind = (cincel_pool_kind)(n / 2);
        assert_int_equal(cincel_problem_pool(&d, (cincel_pass)pass, &p), CINCEL_OK);
        create_case(&r, &p, 0, &c);
        for (size_t i = 0; i < c.out; i++) c.dy[i] = (float)test_draw(&r, -9999, 9999) / 3.0f;
        for (int i = 0; f->all.isas[i]; i++)
            for (int threads = 1; threads <= TEAM; threads += 5) {
                struct cincel_choice choice = {.threads = threads};
                strcpy(choice.algo, pass == CINCEL_FORWARD ? "rows" : "gather");
                snprintf(choice.isa, sizeof choice.isa, "%s", f->all.isas[i]->name);
                run_choice(f, &p, &choice, &c, NULL);
                if (i == 0 && threads == 1) memcpy(c.first, c.dx, c.in * sizeof(float));
                for (size_t e = 0; pass == CINCEL_FORWARD && e < c.out; e++)
                    assert_true(value_holds(&c, c.y[e], c.want_y[e]));
                if (pass != CINCEL_FORWARD) assert_memory_equal(c.dx, c.first, c.in * sizeof(float));
            }
        free_case(&c);
    }
}

/* A NaN or an infinity anywhere in the window of an average is in the average. */
static void test_averages_of_special_values(void **state)
{
    const struct fixture *f = *state;
    struct test_random r = {{78, 0, 0}, 0};
    struct cincel_problem p;
    struct pool_case c;
    cincel_pool_desc d = CINCEL_POOL_DESC_INIT;
    d.kind = CINCEL_POOL_AVG_EXCLUDE_PAD;
    d.c = 37, d.ih = 9, d.iw = 8, d.kh = d.kw = 3, d.pad_left = 1;
    assert_int_equal(cincel_problem_pool(&d, CINCEL_FORWARD, &p), CINCEL_OK);
    create_case(&r, &p, 0, &c);
    for (int i = 0; i < 40; i++) {
        const float values[] = {NAN, INFINITY, -INFINITY};
        c.x[test_draw(&r, 0, (int)c.in - 1)] = values[i % 3];
    }
    cincel_reference_avgpool_forward(&p, &(struct cincel_tensors){.x = c.x}, NULL, c.out, c.want_y);
    for (int i = 0; f->all.isas[i]; i++) {
        struct cincel_choice choice = {.algo = "rows", .threads = 2};
        snprintf(choice.isa, sizeof choice.isa, "%s", f->all.isas[i]->name);
        run_choice(f, &p, &choice, &c, NULL);
        for (size_t e = 0; e < c.out; e++) {
            const bool same = isfinite(c.want_y[e]) ? value_holds(&c, c.y[e], c.want_y[e])
                              : isnan(c.want_y[e])  ? isnan(c.y[e])
                                                    : (double)c.y[e] == c.want_y[e];
            assert_true(same);
        }
    }
    free_case(&c);
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
    assert_int_equal(cincel_problem_argmax_bytes(&p), 1); /* 256 cells fit a byte */
    choice.knob[0] = 1;
    assert_false(cincel_choice_check(&f->all.target, &p, &choice, 1e-3, why));
    assert_non_null(strstr(why, "stream=1"));
    choice.knob[0] = 0;
    strcpy(choice.algo, "slices");
    assert_false(cincel_choice_check(&f->all.target, &p, &choice, 1e-3, why));
    assert_non_null(strstr(why, "16x16"));
    d.kw = 17;
    assert_int_equal(cincel_problem_pool(&d, CINCEL_FORWARD, &p), CINCEL_OK);
    assert_int_equal(cincel_problem_argmax_bytes(&p), 4);

    /* the bits of an average follow from the problem: one algorithm for it */
    d.kind = CINCEL_POOL_AVG_INCLUDE_PAD;
    d.c = 64;
    d.oh = d.ow = 1;
    assert_int_equal(cincel_problem_pool(&d, CINCEL_FORWARD, &p), CINCEL_OK);
    assert_true(cincel_choice_check(&f->all.target, &p, &choice, 1e-3, why));
    strcpy(choice.algo, "rows");
    assert_false(cincel_choice_check(&f->all.target, &p, &choice, 1e-3, why));
    assert_non_null(strstr(why, "slices"));
}

int main(void)
{
    static struct fixture f;
    test_target_create(TEAM, &f.all);
    f.team = cincel_team_create(TEAM);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_against_the_reference, &f),
        cmocka_unit_test_prestate(test_large_windows, &f),
        cmocka_unit_test_prestate(test_fixed_order_and_no_argmax, &f),
        cmocka_unit_test_prestate(test_averages_of_special_values, &f),
        cmocka_unit_test_prestate(test_refusals, &f),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    cincel_team_destroy(f.team);
    return failed;
}
