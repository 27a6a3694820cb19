/* The built-in model and data set, through the installed training library. */
#include <cincel/train.h>
#include <stdio.h>

int main(void)
{
    cincel_model *model = NULL;
    cincel_dataset *data = NULL;
    cincel_dataset_info info = CINCEL_DATASET_INFO_INIT;
    size_t parameters = 0;
    cincel_status st = cincel_dataset_synthetic_digits(8, 1, &data);
    if (st == CINCEL_OK) st = cincel_dataset_describe(data, &info);
    if (st == CINCEL_OK)
        st = cincel_model_builtin("simplecnn", info.height, info.width, info.channels, info.classes, &model);
    if (st == CINCEL_OK) st = cincel_model_init(model, CINCEL_INIT_KAIMING, 1);
    if (st == CINCEL_OK) parameters = cincel_model_parameters(model);
    if (st != CINCEL_OK) fprintf(stderr, "%s: %s\n", cincel_status_string(st), cincel_error_message());
    cincel_model_destroy(model);
    cincel_dataset_destroy(data);
    /* 1→32 and 32→64 3x3 convolutions, 3136→128 and 128→10 linear layers, all with biases */
    const size_t expected = (9 * 32 + 32) + (32 * 9 * 64 + 64) + (3136 * 128 + 128) + (128 * 10 + 10);
    return st == CINCEL_OK && info.count == 8 && parameters == expected ? 0 : 1;
}
