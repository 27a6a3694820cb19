/* The data of `train` and `eval`: a folder of IDX files, or digits drawn by the program where none is given.
 */
#ifndef CINCEL_CLI_DIGITS_H
#define CINCEL_CLI_DIGITS_H

#include "cincel/train.h"

/* `folder` NULL: synthetic digits, the same ones for every run; the data sets' names say so. `train` may be
   NULL. */
cincel_status digits_open(const char *folder, cincel_dataset **train, cincel_dataset **test);

#endif
