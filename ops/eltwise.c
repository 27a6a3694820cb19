#include "ops/eltwise.h"

#include "core/problem.h"

/* ---------------------------------------------------------------------------------- element-wise -- */

/* One operation over `count` elements; `part` does [begin, end) of it. */
struct stream {
    const struct cincel_vector_row *row;
    size_t count;
    void (*part)(const struct stream *s, size_t begin, size_t end);
    int selector; /* cincel_activation or cincel_math */
    const float *in0, *in1;
    float *out0, *out1;
    float alpha; /* of an activation */
    float a, b;  /* of add_scaled */
    bool past;   /* out0 may go past the caches: see ops/crew.h */
    bool direct; /* ... and part does that itself, where out0 begins on a line */
};

/* [begin, end) block by block: what `part` believes to be out0 is a block on the stack. */
static void part_past_caches(const struct stream *s, size_t begin, size_t end)
{
    _Alignas(64) float block[CINCEL_STREAM_BLOCK];
    for (size_t i = begin; i < end; i += CINCEL_STREAM_BLOCK) {
        const size_t count = cincel_min(CINCEL_STREAM_BLOCK, end - i);
        struct stream here = *s;
        here.in0 = s->in0 + i;
        here.in1 = s->in1 ? s->in1 + i : NULL;
        here.out0 = block;
        here.past = false; /* the block stays */
        here.part(&here, 0, count);
        s->row->stream(block, s->out0 + i, count);
    }
}

static void stream_body(void *data, struct cincel_worker *worker, size_t phase)
{
    (void)phase;
    const struct stream *s = data;
    size_t end;
    const size_t begin = cincel_share(worker, s->count, CINCEL_LINE_FLOATS, &end);
    if (begin < end) (s->past && !s->direct ? part_past_caches : s->part)(s, begin, end);
    if (s->past) s->row->fence();
}

static void stream_run(const struct cincel_crew *crew, struct stream *s)
{
    s->row = crew->isa->vector;
    /* what is overwritten in place has been read into the caches by then */
    s->past = s->past && s->out0 != s->in0 && s->out0 != s->in1 && cincel_crew_streams(crew, s->count);
    if (s->direct && (uintptr_t)s->out0 % (CINCEL_LINE_FLOATS * sizeof(float)) != 0) s->past = false;
    cincel_team_run(crew->team, cincel_crew_threads(crew, s->count, CINCEL_FLOATS_A_THREAD), 1, stream_body,
                    s);
}

static void act_forward_part(const struct stream *s, size_t begin, size_t end)
{
    const struct cincel_vector_row *row = s->row;
    (s->past ? row->act_stream : row->act_forward)(s->selector, s->alpha, s->in0 + begin, s->out0 + begin,
                                                   end - begin);
}

void cincel_eltwise_act_forward(const struct cincel_crew *crew, cincel_activation act, float alpha,
                                const float *x, float *y, size_t count)
{
    struct stream s = {.count = count,
                       .part = act_forward_part,
                       .selector = act,
                       .alpha = alpha,
                       .in0 = x,
                       .out0 = y,
                       .past = true,
                       .direct = act != CINCEL_ACT_NONE};
    stream_run(crew, &s);
}

static void act_backward_part(const struct stream *s, size_t begin, size_t end)
{
    const struct cincel_vector_row *row = s->row;
    (s->past ? row->act_backward_stream : row->act_backward)(s->selector, s->alpha, s->in0 + begin,
                                                             s->in1 + begin, s->out0 + begin, end - begin);
}

void cincel_eltwise_act_backward(const struct cincel_crew *crew, cincel_activation act, float alpha,
                                 const float *at, const float *dy, float *dx, size_t count)
{
    struct stream s = {.count = count,
                       .part = act_backward_part,
                       .selector = act,
                       .alpha = alpha,
                       .in0 = at,
                       .in1 = dy,
                       .out0 = dx,
                       .past = true,
                       .direct = act != CINCEL_ACT_NONE};
    stream_run(crew, &s);
}

static void math_part(const struct stream *s, size_t begin, size_t end)
{
    const float *x = s->in0 + begin;
    float *y = s->out0 + begin;
    switch ((cincel_math)s->selector) {
    case CINCEL_MATH_EXP: s->row->exp(x, y, end - begin); break;
    case CINCEL_MATH_LOG: s->row->log(x, y, end - begin); break;
    case CINCEL_MATH_TANH: s->row->tanh(x, y, end - begin); break;
    case CINCEL_MATH_SIGMOID: s->row->sigmoid(x, y, end - begin); break;
    case CINCEL_MATH_EXPM1: s->row->expm1(x, y, end - begin); break;
    case CINCEL_MATH_PHI: s->row->phi(x, y, end - begin); break;
    }
}

void cincel_eltwise_math(const struct cincel_crew *crew, cincel_math f, const float *x, float *y,
                         size_t count)
{
    struct stream s = {.count = count, .part = math_part, .selector = f, .in0 = x, .out0 = y};
    stream_run(crew, &s);
}

static void add_scaled_part(const struct stream *s, size_t begin, size_t end)
{
    s->row->add_scaled(s->a, s->in0 + begin, s->b, s->in1 + begin, s->out0 + begin, end - begin);
}

void cincel_eltwise_add_scaled(const struct cincel_crew *crew, float a, const float *x, float b,
                               const float *y, float *out, size_t count)
{
    struct stream s = {.count = count,
                       .part = add_scaled_part,
                       .a = a,
                       .b = b,
                       .in0 = x,
                       .in1 = y,
                       .out0 = out,
                       .past = true};
    stream_run(crew, &s);
}
