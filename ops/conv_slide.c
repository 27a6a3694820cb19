#include "ops/conv_slide.h"

#include <assert.h>

/* Taps as they lie, and how many of them make up each run. */
struct sorted {
    size_t tap[CINCEL_SLIDE_MOST], length[CINCEL_SLIDE_MOST], first[CINCEL_SLIDE_MOST], runs;
};

static void sort(const ptrdiff_t *at, size_t taps, ptrdiff_t px, struct sorted *s)
{
    for (size_t tap = 0; tap < taps; tap++) {
        size_t i = tap;
        for (; i > 0 && at[s->tap[i - 1]] > at[tap]; i--) s->tap[i] = s->tap[i - 1];
        s->tap[i] = tap;
    }
    s->runs = 0;
    for (size_t i = 0; i < taps; i++) {
        const bool goes_on =
            i > 0 && s->length[s->runs - 1] < CINCEL_SLIDE_TAPS && at[s->tap[i]] - at[s->tap[i - 1]] == px;
        if (!goes_on) {
            s->first[s->runs] = i;
            s->length[s->runs++] = 0;
        }
        s->length[s->runs - 1]++;
    }
}

/* The next run of `length` taps from run `from` on; s->runs where there is none. */
static size_t find(const struct sorted *s, size_t from, size_t length)
{
    while (from < s->runs && s->length[from] != length) from++;
    return from;
}

size_t cincel_slide_order(const ptrdiff_t *at, size_t taps, ptrdiff_t px, bool pairs, size_t *order,
                          struct cincel_slide_taps *runs)
{
    assert(taps <= CINCEL_SLIDE_MOST);
    struct sorted s;
    sort(at, taps, px, &s);
    size_t count = 0, placed = 0, lone = pairs ? find(&s, 0, 1) : s.runs;
    for (size_t length = CINCEL_SLIDE_TAPS; length > 0; length--)
        for (size_t run = find(&s, length == 1 && pairs ? lone : 0, length); run < s.runs;
             run = find(&s, run + 1, length)) {
            for (size_t i = 0; i < length; i++) order[placed++] = s.tap[s.first[run] + i];
            runs[count] = (struct cincel_slide_taps){length, length == 2 && lone < s.runs};
            if (runs[count++].lone) {
                order[placed++] = s.tap[s.first[lone]];
                lone = find(&s, lone + 1, 1);
            }
        }
    return count;
}
