#include "tests/support/conv_check.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ops/reference.h"
#include "tests/support/cases.h"

static const int thread_counts[] = {1, 2, 3, 7, 16};
enum { THREAD_COUNTS = 5, CANDIDATES_A_CASE = 3 /* and as many defaults */ };

static double rms(const double *v, size_t count)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) sum += v[i] * v[i];
    return sqrt(sum / (double)count) + 1e-30;
}

static struct conv_output *add_output(struct conv_check *f, const char *name, float *at, size_t count)
{
    struct conv_output *o = &f->output[f->outputs++];
    *o = (struct conv_output){.name = name, .at = at, .count = count};
    o->initial = malloc(count * sizeof(float));
    o->expected = malloc(count * sizeof(double));
    assert_non_null(o->initial);
    assert_non_null(o->expected);
    memcpy(o->initial, at, count * sizeof(float));
    return o;
}

/*
 * The error of z passes through the activation, whose slope is at most 1.13 (GELU) or alpha, so that it is
 * measured against z where y is smaller; and an activation that is not piecewise linear adds a few ULP of its
 * own.
 */
static void allow_activation(const struct conv_check *f, struct conv_output *o)
{
    struct cincel_problem linear = f->problem;
    const cincel_conv_desc *d = &f->problem.conv.d;
    const struct cincel_tensors t = conv_case_tensors(&f->c);
    if (d->activation <= CINCEL_ACT_RELU) return;
    double *z = malloc(o->count * sizeof *z);
    assert_non_null(z);
    linear.conv.d.activation = CINCEL_ACT_NONE;
    cincel_reference_conv(&linear, &t, NULL, o->count, z);
    const double slope = d->alpha > 1.13f ? (double)d->alpha : 1.13;
    o->scale = fmax(o->scale, slope * rms(z, o->count));
    o->rounding = d->activation == CINCEL_ACT_LEAKY_RELU ? 0.0 : 4.0 * FLT_EPSILON;
    free(z);
}

void conv_check_create(struct conv_check *f, cincel_pass pass, uint64_t seed, enum conv_data data)
{
    struct test_random r = {.source = {.seed = seed, .purpose = 0, .epoch = 0}, .next = 0};
    *f = (struct conv_check){.data = data, .seed = seed};
    conv_case_problem(&r, pass, &f->problem);
    conv_case_create(&r, &f->problem, data, &f->c);
    const struct cincel_tensors t = conv_case_tensors(&f->c);
    const size_t count = cincel_reference_size(&f->problem);
    float *const tensor[] = {
        [CINCEL_FORWARD] = f->c.y, [CINCEL_BACKWARD_DATA] = f->c.dx, [CINCEL_BACKWARD_WEIGHTS] = f->c.dw};
    static const char *const name[] = {"y", "dx", "dw"};
    struct conv_output *o = add_output(f, name[pass], tensor[pass], count);
    cincel_reference_conv(&f->problem, &t, NULL, count, o->expected);
    o->scale = rms(o->expected, count);
    if (pass == CINCEL_FORWARD) allow_activation(f, o);
    if (pass != CINCEL_BACKWARD_WEIGHTS) return;
    o = add_output(f, "db", f->c.db, f->c.oc);
    cincel_reference_conv_bias(&f->problem, &t, NULL, f->c.oc, o->expected);
    /* few channels may all sum to nearly nothing: not less than uniform gradients do on average */
    o->scale = fmax(rms(o->expected, f->c.oc), sqrt((double)(f->c.y_count / f->c.oc) / 3.0));
}

void conv_check_free(struct conv_check *f)
{
    for (int i = 0; i < f->outputs; i++) {
        free(f->output[i].initial);
        free(f->output[i].expected);
    }
    conv_case_free(&f->c);
}

/*
 * Integers: equal, but for the rounding of a curved activation and of the algorithm. Otherwise within what
 * the algorithm's row promises of the error, four times over: these tensors are small, and their RMS may lie
 * far below that of larger ones of the same chain. It may lie far below a single value, too (gradients
 * between which strides leave zeros): a product behind a gradient is rounded to that.
 */
void conv_check_compare(const struct conv_check *f, const struct cincel_algo *algo,
                        const struct cincel_choice *choice, const char *text)
{
    const bool exact = f->data == CONV_INTEGERS && !(algo->rounds && algo->rounds(&f->problem, choice));
    const double chain = cincel_chain_length(&f->problem);
    const double own = algo->chain ? algo->chain(&f->problem, choice) : chain;
    const double relative = exact ? 0.0 : 4.0 * algo->error * sqrt(fmax(chain, own));
    const double roundings = exact ? 0.0 : 2.0 * FLT_EPSILON;
    for (int i = 0; i < f->outputs; i++) {
        const struct conv_output *o = &f->output[i];
        for (size_t e = 0; e < o->count; e++) {
            const double size = fabs(o->expected[e]);
            const double allowed = relative * o->scale + roundings * size + o->rounding * fmax(1.0, size);
            if (fabs((double)o->at[e] - o->expected[e]) <= allowed) continue;
            char key[256];
            cincel_problem_key(&f->problem, key, sizeof key);
            fail_msg("seed %llu, %s, %s: %s[%zu] is %.9g, must be %.9g", (unsigned long long)f->seed, key,
                     text, o->name, e, (double)o->at[e], o->expected[e]);
        }
    }
}

static uint64_t hash(const float *p, size_t count, uint64_t h)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &p[i], sizeof bits);
        h = (h ^ bits) * UINT64_C(1099511628211); /* FNV-1a on words */
    }
    return h;
}

/* The same numeric half must give the same bits, on every ISA with FMA. */
static void compare_bits(struct conv_check *f, const struct cincel_algo *algo, const struct cincel_choice *c,
                         const char *choice)
{
    uint64_t bits = UINT64_C(14695981039346656037);
    int numeric[CINCEL_MAX_KNOBS] = {0};
    for (int i = 0; i < f->outputs; i++) bits = hash(f->output[i].at, f->output[i].count, bits);
    for (int i = 0; i < algo->knob_count; i++)
        if (algo->knobs[i].numeric) numeric[i] = c->knob[i];
    for (int i = 0; i < f->classes; i++) {
        if (strcmp(f->seen[i].algo, c->algo) != 0) continue;
        if (memcmp(f->seen[i].numeric, numeric, sizeof numeric) != 0) continue;
        if (f->seen[i].bits == bits) return;
        char key[256];
        cincel_problem_key(&f->problem, key, sizeof key);
        fail_msg("seed %llu, %s, %s: other bits than an earlier choice of the same numeric half",
                 (unsigned long long)f->seed, key, choice);
    }
    assert_true(f->classes < CONV_CHECK_CLASSES);
    memcpy(f->seen[f->classes].algo, c->algo, sizeof c->algo);
    memcpy(f->seen[f->classes].numeric, numeric, sizeof numeric);
    f->seen[f->classes++].bits = bits;
}

void conv_check_run(struct conv_check *f, const struct test_target *target, const struct cincel_algo *algo,
                    const struct cincel_choice *choice, struct cincel_team *team)
{
    char text[CINCEL_CHOICE_TEXT];
    cincel_choice_print(&f->problem, choice, text);
    for (int i = 0; i < f->outputs; i++)
        memcpy(f->output[i].at, f->output[i].initial, f->output[i].count * sizeof(float));
    assert_true(conv_case_run(target, algo, &f->problem, choice, &f->c, team));
    conv_check_compare(f, algo, choice, text);
    if (f->data == CONV_UNIFORM && cincel_isa_find(&target->target, choice->isa)->has_fma)
        compare_bits(f, algo, choice, text);
}

/* What the visitor of one enumeration needs. */
struct visit {
    struct conv_check *f;
    const struct test_target *target;
    struct cincel_team *team;
    int keep_one_in, passed_by; /* every keep_one_in-th is visited */
    int ran;
};

static bool visit_candidate(void *user, const struct cincel_algo *algo, const struct cincel_choice *c)
{
    struct visit *v = user;
    if (v->passed_by++ % v->keep_one_in != 0) return true;
    v->ran++;
    conv_check_run(v->f, v->target, algo, c, v->team);
    return true;
}

static bool count_candidate(void *user, const struct cincel_algo *algo, const struct cincel_choice *c)
{
    (void)algo;
    (void)c;
    ++*(int *)user;
    return true;
}

/* A sample of these candidates, at least one, in equal steps from a random one on. */
static int run_sample(struct visit *v, const struct cincel_problem *p, int threads,
                      enum cincel_breadth breadth, struct test_random *random)
{
    int count = 0;
    char why[CINCEL_WHY];
    cincel_choice_enumerate(&v->target->target, p, breadth, threads, 1e9, count_candidate, &count, why);
    v->keep_one_in = count / CANDIDATES_A_CASE + 1;
    v->passed_by = (int)test_draw(random, 0, v->keep_one_in - 1);
    cincel_choice_enumerate(&v->target->target, p, breadth, threads, 1e9, visit_candidate, v, why);
    return v->ran;
}

/* Samples of the default choices of all rows, and of all candidates. */
static int run_candidates(struct conv_check *f, const struct test_target *all, struct cincel_team *team,
                          struct test_random *random)
{
    const int threads = all->machine.threads;
    int ran = 0;
    for (int i = 0; all->isas[i]; i++) {
        struct test_target one;
        test_target_only(all, all->isas[i], &one);
        struct visit v = {.f = f, .target = &one, .team = team};
        assert_true(run_sample(&v, &f->problem, threads, CINCEL_DEFAULT_KNOBS, random) > 0);
        ran += run_sample(&v, &f->problem, threads, CINCEL_ALL_KNOBS, random);
    }
    return ran;
}

/* Each problem on two teams, so that bits are compared across threads; all pairs have their turn. Many
   problems with few of their candidates find more than few problems with many: what fails is a kind of
   problem. */
void conv_check_candidates(cincel_pass pass, enum conv_data data, long by_default)
{
    const long cases = test_cases(by_default);
    struct test_target targets[THREAD_COUNTS];
    struct cincel_team *teams[THREAD_COUNTS];
    for (int t = 0; t < THREAD_COUNTS; t++) {
        test_target_create(thread_counts[t], &targets[t]);
        teams[t] = cincel_team_create(thread_counts[t]);
        assert_non_null(teams[t]);
    }
    long ran = 0;
    for (long i = 0; i < cases; i++) {
        struct conv_check f;
        const uint64_t seed = (uint64_t)i + (data == CONV_UNIFORM ? UINT64_C(1000000) : 0);
        conv_check_create(&f, pass, seed, data);
        struct test_random random = {.source = {.seed = seed, .purpose = 1, .epoch = 0}, .next = 0};
        const long first = i % THREAD_COUNTS;
        const long second = (first + 1 + i / THREAD_COUNTS % (THREAD_COUNTS - 1)) % THREAD_COUNTS;
        ran += run_candidates(&f, &targets[first], teams[first], &random);
        ran += run_candidates(&f, &targets[second], teams[second], &random);
        conv_check_free(&f);
    }
    print_message("%ld problems, %ld runs of candidates\n", cases, ran);
    assert_true(ran >= cases);
    for (int t = 0; t < THREAD_COUNTS; t++) cincel_team_destroy(teams[t]);
}
