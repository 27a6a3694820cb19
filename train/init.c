#include <math.h>

#include "core/philox.h"
#include "core/status.h"
#include "train/model.h"
#include "train/random.h"

/* Half the width of the uniform distribution a tensor is drawn from. */
static double init_bound(cincel_init init, const struct layer_tensor *t)
{
    const double in = (double)t->fan_in, out = (double)t->fan_out;
    const bool bias = t->role == TENSOR_BIAS;
    if (t->role == TENSOR_EVEN) return 1.0 / sqrt(in);
    switch (init) {
    case CINCEL_INIT_KAIMING: return bias ? 1.0 / sqrt(in) : sqrt(6.0 / in);
    case CINCEL_INIT_XAVIER: return bias ? 0.0 : sqrt(6.0 / (in + out));
    }
    return 0.0;
}

static void fill(const struct layer_tensor *t, float *block)
{
    float *data = layer_tensor_in(block, t);
    for (size_t i = 0; i < t->count; i++) data[i] = t->role == TENSOR_ONES ? 1.0f : 0.0f;
}

cincel_status cincel_model_init(cincel_model *model, cincel_init init, uint64_t seed)
{
    if (!model) return cincel_fail(CINCEL_INVALID_ARGUMENT, "model: model is NULL");
    if (init != CINCEL_INIT_KAIMING && init != CINCEL_INIT_XAVIER) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "model: init is %d, no such initialisation", (int)init);
    }
    for (size_t i = 0; i < model->tensors; i++) {
        const struct layer_tensor *t = cincel_model_tensor(model, i);
        if (t->role >= TENSOR_ONES) {
            fill(t, model->parameters);
            continue;
        }
        const struct cincel_random random = {seed, (uint32_t)(RANDOM_INIT + i), 0};
        if (t->role == TENSOR_NORMAL) {
            cincel_random_fill_normal(&random, 0, layer_tensor_in(model->parameters, t), t->count);
            continue;
        }
        const float bound = (float)init_bound(init, t);
        float *data = layer_tensor_in(model->parameters, t);
        cincel_random_fill_uniform(&random, 0, data, t->count);
        for (size_t e = 0; e < t->count; e++) data[e] = bound * (2.0f * data[e] - 1.0f);
    }
    for (size_t i = 0; i < model->states; i++) fill(cincel_model_state(model, i), model->state);
    return CINCEL_OK;
}
