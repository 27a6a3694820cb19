/* Every impossible descriptor is refused with a line that names the field and its value; keys, sizes and
   counts of what remains. */
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/problem.h"
#include "tests/support/cases.h"

static cincel_conv_desc good_conv(void)
{
    cincel_conv_desc d = CINCEL_CONV_DESC_INIT;
    d.n = 8;
    d.ic = 64;
    d.ih = d.iw = 56;
    d.oc = 32;
    d.kh = d.kw = 3;
    d.pad_top = d.pad_bottom = d.pad_left = d.pad_right = 1;
    return d;
}

static cincel_pool_desc good_pool(void)
{
    cincel_pool_desc d = CINCEL_POOL_DESC_INIT;
    d.n = 8;
    d.c = 64;
    d.ih = d.iw = 56;
    return d;
}

static cincel_linear_desc good_linear(void)
{
    cincel_linear_desc d = CINCEL_LINEAR_DESC_INIT;
    d.n = 8;
    d.in = 3136;
    d.out = 128;
    return d;
}

/* Up to three fields of a good descriptor changed to what is refused with `message`. */
struct bad {
    const char *message;
    struct {
        size_t offset;
        int value;
    } set[3];
};

#define CONV(field) offsetof(cincel_conv_desc, field)
static const struct bad bad_convs[] = {
    {"conv: n is 0, must be > 0", {{CONV(n), 0}}},
    {"conv: groups is -1, must be > 0", {{CONV(groups), -1}}},
    {"conv: ic is 0, must be > 0", {{CONV(ic), 0}}},
    {"conv: ih is -56, must be > 0", {{CONV(ih), -56}}},
    {"conv: iw is 0, must be > 0", {{CONV(iw), 0}}},
    {"conv: oc is -2147483648, must be > 0", {{CONV(oc), INT_MIN}}},
    {"conv: kh is 0, must be > 0", {{CONV(kh), 0}}},
    {"conv: kw is 0, must be > 0", {{CONV(kw), 0}}},
    {"conv: stride_h is 0, must be > 0", {{CONV(stride_h), 0}}},
    {"conv: stride_w is -1, must be > 0", {{CONV(stride_w), -1}}},
    {"conv: dilation_h is 0, must be > 0", {{CONV(dilation_h), 0}}},
    {"conv: dilation_w is -3, must be > 0", {{CONV(dilation_w), -3}}},
    {"conv: activation 99 does not exist", {{CONV(activation), 99}}},
    {"conv: activation -1 does not exist", {{CONV(activation), -1}}},
    {"conv: accumulate is 2, must be 0 or 1", {{CONV(accumulate), 2}}},
    {"conv: groups 3 does not divide ic 64", {{CONV(groups), 3}}},
    {"conv: groups 64 does not divide oc 32", {{CONV(groups), 64}}},
    {"conv: pad_top is -1, must be >= 0", {{CONV(pad_top), -1}}},
    {"conv: pad_top 5 exceeds kernel height 3", {{CONV(pad_top), 5}}},
    {"conv: pad_bottom 3 must be below kernel height 3", {{CONV(pad_bottom), 3}}},
    {"conv: pad_left 2147483647 exceeds kernel width 3", {{CONV(pad_left), INT_MAX}}},
    {"conv: pad_right 6 exceeds dilated kernel width 5", {{CONV(pad_right), 6}, {CONV(dilation_w), 2}}},
    {"conv: output height would be empty: kernel height 3 exceeds ih 1 with padding 0 + 1",
     {{CONV(ih), 1}, {CONV(pad_top), 0}}},
    {"conv: output width would be empty: dilated kernel width 201 exceeds iw 56 with padding 1 + 1",
     {{CONV(dilation_w), 100}}},
    {"conv: output height would be empty: dilated kernel height 4294967295 exceeds ih 56 with padding 1 + 1",
     {{CONV(dilation_h), INT_MAX}}},
    {"conv: ih 2147483647 is too large with pad_top 1 and pad_bottom 1", {{CONV(ih), INT_MAX}}},
    {"conv: tensor x of 2147483647x56x2147480000x64 floats is too large",
     {{CONV(n), INT_MAX}, {CONV(iw), 2147480000}}},
    {"conv: tensor w of 2147483584x3x3x2147483584 floats is too large",
     {{CONV(n), 1}, {CONV(ic), 2147483584}, {CONV(oc), 2147483584}}},
    {"conv: tensor y of 1000000000x56x56x2147483640 floats is too large",
     {{CONV(n), 1000000000}, {CONV(oc), 2147483640}}},
};

#define POOL(field) offsetof(cincel_pool_desc, field)
static const struct bad bad_pools[] = {
    {"pool: kind 7 does not exist", {{POOL(kind), 7}}},
    {"pool: n is 0, must be > 0", {{POOL(n), 0}}},
    {"pool: c is -1, must be > 0", {{POOL(c), -1}}},
    {"pool: ih is 0, must be > 0", {{POOL(ih), 0}}},
    {"pool: iw is 0, must be > 0", {{POOL(iw), 0}}},
    {"pool: kh is 0, must be > 0", {{POOL(kh), 0}}},
    {"pool: kw is 0, must be > 0", {{POOL(kw), 0}}},
    {"pool: stride_h is 0, must be > 0", {{POOL(stride_h), 0}}},
    {"pool: stride_w is 0, must be > 0", {{POOL(stride_w), 0}}},
    {"pool: pad_top 2 must be below kernel height 2", {{POOL(pad_top), 2}}},
    {"pool: pad_right is -2, must be >= 0", {{POOL(pad_right), -2}}},
    {"pool: accumulate is -1, must be 0 or 1", {{POOL(accumulate), -1}}},
    {"pool: output width would be empty: kernel width 57 exceeds iw 56 with padding 0 + 0", {{POOL(kw), 57}}},
    {"pool: tensor x of 2147483647x2147483647x56x64 floats is too large",
     {{POOL(n), INT_MAX}, {POOL(ih), INT_MAX}}},
};

#define LINEAR(field) offsetof(cincel_linear_desc, field)
static const struct bad bad_linears[] = {
    {"linear: n is 0, must be > 0", {{LINEAR(n), 0}}},
    {"linear: in is -5, must be > 0", {{LINEAR(in), -5}}},
    {"linear: out is 0, must be > 0", {{LINEAR(out), 0}}},
    {"linear: activation 9 does not exist", {{LINEAR(activation), 9}}},
    {"linear: accumulate is 9, must be 0 or 1", {{LINEAR(accumulate), 9}}},
    {"linear: tensor w of 2147483647x1x1x2147483647 floats is too large",
     {{LINEAR(in), INT_MAX}, {LINEAR(out), INT_MAX}}},
};

/* The size field stands at offset 0: an unused entry of `set` has offset 0 and changes nothing. */
static void spoil(void *desc, const struct bad *bad)
{
    for (int i = 0; i < 3; i++) {
        if (bad->set[i].offset == 0) continue;
        memcpy((char *)desc + bad->set[i].offset, &bad->set[i].value, sizeof(int));
    }
}

static void assert_refused(cincel_status status, const char *message, const struct cincel_problem *p)
{
    assert_int_equal(status, CINCEL_INVALID_ARGUMENT);
    assert_string_equal(cincel_error_message(), message);
    for (size_t i = 0; i < sizeof *p; i++)
        assert_int_equal(((const unsigned char *)p)[i], 0x5a); /* not written */
}

static void test_bad_descriptors(void **state)
{
    (void)state;
    struct cincel_problem p;
    memset(&p, 0x5a, sizeof p);
    for (size_t i = 0; i < sizeof bad_convs / sizeof *bad_convs; i++) {
        cincel_conv_desc d = good_conv();
        spoil(&d, &bad_convs[i]);
        assert_refused(cincel_problem_conv(&d, CINCEL_BACKWARD_DATA, "conv", &p), bad_convs[i].message, &p);
    }
    for (size_t i = 0; i < sizeof bad_pools / sizeof *bad_pools; i++) {
        cincel_pool_desc d = good_pool();
        spoil(&d, &bad_pools[i]);
        assert_refused(cincel_problem_pool(&d, CINCEL_FORWARD, &p), bad_pools[i].message, &p);
    }
    for (size_t i = 0; i < sizeof bad_linears / sizeof *bad_linears; i++) {
        cincel_linear_desc d = good_linear();
        spoil(&d, &bad_linears[i]);
        assert_refused(cincel_problem_linear(&d, CINCEL_BACKWARD_WEIGHTS, &p), bad_linears[i].message, &p);
    }
}

/* alpha is looked at where it matters, and nowhere else. */
static void test_alpha(void **state)
{
    (void)state;
    static const struct {
        float alpha;
        const char *message;
    } bad[] = {{0.0f, "conv: alpha is 0, must be finite and > 0"},
               {-0.5f, "conv: alpha is -0.5, must be finite and > 0"},
               {NAN, "conv: alpha is nan, must be finite and > 0"},
               {INFINITY, "conv: alpha is inf, must be finite and > 0"}};
    struct cincel_problem p;
    for (int act = CINCEL_ACT_NONE; act <= CINCEL_ACT_SILU; act++)
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
            cincel_conv_desc d = good_conv();
            d.activation = (cincel_activation)act;
            d.alpha = bad[i].alpha;
            memset(&p, 0x5a, sizeof p);
            const cincel_status status = cincel_problem_conv(&d, CINCEL_FORWARD, "conv", &p);
            if (act == CINCEL_ACT_LEAKY_RELU || act == CINCEL_ACT_ELU) {
                assert_refused(status, bad[i].message, &p);
            } else {
                assert_int_equal(status, CINCEL_OK);
                assert_true(p.conv.d.alpha == 0.0f);
            }
        }
    cincel_linear_desc l = good_linear();
    l.activation = CINCEL_ACT_ELU;
    l.alpha = -1.0f;
    memset(&p, 0x5a, sizeof p);
    assert_refused(cincel_problem_linear(&l, CINCEL_BACKWARD_DATA, &p),
                   "linear: alpha is -1, must be finite and > 0", &p);
}

/* Backward passes have y: activations whose derivative needs z are forward only. */
static void test_backward_activations(void **state)
{
    (void)state;
    static const char *const refused[] = {
        [CINCEL_ACT_GELU] = "linear: activation gelu needs z: run it as its own pass",
        [CINCEL_ACT_GELU_TANH] = "linear: activation gelu_tanh needs z: run it as its own pass",
        [CINCEL_ACT_SILU] = "linear: activation silu needs z: run it as its own pass"};
    for (int act = CINCEL_ACT_NONE; act <= CINCEL_ACT_SILU; act++)
        for (int pass = CINCEL_FORWARD; pass <= CINCEL_BACKWARD_WEIGHTS; pass++) {
            struct cincel_problem p;
            cincel_linear_desc d = good_linear();
            d.activation = (cincel_activation)act;
            const cincel_status status = cincel_problem_linear(&d, (cincel_pass)pass, &p);
            const bool allowed = pass == CINCEL_FORWARD || !refused[act];
            assert_int_equal(status, allowed ? CINCEL_OK : CINCEL_UNSUPPORTED);
            if (!allowed) assert_string_equal(cincel_error_message(), refused[act]);
        }
}

static void test_null_pass_and_struct_size(void **state)
{
    (void)state;
    struct cincel_problem p;
    memset(&p, 0x5a, sizeof p);
    const cincel_conv_desc conv = good_conv();
    const cincel_pool_desc pool = good_pool();
    const cincel_linear_desc linear = good_linear();
    assert_refused(cincel_problem_conv(NULL, CINCEL_FORWARD, "conv", &p), "conv: descriptor is NULL", &p);
    assert_refused(cincel_problem_pool(NULL, CINCEL_FORWARD, &p), "pool: descriptor is NULL", &p);
    assert_refused(cincel_problem_linear(NULL, CINCEL_FORWARD, &p), "linear: descriptor is NULL", &p);
    assert_refused(cincel_problem_conv(&conv, (cincel_pass)3, "conv", &p), "conv: pass 3 does not exist", &p);
    assert_refused(cincel_problem_linear(&linear, (cincel_pass)7, &p), "linear: pass 7 does not exist", &p);
    assert_refused(cincel_problem_pool(&pool, CINCEL_BACKWARD_WEIGHTS, &p), "pool: pass 2 does not exist",
                   &p);

    cincel_conv_desc unset = conv;
    unset.size = 0;
    assert_int_equal(cincel_problem_conv(&unset, CINCEL_FORWARD, "conv", &p), CINCEL_INVALID_ARGUMENT);
    assert_non_null(strstr(cincel_error_message(), "conv: size 0 is impossible"));
    memset(&unset, 0xff, sizeof unset);
    assert_int_equal(cincel_problem_conv(&unset, CINCEL_FORWARD, "conv", &p), CINCEL_INVALID_ARGUMENT);

    /* a caller built against a later version: fine as long as it asks for nothing new */
    struct {
        cincel_pool_desc d;
        int64_t later; /* no padding behind it that could be garbage */
    } newer = {pool, 0};
    newer.d.size = sizeof newer;
    assert_int_equal(cincel_problem_pool(&newer.d, CINCEL_FORWARD, &p), CINCEL_OK);
    assert_int_equal(p.pool.d.size, sizeof(cincel_pool_desc));
    newer.later = 1;
    assert_int_equal(cincel_problem_pool(&newer.d, CINCEL_FORWARD, &p), CINCEL_UNSUPPORTED);
}

static void test_output_sizes(void **state)
{
    (void)state;
    struct cincel_problem p;
    cincel_conv_desc d = good_conv();
    assert_int_equal(cincel_problem_conv(&d, CINCEL_FORWARD, "conv", &p), CINCEL_OK);
    assert_int_equal(p.conv.oh, 56);
    d.ih = 7;
    d.iw = 10;
    d.stride_h = 2;
    d.stride_w = 3;
    d.dilation_w = 2;
    d.pad_top = 0;
    d.pad_right = 4;
    assert_int_equal(cincel_problem_conv(&d, CINCEL_FORWARD, "conv", &p), CINCEL_OK);
    assert_int_equal(p.conv.oh, 3); /* (7 + 0 + 1 − 3) / 2 + 1 */
    assert_int_equal(p.conv.ow, 4); /* (10 + 1 + 4 − 5) / 3 + 1 */
    cincel_pool_desc q = good_pool();
    q.ih = 7;
    q.kh = 3;
    q.pad_bottom = 1;
    assert_int_equal(cincel_problem_pool(&q, CINCEL_BACKWARD_DATA, &p), CINCEL_OK);
    assert_int_equal(p.pool.oh, 3);
    assert_int_equal(p.pool.ow, 28);
}

static void test_keys(void **state)
{
    (void)state;
    struct cincel_problem p;
    char key[160], tiny[20];
    cincel_conv_desc d = good_conv();
    d.activation = CINCEL_ACT_RELU;
    d.accumulate = 1;
    d.pad_left = 0;
    d.stride_w = 2;
    assert_int_equal(cincel_problem_conv(&d, CINCEL_BACKWARD_DATA, "conv", &p), CINCEL_OK);
    assert_true(cincel_problem_key(&p, key, sizeof key));
    assert_string_equal(key, "conv/bwd_data n8 g1 ic64 ih56 iw56 oc32 k3x3 s1x2 p1,1,0,1 d1x1 act1 acc1");
    assert_false(cincel_problem_key(&p, tiny, sizeof tiny));

    /* what cannot matter does not part equal problems */
    d.kh = d.kw = 1;
    d.pad_top = d.pad_bottom = d.pad_right = 0;
    d.dilation_h = 5;
    assert_int_equal(cincel_problem_conv(&d, CINCEL_FORWARD, "conv", &p), CINCEL_OK);
    assert_true(cincel_problem_key(&p, key, sizeof key));
    assert_string_equal(key, "conv/fwd n8 g1 ic64 ih56 iw56 oc32 k1x1 s1x2 p0,0,0,0 d1x1 act1 acc0");

    /* alpha does where the activation has one */
    d.activation = CINCEL_ACT_ELU;
    d.alpha = 0.5f;
    assert_int_equal(cincel_problem_conv(&d, CINCEL_FORWARD, "conv", &p), CINCEL_OK);
    assert_true(cincel_problem_key(&p, key, sizeof key));
    assert_string_equal(key, "conv/fwd n8 g1 ic64 ih56 iw56 oc32 k1x1 s1x2 p0,0,0,0 d1x1 act3:3f000000 acc0");

    cincel_linear_desc l = good_linear();
    assert_int_equal(cincel_problem_linear(&l, CINCEL_BACKWARD_WEIGHTS, &p), CINCEL_OK);
    assert_true(cincel_problem_key(&p, key, sizeof key));
    assert_string_equal(key, "conv/bwd_weights n8 g1 ic3136 ih1 iw1 oc128 k1x1 s1x1 p0,0,0,0 d1x1 act0 acc0");

    cincel_pool_desc q = good_pool();
    q.accumulate = 1;
    assert_int_equal(cincel_problem_pool(&q, CINCEL_BACKWARD_DATA, &p), CINCEL_OK);
    assert_true(cincel_problem_key(&p, key, sizeof key));
    assert_string_equal(key, "maxpool/bwd_data n8 c64 ih56 iw56 k2x2 s2x2 p0,0,0,0 acc1");
}

static void test_flops_and_bytes(void **state)
{
    (void)state;
    struct cincel_problem p;
    cincel_conv_desc d = good_conv();
    d.groups = 2;
    assert_int_equal(cincel_problem_conv(&d, CINCEL_FORWARD, "conv", &p), CINCEL_OK);
    const double pixels = 8.0 * 56 * 56, x = pixels * 64, y = pixels * 32, w = 32.0 * 9 * 32;
    assert_true(cincel_problem_flops(&p) == 2 * pixels * 32 * 9 * 32);
    assert_true(cincel_problem_bytes(&p) == 4 * (x + y + w));
    d.activation = CINCEL_ACT_RELU;
    d.accumulate = 1;
    assert_int_equal(cincel_problem_conv(&d, CINCEL_BACKWARD_WEIGHTS, "conv", &p), CINCEL_OK);
    assert_true(cincel_problem_bytes(&p) == 4 * (x + 2 * y + 2 * w));
    assert_int_equal(cincel_problem_conv(&d, CINCEL_BACKWARD_DATA, "conv", &p), CINCEL_OK);
    assert_true(cincel_problem_bytes(&p) == 4 * (2 * x + 2 * y + w));
    const cincel_pool_desc q = good_pool();
    assert_int_equal(cincel_problem_pool(&q, CINCEL_FORWARD, &p), CINCEL_OK);
    assert_true(cincel_problem_flops(&p) == 0.0);
    assert_true(cincel_problem_bytes(&p) == 4 * (x + x / 4) + x / 4);
}

/* Whatever stands in the fields: never a crash, and what is accepted is consistent. */
static void test_random_fields(void **state)
{
    (void)state;
    static const int interesting[] = {INT_MIN, -1, 0,  1,  2,   3,     4,       5,
                                      7,       8,  16, 33, 224, 65536, 1 << 30, INT_MAX};
    enum { CHOICES = sizeof interesting / sizeof *interesting };
    const long cases = test_cases(200000);
    uint64_t random = 42;
    long accepted = 0;
    for (long c = 0; c < cases; c++) {
        cincel_conv_desc d = good_conv();
        int *fields = &d.n;
        const size_t count = (CONV(accumulate) - CONV(n)) / sizeof(int) + 1;
        for (size_t f = 0; f < count; f++) {
            random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            if (random >> 62) continue; /* one field in four */
            fields[f] = interesting[(random >> 40) % CHOICES];
        }
        struct cincel_problem p;
        if (cincel_problem_conv(&d, (cincel_pass)(c % 3), "conv", &p) != CINCEL_OK) continue;
        accepted++;
        const int64_t extent_h = (int64_t)d.dilation_h * (d.kh - 1) + 1;
        const int64_t last = (int64_t)(p.conv.oh - 1) * d.stride_h + extent_h;
        const int64_t padded = (int64_t)d.ih + d.pad_top + d.pad_bottom;
        if (p.conv.oh < 1 || p.conv.ow < 1 || last > padded || last + d.stride_h <= padded) {
            fail_msg("case %ld of the sequence from seed 42", c);
        }
        assert_true(cincel_problem_flops(&p) > 0 && cincel_problem_bytes(&p) > 0);
    }
    assert_true(accepted > 0 || cases < 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alpha),           cmocka_unit_test(test_backward_activations),
        cmocka_unit_test(test_bad_descriptors), cmocka_unit_test(test_null_pass_and_struct_size),
        cmocka_unit_test(test_output_sizes),    cmocka_unit_test(test_keys),
        cmocka_unit_test(test_flops_and_bytes), cmocka_unit_test(test_random_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
