#include "tune/profile.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

struct cincel_profile {
    pthread_mutex_t lock; /* over all below */
    struct cincel_profile_entry *item;
    size_t count, room;
    size_t *slot; /* open addressing: 0 free, else an index into item + 1 */
    size_t slots; /* a power of two, more than twice the count; 0: none yet */
};

struct cincel_profile *cincel_profile_create(void)
{
    struct cincel_profile *profile = calloc(1, sizeof *profile);
    if (profile && pthread_mutex_init(&profile->lock, NULL) != 0) {
        free(profile);
        profile = NULL;
    }
    return profile;
}

void cincel_profile_destroy(struct cincel_profile *profile)
{
    if (!profile) return;
    pthread_mutex_destroy(&profile->lock);
    free(profile->item);
    free(profile->slot);
    free(profile);
}

/* --------------------------------------------------------------------------------- identity -- */

/* FNV-1a (Fowler, Noll, Vo), 64 bits. */
static uint64_t mix(uint64_t hash, const void *data, size_t bytes)
{
    const unsigned char *b = data;
    for (size_t i = 0; i < bytes; i++) hash = (hash ^ b[i]) * 0x100000001b3u;
    return hash;
}
static const uint64_t mix_start = 0xcbf29ce484222325u;

/* What must be equal for a choice to carry over: not activations and accumulation, which cost little
   beside the sums, and not padding, which a choice adapts to. */
static uint64_t structure_of(const struct cincel_problem *p)
{
    int v[12] = {(int)p->op, (int)p->pass};
    if (p->op == CINCEL_OP_CONV) {
        const cincel_conv_desc *d = &p->conv.d;
        const bool depthwise = d->groups > 1 && d->groups == d->ic;
        const int group_class = d->groups == 1 ? 0 : depthwise ? 1 : 2;
        const int more[] = {d->kh,         d->kw,         d->stride_h, d->stride_w,
                            d->dilation_h, d->dilation_w, group_class, d->ih == 1 && d->iw == 1};
        memcpy(v + 2, more, sizeof more);
    } else if (p->op == CINCEL_OP_RNN) {
        const cincel_rnn_desc *d = &p->rnn.d;
        const int more[] = {(int)d->cell, d->training, d->reset_before, d->batch == 1};
        memcpy(v + 2, more, sizeof more);
    } else {
        const cincel_pool_desc *d = &p->pool.d;
        const int more[] = {(int)d->kind, d->kh, d->kw, d->stride_h, d->stride_w, d->oh, d->ow};
        memcpy(v + 2, more, sizeof more);
    }
    return mix(mix_start, v, sizeof v);
}

void cincel_profile_identify(struct cincel_profile_entry *e, const struct cincel_problem *p, int threads)
{
    const bool whole = cincel_problem_key(p, e->key, sizeof e->key);
    assert(whole);
    (void)whole;
    e->threads = threads;
    e->structure = structure_of(p);
    int extent[CINCEL_PROFILE_SIZES] = {1, 1, 1, 1, 1, threads};
    if (p->op == CINCEL_OP_CONV) {
        const cincel_conv_desc *d = &p->conv.d;
        const int sizes[] = {d->n, d->ic / d->groups, d->oc, d->ih, d->iw};
        memcpy(extent, sizes, sizeof sizes);
    } else if (p->op == CINCEL_OP_RNN) {
        const cincel_rnn_desc *d = &p->rnn.d;
        const int sizes[] = {d->batch, d->input, d->hidden, d->steps, 1};
        memcpy(extent, sizes, sizeof sizes);
    } else {
        const cincel_pool_desc *d = &p->pool.d;
        const int sizes[] = {d->n, d->c, 1, d->ih, d->iw};
        memcpy(extent, sizes, sizeof sizes);
    }
    for (int i = 0; i < CINCEL_PROFILE_SIZES; i++) e->size[i] = log2f((float)extent[i]);
}

double cincel_profile_gain(const struct cincel_profile_entry *e) { return e->default_seconds / e->seconds; }

/* ------------------------------------------------------------------------------------ table -- */

static uint64_t hash_of(const char *key, int threads)
{
    return mix(mix(mix_start, key, strlen(key)), &threads, sizeof threads);
}

/* Where the entry is, or the free slot that it would take. There is always one. */
static size_t *slot_of(const struct cincel_profile *profile, const char *key, int threads)
{
    for (size_t i = hash_of(key, threads);; i++) {
        size_t *slot = &profile->slot[i & (profile->slots - 1)];
        if (!*slot) return slot;
        const struct cincel_profile_entry *e = &profile->item[*slot - 1];
        if (e->threads == threads && strcmp(e->key, key) == 0) return slot;
    }
}

static struct cincel_profile_entry *entry_of(const struct cincel_profile *profile, const char *key,
                                             int threads)
{
    const size_t slot = profile->slots ? *slot_of(profile, key, threads) : 0;
    return slot ? &profile->item[slot - 1] : NULL;
}

/* Room for one more entry. */
static bool grow(struct cincel_profile *profile)
{
    if (profile->count < profile->room) return true;
    const size_t room = profile->room ? 2 * profile->room : 64, slots = 4 * room;
    struct cincel_profile_entry *item = realloc(profile->item, room * sizeof *item);
    if (!item) return false;
    profile->item = item;
    size_t *slot = calloc(slots, sizeof *slot);
    if (!slot) return false;
    free(profile->slot);
    profile->slot = slot;
    profile->slots = slots;
    profile->room = room;
    for (size_t i = 0; i < profile->count; i++) *slot_of(profile, item[i].key, item[i].threads) = i + 1;
    return true;
}

static bool put(struct cincel_profile *profile, const struct cincel_profile_entry *e,
                enum cincel_profile_rule rule, enum cincel_profile_fate *fate)
{
    struct cincel_profile_entry *old = entry_of(profile, e->key, e->threads);
    *fate = CINCEL_PROFILE_KEPT;
    if (old) {
        if (rule == CINCEL_PROFILE_FASTER && cincel_profile_gain(e) <= cincel_profile_gain(old)) return true;
        *old = *e;
        *fate = CINCEL_PROFILE_REPLACED;
        return true;
    }
    if (!grow(profile)) return false;
    size_t *slot = slot_of(profile, e->key, e->threads);
    profile->item[profile->count] = *e;
    *slot = ++profile->count;
    *fate = CINCEL_PROFILE_ADDED;
    return true;
}

bool cincel_profile_put(struct cincel_profile *profile, const struct cincel_profile_entry *e,
                        enum cincel_profile_rule rule, enum cincel_profile_fate *fate)
{
    enum cincel_profile_fate ignored;
    pthread_mutex_lock(&profile->lock);
    const bool done = put(profile, e, rule, fate ? fate : &ignored);
    pthread_mutex_unlock(&profile->lock);
    return done;
}

bool cincel_profile_find(struct cincel_profile *profile, const char *key, int threads,
                         struct cincel_profile_entry *out)
{
    pthread_mutex_lock(&profile->lock);
    const struct cincel_profile_entry *e = entry_of(profile, key, threads);
    if (e) *out = *e;
    pthread_mutex_unlock(&profile->lock);
    return e != NULL;
}

void cincel_profile_refuse(struct cincel_profile *profile, const char *key, int threads)
{
    pthread_mutex_lock(&profile->lock);
    struct cincel_profile_entry *e = entry_of(profile, key, threads);
    if (e) e->refused = true;
    pthread_mutex_unlock(&profile->lock);
}

size_t cincel_profile_size(struct cincel_profile *profile)
{
    pthread_mutex_lock(&profile->lock);
    const size_t count = profile->count;
    pthread_mutex_unlock(&profile->lock);
    return count;
}

bool cincel_profile_at(struct cincel_profile *profile, size_t i, struct cincel_profile_entry *out)
{
    pthread_mutex_lock(&profile->lock);
    const bool there = i < profile->count;
    if (there) *out = profile->item[i];
    pthread_mutex_unlock(&profile->lock);
    return there;
}

/* ------------------------------------------------------------------------------- neighbours -- */

static float distance(const struct cincel_profile_entry *a, const struct cincel_profile_entry *b)
{
    float sum = 0.0f;
    for (int i = 0; i < CINCEL_PROFILE_SIZES; i++) sum += fabsf(a->size[i] - b->size[i]);
    return sum;
}

enum { MOST_NEIGHBOURS = 8 };

int cincel_profile_nearest(struct cincel_profile *profile, const struct cincel_profile_entry *like,
                           float farthest, struct cincel_profile_entry *out, int room)
{
    size_t index[MOST_NEIGHBOURS];
    float away[MOST_NEIGHBOURS];
    int found = 0;
    assert(room > 0 && room <= MOST_NEIGHBOURS);
    pthread_mutex_lock(&profile->lock);
    for (size_t i = 0; i < profile->count; i++) {
        const struct cincel_profile_entry *e = &profile->item[i];
        if (e->structure != like->structure || e->refused) continue;
        const float d = distance(e, like);
        if (d > farthest || (found == room && d >= away[found - 1])) continue;
        if (d == 0.0f && e->threads == like->threads && strcmp(e->key, like->key) == 0) continue;
        int at = found < room ? found++ : found - 1;
        for (; at > 0 && away[at - 1] > d; at--) { /* earlier arrivals first among equals */
            away[at] = away[at - 1];
            index[at] = index[at - 1];
        }
        away[at] = d;
        index[at] = i;
    }
    for (int i = 0; i < found; i++) out[i] = profile->item[index[i]];
    pthread_mutex_unlock(&profile->lock);
    return found;
}
