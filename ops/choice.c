/* Choices: checked against the table, printed, parsed, enumerated. Knows no algorithm by name. */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/algo.h"

static bool refuse(char why[CINCEL_WHY], const char *what, const char *value)
{
    snprintf(why, CINCEL_WHY, "%s %s", what, value);
    return false;
}

static bool has_row(const struct cincel_algo *algo, const struct cincel_isa *isa, const char *name)
{
    const char *row;
    for (int i = 0; (row = algo->row(isa, i)) != NULL; i++)
        if (strcmp(row, name) == 0) return true;
    return false;
}

static bool knob_allows(const struct cincel_knob *knob, int value)
{
    for (int i = 0; i < knob->count; i++)
        if (knob->values[i] == value) return true;
    return false;
}

bool cincel_choice_check(const struct cincel_target *t, const struct cincel_problem *p,
                         const struct cincel_choice *c, double error_budget, char why[CINCEL_WHY])
{
    const struct cincel_algo *algo = cincel_algo_find(p, c->algo);
    if (!algo) return refuse(why, "unknown algorithm", c->algo);
    const struct cincel_isa *isa = cincel_isa_find(t, c->isa);
    if (!isa) return refuse(why, "this machine does not use ISA", c->isa);
    if (!has_row(algo, isa, c->row)) return refuse(why, "unknown kernel row", c->row);
    if (c->threads < 1 || c->threads > t->machine->threads) {
        snprintf(why, CINCEL_WHY, "%d threads, the context has %d", c->threads, t->machine->threads);
        return false;
    }
    for (int i = 0; i < algo->knob_count; i++) {
        if (!knob_allows(&algo->knobs[i], c->knob[i])) {
            snprintf(why, CINCEL_WHY, "knob %s cannot be %d", algo->knobs[i].name, c->knob[i]);
            return false;
        }
    }
    const double error = algo->error * sqrt(algo->chain ? algo->chain(p, c) : cincel_chain_length(p));
    if (error > error_budget) {
        snprintf(why, CINCEL_WHY, "expected error %.1e is over the budget of %.1e", error, error_budget);
        return false;
    }
    return algo->check(t, p, c, why);
}

void cincel_choice_print(const struct cincel_problem *p, const struct cincel_choice *c,
                         char out[CINCEL_CHOICE_TEXT])
{
    const struct cincel_algo *algo = cincel_algo_find(p, c->algo);
    int used = snprintf(out, CINCEL_CHOICE_TEXT, "%s %s %s t%d", c->algo, c->isa, c->row[0] ? c->row : "-",
                        c->threads);
    for (int i = 0; algo && i < algo->knob_count && used > 0 && used < CINCEL_CHOICE_TEXT; i++)
        used += snprintf(out + used, (size_t)(CINCEL_CHOICE_TEXT - used), " %s=%d", algo->knobs[i].name,
                         c->knob[i]);
}

/* Copies the next blank-separated word of *text; false where there is none or it does not fit. */
static bool next_word(const char **text, char *out, size_t size)
{
    const char *s = *text + strspn(*text, " \t");
    const size_t length = strcspn(s, " \t\r\n");
    if (length == 0 || length >= size) return false;
    memcpy(out, s, length);
    out[length] = '\0';
    *text = s + length;
    return true;
}

static bool parse_int(const char *s, int *out)
{
    char *end;
    errno = 0;
    const long v = strtol(s, &end, 10);
    if (end == s || *end || errno || v < INT_MIN || v > INT_MAX) return false;
    *out = (int)v;
    return true;
}

/* "name=value" words in any order; each knob exactly once. */
static bool parse_knobs(const struct cincel_algo *algo, const char *text, struct cincel_choice *out,
                        char why[CINCEL_WHY])
{
    char word[64];
    unsigned seen = 0;
    while (next_word(&text, word, sizeof word)) {
        char *value = strchr(word, '=');
        if (!value) return refuse(why, "choice: expected name=value, found", word);
        *value++ = '\0';
        int i = 0;
        while (i < algo->knob_count && strcmp(algo->knobs[i].name, word) != 0) i++;
        if (i == algo->knob_count) return refuse(why, "choice: unknown knob", word);
        if (seen & (1u << i)) return refuse(why, "choice: knob given twice:", word);
        if (!parse_int(value, &out->knob[i])) return refuse(why, "choice: not a number:", value);
        seen |= 1u << i;
    }
    if (text[strspn(text, " \t\r\n")]) return refuse(why, "choice: word too long in", algo->name);
    for (int i = 0; i < algo->knob_count; i++)
        if (!(seen & (1u << i))) return refuse(why, "choice: missing knob", algo->knobs[i].name);
    return true;
}

bool cincel_choice_parse(const struct cincel_problem *p, const char *text, struct cincel_choice *out,
                         char why[CINCEL_WHY])
{
    struct cincel_choice c = {0};
    char threads[16];
    if (!next_word(&text, c.algo, sizeof c.algo) || !next_word(&text, c.isa, sizeof c.isa) ||
        !next_word(&text, c.row, sizeof c.row) || !next_word(&text, threads, sizeof threads))
        return refuse(why, "choice: expected", "`algorithm isa row tN knob=value …`");
    if (strcmp(c.row, "-") == 0) c.row[0] = '\0';
    if (threads[0] != 't' || !parse_int(threads + 1, &c.threads))
        return refuse(why, "choice: expected tN, found", threads);
    const struct cincel_algo *algo = cincel_algo_find(p, c.algo);
    if (!algo) return refuse(why, "choice: unknown algorithm", c.algo);
    if (!parse_knobs(algo, text, &c, why)) return false;
    *out = c;
    return true;
}

/* Counts knob values up like an odometer; false after the last combination. */
static bool next_knobs(const struct cincel_algo *algo, int index[CINCEL_MAX_KNOBS], struct cincel_choice *c)
{
    for (int i = 0; i < algo->knob_count; i++) {
        index[i] = index[i] + 1 < algo->knobs[i].count ? index[i] + 1 : 0;
        c->knob[i] = algo->knobs[i].values[index[i]];
        if (index[i]) return true;
    }
    return false;
}

/* In reproducible mode a numeric knob keeps the value the problem alone gives it. */
static bool numeric_knobs_equal(const struct cincel_algo *algo, const struct cincel_choice *a,
                                const struct cincel_choice *b)
{
    for (int i = 0; i < algo->knob_count; i++)
        if (algo->knobs[i].numeric && a->knob[i] != b->knob[i]) return false;
    return true;
}

bool cincel_choice_same_bits(const struct cincel_algo *a, const struct cincel_choice *x,
                             const struct cincel_algo *b, const struct cincel_choice *y)
{
    return a == b && numeric_knobs_equal(a, x, y);
}

struct enumeration {
    const struct cincel_target *t;
    const struct cincel_problem *p;
    enum cincel_breadth breadth;
    double error_budget;
    cincel_visit *visit;
    void *user;
    char *why;
    size_t visited;
};

/* Shows one choice if it is valid; false when the visitor has had enough. */
static bool visit_choice(struct enumeration *e, const struct cincel_algo *algo, const struct cincel_choice *c)
{
    if (!cincel_choice_check(e->t, e->p, c, e->error_budget, e->why)) return true;
    e->visited++;
    return e->visit(e->user, algo, c);
}

/* One algorithm on one row. */
static bool visit_row(struct enumeration *e, const struct cincel_algo *algo, struct cincel_choice *c)
{
    struct cincel_choice standard = *c;
    algo->defaults(e->t, e->p, &standard);
    if (e->breadth == CINCEL_DEFAULT_KNOBS) return visit_choice(e, algo, &standard);

    int index[CINCEL_MAX_KNOBS] = {0};
    for (int i = 0; i < algo->knob_count; i++) c->knob[i] = algo->knobs[i].values[0];
    do {
        if (e->t->reproducible && !numeric_knobs_equal(algo, c, &standard)) continue;
        if (!visit_choice(e, algo, c)) return false;
    } while (next_knobs(algo, index, c));
    return true;
}

static bool visit_isa(struct enumeration *e, const struct cincel_algo *algo, const struct cincel_isa *isa,
                      int threads)
{
    const char *row;
    for (int i = 0; (row = algo->row(isa, i)) != NULL; i++) {
        struct cincel_choice c = {.threads = threads};
        snprintf(c.algo, sizeof c.algo, "%s", algo->name);
        snprintf(c.isa, sizeof c.isa, "%s", isa->name);
        snprintf(c.row, sizeof c.row, "%s", row);
        if (!visit_row(e, algo, &c)) return false;
    }
    return true;
}

/* One algorithm on every ISA. */
static bool visit_algo(struct enumeration *e, const struct cincel_algo *algo, int threads)
{
    for (const struct cincel_isa *const *isa = e->t->isas; *isa; isa++) {
        const bool generic = isa[1] == NULL;
        if (generic && isa != e->t->isas) break;
        if (!visit_isa(e, algo, *isa, threads)) return false;
    }
    return true;
}

void cincel_choice_enumerate(const struct cincel_target *t, const struct cincel_problem *p,
                             enum cincel_breadth breadth, int threads, double error_budget,
                             cincel_visit *visit, void *user, char why[CINCEL_WHY])
{
    struct enumeration e = {t, p, breadth, error_budget, visit, user, why, 0};
    for (const struct cincel_algo *const *a = cincel_algos; *a; a++) {
        if ((*a)->op != p->op || (*a)->pass != p->pass) continue;
        if (t->reproducible && (*a)->standard && !(*a)->standard(p)) continue;
        if (!visit_algo(&e, *a, threads)) return;
        if (t->reproducible && e.visited > 0) return;
    }
}
