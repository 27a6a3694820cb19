#include "cli/tune_problems.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/rnn_problem.h"
#include "core/status.h"

void tune_problems_free(struct tune_problems *problems)
{
    free(problems->item);
    *problems = (struct tune_problems){NULL, 0, 0};
}

/* Adds a problem, or counts it where it is there. */
static cincel_status add(struct tune_problems *list, const char *name, const struct cincel_problem *p)
{
    char key[CINCEL_PROBLEM_KEY], other[CINCEL_PROBLEM_KEY];
    cincel_problem_key(p, key, sizeof key);
    for (size_t i = 0; i < list->count; i++) {
        cincel_problem_key(&list->item[i].problem, other, sizeof other);
        if (strcmp(key, other) != 0) continue;
        list->item[i].uses++;
        return CINCEL_OK;
    }
    if (list->count == list->room) {
        const size_t room = list->room ? 2 * list->room : 64;
        struct tune_problem *grown = realloc(list->item, room * sizeof *grown);
        if (!grown) return cincel_fail(CINCEL_OUT_OF_MEMORY, "tune: no memory for the problems");
        list->item = grown;
        list->room = room;
    }
    struct tune_problem *item = &list->item[list->count++];
    snprintf(item->name, sizeof item->name, "%s", name);
    item->problem = *p;
    item->uses = 1;
    return CINCEL_OK;
}

/* ------------------------------------------------------------------------------------- file -- */

enum { CONV_COLUMNS = 15, POOL_COLUMNS = 12, RNN_COLUMNS = 6, LINEAR_COLUMNS = 4 };

struct row {
    char *word[CONV_COLUMNS + 1];
    int count, number[CONV_COLUMNS + 1]; /* of the words from `first_number` on */
};

static cincel_status read_numbers(struct row *row, int first)
{
    for (int i = first; i < row->count; i++) {
        char *end;
        errno = 0;
        const long value = strtol(row->word[i], &end, 10);
        if (*end || errno || value < INT_MIN || value > INT_MAX)
            return cincel_fail(CINCEL_FORMAT_ERROR, "\"%.40s\" is no number", row->word[i]);
        row->number[i] = (int)value;
    }
    return CINCEL_OK;
}

static cincel_status conv_problem(const struct row *row, int batch, cincel_pass pass,
                                  struct cincel_problem *out)
{
    const int *v = row->number;
    cincel_conv_desc d = CINCEL_CONV_DESC_INIT;
    d.n = batch > 0 ? batch : v[1];
    d.groups = v[2], d.ic = v[3], d.ih = v[4], d.iw = v[5], d.oc = v[6], d.kh = v[7], d.kw = v[8];
    d.stride_h = v[9], d.stride_w = v[10];
    d.pad_top = d.pad_bottom = v[11], d.pad_left = d.pad_right = v[12];
    d.dilation_h = v[13], d.dilation_w = v[14];
    return cincel_problem_conv(&d, pass, "conv", out);
}

static cincel_status pool_problem(const struct row *row, int batch, cincel_pass pass,
                                  struct cincel_problem *out)
{
    static const char *const kinds[] = {"max", "avg_include_pad", "avg_exclude_pad"};
    const int *v = row->number;
    cincel_pool_desc d = CINCEL_POOL_DESC_INIT;
    int kind = 0;
    while (kind < 3 && strcmp(kinds[kind], row->word[1]) != 0) kind++;
    if (kind == 3) return cincel_fail(CINCEL_FORMAT_ERROR, "\"%.40s\" is no kind of pooling", row->word[1]);
    d.kind = (cincel_pool_kind)kind;
    d.n = batch > 0 ? batch : v[2];
    d.c = v[3], d.ih = v[4], d.iw = v[5], d.kh = v[6], d.kw = v[7], d.stride_h = v[8], d.stride_w = v[9];
    d.pad_top = d.pad_bottom = v[10], d.pad_left = d.pad_right = v[11];
    return cincel_problem_pool(&d, pass, out);
}

static cincel_status linear_problem(const struct row *row, int batch, cincel_pass pass,
                                    struct cincel_problem *out)
{
    cincel_linear_desc d = CINCEL_LINEAR_DESC_INIT;
    d.n = batch > 0 ? batch : row->number[1];
    d.in = row->number[2];
    d.out = row->number[3];
    return cincel_problem_linear(&d, pass, out);
}

static cincel_status rnn_problem(const struct row *row, int batch, cincel_pass pass,
                                 struct cincel_problem *out)
{
    const int *v = row->number;
    cincel_rnn_desc d = CINCEL_RNN_DESC_INIT;
    int cell = CINCEL_RNN_TANH;
    while (cell <= CINCEL_GRU && strcmp(cincel_rnn_cell_name((cincel_rnn_cell)cell), row->word[1]) != 0)
        cell++;
    if (cell > CINCEL_GRU)
        return cincel_fail(CINCEL_FORMAT_ERROR, "\"%.40s\" is no recurrent cell", row->word[1]);
    d.cell = (cincel_rnn_cell)cell;
    d.steps = v[2];
    d.batch = batch > 0 ? batch : v[3];
    d.input = v[4], d.hidden = v[5];
    d.training = 1;
    return cincel_problem_rnn(&d, pass, out);
}

/* A further kind of problem is a row here; the number of columns tells which it is. */
static const struct shape {
    int columns, first_number;
    unsigned passes; /* that it has */
    cincel_status (*make)(const struct row *row, int batch, cincel_pass pass, struct cincel_problem *out);
} shapes[] = {
    {CONV_COLUMNS, 1, 7, conv_problem},
    {POOL_COLUMNS, 2, 3, pool_problem},
    {RNN_COLUMNS, 2, 1 | 1u << CINCEL_BACKWARD, rnn_problem},
    {LINEAR_COLUMNS, 1, 7, linear_problem},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static cincel_status add_row(struct tune_problems *list, struct row *row, int batch, unsigned passes)
{
    const struct shape *shape = shapes;
    while (shape < shapes + SHAPES && shape->columns != row->count) shape++;
    if (shape == shapes + SHAPES)
        return cincel_fail(
            CINCEL_FORMAT_ERROR,
            "%d columns; a convolution has %d, a pooling %d, a recurrent layer %d, a linear one %d",
            row->count, CONV_COLUMNS, POOL_COLUMNS, RNN_COLUMNS, LINEAR_COLUMNS);
    cincel_status status = read_numbers(row, shape->first_number);
    for (int pass = 0; pass <= CINCEL_BACKWARD && status == CINCEL_OK; pass++) {
        struct cincel_problem p;
        if (!(passes & shape->passes & 1u << pass)) continue;
        status = shape->make(row, batch, (cincel_pass)pass, &p);
        if (status == CINCEL_OK) status = add(list, row->word[0], &p);
    }
    return status;
}

cincel_status tune_problems_read(struct tune_problems *list, const char *path, int batch, unsigned passes)
{
    char *line = NULL, *rest;
    size_t room = 0;
    cincel_status status = CINCEL_OK;
    FILE *file = fopen(path, "re");
    if (!file) return cincel_fail_errno(CINCEL_IO_ERROR, "%s: cannot open", path);
    for (int number = 1; status == CINCEL_OK && getline(&line, &room, file) >= 0; number++) {
        struct row row = {.count = 0};
        line[strcspn(line, "#")] = '\0';
        for (char *word = strtok_r(line, " \t\r\n", &rest); word; word = strtok_r(NULL, " \t\r\n", &rest))
            if (row.count <= CONV_COLUMNS) row.word[row.count++] = word;
        if (row.count == 0 || add_row(list, &row, batch, passes) == CINCEL_OK) continue;
        char why[256];
        snprintf(why, sizeof why, "%s", cincel_error_message());
        status = cincel_fail(CINCEL_FORMAT_ERROR, "%s:%d: %s", path, number, why);
    }
    if (status == CINCEL_OK && ferror(file))
        status = cincel_fail_errno(CINCEL_IO_ERROR, "%s: cannot read", path);
    free(line);
    fclose(file);
    return status;
}

/* ------------------------------------------------------------------------------------ model -- */

/* A description begins with the key of the problem that is really solved. */
static cincel_status add_described(struct tune_problems *list, const cincel_session_plan_info *info,
                                   unsigned passes)
{
    char key[CINCEL_PROBLEM_KEY];
    struct cincel_problem p;
    const char *end = strstr(info->description, ": ");
    snprintf(key, sizeof key, "%.*s", end ? (int)(end - info->description) : 0, info->description);
    if (!cincel_problem_parse(key, &p))
        return cincel_fail(CINCEL_INTERNAL_ERROR, "tune: a plan without a key: %s", info->description);
    return passes & 1u << info->pass ? add(list, info->layer, &p) : CINCEL_OK;
}

cincel_status tune_problems_of_session(struct tune_problems *list, const cincel_session *session,
                                       unsigned passes)
{
    cincel_status status = CINCEL_OK;
    for (size_t i = 0; status == CINCEL_OK && i < cincel_session_plans(session); i++) {
        cincel_session_plan_info info = CINCEL_SESSION_PLAN_INFO_INIT;
        status = cincel_session_plan(session, i, &info);
        if (status == CINCEL_OK) status = add_described(list, &info, passes);
    }
    return status;
}

cincel_status tune_problems_of_model(struct tune_problems *list, const char *name, const int sample[3],
                                     int outputs, int batch, unsigned passes)
{
    cincel_context *ctx = NULL;
    cincel_model *model = NULL;
    cincel_session *session = NULL;
    cincel_options plan = CINCEL_OPTIONS_INIT;
    cincel_session_options o = CINCEL_SESSION_OPTIONS_INIT;
    plan.effort = CINCEL_ESTIMATE;
    o.batch = batch;
    o.training = 1;
    o.plan = &plan;
    cincel_status status = cincel_model_builtin(name, sample[0], sample[1], sample[2], outputs, &model);
    if (status == CINCEL_OK) status = cincel_context_create(NULL, &ctx);
    if (status == CINCEL_OK) status = cincel_session_create(ctx, model, &o, &session);
    if (status == CINCEL_OK) status = tune_problems_of_session(list, session, passes);
    cincel_session_destroy(session);
    cincel_context_destroy(ctx);
    cincel_model_destroy(model);
    return status;
}
