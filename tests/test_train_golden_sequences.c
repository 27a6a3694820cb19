/* Models on sequences against PyTorch's (tests/golden/make_sequences.py): outputs, loss, all gradients. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/scratch.h"
#include "tests/support/status.h"
#include "train/model.h"
#include "train/safetensors.h"

enum { TOKENS = 11, WIDTH = 5, STEPS = 6, HIDDEN = 7 };

/* Relative to the largest number of a tensor. */
static const double TOLERANCE = 1e-5;

struct golden_case {
    const char *name;
    int channels; /* of x: 1: tokens */
    void (*build)(const struct golden_case *c, cincel_model *m);
    cincel_rnn_cell cell;
    enum { TWO_WAYS, ONE_WAY, LAST, NO_BIAS } form;
};

static void add_linear(cincel_model *m)
{
    must(cincel_model_add_linear(m, TOKENS, 1));
    must(cincel_model_name(m, "linear"));
}

static void build_embedding(const struct golden_case *c, cincel_model *m)
{
    (void)c;
    must(cincel_model_add_embedding(m, TOKENS, WIDTH));
    must(cincel_model_name(m, "embedding"));
    add_linear(m);
}

static void build_one_hot(const struct golden_case *c, cincel_model *m)
{
    (void)c;
    must(cincel_model_add_one_hot(m, TOKENS));
    add_linear(m);
}

static void build_rnn(const struct golden_case *c, cincel_model *m)
{
    cincel_rnn_options o = CINCEL_RNN_OPTIONS_INIT;
    o.cell = c->cell;
    o.hidden = HIDDEN;
    o.layers = 2;
    o.bidirectional = c->form != ONE_WAY;
    o.last_only = c->form == LAST;
    o.bias = c->form != NO_BIAS;
    if (c->channels == 1) {
        must(cincel_model_add_embedding(m, TOKENS, WIDTH));
        must(cincel_model_name(m, "embedding"));
    }
    must(cincel_model_add_rnn(m, &o));
    must(cincel_model_name(m, "rnn"));
    add_linear(m);
}

#define RNN_CASES(name, cell)                                                                     \
    {name, WIDTH, build_rnn, cell, TWO_WAYS}, {name "_one_way", WIDTH, build_rnn, cell, ONE_WAY}, \
        {name "_lengths", WIDTH, build_rnn, cell, TWO_WAYS},                                      \
    {                                                                                             \
        name "_last", WIDTH, build_rnn, cell, LAST                                                \
    }
static const struct golden_case cases[] = {
    {"embedding", 1, build_embedding, CINCEL_LSTM, ONE_WAY},
    {"one_hot", 1, build_one_hot, CINCEL_LSTM, ONE_WAY},
    RNN_CASES("rnn_tanh", CINCEL_RNN_TANH),
    RNN_CASES("rnn_relu", CINCEL_RNN_RELU),
    RNN_CASES("lstm", CINCEL_LSTM),
    RNN_CASES("gru", CINCEL_GRU),
    {"no_bias", WIDTH, build_rnn, CINCEL_GRU, NO_BIAS},
    {"charlstm", 1, build_rnn, CINCEL_LSTM, ONE_WAY},
};
enum { CASES = sizeof cases / sizeof cases[0] };

/* ------------------------------------------------------------------------------------ the golden file -- */

static const struct cincel_tensor_entry *find(const struct cincel_tensor_file *file, const char *name)
{
    for (size_t i = 0; i < cincel_tensor_file_count(file); i++) {
        const struct cincel_tensor_entry *entry = cincel_tensor_file_entry(file, i);
        if (strcmp(entry->name, name) == 0) return entry;
    }
    return NULL;
}

/* The numbers of "case/part", for the caller to free; NULL: there are none. */
static float *numbers(const struct cincel_tensor_file *file, const char *name, const char *part,
                      size_t *count)
{
    char full[128];
    snprintf(full, sizeof full, "%s/%s", name, part);
    const struct cincel_tensor_entry *entry = find(file, full);
    if (!entry) return NULL;
    float *out = malloc(entry->count * sizeof *out);
    cincel_tensor_file_read(file, entry, out);
    if (count) *count = entry->count;
    return out;
}

static void assert_golden(const struct cincel_tensor_file *file, const char *name, const char *part,
                          const float *got, size_t count)
{
    size_t expected_count = 0;
    double scale = 0.0;
    float *expected = numbers(file, name, part, &expected_count);
    if (!expected || expected_count != count) fail_msg("%s/%s: not %zu numbers", name, part, count);
    for (size_t i = 0; i < count; i++) scale = fmax(scale, fabs((double)expected[i]));
    for (size_t i = 0; i < count; i++) {
        if (!(fabs((double)got[i] - (double)expected[i]) <= TOLERANCE * scale))
            fail_msg("%s/%s[%zu] is %.9g, PyTorch has %.9g", name, part, i, (double)got[i],
                     (double)expected[i]);
    }
    free(expected);
}

/* The weights a case begins with, as the file a model loads. */
enum { MOST = 32 }; /* tensors of a model */

static void write_state_dict(const struct cincel_tensor_file *file, const char *name, const char *path)
{
    char prefix[64];
    struct cincel_tensor_source sources[MOST];
    float *data[MOST];
    size_t count = 0;
    snprintf(prefix, sizeof prefix, "%s/before/", name);
    for (size_t i = 0; i < cincel_tensor_file_count(file); i++) {
        const struct cincel_tensor_entry *entry = cincel_tensor_file_entry(file, i);
        if (strncmp(entry->name, prefix, strlen(prefix)) != 0) continue;
        assert_true(count < MOST);
        data[count] = malloc(entry->count * sizeof *data[count]);
        cincel_tensor_file_read(file, entry, data[count]);
        sources[count] = (struct cincel_tensor_source){
            .name = entry->name + strlen(prefix), .ndim = entry->ndim, .data = data[count]};
        memcpy(sources[count].shape, entry->shape, sizeof entry->shape);
        count++;
    }
    must(cincel_tensor_file_write(path, sources, count, NULL, 0));
    for (size_t i = 0; i < count; i++) free(data[i]);
}

/* ------------------------------------------------------------------------------------------- checking -- */

struct inputs {
    float *x;
    int32_t *labels;
    int *lengths; /* NULL: all are whole */
    int n;
};

static struct inputs read_inputs(const struct cincel_tensor_file *file, const struct golden_case *c)
{
    struct inputs in = {NULL, NULL, NULL, 0};
    size_t count, label_count, length_count;
    in.x = numbers(file, c->name, "x", &count);
    float *y = numbers(file, c->name, "y", &label_count),
          *lengths = numbers(file, c->name, "lengths", &length_count);
    in.n = (int)(count / (size_t)(STEPS * c->channels));
    in.labels = malloc(label_count * sizeof *in.labels);
    for (size_t i = 0; i < label_count; i++) in.labels[i] = (int32_t)y[i];
    if (lengths) {
        in.lengths = malloc(length_count * sizeof *in.lengths);
        for (size_t i = 0; i < length_count; i++) in.lengths[i] = (int)lengths[i];
    }
    free(lengths);
    free(y);
    return in;
}

static void free_inputs(struct inputs *in)
{
    free(in->x);
    free(in->labels);
    free(in->lengths);
}

static cincel_model *load_model(const struct golden_case *c, const char *path)
{
    cincel_model *model;
    must(cincel_model_create(STEPS, 1, c->channels, &model));
    c->build(c, model);
    must(cincel_model_load(model, path));
    return model;
}

static void check_gradients(const struct golden_case *c, const struct cincel_tensor_file *file,
                            cincel_model *model, const cincel_session *session)
{
    for (size_t i = 0; i < cincel_model_parameter_count(model); i++) {
        cincel_parameter parameter = CINCEL_PARAMETER_INIT;
        char part[128];
        must(cincel_model_parameter(model, i, &parameter));
        snprintf(part, sizeof part, "grad/%s", parameter.name);
        assert_golden(file, c->name, part, cincel_session_gradient(session, i), parameter.count);
    }
}

/* In a session as large as the batch and in one that is larger. */
static void check_case(const struct golden_case *c, const struct cincel_tensor_file *file, const char *path)
{
    cincel_context *ctx;
    struct inputs in = read_inputs(file, c);
    write_state_dict(file, c->name, path);
    must(cincel_context_create(NULL, &ctx));
    for (int more = 0; more < 2; more++) {
        cincel_model *model = load_model(c, path);
        cincel_session_options o = CINCEL_SESSION_OPTIONS_INIT;
        cincel_session *session;
        const float *out;
        double loss;
        o.batch = in.n + more;
        o.training = 1;
        must(cincel_session_create(ctx, model, &o, &session));
        must(cincel_session_lengths(session, in.lengths, in.n));
        must(cincel_session_gradients(session, in.x, in.labels, in.n, &loss, NULL));
        const float single = (float)loss;
        assert_golden(file, c->name, "loss", &single, 1);
        check_gradients(c, file, model, session);
        must(cincel_session_forward(session, in.x, in.n, &out));
        assert_golden(file, c->name, "out", out, (size_t)in.n * layer_shape_count(cincel_model_out(model)));
        cincel_session_destroy(session);
        cincel_model_destroy(model);
    }
    cincel_context_destroy(ctx);
    free_inputs(&in);
}

static void sequences_agree_with_pytorch(void **state)
{
    (void)state;
    struct scratch s;
    struct cincel_tensor_file *file;
    scratch_open(&s);
    must(cincel_tensor_file_open(CINCEL_GOLDEN_DIR "/sequences.safetensors", &file));
    for (int i = 0; i < CASES; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s", scratch_path(&s, "state"));
        check_case(&cases[i], file, path);
    }
    cincel_tensor_file_close(file);
    scratch_close(&s);
}

/* Three steps of Adam: the same bits for 1, 2 and 3 threads. */
static void threads_do_not_matter(void **state)
{
    (void)state;
    struct scratch s;
    struct cincel_tensor_file *file;
    scratch_open(&s);
    must(cincel_tensor_file_open(CINCEL_GOLDEN_DIR "/sequences.safetensors", &file));
    for (int i = 0; i < CASES; i++) {
        struct inputs in = read_inputs(file, &cases[i]);
        char path[512];
        float *first = NULL;
        snprintf(path, sizeof path, "%s", scratch_path(&s, "state"));
        write_state_dict(file, cases[i].name, path);
        for (int threads = 1; threads <= 3; threads++) {
            cincel_config config = CINCEL_CONFIG_INIT;
            cincel_session_options o = CINCEL_SESSION_OPTIONS_INIT;
            cincel_optimizer adam = CINCEL_OPTIMIZER_INIT;
            cincel_context *ctx;
            cincel_session *session;
            config.threads = threads;
            o.batch = in.n;
            o.training = 1;
            o.optimizer = adam.kind = CINCEL_OPTIMIZER_ADAM;
            adam.clip_norm = 0.5;
            must(cincel_context_create(&config, &ctx));
            cincel_model *model = load_model(&cases[i], path);
            must(cincel_session_create(ctx, model, &o, &session));
            must(cincel_session_lengths(session, in.lengths, in.n));
            for (int k = 0; k < 3; k++) {
                must(cincel_session_gradients(session, in.x, in.labels, in.n, NULL, NULL));
                must(cincel_session_update(session, &adam));
            }
            if (first)
                assert_memory_equal(model->parameters, first, model->block * sizeof *first);
            else
                first = memcpy(malloc(model->block * sizeof *first), model->parameters,
                               model->block * sizeof *first);
            cincel_session_destroy(session);
            cincel_model_destroy(model);
            cincel_context_destroy(ctx);
        }
        free(first);
        free_inputs(&in);
    }
    cincel_tensor_file_close(file);
    scratch_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequences_agree_with_pytorch),
        cmocka_unit_test(threads_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
