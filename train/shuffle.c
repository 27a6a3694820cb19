#include "core/philox.h"
#include "train/random.h"

void cincel_shuffle(size_t *index, size_t count, uint64_t seed, enum random_purpose purpose, uint32_t epoch)
{
    const struct cincel_random random = {seed, (uint32_t)purpose, epoch};
    for (size_t i = count; i > 1; i--) {
        const size_t other = cincel_random_below(&random, i - 1, (uint32_t)i);
        const size_t kept = index[i - 1];
        index[i - 1] = index[other];
        index[other] = kept;
    }
}

void cincel_validation_order(size_t *index, size_t count, uint64_t seed)
{
    for (size_t i = 0; i < count; i++) index[i] = i;
    cincel_shuffle(index, count, seed, RANDOM_SPLIT, 0);
}
