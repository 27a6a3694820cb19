#include "tune/peaks_cache.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/atomic_file.h"
#include "tune/folders.h"

static const char first_line[] = "cincel-peaks 1\n";

bool cincel_peaks_cache_folder(char *out, size_t size)
{
    return cincel_user_folder("XDG_CACHE_HOME", ".cache", out, size);
}

static bool file_path(const char *folder, const struct cincel_peaks_identity *who, char out[PATH_MAX])
{
    return snprintf(out, PATH_MAX, "%s/peaks-%s-t%d.txt", folder, who->key, who->threads) < PATH_MAX;
}

static void print_identity(const struct cincel_peaks_identity *who, char *out, size_t size)
{
    snprintf(out, size, "machine %s l3 %zu threads %d\n", who->key, who->l3_bytes, who->threads);
}

/* ---------------------------------------------------------------------------------- reading -- */

/* Figures are whole MFLOP/s and MB/s in the file: no decimal point that a locale could turn into a comma. */
static const double milli = 1e-3;

static bool next_line_is(FILE *file, const char *expected)
{
    char line[256];
    return fgets(line, sizeof line, file) && strcmp(line, expected) == 0;
}

/* `count` positive numbers after `word`, and nothing else, make up the line. */
static bool read_numbers(const char *line, const char *word, unsigned long long *numbers, int count)
{
    const size_t length = strlen(word);
    if (strncmp(line, word, length) != 0) return false;
    line += length;
    for (int i = 0; i < count; i++) {
        char *end;
        if (line[0] != ' ' || line[1] < '0' || line[1] > '9') return false;
        numbers[i] = strtoull(line, &end, 10);
        if (numbers[i] == 0 || numbers[i] == ULLONG_MAX) return false;
        line = end;
    }
    return strcmp(line, "\n") == 0;
}

static bool read_point(const char *line, int i, cincel_machine_peaks *p)
{
    unsigned long long n[5];
    if (!read_numbers(line, "point", n, 5)) return false;
    p->working_set[i] = (size_t)n[0];
    p->read_1[i] = (double)n[1] * milli;
    p->triad_1[i] = (double)n[2] * milli;
    p->read_team[i] = (double)n[3] * milli;
    p->triad_team[i] = (double)n[4] * milli;
    return i == 0 || p->working_set[i] > p->working_set[i - 1];
}

static bool read_content(FILE *file, const struct cincel_peaks_identity *who, cincel_machine_peaks *p)
{
    char line[256];
    unsigned long long n[2];
    print_identity(who, line, sizeof line);
    if (!next_line_is(file, first_line) || !next_line_is(file, line)) return false;
    if (!fgets(line, sizeof line, file) || !read_numbers(line, "mflops", n, 2)) return false;
    p->gflops_1 = (double)n[0] * milli;
    p->gflops_team = (double)n[1] * milli;
    while (fgets(line, sizeof line, file)) {
        char last[32];
        snprintf(last, sizeof last, "end %d\n", p->points);
        if (p->points > 0 && strcmp(line, last) == 0) return fgetc(file) == EOF;
        if (p->points >= CINCEL_MAX_BANDWIDTH_POINTS || !read_point(line, p->points, p)) return false;
        p->points++;
    }
    return false;
}

bool cincel_peaks_load(const char *folder, const struct cincel_peaks_identity *who, cincel_machine_peaks *out)
{
    char path[PATH_MAX];
    if (!file_path(folder, who, path)) return false;
    FILE *file = fopen(path, "re");
    if (!file) return false;
    cincel_machine_peaks peaks = CINCEL_MACHINE_PEAKS_INIT;
    const bool good = read_content(file, who, &peaks);
    fclose(file);
    if (!good) return false;
    peaks.from_cache = 1;
    *out = peaks;
    return true;
}

/* ---------------------------------------------------------------------------------- writing -- */

bool cincel_peaks_save(const char *folder, const struct cincel_peaks_identity *who,
                       const cincel_machine_peaks *p)
{
    char path[PATH_MAX], line[256];
    struct cincel_atomic_file *file;
    if (!cincel_make_folders(folder) || !file_path(folder, who, path)) return false;
    if (cincel_atomic_file_create(path, &file) != CINCEL_OK) return false;
    print_identity(who, line, sizeof line);
    cincel_atomic_file_printf(file, "%s%smflops %.0f %.0f\n", first_line, line, p->gflops_1 / milli,
                              p->gflops_team / milli);
    for (int i = 0; i < p->points; i++) {
        cincel_atomic_file_printf(file, "point %zu %.0f %.0f %.0f %.0f\n", p->working_set[i],
                                  p->read_1[i] / milli, p->triad_1[i] / milli, p->read_team[i] / milli,
                                  p->triad_team[i] / milli);
    }
    cincel_atomic_file_printf(file, "end %d\n", p->points);
    return cincel_atomic_file_commit(file) == CINCEL_OK;
}
