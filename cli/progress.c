#include "cli/progress.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const double REDRAW_SECONDS = 0.1;
enum { BAR = 20 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct progress progress_on(FILE *stream)
{
    const char *term = getenv("TERM");
    const bool dumb = !term || strcmp(term, "dumb") == 0;
    return (struct progress){.stream = stream, .terminal = !dumb && isatty(fileno(stream))};
}

void progress_clear(struct progress *progress)
{
    if (!progress->showing) return;
    fputs("\r\033[K", progress->stream);
    fflush(progress->stream);
    progress->showing = false;
}

/* "1:02:03", "4:05" */
static void print_duration(FILE *stream, double seconds)
{
    const long s = seconds > 0.0 && seconds < 1e9 ? (long)(seconds + 0.5) : 0;
    if (s >= 3600) {
        fprintf(stream, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    } else {
        fprintf(stream, "%ld:%02ld", s / 60, s % 60);
    }
}

static const char *unit(const struct progress *progress)
{
    return progress->characters ? "chars" : progress->r2 ? "rows" : "img";
}

static double rate(const struct progress *progress, const cincel_train_progress *p)
{
    return p->items_per_second * (progress->characters ? progress->characters : 1);
}

static void draw_bar(struct progress *progress, const cincel_train_progress *p)
{
    const double time = now();
    if (progress->showing && time - progress->drawn < REDRAW_SECONDS && p->step < p->steps) return;
    progress->drawn = time;
    progress->showing = true;
    char bar[BAR + 1];
    const int filled = (int)(p->step * BAR / p->steps);
    memset(bar, '.', BAR);
    memset(bar, '#', (size_t)filled);
    bar[BAR] = '\0';
    fprintf(progress->stream, "\repoch %d/%d [%s] loss %.4g ", p->epoch, p->epochs, bar, p->loss);
    if (!progress->r2) fprintf(progress->stream, "acc %.4f ", p->accuracy);
    fprintf(progress->stream, "%.0f %s/s, ", rate(progress, p), unit(progress));
    print_duration(progress->stream, p->seconds_left);
    fputs(" left\033[K", progress->stream);
    fflush(progress->stream);
}

void progress_show(struct progress *progress, const cincel_train_progress *p)
{
    if (!p->epoch_done) {
        if (progress->terminal) draw_bar(progress, p);
        return;
    }
    progress_clear(progress);
    fprintf(progress->stream, "epoch %d/%d: loss %.4g, ", p->epoch, p->epochs, p->loss);
    if (!progress->r2) fprintf(progress->stream, "accuracy %.4f, ", p->accuracy);
    if (progress->characters) fprintf(progress->stream, "perplexity %.4g, ", exp(p->validation_loss));
    fprintf(progress->stream, "validation loss %.4g, %s %.4f%s, %.0f %s/s, ", p->validation_loss,
            progress->r2 ? "R2" : "accuracy", progress->r2 ? p->validation_r2 : p->validation_accuracy,
            p->best ? " (best)" : "", rate(progress, p), unit(progress));
    print_duration(progress->stream, p->seconds_left);
    fputs(" left\n", progress->stream);
    fflush(progress->stream);
}
