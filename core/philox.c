#include "core/philox.h"

#include <assert.h>
#include <math.h>

/* -------------------------------------------------------------------------------- generator -- */

/* Multipliers and Weyl increments of Philox4x32 (Salmon et al., 2011, table 2 and section 3.3). */
static const uint32_t multiplier_0 = 0xD2511F53, multiplier_1 = 0xCD9E8D57;
static const uint32_t weyl_0 = 0x9E3779B9, weyl_1 = 0xBB67AE85;
enum { ROUNDS = 10 };

void cincel_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < ROUNDS; round++) {
        const uint64_t p0 = (uint64_t)multiplier_0 * c0;
        const uint64_t p1 = (uint64_t)multiplier_1 * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += weyl_0;
        k1 += weyl_1;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

static void block_of(const struct cincel_random *r, uint64_t block, uint32_t out[4])
{
    const uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), r->epoch, r->purpose};
    const uint32_t key[2] = {(uint32_t)r->seed, (uint32_t)(r->seed >> 32)};
    cincel_philox(counter, key, out);
}

uint32_t cincel_random_bits(const struct cincel_random *r, uint64_t index)
{
    uint32_t words[4];
    block_of(r, index / 4, words);
    return words[index % 4];
}

/* ---------------------------------------------------------------------------- distributions -- */

static float uniform_of(uint32_t bits) { return (float)(bits >> 8) * 0x1p-24f; }

/*
 * Natural logarithm by IEEE arithmetic alone: libm's may differ in the last bit from machine to machine.
 * x = m·2^e with m in [√½, √2); log m = 2·atanh(s), s = (m − 1)/(m + 1), |s| < 0.172: the first term
 * left out is below 2·s^15/15 = 5e-13.
 */
static double natural_log(double x)
{
    int e;
    double m = frexp(x, &e);
    if (m < 0.70710678118654752) {
        m *= 2.0;
        e--;
    }
    const double s = (m - 1.0) / (m + 1.0), s2 = s * s;
    double sum = 0.0;
    for (int k = 13; k >= 1; k -= 2) sum = sum * s2 + 1.0 / k;
    return 2.0 * s * sum + e * 0.69314718055994531;
}

/* Quantile of the standard normal distribution: M. J. Wichura, algorithm AS 241 (PPND7), Applied
   Statistics 37 (1988) 477–484; relative error about 1e-7. Its third range, p < e^-25, lies beyond
   the 32-bit midpoints used here: the smallest is 2^-33 = e^-22.9. */
static double normal_quantile(double p)
{
    const double q = p - 0.5;
    if (fabs(q) <= 0.425) {
        const double r = 0.180625 - q * q;
        const double above =
            ((5.9109374720e+01 * r + 1.5929113202e+02) * r + 5.0434271938e+01) * r + 3.3871327179;
        const double below = ((6.7187563600e+01 * r + 7.8757757664e+01) * r + 1.7895169469e+01) * r + 1.0;
        return q * above / below;
    }
    double r = sqrt(-natural_log(q < 0 ? p : 1.0 - p));
    r -= 1.6;
    const double above = ((1.7023821103e-01 * r + 1.3067284816) * r + 2.7568153900) * r + 1.4234372777;
    const double below = (1.2021132975e-01 * r + 7.3700164250e-01) * r + 1.0;
    const double value = above / below;
    return q < 0 ? -value : value;
}

/* The midpoint of each of 2^32 cells: symmetric about 0, never 0 or 1. */
static float normal_of(uint32_t bits) { return (float)normal_quantile(((double)bits + 0.5) * 0x1p-32); }

float cincel_random_uniform(const struct cincel_random *r, uint64_t index)
{
    return uniform_of(cincel_random_bits(r, index));
}

uint32_t cincel_random_below(const struct cincel_random *r, uint64_t index, uint32_t bound)
{
    assert(bound >= 1);
    return (uint32_t)(((uint64_t)cincel_random_bits(r, index) * bound) >> 32);
}

float cincel_random_normal(const struct cincel_random *r, uint64_t index)
{
    return normal_of(cincel_random_bits(r, index));
}

static void fill(const struct cincel_random *r, uint64_t first, float *out, size_t count,
                 float (*map)(uint32_t))
{
    uint32_t words[4];
    for (size_t i = 0; i < count; i++) {
        const uint64_t index = first + i;
        if (i == 0 || index % 4 == 0) block_of(r, index / 4, words);
        out[i] = map(words[index % 4]);
    }
}

void cincel_random_fill_uniform(const struct cincel_random *r, uint64_t first, float *out, size_t count)
{
    fill(r, first, out, count, uniform_of);
}

void cincel_random_fill_normal(const struct cincel_random *r, uint64_t first, float *out, size_t count)
{
    fill(r, first, out, count, normal_of);
}
