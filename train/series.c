#include "train/series.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/philox.h"
#include "core/status.h"
#include "train/dataset.h"
#include "train/random.h"

cincel_status cincel_dataset_windows(const float *values, size_t columns, size_t first, size_t last,
                                     int window, int horizon, int target, cincel_dataset **out)
{
    const size_t x_rows = (size_t)window, y_rows = (size_t)horizon;
    const size_t width = target < 0 ? columns : 1;
    if (last < first || last - first < x_rows + y_rows) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT,
                           "series: %zu rows are fewer than a window of %d and a horizon of %d",
                           last < first ? 0 : last - first, window, horizon);
    }
    const size_t count = last - first - x_rows - y_rows + 1;
    size_t x_count, y_count;
    if (!cincel_mul(x_rows * columns, count, &x_count) || !cincel_mul(y_rows * width, count, &y_count) ||
        x_count > PTRDIFF_MAX / sizeof(float) || y_count > PTRDIFF_MAX / sizeof(float)) {
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "series: %zu windows of %d rows overflow", count, window);
    }
    cincel_dataset *data =
        cincel_dataset_new("series", count, window, 1, (int)columns, 0, (int)(y_rows * width));
    if (data) {
        data->numbers = malloc(x_count * sizeof *data->numbers);
        data->targets = malloc(y_count * sizeof *data->targets);
    }
    if (!data || !data->numbers || !data->targets) {
        cincel_dataset_destroy(data);
        return cincel_fail(CINCEL_OUT_OF_MEMORY, "series: no memory for %zu windows", count);
    }
    for (size_t i = 0; i < count; i++) {
        const float *from = values + (first + i) * columns, *behind = from + x_rows * columns;
        memcpy(data->numbers + i * x_rows * columns, from, x_rows * columns * sizeof *from);
        for (size_t r = 0; r < y_rows; r++) {
            const float *row = behind + r * columns + (target < 0 ? 0 : target);
            memcpy(data->targets + (i * y_rows + r) * width, row, width * sizeof *row);
        }
    }
    *out = data;
    return CINCEL_OK;
}

void cincel_series_sines(float *values, size_t rows, uint64_t seed)
{
    static const double PI = 3.14159265358979323846;
    static const double period[] = {24.0, 17.0, 63.0}, amplitude[] = {1.0, 0.6, 0.4};
    const struct cincel_random noise = {seed, RANDOM_SERIES, 0};
    for (size_t r = 0; r < rows; r++) {
        double sum = 0.05 * (double)cincel_random_normal(&noise, r);
        for (int s = 0; s < 3; s++) sum += amplitude[s] * sin(2.0 * PI * (double)r / period[s]);
        values[r] = (float)sum;
    }
}
