/*
 * How good are the choices? Problems drawn by seed, in four questions:
 *
 *   model        the cost model's choice, untuned, against the tuned one; and how far its times are off
 *   neighbours   what a tuned neighbour suggests against the tuned choice of the problem itself
 *   exhaustive   tuning within a budget, or what a profile says that `cincel tune` wrote, against all
 *                plausible candidates (at most 400), on problems drawn from the open sets in bench/shapes
 *   threads      tuned where T threads are allowed (two, if not said) against tuned where one is, on the
 * same; what a profile says, or tuned here
 *
 *   tuning_quality QUESTION [--problems N] [--first I] [--seed S] [--threads T] [--budget SECONDS]
 *                           [--profile FILE]
 *
 * Shares are speeds: 0.9 is 90 % of the tuned speed. All of one problem's choices are timed against each
 * other in turns. Timings need a quiet machine; what was disturbed is marked. The exit code is 1 where a
 * result is impossible, not where it is poor.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/plan.h"
#include "tests/support/conv_cases.h"
#include "tune/candidates.h"

enum { MOST_CANDIDATES = 400, MOST_PROBLEMS = 1000, IMPLAUSIBLE = 4 /* times the untuned choice's time */ };

struct request {
    const char *question;
    int problems, first, threads;
    uint64_t seed;
    double budget;
    const char *profile;
};

struct quality {
    const struct request *r;
    cincel_context *ctx;
    double shares[MOST_PROBLEMS];
    int count;
    double *errors; /* of predictions: measured / predicted */
    size_t error_count, error_room;
    bool impossible;
};

/* ------------------------------------------------------------------------------------ the problems -- */

static int pick(struct test_random *r, const int *values, int count)
{
    return values[test_draw(r, 0, count - 1)];
}

static bool draw_conv(struct test_random *r, struct cincel_problem *out)
{
    static const int channels[] = {3, 16, 24, 32, 40, 48, 64, 96, 128, 160, 192, 256};
    static const int kernels[] = {1, 3, 3, 3, 5, 7}, sizes[] = {7, 8, 14, 16, 24, 28, 35, 56};
    static const int batches[] = {1, 2, 4, 8, 16, 32, 64};
    cincel_conv_desc d = CINCEL_CONV_DESC_INIT;
    d.n = pick(r, batches, 7);
    d.ic = pick(r, channels, 12);
    d.oc = pick(r, channels + 1, 11);
    d.ih = d.iw = pick(r, sizes, 8);
    d.kh = d.kw = pick(r, kernels, 6);
    d.stride_h = d.stride_w = d.kh > 1 && test_draw(r, 0, 3) == 0 ? 2 : 1;
    d.pad_top = d.pad_bottom = d.pad_left = d.pad_right = d.kh / 2;
    if (test_draw(r, 0, 7) == 0) d.groups = d.oc = d.ic; /* depthwise */
    const cincel_pass pass = (cincel_pass)test_draw(r, CINCEL_FORWARD, CINCEL_BACKWARD_WEIGHTS);
    return cincel_problem_conv(&d, pass, "conv", out) == CINCEL_OK;
}

static bool draw_linear(struct test_random *r, struct cincel_problem *out)
{
    static const int features[] = {64, 100, 128, 256, 512, 784, 1024, 2048},
                     batches[] = {1, 8, 16, 64, 128, 256};
    cincel_linear_desc d = CINCEL_LINEAR_DESC_INIT;
    d.n = pick(r, batches, 6);
    d.in = pick(r, features, 8);
    d.out = pick(r, features, 8);
    const cincel_pass pass = (cincel_pass)test_draw(r, CINCEL_FORWARD, CINCEL_BACKWARD_WEIGHTS);
    return cincel_problem_linear(&d, pass, out) == CINCEL_OK;
}

static bool draw_pool(struct test_random *r, struct cincel_problem *out)
{
    static const int channels[] = {16, 32, 64, 96, 128, 256}, sizes[] = {7, 14, 28, 35, 56, 112};
    cincel_pool_desc d = CINCEL_POOL_DESC_INIT;
    d.kind = (cincel_pool_kind)test_draw(r, CINCEL_POOL_MAX, CINCEL_POOL_AVG_EXCLUDE_PAD);
    d.n = test_draw(r, 1, 16);
    d.c = pick(r, channels, 6);
    d.ih = d.iw = pick(r, sizes, 6);
    d.kh = d.kw = test_draw(r, 2, 3);
    d.stride_h = d.stride_w = 2;
    const cincel_pass pass = (cincel_pass)test_draw(r, CINCEL_FORWARD, CINCEL_BACKWARD_DATA);
    return cincel_problem_pool(&d, pass, out) == CINCEL_OK;
}

/* Six convolutions to two linear layers and two poolings; none over a GFLOP. */
static void draw_problem(uint64_t seed, int number, struct cincel_problem *out)
{
    struct test_random r = {.source = {.seed = seed, .purpose = 7, .epoch = (uint32_t)number}};
    bool good;
    do {
        const int kind = test_draw(&r, 0, 9);
        good = kind < 6 ? draw_conv(&r, out) : kind < 8 ? draw_linear(&r, out) : draw_pool(&r, out);
    } while (!good || cincel_problem_flops(out) > 1e9);
}

/* A problem that a profile might hold in place of this one: one extent doubled or halved. */
static bool draw_sibling(const struct cincel_problem *p, uint64_t seed, int number,
                         struct cincel_problem *out)
{
    struct test_random r = {.source = {.seed = seed, .purpose = 8, .epoch = (uint32_t)number}};
    const int what = test_draw(&r, 0, 3);
    const bool up = test_draw(&r, 0, 1);
    if (p->op == CINCEL_OP_POOL) {
        cincel_pool_desc d = p->pool.d;
        int *const extent[] = {&d.n, &d.c, &d.ih, &d.iw};
        *extent[what] = up || *extent[what] < 4 ? *extent[what] * 2 : *extent[what] / 2;
        return cincel_problem_pool(&d, p->pass, out) == CINCEL_OK;
    }
    cincel_conv_desc d = p->conv.d;
    int *const extent[] = {&d.n, &d.ic, &d.oc, d.ih > 1 ? &d.ih : &d.n};
    if (d.groups > 1) {
        d.n = up ? d.n * 2 : (d.n + 1) / 2;
    } else {
        *extent[what] = up || *extent[what] < 4 ? *extent[what] * 2 : *extent[what] / 2;
    }
    return cincel_problem_conv(&d, p->pass, "conv", out) == CINCEL_OK;
}

/* ---------------------------------------------------------------------------------------- measuring -- */

static void must(cincel_status status)
{
    if (status == CINCEL_OK) return;
    fprintf(stderr, "tuning_quality: %s\n", cincel_error_message());
    exit(1);
}

static struct cincel_candidates list_of(const struct quality *q, const struct cincel_problem *p, int threads)
{
    struct cincel_candidates list = {.t = &q->ctx->target, .p = p, .leanest = SIZE_MAX};
    must(cincel_candidates_fill(&list, true, threads, q->ctx->error_budget, "quality"));
    return list;
}

/* Measures the list; says whether others disturbed it. */
static bool measure(struct quality *q, struct cincel_candidates *list, double budget, bool exhaustive)
{
    const struct cincel_measure_limits limits = {.budget = budget, .exhaustive = exhaustive};
    struct cincel_measure_report report;
    char text[96];
    must(cincel_measure(&q->ctx->target, q->ctx->team, list->p, &limits, list->item, list->count, &report));
    if (report.wrong) {
        printf("wrong results: %s\n", report.first_wrong);
        q->impossible = true;
    }
    cincel_contention_text(&report.contention, text, sizeof text);
    return text[0] != '\0';
}

static struct cincel_candidate *standard_of(struct cincel_candidates *list)
{
    struct cincel_candidate *c = list->item;
    while (!c->standard) c++;
    return c;
}

static bool same_choice(const struct cincel_choice *a, const struct cincel_choice *b)
{
    return memcmp(a->knob, b->knob, sizeof a->knob) == 0 && a->threads == b->threads &&
           strcmp(a->algo, b->algo) == 0 && strcmp(a->isa, b->isa) == 0 && strcmp(a->row, b->row) == 0;
}

static void fresh(struct cincel_candidate *c)
{
    c->measured = HUGE_VAL;
    c->rounds = 0;
    c->checked = c->wrong = false;
}

/* Speed of `other` as a share of `best`'s, the two in turns. */
static double duel(struct quality *q, const struct cincel_problem *p, const struct cincel_candidate *best,
                   const struct cincel_candidate *other, bool *disturbed)
{
    struct cincel_candidate pair[2] = {*other, *best};
    struct cincel_candidates list = {.t = &q->ctx->target, .p = p, .item = pair, .count = 2};
    if (same_choice(&best->choice, &other->choice)) return 1.0;
    for (int i = 0; i < 2; i++) fresh(&pair[i]);
    pair[0].standard = true;
    pair[1].standard = false;
    *disturbed = measure(q, &list, q->r->budget, true);
    const int at = same_choice(&pair[0].choice, &other->choice) ? 0 : 1;
    return pair[1 - at].measured / pair[at].measured;
}

/* ---------------------------------------------------------------------------------------- questions -- */

static void add_errors(struct quality *q, const struct cincel_candidates *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct cincel_candidate *c = &list->item[i];
        if (!isfinite(c->measured) || c->rounds == 0) continue;
        if (q->error_count == q->error_room) {
            q->error_room = q->error_room ? 2 * q->error_room : 1024;
            q->errors = realloc(q->errors, q->error_room * sizeof *q->errors);
            if (!q->errors) exit(1);
        }
        q->errors[q->error_count++] = c->measured / c->predicted;
    }
}

static void tell(struct quality *q, const struct cincel_problem *p, double share,
                 const struct cincel_candidate *tuned, const struct cincel_candidate *other, bool disturbed)
{
    char key[CINCEL_PROBLEM_KEY], a[CINCEL_CHOICE_TEXT], b[CINCEL_CHOICE_TEXT];
    cincel_problem_key(p, key, sizeof key);
    cincel_choice_print(p, &tuned->choice, a);
    cincel_choice_print(p, &other->choice, b);
    printf("%.3f%s  %s  %.4f ms, expected %.4f and %.4f\n       %s\n       %s\n", share,
           disturbed ? "*" : " ", key, 1e3 * tuned->measured, 1e3 * tuned->predicted, 1e3 * other->predicted,
           a, b);
    fflush(stdout);
    q->shares[q->count++] = share;
    q->impossible = q->impossible || !(share > 0.0) || !isfinite(share);
}

static void ask_model(struct quality *q, int number)
{
    struct cincel_problem p;
    draw_problem(q->r->seed, number, &p);
    struct cincel_candidates list = list_of(q, &p, q->r->threads);
    bool disturbed = measure(q, &list, q->r->budget, false), again = false;
    add_errors(q, &list);
    const struct cincel_candidate tuned = list.item[0], standard = *standard_of(&list);
    const double share = fmin(duel(q, &p, &tuned, &standard, &again), 1.0);
    tell(q, &p, share, &tuned, &standard, disturbed || again);
    free(list.item);
}

static void ask_neighbours(struct quality *q, int number)
{
    struct cincel_problem p, sibling;
    cincel_options o = CINCEL_OPTIONS_INIT;
    struct cincel_decision d;
    draw_problem(q->r->seed, number, &p);
    if (!draw_sibling(&p, q->r->seed, number, &sibling)) return;
    struct cincel_profile *profile = cincel_profile_create();
    const struct cincel_chooser with = {&q->ctx->target, q->ctx->team, profile, q->ctx->error_budget};
    o.threads = q->r->threads;
    o.budget_seconds = q->r->budget;
    o.effort = CINCEL_MEASURE;
    must(cincel_choose(&with, &sibling, &o, 0, "quality", &d));
    o.effort = CINCEL_PROFILE;
    must(cincel_choose(&with, &p, &o, 0, "quality", &d));
    cincel_profile_destroy(profile);

    struct cincel_candidates list = list_of(q, &p, q->r->threads);
    bool disturbed = measure(q, &list, q->r->budget, false), again = false;
    const struct cincel_candidate tuned = list.item[0];
    const struct cincel_candidate neighbour = {.algo = d.algo, .choice = d.choice, .predicted = d.seconds};
    if (d.source != CINCEL_SOURCE_NEIGHBOUR) printf("no neighbour, but %s:\n", cincel_source_name(d.source));
    const double share = fmin(duel(q, &p, &tuned, &neighbour, &again), 1.0);
    tell(q, &p, share, &tuned, &neighbour, disturbed || again);
    free(list.item);
}

/* The i-th problem of the open convolutions, poolings and linear layers, in an order drawn by the seed. */
static bool open_problem(uint64_t seed, int number, struct cincel_problem *out)
{
    static const char *const files[] = {"conv.txt", "linear.txt", "pool.txt"};
    struct test_random r = {.source = {.seed = seed, .purpose = 9, .epoch = (uint32_t)number}};
    char path[512], line[256], name[64], kind[32];
    for (int attempt = 0; attempt < 1000; attempt++) {
        const int file = test_draw(&r, 0, 9), which = file < 6 ? 0 : file < 8 ? 1 : 2;
        snprintf(path, sizeof path, "%s/%s", CINCEL_SHAPES_DIR, files[which]);
        FILE *f = fopen(path, "r");
        if (!f) return false;
        int left = test_draw(&r, 0, 30);
        bool got = false;
        while (!got && fgets(line, sizeof line, f)) got = line[0] != '#' && strlen(line) > 8 && left-- == 0;
        fclose(f);
        const cincel_pass pass = (cincel_pass)test_draw(&r, 0, which == 2 ? 1 : 2);
        if (!got) continue;
        if (which == 0) {
            cincel_conv_desc d = CINCEL_CONV_DESC_INIT;
            if (sscanf(line, "%63s %d %d %d %d %d %d %d %d %d %d %d %d %d %d", name, &d.n, &d.groups, &d.ic,
                       &d.ih, &d.iw, &d.oc, &d.kh, &d.kw, &d.stride_h, &d.stride_w, &d.pad_top, &d.pad_left,
                       &d.dilation_h, &d.dilation_w) != 15)
                continue;
            d.pad_bottom = d.pad_top, d.pad_right = d.pad_left;
            if (cincel_problem_conv(&d, pass, "conv", out) == CINCEL_OK) return true;
        } else if (which == 1) {
            cincel_linear_desc d = CINCEL_LINEAR_DESC_INIT;
            if (sscanf(line, "%63s %d %d %d", name, &d.n, &d.in, &d.out) != 4) continue;
            if (cincel_problem_linear(&d, pass, out) == CINCEL_OK) return true;
        } else {
            cincel_pool_desc d = CINCEL_POOL_DESC_INIT;
            if (sscanf(line, "%63s %31s %d %d %d %d %d %d %d %d %d %d", name, kind, &d.n, &d.c, &d.ih, &d.iw,
                       &d.kh, &d.kw, &d.stride_h, &d.stride_w, &d.pad_top, &d.pad_left) != 12)
                continue;
            d.kind = strcmp(kind, "max") == 0 ? CINCEL_POOL_MAX : CINCEL_POOL_AVG_INCLUDE_PAD;
            d.pad_bottom = d.pad_top, d.pad_right = d.pad_left;
            if (cincel_problem_pool(&d, pass, out) == CINCEL_OK) return true;
        }
    }
    return false;
}

/* What the context's profile says of a problem; exits where it has no entry of the problem itself. */
static struct cincel_candidate of_profile(const struct quality *q, const struct cincel_problem *p,
                                          int threads)
{
    const struct cincel_chooser with = {&q->ctx->target, q->ctx->team, q->ctx->profile, q->ctx->error_budget};
    cincel_options o = CINCEL_OPTIONS_INIT;
    struct cincel_decision d;
    char key[CINCEL_PROBLEM_KEY];
    o.threads = threads;
    must(cincel_choose(&with, p, &o, 0, "quality", &d));
    if (d.source != CINCEL_SOURCE_EXACT) {
        cincel_problem_key(p, key, sizeof key);
        fprintf(stderr, "tuning_quality: %s has no entry for %s, %d threads\n", q->r->profile, key, threads);
        exit(1);
    }
    return (struct cincel_candidate){
        .algo = d.algo, .choice = d.choice, .predicted = d.seconds, .measured = d.seconds};
}

/* The tuned choice where so many threads are allowed: the profile's, or found now. */
static struct cincel_candidate tuned_choice(struct quality *q, const struct cincel_problem *p, int threads,
                                            bool *disturbed)
{
    if (q->r->profile) return of_profile(q, p, threads);
    struct cincel_candidates list = list_of(q, p, threads);
    *disturbed = measure(q, &list, q->r->budget, false) || *disturbed;
    const struct cincel_candidate tuned = list.item[0];
    free(list.item);
    return tuned;
}

static void open_problem_or_exit(const struct quality *q, int number, struct cincel_problem *out)
{
    if (open_problem(q->r->seed, number, out)) return;
    fprintf(stderr, "tuning_quality: no open problems in %s\n", CINCEL_SHAPES_DIR);
    exit(1);
}

static void ask_threads(struct quality *q, int number)
{
    struct cincel_problem p;
    bool disturbed = false, again = false;
    open_problem_or_exit(q, number, &p);
    const struct cincel_candidate one = tuned_choice(q, &p, 1, &disturbed);
    const struct cincel_candidate many = tuned_choice(q, &p, q->r->threads, &disturbed);
    const double share = duel(q, &p, &one, &many, &again);
    tell(q, &p, share, &one, &many, disturbed || again);
}

static void ask_exhaustive(struct quality *q, int number)
{
    struct cincel_problem p;
    bool disturbed = false, again = false;
    open_problem_or_exit(q, number, &p);
    const struct cincel_candidate tuned = tuned_choice(q, &p, q->r->threads, &disturbed);
    struct cincel_candidates list = list_of(q, &p, q->r->threads); /* in the model's order */
    if (list.count > MOST_CANDIDATES) list.count = MOST_CANDIDATES;
    while (list.item[list.count - 1].predicted > IMPLAUSIBLE * list.item[0].predicted) list.count--;
    disturbed = measure(q, &list, 2.0, true) || disturbed;
    const struct cincel_candidate best = list.item[0];
    const double share = duel(q, &p, &best, &tuned, &again);
    tell(q, &p, share, &best, &tuned, disturbed || again);
    free(list.item);
}

/* ------------------------------------------------------------------------------------------ summary -- */

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void summarise(struct quality *q)
{
    double sum = 0.0, least = HUGE_VAL;
    int close = 0;
    for (int i = 0; i < q->count; i++) {
        sum += log(q->shares[i]);
        least = fmin(least, q->shares[i]);
        close += q->shares[i] >= 0.95;
    }
    if (q->count > 0)
        printf("%s: %d problems, geometric mean %.3f, least %.3f, %d at 0.95 or more\n", q->r->question,
               q->count, exp(sum / q->count), least, close);
    if (q->error_count == 0) return;
    qsort(q->errors, q->error_count, sizeof *q->errors, by_value);
    const double bias = q->errors[q->error_count / 2];
    for (size_t i = 0; i < q->error_count; i++) q->errors[i] = fabs(log(q->errors[i]));
    qsort(q->errors, q->error_count, sizeof *q->errors, by_value);
    printf("predictions: %zu, median measured / predicted %.2f, median error %.0f %%\n", q->error_count, bias,
           100.0 * (exp(q->errors[q->error_count / 2]) - 1.0));
}

static const struct {
    const char *name;
    void (*ask)(struct quality *q, int number);
} questions[] = {{"model", ask_model},
                 {"neighbours", ask_neighbours},
                 {"exhaustive", ask_exhaustive},
                 {"threads", ask_threads}};
enum { QUESTIONS = sizeof questions / sizeof *questions };

static bool read_options(int argc, char **argv, struct request *r)
{
    if (argc < 2 || argc % 2) return false;
    r->question = argv[1];
    for (int i = 2; i < argc; i += 2) {
        const double value = strtod(argv[i + 1], NULL);
        if (strcmp(argv[i], "--problems") == 0)
            r->problems = (int)value;
        else if (strcmp(argv[i], "--first") == 0)
            r->first = (int)value;
        else if (strcmp(argv[i], "--seed") == 0)
            r->seed = (uint64_t)value;
        else if (strcmp(argv[i], "--threads") == 0)
            r->threads = (int)value;
        else if (strcmp(argv[i], "--budget") == 0)
            r->budget = value;
        else if (strcmp(argv[i], "--profile") == 0)
            r->profile = argv[i + 1];
        else
            return false;
    }
    if (r->threads == 0) r->threads = strcmp(r->question, "threads") == 0 ? 2 : 1;
    return r->problems > 0 && r->problems <= MOST_PROBLEMS && r->threads > 0 && r->budget > 0.0;
}

int main(int argc, char **argv)
{
    struct request r = {.problems = 40, .seed = 1, .budget = 1.0};
    struct quality q = {.r = &r};
    int question = 0;
    if (read_options(argc, argv, &r))
        while (question < QUESTIONS && strcmp(questions[question].name, r.question) != 0) question++;
    else
        question = QUESTIONS;
    if (question == QUESTIONS) {
        fputs(
            "usage: tuning_quality model|neighbours|exhaustive|threads [--problems N] [--first I] [--seed S] "
            "[--threads T] [--budget SECONDS] [--profile FILE]\n",
            stderr);
        return 2;
    }
    cincel_config config = CINCEL_CONFIG_INIT;
    config.threads = r.threads;
    if (r.profile) config.profiles = CINCEL_PROFILES_NONE; /* only that one */
    must(cincel_context_create(&config, &q.ctx));
    if (r.profile) must(cincel_profile_load(q.ctx, r.profile, 0, NULL));
    for (int i = r.first; i < r.first + r.problems; i++) questions[question].ask(&q, i);
    summarise(&q);
    free(q.errors);
    cincel_context_destroy(q.ctx);
    return q.impossible;
}
