#include "cli/digits.h"

/* Sizes that let a first run end within a minute or two; train and test are drawn from different seeds. */
enum { TRAIN_COUNT = 8000, TEST_COUNT = 2000, TRAIN_SEED = 1, TEST_SEED = 2 };

cincel_status digits_open(const char *folder, cincel_dataset **train, cincel_dataset **test)
{
    if (folder) return cincel_dataset_mnist(folder, train, test);
    cincel_dataset *drawn = NULL;
    cincel_status status = CINCEL_OK;
    if (train) status = cincel_dataset_synthetic_digits(TRAIN_COUNT, TRAIN_SEED, &drawn);
    if (status == CINCEL_OK) status = cincel_dataset_synthetic_digits(TEST_COUNT, TEST_SEED, test);
    if (status != CINCEL_OK) {
        cincel_dataset_destroy(drawn);
        return status;
    }
    if (train) *train = drawn;
    return CINCEL_OK;
}
