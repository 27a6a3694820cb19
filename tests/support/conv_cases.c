#include "tests/support/conv_cases.h"

#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "tests/support/emulated.h"
#include "tests/support/guard.h"

int test_draw(struct test_random *r, int low, int high)
{
    return low + (int)cincel_random_below(&r->source, r->next++, (uint32_t)((int64_t)high - low + 1));
}

/* Mostly a few channels, sometimes more than one tile or panel of any ISA. */
static int draw_channels(struct test_random *r)
{
    switch (test_draw(r, 0, 5)) {
    case 0: return 1;
    case 1: return test_draw(r, 33, 75);
    default: return test_draw(r, 2, 24);
    }
}

/* Kernel, stride, dilation, padding and size of one axis. */
static void draw_axis(struct test_random *r, int *size, int *kernel, int *stride, int *dilation, int *low,
                      int *high)
{
    *kernel = test_draw(r, 0, 2) == 0 ? 1 : test_draw(r, 1, 5);
    *stride = test_draw(r, 0, 1) == 0 ? 1 : test_draw(r, 1, 3);
    *dilation = test_draw(r, 0, 2) == 0 ? test_draw(r, 1, 3) : 1;
    const int extent = (*kernel - 1) * *dilation + 1;
    *low = test_draw(r, 0, 1) == 0 ? 0 : test_draw(r, 0, extent - 1);
    *high = test_draw(r, 0, 1) == 0 ? *low : test_draw(r, 0, extent - 1);
    *size = test_draw(r, 0, 4) == 0 ? test_draw(r, 16, 40) : test_draw(r, 1, 12);
}

/* Half of the problems have one, any that the pass allows. Alpha is a few bits long: products with integers
   are exact. */
static void draw_activation(struct test_random *r, cincel_pass pass, cincel_conv_desc *d)
{
    const int last = pass == CINCEL_FORWARD ? CINCEL_ACT_SILU : CINCEL_ACT_TANH;
    if (test_draw(r, 0, 1) == 0) return;
    d->activation = (cincel_activation)test_draw(r, CINCEL_ACT_RELU, last);
    d->alpha = (float)test_draw(r, 1, 16) / 8.0f;
}

/* A fully connected layer: some algorithms serve nothing else. */
static void draw_linear(struct test_random *r, cincel_conv_desc *d)
{
    d->n = test_draw(r, 0, 1) ? test_draw(r, 1, 4) : test_draw(r, 5, 70);
    d->groups = 1;
    d->ic = test_draw(r, 1, 300);
    d->oc = test_draw(r, 1, 90);
    d->ih = d->iw = d->kh = d->kw = d->stride_h = d->stride_w = d->dilation_h = d->dilation_w = 1;
    d->pad_top = d->pad_bottom = d->pad_left = d->pad_right = 0;
}

/* What fast algorithms serve and the other draws seldom give: square kernels and lines of stride 1, and 3x3
 * of 2; of groups, only those that are no narrow ones. */
static void draw_fast(struct test_random *r, cincel_conv_desc *d)
{
    const int groups = test_draw(r, 0, 3) == 0 ? test_draw(r, 2, 6) : 1;
    d->ic = groups > 1 ? groups * test_draw(r, 9, 35) : d->ic / d->groups;
    d->oc = groups > 1 ? groups * test_draw(r, 9, 35) : d->oc / d->groups;
    d->groups = groups;
    d->stride_h = d->stride_w = d->dilation_h = d->dilation_w = 1;
    const int line = test_draw(r, 0, 5); /* 0: a row, 1: a column */
    static const int sides[] = {2, 3, 3, 3, 4, 5, 7};
    const int side = sides[test_draw(r, 0, 6)], length = 3 + 2 * test_draw(r, 0, 2);
    d->kh = line == 0 ? 1 : line == 1 ? length : side;
    d->kw = line == 1 ? 1 : line == 0 ? length : side;
    if (test_draw(r, 0, 3) == 0) d->dilation_h = test_draw(r, 1, 3);
    if (test_draw(r, 0, 3) == 0) d->dilation_w = test_draw(r, 1, 3);
    if (d->kh == 3 && d->kw == 3 && test_draw(r, 0, 2) == 0) {
        d->stride_h = d->stride_w = 2;
        d->dilation_h = d->dilation_w = 1;
    }
    d->pad_top = test_draw(r, 0, (d->kh - 1) * d->dilation_h);
    d->pad_bottom = test_draw(r, 0, (d->kh - 1) * d->dilation_h);
    d->pad_left = test_draw(r, 0, (d->kw - 1) * d->dilation_w);
    d->pad_right = test_draw(r, 0, (d->kw - 1) * d->dilation_w);
}

/* Every channel by itself, sometimes with several of y for each of x. */
static void draw_depthwise(struct test_random *r, cincel_conv_desc *d)
{
    d->ic = d->oc = d->groups = test_draw(r, 0, 1) ? test_draw(r, 2, 20) : test_draw(r, 21, 150);
    if (test_draw(r, 0, 2) == 0) d->oc *= test_draw(r, 2, 9);
}

void conv_case_problem(struct test_random *r, cincel_pass pass, struct cincel_problem *out)
{
    for (;;) {
        cincel_conv_desc d = CINCEL_CONV_DESC_INIT;
        d.n = test_draw(r, 1, 5);
        d.groups = test_draw(r, 0, 2) == 0 ? test_draw(r, 2, 6) : 1;
        d.ic = draw_channels(r) * d.groups;
        d.oc = draw_channels(r) * d.groups;
        draw_axis(r, &d.ih, &d.kh, &d.stride_h, &d.dilation_h, &d.pad_top, &d.pad_bottom);
        draw_axis(r, &d.iw, &d.kw, &d.stride_w, &d.dilation_w, &d.pad_left, &d.pad_right);
        if (test_draw(r, 0, 7) == 0) d.iw = test_draw(r, 70, 200); /* rows longer than any block */
        if (test_draw(r, 0, 3) == 0) draw_fast(r, &d);
        if (test_draw(r, 0, 5) == 0) draw_depthwise(r, &d);
        draw_activation(r, pass, &d);
        if (test_draw(r, 0, 7) == 0) draw_linear(r, &d);
        if (pass != CINCEL_FORWARD) d.accumulate = test_draw(r, 0, 2) == 0;
        if (cincel_problem_conv(&d, pass, "conv", out) == CINCEL_OK && cincel_problem_flops(out) < 4e6)
            return;
    }
}

/*
 * Winograd's transforms divide weights, and their gradient, by 24 twice: 576 = 9 · 64, and an activation's
 * gradient may bring in eighths. What sums start from has their powers of two, so that no sum has more bits
 * than the factor of 9 costs.
 */
enum { WEIGHT_UNIT = 8 * 576, SUM_UNIT = 8 * 64 };

/* Integers: multiples of `unit` up to ±most. */
static float *filled(struct test_random *r, size_t count, enum conv_data data, int most, int unit)
{
    float *p = test_guarded(count * sizeof(float));
    for (size_t i = 0; i < count; i++) {
        if (data == CONV_INTEGERS)
            p[i] = (float)(unit * test_draw(r, -most, most));
        else
            p[i] = 2.0f * cincel_random_uniform(&r->source, r->next++) - 1.0f;
    }
    return p;
}

void conv_case_create(struct test_random *r, const struct cincel_problem *p, enum conv_data data,
                      struct conv_case *out)
{
    const cincel_conv_desc *d = &p->conv.d;
    out->x_count = (size_t)d->n * (size_t)d->ih * (size_t)d->iw * (size_t)d->ic;
    out->w_count = (size_t)d->oc * (size_t)d->kh * (size_t)d->kw * (size_t)(d->ic / d->groups);
    out->y_count = (size_t)d->n * (size_t)p->conv.oh * (size_t)p->conv.ow * (size_t)d->oc;
    out->oc = (size_t)d->oc;
    out->x = filled(r, out->x_count, data, 3, 1);
    out->w = filled(r, out->w_count, data, 1, WEIGHT_UNIT);
    out->bias = filled(r, out->oc, data, 3, SUM_UNIT);
    out->dy = filled(r, out->y_count, data, 1, WEIGHT_UNIT);
    out->y_in = filled(r, out->y_count, data, 3, 1);
    out->y = filled(r, out->y_count, data, 3, SUM_UNIT);
    out->dx = filled(r, out->x_count, data, 3, SUM_UNIT);
    out->dw = filled(r, out->w_count, data, 3, SUM_UNIT);
    out->db = filled(r, out->oc, data, 3, SUM_UNIT);
}

void conv_case_free(struct conv_case *c)
{
    test_guarded_free(c->x, c->x_count * sizeof(float));
    test_guarded_free(c->w, c->w_count * sizeof(float));
    test_guarded_free(c->bias, c->oc * sizeof(float));
    test_guarded_free(c->dy, c->y_count * sizeof(float));
    test_guarded_free(c->y_in, c->y_count * sizeof(float));
    test_guarded_free(c->y, c->y_count * sizeof(float));
    test_guarded_free(c->dx, c->x_count * sizeof(float));
    test_guarded_free(c->dw, c->w_count * sizeof(float));
    test_guarded_free(c->db, c->oc * sizeof(float));
}

struct cincel_tensors conv_case_tensors(const struct conv_case *c)
{
    return (struct cincel_tensors){.x = c->x,
                                   .w = c->w,
                                   .bias = c->bias,
                                   .dy = c->dy,
                                   .y_in = c->y_in,
                                   .y = c->y,
                                   .dx = c->dx,
                                   .dw = c->dw,
                                   .db = c->db};
}

void test_target_create(int threads, struct test_target *out)
{
    *out = (struct test_target){0};
    cincel_machine_detect(&out->machine);
    out->machine.threads = threads;
    int count = 0;
    for (const struct cincel_isa *const *isa = cincel_isas; *isa; isa++)
        if (((*isa)->needs & ~out->machine.cpu.features) == 0)
            out->isas[count++] = *isa;
        else
            printf("%s: not on this CPU\n", (*isa)->name);
    out->target = (struct cincel_target){
        .machine = &out->machine, .isas = out->isas, .gflops = 100.0, .gbytes = 20.0, .reproducible = false};
}

void test_target_emulate(struct test_target *t)
{
    const struct cincel_isa *const emulated = test_emulated_avx512(t->machine.cpu.features);
    if (!emulated) return;
    memmove(t->isas + 1, t->isas, sizeof t->isas - sizeof t->isas[0]);
    t->isas[0] = emulated;
    printf("%s: emulated\n", emulated->name);
}

void test_target_only(const struct test_target *from, const struct cincel_isa *isa, struct test_target *out)
{
    *out = *from;
    out->isas[0] = isa;
    out->isas[1] = NULL;
    out->target.machine = &out->machine;
    out->target.isas = out->isas;
}

bool conv_case_run(const struct test_target *target, const struct cincel_algo *algo,
                   const struct cincel_problem *p, const struct cincel_choice *choice,
                   const struct conv_case *c, struct cincel_team *team)
{
    struct cincel_prepared *prepared;
    if (algo->build(&target->target, p, choice, &prepared) != CINCEL_OK) return false;
    const size_t bytes = cincel_round_up(algo->workspace(&target->target, p, choice), CINCEL_ALIGN);
    struct cincel_tensors t = conv_case_tensors(c);
    t.workspace = bytes ? test_guarded(bytes) : NULL;
    if (bytes) memset(t.workspace, 0xff, bytes); /* NaN: what is read must have been written */
    algo->run(prepared, &t, team);
    test_guarded_free(t.workspace, bytes);
    algo->discard(prepared);
    return true;
}
