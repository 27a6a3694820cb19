/* Keys of problems read back: a profile names its problems by them. */
#include <limits.h>
#include <string.h>

#include "core/rnn_problem.h"

static bool literal(const char **text, const char *expected)
{
    const size_t length = strlen(expected);
    if (strncmp(*text, expected, length) != 0) return false;
    *text += length;
    return true;
}

static bool number(const char **text, int *out)
{
    const char *s = *text;
    long long value = 0;
    if (*s < '0' || *s > '9') return false;
    for (; *s >= '0' && *s <= '9'; s++) {
        value = 10 * value + (*s - '0');
        if (value > INT_MAX) return false;
    }
    *text = s;
    *out = (int)value;
    return true;
}

struct field {
    const char *before;
    int *value;
};

static bool read_fields(const char **text, const struct field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!literal(text, fields[i].before) || !number(text, fields[i].value)) return false;
    return true;
}

/* ":3c23d70a", the bits of the number */
static bool read_alpha(const char **text, float *out)
{
    static const char digits[] = "0123456789abcdef";
    uint32_t bits = 0;
    if (!literal(text, ":")) return false;
    for (int i = 0; i < 8; i++, (*text)++) {
        const char *digit = **text ? strchr(digits, **text) : NULL;
        if (!digit) return false;
        bits = bits << 4 | (uint32_t)(digit - digits);
    }
    memcpy(out, &bits, sizeof *out);
    return true;
}

static bool read_pass(const char **text, cincel_pass *out)
{
    static const char *const names[] = {"/fwd", "/bwd_data", "/bwd_weights"};
    for (int i = 0; i <= CINCEL_BACKWARD_WEIGHTS; i++) {
        const char *rest = *text;
        if (!literal(&rest, names[i]) || *rest != ' ') continue;
        *text = rest;
        *out = (cincel_pass)i;
        return true;
    }
    return false;
}

static bool read_conv(const char *s, struct cincel_problem *out)
{
    cincel_conv_desc d = CINCEL_CONV_DESC_INIT;
    cincel_pass pass;
    int act;
    const struct field fields[] = {
        {" n", &d.n},        {" g", &d.groups},   {" ic", &d.ic},        {" ih", &d.ih},
        {" iw", &d.iw},      {" oc", &d.oc},      {" k", &d.kh},         {"x", &d.kw},
        {" s", &d.stride_h}, {"x", &d.stride_w},  {" p", &d.pad_top},    {",", &d.pad_bottom},
        {",", &d.pad_left},  {",", &d.pad_right}, {" d", &d.dilation_h}, {"x", &d.dilation_w},
        {" act", &act},
    };
    if (!read_pass(&s, &pass) || !read_fields(&s, fields, sizeof fields / sizeof *fields)) return false;
    d.activation = (cincel_activation)act;
    if (cincel_activation_has_alpha(d.activation) && !read_alpha(&s, &d.alpha)) return false;
    if (!read_fields(&s, &(struct field){" acc", &d.accumulate}, 1) || *s) return false;
    return cincel_problem_conv(&d, pass, "conv", out) == CINCEL_OK;
}

static bool read_pool(const char *s, cincel_pool_kind kind, struct cincel_problem *out)
{
    cincel_pool_desc d = CINCEL_POOL_DESC_INIT;
    cincel_pass pass;
    const struct field fields[] = {
        {" n", &d.n},
        {" c", &d.c},
        {" ih", &d.ih},
        {" iw", &d.iw},
        {" k", &d.kh},
        {"x", &d.kw},
        {" s", &d.stride_h},
        {"x", &d.stride_w},
        {" p", &d.pad_top},
        {",", &d.pad_bottom},
        {",", &d.pad_left},
        {",", &d.pad_right},
        {" acc", &d.accumulate},
    };
    const struct field adaptive[] = {{" o", &d.oh}, {"x", &d.ow}};
    d.kind = kind;
    if (!read_pass(&s, &pass) || !read_fields(&s, fields, sizeof fields / sizeof *fields)) return false;
    if (*s && !read_fields(&s, adaptive, sizeof adaptive / sizeof *adaptive)) return false;
    return !*s && cincel_problem_pool(&d, pass, out) == CINCEL_OK;
}

static bool read_rnn(const char *s, struct cincel_problem *out)
{
    cincel_rnn_desc d = CINCEL_RNN_DESC_INIT;
    const struct field fields[] = {
        {" t", &d.steps},
        {" b", &d.batch},
        {" i", &d.input},
        {" h", &d.hidden},
        {" train", &d.training},
        {" first", &d.batch_first},
        {" before", &d.reset_before},
        {" acc", &d.accumulate},
    };
    for (int cell = 0; cell <= CINCEL_GRU; cell++) {
        const char *rest = s;
        d.cell = (cincel_rnn_cell)cell;
        if (!literal(&rest, cincel_rnn_cell_name(d.cell)) || *rest != '/') continue;
        const bool forward = literal(&rest, "/fwd");
        if (!forward && !literal(&rest, "/bwd")) return false;
        if (!read_fields(&rest, fields, sizeof fields / sizeof *fields) || *rest) return false;
        return cincel_problem_rnn(&d, forward ? CINCEL_FORWARD : CINCEL_BACKWARD, out) == CINCEL_OK;
    }
    return false;
}

bool cincel_problem_parse(const char *key, struct cincel_problem *out)
{
    static const char *const pools[] = {"maxpool", "avgpool", "avgpool_valid"};
    struct cincel_problem p;
    char again[CINCEL_PROBLEM_KEY];
    const char *s = key;
    bool read = false;
    if (literal(&s, "conv")) {
        read = read_conv(s, &p);
    } else {
        for (int kind = 0; kind <= CINCEL_POOL_AVG_EXCLUDE_PAD && !read; kind++) {
            s = key;
            read = literal(&s, pools[kind]) && *s == '/' && read_pool(s, (cincel_pool_kind)kind, &p);
        }
        if (!read) read = read_rnn(key, &p);
    }
    /* one problem, one key: a spelling that normalisation changes would never be found again */
    if (!read || !cincel_problem_key(&p, again, sizeof again) || strcmp(again, key) != 0) return false;
    *out = p;
    return true;
}
