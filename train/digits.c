/*
 * Synthetic digits, drawn by a pen: a sample takes one way to write its class, jitters the points of the
 * strokes, warps them smoothly (elastic), turns, slants, scales and moves the whole (affine), and draws it
 * with a pen of its own width and ink, antialiased; stray strokes, a gap and noise follow. The ranges are
 * set so that a small CNN reaches 97 to 99 % on a few thousand samples, not 100 (docs/data.md has figures).
 *
 * Arithmetic is +, -, *, / and sqrt alone, which IEEE fixes to the bit; with Philox, keyed by seed and
 * sample number, a data set is the same on every machine.
 */
#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "core/memory.h"
#include "core/philox.h"
#include "core/status.h"
#include "train/dataset.h"
#include "train/digit_strokes.h"
#include "train/random.h"

enum {
    SIDE = 28,
    PIXELS = SIDE * SIDE,
    PIECES = 8,       /* straight pieces drawn between two points of a curve */
    GRID = 4,         /* cells of the elastic grid, each way */
    DRAWS = 2048,     /* Philox indices that belong to one sample */
    NOISE_DRAW = 1024 /* the first of one a pixel; everything else uses those before */
};

/* ------------------------------------------------------------------------- the hand of a sample -- */

/* The random numbers of one sample, taken in turn. */
struct draws {
    struct cincel_random random;
    uint64_t next;
};

/* Uniform in [low, high). */
static float between(struct draws *d, float low, float high)
{
    return low + (high - low) * cincel_random_uniform(&d->random, d->next++);
}

/* About normal, within ±3σ: the sum of three uniform numbers (a hand does not err without bound). */
static float around(struct draws *d, float sigma)
{
    float sum = 0;
    for (int i = 0; i < 3; i++) sum += between(d, -1, 1);
    return sum * sigma;
}

struct hand {
    float xx, xy, yx, yy, x0, y0;                /* affine map from the unit square, centred, to pixels */
    struct digit_point warp[GRID + 3][GRID + 3]; /* control points of the elastic displacement */
    float radius, taper;                         /* of the pen, and its change along a stroke */
    float ink;
};

static struct hand draw_hand(struct draws *d)
{
    struct hand h;
    /* Rotation by 2·atan(t): sine and cosine without libm, whose last bit differs between machines. */
    const float t = around(d, 0.08f), cosine = (1 - t * t) / (1 + t * t), sine = 2 * t / (1 + t * t);
    const float slant = around(d, 0.20f);
    const float tall = between(d, 15.0f, 21.5f), wide = tall * between(d, 0.50f, 0.95f);
    h.xx = cosine * wide;
    h.xy = (cosine * slant - sine) * tall;
    h.yx = sine * wide;
    h.yy = (sine * slant + cosine) * tall;
    h.x0 = SIDE * 0.5f + around(d, 1.3f);
    h.y0 = SIDE * 0.5f + around(d, 1.3f);
    const float strength = between(d, 0.02f, 0.09f);
    for (int j = 0; j < GRID + 3; j++) {
        for (int i = 0; i < GRID + 3; i++) {
            h.warp[j][i].x = around(d, strength);
            h.warp[j][i].y = around(d, strength);
        }
    }
    h.radius = between(d, 0.55f, 1.75f);
    h.taper = between(d, -0.35f, 0.35f);
    h.ink = between(d, 0.55f, 1.0f);
    return h;
}

/* Weights of the four control points around a place in a cell of a uniform cubic B-spline. */
static void spline_weights(float u, float w[4])
{
    const float v = 1 - u;
    w[0] = v * v * v / 6;
    w[1] = (3 * u * u * u - 6 * u * u + 4) / 6;
    w[2] = (3 * v * v * v - 6 * v * v + 4) / 6;
    w[3] = u * u * u / 6;
}

static float clamp(float v, float low, float high) { return v < low ? low : v > high ? high : v; }

/* From the unit square to pixels: elastic displacement, then the affine map. */
static struct digit_point place(const struct hand *h, struct digit_point p)
{
    const float gx = clamp(p.x, 0, 0.999f) * GRID, gy = clamp(p.y, 0, 0.999f) * GRID;
    const int i0 = (int)gx, j0 = (int)gy;
    float wx[4], wy[4];
    spline_weights(gx - (float)i0, wx);
    spline_weights(gy - (float)j0, wy);
    float x = p.x - 0.5f, y = p.y - 0.5f;
    for (int j = 0; j < 4; j++) {
        for (int i = 0; i < 4; i++) {
            x += wy[j] * wx[i] * h->warp[j0 + j][i0 + i].x;
            y += wy[j] * wx[i] * h->warp[j0 + j][i0 + i].y;
        }
    }
    return (struct digit_point){h->xx * x + h->xy * y + h->x0, h->yx * x + h->yy * y + h->y0};
}

/* ------------------------------------------------------------------------------- the canvas -- */

/* Draws the piece from a to b with a round pen whose edge is one pixel wide; the most ink wins where
   pieces overlap. */
static void draw_piece(float *canvas, struct digit_point a, struct digit_point b, float radius, float ink)
{
    const float reach = radius + 0.5f;
    const int left = (int)clamp(fminf(a.x, b.x) - reach, 0, SIDE);
    const int right = (int)clamp(fmaxf(a.x, b.x) + reach + 1, 0, SIDE);
    const int top = (int)clamp(fminf(a.y, b.y) - reach, 0, SIDE);
    const int bottom = (int)clamp(fmaxf(a.y, b.y) + reach + 1, 0, SIDE);
    const float dx = b.x - a.x, dy = b.y - a.y, length2 = dx * dx + dy * dy;
    for (int y = top; y < bottom; y++) {
        for (int x = left; x < right; x++) {
            const float px = (float)x + 0.5f - a.x, py = (float)y + 0.5f - a.y;
            const float along = length2 > 0 ? clamp((px * dx + py * dy) / length2, 0, 1) : 0;
            const float ex = px - along * dx, ey = py - along * dy;
            const float value = ink * clamp(reach - sqrtf(ex * ex + ey * ey), 0, 1);
            if (value > canvas[y * SIDE + x]) canvas[y * SIDE + x] = value;
        }
    }
}

/* Catmull-Rom between p[1] and p[2]. */
static struct digit_point curve(const struct digit_point p[4], float u)
{
    const float u2 = u * u, u3 = u2 * u;
    const float w0 = 0.5f * (-u3 + 2 * u2 - u), w1 = 0.5f * (3 * u3 - 5 * u2 + 2);
    const float w2 = 0.5f * (-3 * u3 + 4 * u2 + u), w3 = 0.5f * (u3 - u2);
    return (struct digit_point){w0 * p[0].x + w1 * p[1].x + w2 * p[2].x + w3 * p[3].x,
                                w0 * p[0].y + w1 * p[1].y + w2 * p[2].y + w3 * p[3].y};
}

static void draw_stroke(float *canvas, const struct hand *hand, const struct digit_stroke *stroke)
{
    const int spans = stroke->count - 1;
    struct digit_point from = place(hand, stroke->at[0]);
    for (int span = 0; span < spans; span++) {
        const struct digit_point *at = stroke->at;
        const struct digit_point first = at[span > 0 ? span - 1 : 0],
                                 last = at[span + 2 < stroke->count ? span + 2 : spans];
        const struct digit_point p[4] = {first, at[span], at[span + 1], last};
        for (int piece = 1; piece <= PIECES; piece++) {
            const float u = (float)piece / PIECES, v = 1 - u;
            const struct digit_point straight = {v * p[1].x + u * p[2].x, v * p[1].y + u * p[2].y};
            const struct digit_point to = place(hand, stroke->curved ? curve(p, u) : straight);
            const float along = ((float)span + u) / (float)spans - 0.5f;
            draw_piece(canvas, from, to, hand->radius * (1 + hand->taper * along), hand->ink);
            from = to;
        }
    }
}

/* A stroke that does not belong: a neighbour's end, a slip of the pen. */
static void draw_stray(float *canvas, struct draws *d, const struct hand *hand)
{
    /* one draw a statement: C leaves the order within a list of initialisers or arguments open */
    const float x = between(d, 0, SIDE);
    const float y = between(d, 0, SIDE);
    const float dx = between(d, -6, 6);
    const float dy = between(d, -6, 6);
    const float ink = hand->ink * between(d, 0.4f, 1.0f);
    draw_piece(canvas, (struct digit_point){x, y}, (struct digit_point){x + dx, y + dy}, hand->radius * 0.8f,
               ink);
}

/* A round spot where the pen did not write. */
static void draw_gap(float *canvas, struct draws *d)
{
    const float cx = between(d, 6, SIDE - 6), cy = between(d, 4, SIDE - 4), radius = between(d, 1.0f, 2.6f);
    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            const float ex = (float)x + 0.5f - cx, ey = (float)y + 0.5f - cy;
            canvas[y * SIDE + x] *= clamp(sqrtf(ex * ex + ey * ey) - radius + 0.5f, 0, 1);
        }
    }
}

static void finish(const float *canvas, struct draws *d, uint64_t first, uint8_t *pixels)
{
    const float level = between(d, 0.0f, 0.22f);
    float noise[PIXELS];
    cincel_random_fill_uniform(&d->random, first, noise, PIXELS);
    for (int i = 0; i < PIXELS; i++) {
        const float value = canvas[i] + level * (2 * noise[i] - 1);
        pixels[i] = (uint8_t)(clamp(value, 0, 1) * 255 + 0.5f);
    }
}

/* Sample `number` of the data set of this seed: fills its 28x28 pixels and returns its class. */
static int32_t draw_digit(uint64_t seed, uint64_t number, uint8_t *pixels)
{
    struct draws d = {{seed, RANDOM_SYNTHETIC, 0}, number * DRAWS};
    const int32_t class = (int32_t)cincel_random_below(&d.random, d.next++, DIGIT_CLASSES);
    struct digit_way way = cincel_digit_ways[class][cincel_random_below(&d.random, d.next++, DIGIT_WAYS)];
    const struct hand hand = draw_hand(&d);

    float canvas[PIXELS] = {0};
    const float tremor = between(&d, 0.005f, 0.035f);
    for (int s = 0; s < way.strokes; s++) {
        struct digit_stroke *stroke = &way.stroke[s];
        for (int i = 0; i < stroke->count; i++) {
            stroke->at[i].x += around(&d, tremor);
            stroke->at[i].y += around(&d, tremor);
        }
        draw_stroke(canvas, &hand, stroke);
    }
    if (between(&d, 0, 1) < 0.3f) draw_gap(canvas, &d);
    if (between(&d, 0, 1) < 0.3f) draw_stray(canvas, &d, &hand);
    assert(d.next < number * DRAWS + NOISE_DRAW);
    finish(canvas, &d, number * DRAWS + NOISE_DRAW, pixels);
    return class;
}

cincel_status cincel_dataset_synthetic_digits(size_t count, uint64_t seed, cincel_dataset **out)
{
    if (!out) return cincel_fail(CINCEL_INVALID_ARGUMENT, "digits: out is NULL");
    if (!count) return cincel_fail(CINCEL_INVALID_ARGUMENT, "digits: count is 0, must be > 0");
    if (count > PTRDIFF_MAX / PIXELS)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "digits: count %zu overflows", count);
    uint8_t *pixels = malloc(count * PIXELS);
    int32_t *labels = malloc(count * sizeof *labels);
    if (!pixels || !labels) {
        free(pixels);
        free(labels);
        return cincel_fail(CINCEL_OUT_OF_MEMORY, "digits: no memory for count %zu", count);
    }
    for (size_t i = 0; i < count; i++) labels[i] = draw_digit(seed, i, pixels + i * PIXELS);
    return cincel_dataset_from_bytes("synthetic digits", count, SIDE, SIDE, 1, DIGIT_CLASSES, pixels, labels,
                                     out);
}
