#include "train/lifetime.h"

#include <assert.h>

#include "core/memory.h"

/* A placed buffer that `self` would overlap in space and in time; NULL if there is none. */
static const struct lifetime *collision(const struct lifetime *buffers, size_t count,
                                        const struct lifetime *self)
{
    for (size_t i = 0; i < count; i++) {
        const struct lifetime *other = &buffers[i];
        if (!other->placed || self->born > other->dies || other->born > self->dies) continue;
        if (self->offset < other->offset + other->bytes && other->offset < self->offset + self->bytes) {
            return other;
        }
    }
    return NULL;
}

static struct lifetime *largest_left(struct lifetime *buffers, size_t count)
{
    struct lifetime *largest = NULL;
    for (size_t i = 0; i < count; i++) {
        if (buffers[i].placed || buffers[i].bytes == 0) continue;
        if (!largest || buffers[i].bytes > largest->bytes) largest = &buffers[i];
    }
    return largest;
}

size_t cincel_lifetime_place(struct lifetime *buffers, size_t count)
{
    size_t arena = 0;
    for (size_t i = 0; i < count; i++) buffers[i].placed = false;
    for (struct lifetime *b; (b = largest_left(buffers, count)) != NULL;) {
        assert(b->born <= b->dies);
        b->offset = 0;
        for (const struct lifetime *other; (other = collision(buffers, count, b)) != NULL;) {
            b->offset = cincel_round_up(other->offset + other->bytes, CINCEL_ALIGN);
        }
        b->placed = true;
        arena = cincel_max(arena, b->offset + b->bytes);
    }
    return cincel_round_up(arena, CINCEL_ALIGN);
}
