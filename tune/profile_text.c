#include "tune/profile_text.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char first_line[] = "cincel-profile 1";
static const char separator[] = " | ";

const char *const cincel_profile_fact_names[CINCEL_PROFILE_FACTS] = {
    "machine", "isa", "cores", "l3", "smt", "quota", "compiler", "version"};

const char *cincel_profile_machine(const struct cincel_profile_facts *facts) { return facts->value[0]; }

void cincel_profile_facts_here(const struct cincel_machine *machine, const char *isa,
                               struct cincel_profile_facts *out)
{
    enum { SIZE = sizeof out->value[0] };
    const struct cincel_topology *t = &machine->topo;
    const int cores = t->physical_cores > 0 ? t->physical_cores : 1;
    memset(out, 0, sizeof *out);
    cincel_machine_key(machine, isa, out->value[0], SIZE);
    snprintf(out->value[1], SIZE, "%s", isa);
    snprintf(out->value[2], SIZE, "%d", cores);
    snprintf(out->value[3], SIZE, "%zu", t->l3_bytes);
    snprintf(out->value[4], SIZE, "%d", t->allowed_cpus / cores);
    if (t->cpu_quota > 0.0)
        snprintf(out->value[5], SIZE, "%.0f %%", 100.0 * t->cpu_quota);
    else
        snprintf(out->value[5], SIZE, "none");
#if defined(__clang__)
    snprintf(out->value[6], SIZE, "clang %d.%d.%d", __clang_major__, __clang_minor__, __clang_patchlevel__);
#else
    snprintf(out->value[6], SIZE, "gcc %d.%d.%d", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
    snprintf(out->value[7], SIZE, "%s", cincel_version());
}

/* --------------------------------------------------------------------------------- printing -- */

size_t cincel_profile_print_header(const struct cincel_profile_facts *facts, char out[CINCEL_PROFILE_HEADER])
{
    int used = snprintf(out, CINCEL_PROFILE_HEADER,
                        "%s\n# problem | threads allowed | choice | fastest | median / fastest | untuned "
                        "choice | checksum\n",
                        first_line);
    for (int i = 0; i < CINCEL_PROFILE_FACTS; i++)
        if (facts->value[i][0])
            used += snprintf(out + used, CINCEL_PROFILE_HEADER - (size_t)used, "%s %s\n",
                             cincel_profile_fact_names[i], facts->value[i]);
    assert(used > 0 && used < CINCEL_PROFILE_HEADER);
    return (size_t)used;
}

static uint32_t checksum(const char *text, size_t length)
{
    uint32_t hash = 0x811c9dc5u;
    for (size_t i = 0; i < length; i++) hash = (hash ^ (unsigned char)text[i]) * 0x01000193u;
    return hash;
}

static long long whole(double value) { return value > 1.0 ? llround(value) : 1; }

size_t cincel_profile_print_entry(const struct cincel_profile_entry *e, char out[CINCEL_PROFILE_LINE])
{
    const long long milli = e->spread > 1.0 ? llround(1000.0 * fmin(e->spread, 1e6)) : 1000;
    int used = snprintf(out, CINCEL_PROFILE_LINE, "%s | t%d | %s | %lld ns | x%lld.%03lld | %lld ns", e->key,
                        e->threads, e->choice, whole(1e9 * e->seconds), milli / 1000, milli % 1000,
                        whole(1e9 * e->default_seconds));
    assert(used > 0 && used + 16 < CINCEL_PROFILE_LINE);
    used += snprintf(out + used, CINCEL_PROFILE_LINE - (size_t)used, "%s%08x\n", separator,
                     (unsigned)checksum(out, (size_t)used));
    return (size_t)used;
}

/* ---------------------------------------------------------------------------------- reading -- */

/* Plain digits up to a limit, and then `after`. */
static bool read_number(const char **text, long long most, const char *after, long long *out)
{
    const char *s = *text;
    long long value = 0;
    if (*s < '0' || *s > '9') return false;
    for (; *s >= '0' && *s <= '9'; s++) {
        value = 10 * value + (*s - '0');
        if (value > most) return false;
    }
    const size_t length = strlen(after);
    if (strncmp(s, after, length) != 0) return false;
    *text = s + length;
    *out = value;
    return true;
}

/* The text before the next separator. */
static bool read_part(const char **text, char *out, size_t size)
{
    const char *end = strstr(*text, separator);
    const size_t length = end ? (size_t)(end - *text) : size;
    if (length == 0 || length >= size) return false;
    memcpy(out, *text, length);
    out[length] = '\0';
    *text = end + strlen(separator);
    return true;
}

/* The last part is the checksum of all before it. */
static bool intact(const char *line)
{
    const size_t length = strlen(line), tail = strlen(separator) + 8;
    char expected[32];
    if (length < tail) return false;
    snprintf(expected, sizeof expected, "%s%08x", separator, (unsigned)checksum(line, length - tail));
    return strcmp(line + length - tail, expected) == 0;
}

bool cincel_profile_parse_entry(const char *line, struct cincel_profile_entry *out)
{
    static const long long longest = 1000000000000000; /* ns: eleven days */
    struct cincel_profile_entry e = {.refused = false};
    struct cincel_problem p;
    char key[CINCEL_PROBLEM_KEY];
    long long threads, best, times, milli, untuned;
    if (!intact(line) || !read_part(&line, key, sizeof key)) return false;
    if (*line++ != 't' || !read_number(&line, 1024, separator, &threads) || threads < 1) return false;
    if (!read_part(&line, e.choice, sizeof e.choice)) return false;
    if (!read_number(&line, longest, " ns | x", &best) || best < 1) return false;
    if (!read_number(&line, 1000000, ".", &times) || strspn(line, "0123456789") != 3) return false;
    if (!read_number(&line, 999, separator, &milli) || times < 1) return false;
    if (!read_number(&line, longest, " ns | ", &untuned) || untuned < 1 || strlen(line) != 8) return false;
    if (!cincel_problem_parse(key, &p)) return false;
    cincel_profile_identify(&e, &p, (int)threads);
    e.seconds = 1e-9 * (double)best;
    e.spread = (double)times + 1e-3 * (double)milli;
    e.default_seconds = 1e-9 * (double)untuned;
    *out = e;
    return true;
}

/* "machine amd-…": known, not said before, and short enough. */
static bool read_fact(const char *line, struct cincel_profile_facts *facts)
{
    for (int i = 0; i < CINCEL_PROFILE_FACTS; i++) {
        const size_t length = strlen(cincel_profile_fact_names[i]);
        if (strncmp(line, cincel_profile_fact_names[i], length) != 0 || line[length] != ' ') continue;
        const char *value = line + length + 1;
        if (!*value || facts->value[i][0] || strlen(value) >= sizeof facts->value[i]) return false;
        strcpy(facts->value[i], value);
        return true;
    }
    return false;
}

/* Copies the line that ends at `end`, its \r left out; false where it is too long, or holds what a terminal
   might take for a command. */
static bool copy_line(const char *begin, const char *end, char out[CINCEL_PROFILE_LINE])
{
    if (end > begin && end[-1] == '\r') end--;
    const size_t length = (size_t)(end - begin);
    if (length >= CINCEL_PROFILE_LINE) return false;
    for (size_t i = 0; i < length; i++)
        if (begin[i] < ' ' || begin[i] > '~') return false;
    memcpy(out, begin, length);
    out[length] = '\0';
    return true;
}

bool cincel_profile_parse(const char *text, size_t size, struct cincel_profile *profile,
                          struct cincel_profile_facts *facts, size_t *damaged, bool *is_profile)
{
    const char *const limit = text + size;
    memset(facts, 0, sizeof *facts);
    *damaged = 0;
    *is_profile = true;
    for (const char *line = text; line < limit;) {
        const char *newline = memchr(line, '\n', (size_t)(limit - line));
        const char *end = newline ? newline : limit;
        char copy[CINCEL_PROFILE_LINE];
        struct cincel_profile_entry e;
        const bool readable = copy_line(line, end, copy);
        const bool first = line == text;
        line = newline ? newline + 1 : limit;
        if (first) {
            *is_profile = readable && strcmp(copy, first_line) == 0;
            if (!*is_profile) return false;
        } else if (readable && (!copy[0] || copy[0] == '#')) {
            continue;
        } else if (readable && cincel_profile_parse_entry(copy, &e)) {
            /* appended later, when more was known: a gain that a second visit took back must not return */
            if (!cincel_profile_put(profile, &e, CINCEL_PROFILE_NEWER, NULL)) return false;
        } else if (!readable || !read_fact(copy, facts)) {
            ++*damaged;
        }
    }
    return true;
}
