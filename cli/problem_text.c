#include "cli/problem_text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/status.h"

enum { MAX_FIELDS = 12, VALUE = 48 };

/* A word of a key: letters and a value of `numbers` numbers. */
struct field {
    const char *given, *key; /* its letters: as written, as the key has them */
    int numbers;
    const char *between;  /* the numbers */
    const char *standard; /* where it is left out: a value, or the letters of another field; NULL: required */
};

/* In the key's order. */
static const struct field conv_fields[] = {
    {"n", "n", 1, "", "1"},      {"g", "g", 1, "", "1"},     {"ic", "ic", 1, "", NULL},
    {"ih", "ih", 1, "", NULL},   {"iw", "iw", 1, "", "ih"},  {"oc", "oc", 1, "", NULL},
    {"k", "k", 2, "x", NULL},    {"s", "s", 2, "x", "1"},    {"p", "p", 4, ",", "0"},
    {"d", "d", 2, "x", "1"},     {"act", "act", 1, "", "0"}, {"acc", "acc", 1, "", "0"},
    {NULL, NULL, 0, NULL, NULL},
};
/* a convolution of images of one pixel */
static const struct field linear_fields[] = {
    {"n", "n", 1, "", "1"},      {"g", "g", 1, "", "1"},     {"in", "ic", 1, "", NULL},
    {"ih", "ih", 1, "", "1"},    {"iw", "iw", 1, "", "1"},   {"out", "oc", 1, "", NULL},
    {"k", "k", 2, "x", "1"},     {"s", "s", 2, "x", "1"},    {"p", "p", 4, ",", "0"},
    {"d", "d", 2, "x", "1"},     {"act", "act", 1, "", "0"}, {"acc", "acc", 1, "", "0"},
    {NULL, NULL, 0, NULL, NULL},
};
static const struct field pool_fields[] = {
    {"n", "n", 1, "", "1"},    {"c", "c", 1, "", NULL},    {"ih", "ih", 1, "", NULL},
    {"iw", "iw", 1, "", "ih"}, {"k", "k", 2, "x", NULL},   {"s", "s", 2, "x", "k"},
    {"p", "p", 4, ",", "0"},   {"acc", "acc", 1, "", "0"}, {NULL, NULL, 0, NULL, NULL},
};

static const struct field rnn_fields[] = {
    {"t", "t", 1, "", NULL},          {"b", "b", 1, "", "1"},         {"i", "i", 1, "", NULL},
    {"h", "h", 1, "", NULL},          {"train", "train", 1, "", "0"}, {"first", "first", 1, "", "0"},
    {"before", "before", 1, "", "0"}, {"acc", "acc", 1, "", "0"},     {NULL, NULL, 0, NULL, NULL},
};

/* A further operator is a row here. */
static const struct problem_operator {
    const char *given, *key;
    const struct field *field;
} operators[] = {
    {"conv", "conv", conv_fields},
    {"linear", "conv", linear_fields},
    {"maxpool", "maxpool", pool_fields},
    {"avgpool", "avgpool", pool_fields},
    {"avgpool_valid", "avgpool_valid", pool_fields},
    {"lstm", "lstm", rnn_fields},
    {"gru", "gru", rnn_fields},
    {"rnn_tanh", "rnn_tanh", rnn_fields},
    {"rnn_relu", "rnn_relu", rnn_fields},
};
enum { OPERATORS = sizeof operators / sizeof *operators };

static const struct problem_operator *find_operator(const char *text, size_t length)
{
    for (int i = 0; i < OPERATORS; i++)
        if (strlen(operators[i].given) == length && strncmp(operators[i].given, text, length) == 0)
            return &operators[i];
    return NULL;
}

static int find_field(const struct problem_operator *op, const char *letters, size_t length)
{
    for (int i = 0; op->field[i].given; i++)
        if (strlen(op->field[i].given) == length && strncmp(op->field[i].given, letters, length) == 0)
            return i;
    return -1;
}

/* Puts the values of the words where their fields are. */
static cincel_status read_words(const struct problem_operator *op, const char *text,
                                char value[MAX_FIELDS][VALUE])
{
    for (text += strspn(text, " "); *text; text += strspn(text, " ")) {
        const size_t length = strcspn(text, " ");
        const size_t letters = strspn(text, "abcdefghijklmnopqrstuvwxyz");
        const int field = find_field(op, text, letters < length ? letters : length);
        if (field < 0 || value[field][0] || letters >= length || length - letters >= VALUE)
            return cincel_fail(CINCEL_INVALID_ARGUMENT, "problem: \"%.*s\" is %s", (int)length, text,
                               field >= 0 && value[field][0] ? "there twice" : "no field of its operator");
        snprintf(value[field], VALUE, "%.*s", (int)(length - letters), text + letters);
        text += length;
    }
    return CINCEL_OK;
}

/* Fields that were left out, and single numbers that stand for several. */
static cincel_status complete(const struct problem_operator *op, char value[MAX_FIELDS][VALUE])
{
    for (int i = 0; op->field[i].given; i++) {
        const struct field *f = &op->field[i];
        if (!value[i][0] && !f->standard)
            return cincel_fail(CINCEL_INVALID_ARGUMENT, "problem: %s is missing", f->given);
        if (!value[i][0]) {
            const int other = find_field(op, f->standard, strlen(f->standard));
            snprintf(value[i], VALUE, "%s", other >= 0 ? value[other] : f->standard);
        }
        if (f->numbers == 1 || strpbrk(value[i], f->between)) continue;
        const char *const one = value[i];
        char all[VALUE + 4];
        const char *const b = f->between;
        const int length = f->numbers == 2 ? snprintf(all, sizeof all, "%.12s%s%.12s", one, b, one)
                                           : snprintf(all, sizeof all, "%.10s%s%.10s%s%.10s%s%.10s", one, b,
                                                      one, b, one, b, one);
        if (length >= VALUE)
            return cincel_fail(CINCEL_INVALID_ARGUMENT, "problem: %s%s is too long", f->given, one);
        memcpy(value[i], all, (size_t)length + 1);
    }
    return CINCEL_OK;
}

cincel_status problem_text_parse(const char *text, struct cincel_problem *out)
{
    char value[MAX_FIELDS][VALUE] = {""}, key[CINCEL_PROBLEM_KEY];
    if (cincel_problem_parse(text, out)) return CINCEL_OK;
    const size_t name = strcspn(text, "/ "), pass = strcspn(text + name, " ");
    const struct problem_operator *op = find_operator(text, name);
    if (!op || text[name] != '/')
        return cincel_fail(
            CINCEL_INVALID_ARGUMENT,
            "problem: \"%.*s\" is not operator/pass: conv, linear, maxpool, avgpool, "
            "avgpool_valid, lstm, gru, rnn_tanh or rnn_relu, and fwd, bwd_data, bwd_weights or bwd",
            (int)(name + pass), text);
    cincel_status status = read_words(op, text + name + pass, value);
    if (status == CINCEL_OK) status = complete(op, value);
    if (status != CINCEL_OK) return status;
    size_t used = (size_t)snprintf(key, sizeof key, "%s%.*s", op->key, (int)pass, text + name);
    for (int i = 0; op->field[i].given && used < sizeof key; i++)
        used += (size_t)snprintf(key + used, sizeof key - used, " %s%s", op->field[i].key, value[i]);
    if (used < sizeof key && cincel_problem_parse(key, out)) return CINCEL_OK;
    return cincel_fail(CINCEL_INVALID_ARGUMENT, "problem: there is none such: \"%.200s\"", key);
}
