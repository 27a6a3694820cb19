/* Backward-weights of convolutions: every candidate against the oracle, and its promises. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ops/conv.h"
#include "tests/support/conv_check.h"

static void test_exact_on_integers(void **state)
{
    (void)state;
    conv_check_candidates(CINCEL_BACKWARD_WEIGHTS, CONV_INTEGERS, 200);
}

static void test_bits_and_error_on_uniform(void **state)
{
    (void)state;
    conv_check_candidates(CINCEL_BACKWARD_WEIGHTS, CONV_UNIFORM, 200);
}

/* db = NULL leaves the bias gradient alone and changes nothing in dw. */
static void test_without_bias_gradient(void **state)
{
    (void)state;
    struct test_target target;
    test_target_create(2, &target);
    struct cincel_team *team = cincel_team_create(2);
    const struct cincel_algo *algo = &cincel_algo_conv_direct_backward_weights;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct conv_check f;
        conv_check_create(&f, CINCEL_BACKWARD_WEIGHTS, seed, CONV_INTEGERS);
        struct cincel_choice c = {.threads = 2};
        snprintf(c.algo, sizeof c.algo, "%s", algo->name);
        snprintf(c.isa, sizeof c.isa, "%s", target.isas[0]->name);
        snprintf(c.row, sizeof c.row, "%s", algo->row(target.isas[0], 0));
        algo->defaults(&target.target, &f.problem, &c);
        struct conv_case without = f.c;
        without.db = NULL;
        assert_true(conv_case_run(&target, algo, &f.problem, &c, &without, team));
        assert_memory_equal(f.output[1].at, f.output[1].initial, f.output[1].count * sizeof(float));
        f.outputs = 1;
        conv_check_compare(&f, algo, &c, "no db");
        f.outputs = 2;
        conv_check_free(&f);
    }
    cincel_team_destroy(team);
}

/* Element (oc, kh, kw, c) as its choice defines it: a chain of FMAs over the pixels of each slice whose input
   exists, in the order images, rows, columns; slices summed in order. */
static float stated_chain(const struct cincel_problem *p, const struct conv_case *k, int slices,
                          size_t element)
{
    const cincel_conv_desc *d = &p->conv.d;
    const int icg = d->ic / d->groups, ocg = d->oc / d->groups;
    const int c = (int)(element % (size_t)icg), kw = (int)(element / (size_t)icg % (size_t)d->kw);
    const int kh = (int)(element / (size_t)(icg * d->kw) % (size_t)d->kh);
    const int oc = (int)(element / (size_t)(icg * d->kw * d->kh));
    const int rows = d->n * p->conv.oh;
    float sum = 0.0f;
    for (int slice = 0; slice < slices; slice++) {
        float chain = 0.0f;
        for (int row = rows * slice / slices; row < rows * (slice + 1) / slices; row++)
            for (int ow = 0; ow < p->conv.ow; ow++) {
                const int image = row / p->conv.oh;
                const int ih = row % p->conv.oh * d->stride_h - d->pad_top + kh * d->dilation_h;
                const int iw = ow * d->stride_w - d->pad_left + kw * d->dilation_w;
                if (ih < 0 || ih >= d->ih || iw < 0 || iw >= d->iw) continue;
                const size_t x = ((size_t)(image * d->ih + ih) * (size_t)d->iw + (size_t)iw) * (size_t)d->ic;
                const size_t y = ((size_t)row * (size_t)p->conv.ow + (size_t)ow) * (size_t)d->oc;
                chain = fmaf(k->x[x + (size_t)(oc / ocg * icg + c)], k->dy[y + (size_t)oc], chain);
            }
        sum = slice == 0 ? chain : sum + chain;
    }
    return sum;
}

static void test_bits_are_the_stated_chain(void **state)
{
    (void)state;
    struct test_target target;
    test_target_create(3, &target);
    if (!target.isas[0]->has_fma) skip(); /* generic rounds products, too */
    struct cincel_team *team = cincel_team_create(3);
    const struct cincel_algo *algo = &cincel_algo_conv_direct_backward_weights;
    static const int slices[] = {1, 2, 4, 8};
    for (uint64_t seed = 0; seed < 24; seed++) {
        struct test_random r = {.source = {.seed = seed, .purpose = 3, .epoch = 0}, .next = 0};
        struct cincel_problem p;
        struct conv_case k;
        conv_case_problem(&r, CINCEL_BACKWARD_WEIGHTS, &p);
        p.conv.d.activation = CINCEL_ACT_NONE;
        p.conv.d.accumulate = 0;
        conv_case_create(&r, &p, CONV_UNIFORM, &k);
        for (int i = 0; i < 4 && slices[i] <= p.conv.d.n * p.conv.oh; i++) {
            struct cincel_choice c = {.threads = 3};
            snprintf(c.algo, sizeof c.algo, "%s", algo->name);
            snprintf(c.isa, sizeof c.isa, "%s", target.isas[0]->name);
            snprintf(c.row, sizeof c.row, "%s", algo->row(target.isas[0], 0));
            algo->defaults(&target.target, &p, &c);
            c.knob[0] = 0; /* edge: a copy's zeros would be in the chain */
            c.knob[1] = slices[i];
            assert_true(conv_case_run(&target, algo, &p, &c, &k, team));
            for (size_t e = 0; e < k.w_count; e++) {
                const float expected = stated_chain(&p, &k, slices[i], e);
                if (memcmp(&expected, &k.dw[e], sizeof expected) != 0)
                    fail_msg("seed %llu, %d slices: dw[%zu] is %.9g, the chain gives %.9g",
                             (unsigned long long)seed, slices[i], e, (double)k.dw[e], (double)expected);
            }
        }
        conv_case_free(&k);
    }
    cincel_team_destroy(team);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact_on_integers),
        cmocka_unit_test(test_bits_and_error_on_uniform),
        cmocka_unit_test(test_without_bias_gradient),
        cmocka_unit_test(test_bits_are_the_stated_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
