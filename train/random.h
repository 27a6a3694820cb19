/* What the training layer draws random numbers for: distinct purposes are independent streams. Numbers,
   once released, keep their meaning: a seed must go on giving the same run. */
#ifndef CINCEL_TRAIN_RANDOM_H
#define CINCEL_TRAIN_RANDOM_H

enum random_purpose {
    RANDOM_SPLIT = 1,         /* index: sample; which part validates */
    RANDOM_SHUFFLE = 2,       /* epoch: epoch; index: sample */
    RANDOM_SYNTHETIC = 0x100, /* + what: the synthetic data sets */
    RANDOM_INIT = 0x10000,    /* + number of the parameter tensor; index: element */
};

#endif
