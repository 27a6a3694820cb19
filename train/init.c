#include <math.h>

#include "core/philox.h"
#include "core/status.h"
#include "train/model.h"
#include "train/random.h"

/* Half the width of the uniform distribution a tensor is drawn from. */
static double init_bound(cincel_init init, const struct layer_tensor *t)
{
    const double in = (double)t->fan_in, out = (double)t->fan_out;
    switch (init) {
    case CINCEL_INIT_KAIMING: return t->is_bias ? 1.0 / sqrt(in) : sqrt(6.0 / in);
    case CINCEL_INIT_XAVIER: return t->is_bias ? 0.0 : sqrt(6.0 / (in + out));
    }
    return 0.0;
}

cincel_status cincel_model_init(cincel_model *model, cincel_init init, uint64_t seed)
{
    if (!model) return cincel_fail(CINCEL_INVALID_ARGUMENT, "model: model is NULL");
    if (init != CINCEL_INIT_KAIMING && init != CINCEL_INIT_XAVIER) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "model: init is %d, no such initialisation", (int)init);
    }
    for (size_t i = 0; i < model->tensors; i++) {
        const struct layer_tensor *t = cincel_model_tensor(model, i);
        const struct cincel_random random = {seed, (uint32_t)(RANDOM_INIT + i), 0};
        const float bound = (float)init_bound(init, t);
        float *data = layer_tensor_in(model->parameters, t);
        cincel_random_fill_uniform(&random, 0, data, t->count);
        for (size_t e = 0; e < t->count; e++) data[e] = bound * (2.0f * data[e] - 1.0f);
    }
    return CINCEL_OK;
}
