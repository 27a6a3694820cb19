#include "cli/recipe.h"

#include <string.h>

/* For figures, see docs/data.md: "Text" and "Time series". */
static const struct recipe recipes[] = {
    {"charlstm", RECIPE_TEXT, 3, 32, 2, CINCEL_OPTIMIZER_ADAM, 1.0, 64, 0, {0.5, 3e-3, 3e-3}, "64x1x1", 65},
    {"forecast",
     RECIPE_SERIES,
     20,
     32,
     5,
     CINCEL_OPTIMIZER_ADAM,
     1.0,
     48,
     12,
     {0.05, 3e-3, 3e-3},
     "48x1x1",
     12},
    {NULL, RECIPE_SAMPLES, 10, 64, 0, CINCEL_OPTIMIZER_SGD, 0.0, 0, 0, {0.05, 1e-3, 1e-3}, "28x28x1", 10},
};

const struct recipe *recipe_of(const char *model)
{
    const struct recipe *r = recipes;
    while (r->model && strcmp(r->model, model) != 0) r++;
    return r;
}
