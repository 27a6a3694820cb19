/* Models: shapes, names, initialisation, the weights file, and a sentence for every misuse. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/status.h"
#include "train/model.h"
#include "train/safetensors.h"

static cincel_model *simplecnn(void)
{
    cincel_model *model;
    must(cincel_model_builtin("simplecnn", 28, 28, 1, 10, &model));
    return model;
}

static void simplecnn_has_its_shapes_and_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t count;
    } expected[] = {{"0.weight", 32 * 9},     {"0.bias", 32},  {"3.weight", 64 * 32 * 9}, {"3.bias", 64},
                    {"7.weight", 128 * 3136}, {"7.bias", 128}, {"9.weight", 10 * 128},    {"9.bias", 10}};
    cincel_model *model = simplecnn();
    assert_int_equal(cincel_model_parameters(model), 421642);
    assert_int_equal(cincel_model_parameter_count(model), 8);
    for (size_t i = 0; i < 8; i++) {
        cincel_parameter p = CINCEL_PARAMETER_INIT;
        must(cincel_model_parameter(model, i, &p));
        assert_string_equal(p.name, expected[i].name);
        assert_int_equal(p.count, expected[i].count);
        assert_int_equal((uintptr_t)p.data % 64, 0);
    }
    cincel_model_destroy(model);
}

/* Parameters as counted by hand from the layers' sizes. */
static void builtin_models_have_their_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t layers, parameters;
    } expected[] = {
        {"simplecnn", 10, 421642},
        {"lenet5", 12, 6 * 25 + 6 + 16 * 6 * 25 + 16 + 120 * 400 + 120 + 84 * 120 + 84 + 10 * 84 + 10},
        {"vgg-small", 19,
         32 * 9 + 32 + 32 * 32 * 9 + 32 + 64 * 32 * 9 + 64 + 64 * 64 * 9 + 64 + 128 * 64 * 9 + 128 +
             128 * 128 * 9 + 128 + 256 * 1152 + 256 + 10 * 256 + 10},
        {"mlp", 6, 128 * 784 + 128 + 64 * 128 + 64 + 10 * 64 + 10},
        {"charlstm", 5, 10 * 64 + 4 * 256 * (64 + 256 + 2) + 4 * 256 * (2 * 256 + 2) + 10 * 256 + 10},
        {"forecast", 3, 3 * 64 * (1 + 64 + 2) + 10 * 64 + 10},
    };
    const size_t count = sizeof expected / sizeof expected[0];
    for (size_t i = 0; i < count; i++) {
        cincel_model *model;
        must(cincel_model_builtin(expected[i].name, 28, i < 4 ? 28 : 1, 1, 10, &model));
        assert_string_equal(cincel_model_builtin_name(i), expected[i].name);
        assert_int_equal(cincel_model_layers(model), expected[i].layers);
        assert_int_equal(cincel_model_parameters(model), expected[i].parameters);
        size_t parameters = 0;
        cincel_layer_info layer = CINCEL_LAYER_INFO_INIT;
        for (size_t l = 0; l < expected[i].layers; l++) {
            must(cincel_model_layer(model, l, &layer));
            parameters += layer.parameters;
        }
        assert_int_equal(parameters, expected[i].parameters);
        assert_string_equal(layer.kind, "linear");
        assert_int_equal(layer.channels, 10);
        says(cincel_model_layer(model, expected[i].layers, &layer), CINCEL_INVALID_ARGUMENT, "of");
        says(cincel_model_layer(model, 0, NULL), CINCEL_INVALID_ARGUMENT, "out is NULL");
        cincel_model_destroy(model);
    }
    assert_null(cincel_model_builtin_name(count));
    assert_int_equal(cincel_model_layers(NULL), 0);
    says(cincel_model_layer(NULL, 0, NULL), CINCEL_INVALID_ARGUMENT, "model is NULL");
}

static void layer_flops_are_counted(void **state)
{
    (void)state;
    cincel_model *model;
    must(cincel_model_builtin("lenet5", 28, 28, 1, 10, &model));
    static const struct {
        const char *kind;
        int h, w, c;
        uint64_t flops;
    } expected[] = {{"conv2d", 28, 28, 6, 2 * 28 * 28 * 6 * 25},
                    {"relu", 28, 28, 6, 0},
                    {"max_pool2d", 14, 14, 6, 0},
                    {"conv2d", 10, 10, 16, 2 * 10 * 10 * 16 * 6 * 25},
                    {"relu", 10, 10, 16, 0},
                    {"max_pool2d", 5, 5, 16, 0},
                    {"flatten", 1, 1, 400, 0},
                    {"linear", 1, 1, 120, 2 * 400 * 120}};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        cincel_layer_info layer = CINCEL_LAYER_INFO_INIT;
        must(cincel_model_layer(model, i, &layer));
        assert_string_equal(layer.kind, expected[i].kind);
        assert_int_equal(layer.height, expected[i].h);
        assert_int_equal(layer.width, expected[i].w);
        assert_int_equal(layer.channels, expected[i].c);
        assert_int_equal(layer.flops, expected[i].flops);
    }
    cincel_model_destroy(model);
}

static void layers_refuse_what_does_not_fit(void **state)
{
    (void)state;
    cincel_model *model = NULL;
    says(cincel_model_create(0, 1, 1, &model), CINCEL_INVALID_ARGUMENT, "height is 0");
    says(cincel_model_create(1, -2, 1, &model), CINCEL_INVALID_ARGUMENT, "width is -2");
    says(cincel_model_create(1, 1, 0, &model), CINCEL_INVALID_ARGUMENT, "channels is 0");
    says(cincel_model_create(1 << 30, 1 << 30, 1 << 30, &model), CINCEL_INVALID_ARGUMENT, "too large");
    says(cincel_model_create(1, 1, 1, NULL), CINCEL_INVALID_ARGUMENT, "out is NULL");
    says(cincel_model_builtin("alexnet", 28, 28, 1, 10, &model), CINCEL_INVALID_ARGUMENT,
         "\"alexnet\" (known: simplecnn");
    says(cincel_model_builtin("simplecnn", 28, 28, 1, 0, &model), CINCEL_INVALID_ARGUMENT, "out is 0");
    assert_null(model);

    must(cincel_model_create(6, 6, 4, &model));
    cincel_conv2d_options o = CINCEL_CONV2D_OPTIONS_INIT;
    says(cincel_model_add_conv2d(model, NULL), CINCEL_INVALID_ARGUMENT, "options");
    says(cincel_model_add_conv2d(model, &o), CINCEL_INVALID_ARGUMENT, "oc is 0");
    o.out_channels = 6;
    o.groups = 3;
    says(cincel_model_add_conv2d(model, &o), CINCEL_INVALID_ARGUMENT, "groups");
    o.groups = 2;
    o.pad_top = 3;
    says(cincel_model_add_conv2d(model, &o), CINCEL_INVALID_ARGUMENT, "pad_top");
    o.pad_top = 0;
    o.size = 4;
    says(cincel_model_add_conv2d(model, &o), CINCEL_INVALID_ARGUMENT, "size");
    says(cincel_model_add_max_pool2d(model, 7, 1, 0), CINCEL_INVALID_ARGUMENT, "pool");
    says(cincel_model_add_max_pool2d(model, 2, 0, 0), CINCEL_INVALID_ARGUMENT, "stride");
    says(cincel_model_add_pool2d(model, NULL), CINCEL_INVALID_ARGUMENT, "options");
    cincel_pool2d_options p = CINCEL_POOL2D_OPTIONS_INIT;
    p.kind = (cincel_pool_kind)9;
    says(cincel_model_add_pool2d(model, &p), CINCEL_INVALID_ARGUMENT, "kind");
    p.kind = CINCEL_POOL_AVG_INCLUDE_PAD;
    p.out_h = 3;
    says(cincel_model_add_pool2d(model, &p), CINCEL_INVALID_ARGUMENT, "ow");
    p.out_h = -1;
    says(cincel_model_add_pool2d(model, &p), CINCEL_INVALID_ARGUMENT, "oh");
    p.size = 3;
    says(cincel_model_add_pool2d(model, &p), CINCEL_INVALID_ARGUMENT, "size");
    says(cincel_model_add_activation(model, CINCEL_ACT_NONE, 1), CINCEL_INVALID_ARGUMENT, "act is 0");
    says(cincel_model_add_activation(model, (cincel_activation)99, 1), CINCEL_INVALID_ARGUMENT, "act is 99");
    says(cincel_model_add_activation(model, (cincel_activation)-1, 1), CINCEL_INVALID_ARGUMENT, "act is -1");
    says(cincel_model_add_activation(model, CINCEL_ACT_ELU, 0), CINCEL_INVALID_ARGUMENT, "elu: alpha is 0");
    says(cincel_model_add_activation(model, CINCEL_ACT_LEAKY_RELU, NAN), CINCEL_INVALID_ARGUMENT,
         "leaky_relu: alpha is nan");
    says(cincel_model_add_conv_transpose2d(model, NULL), CINCEL_INVALID_ARGUMENT, "options");
    cincel_conv_transpose2d_options ct = CINCEL_CONV_TRANSPOSE2D_OPTIONS_INIT;
    says(cincel_model_add_conv_transpose2d(model, &ct), CINCEL_INVALID_ARGUMENT, "oc is 0");
    ct.out_channels = 4;
    ct.out_pad_w = 2;
    says(cincel_model_add_conv_transpose2d(model, &ct), CINCEL_INVALID_ARGUMENT, "out_pad_w");
    ct.size = 1;
    says(cincel_model_add_conv_transpose2d(model, &ct), CINCEL_INVALID_ARGUMENT, "size");
    says(cincel_model_add_batch_norm(model, 0, 0.1f), CINCEL_INVALID_ARGUMENT, "batch_norm: eps is 0");
    says(cincel_model_add_batch_norm(model, 1e-5f, 1.5f), CINCEL_INVALID_ARGUMENT, "momentum is 1.5");
    says(cincel_model_add_batch_norm(model, 1e-5f, NAN), CINCEL_INVALID_ARGUMENT, "momentum is nan");
    says(cincel_model_add_layer_norm(model, INFINITY), CINCEL_INVALID_ARGUMENT, "layer_norm: eps is inf");
    says(cincel_model_add_dropout(model, 1), CINCEL_INVALID_ARGUMENT, "p is 1");
    says(cincel_model_add_dropout(model, -0.5f), CINCEL_INVALID_ARGUMENT, "p is -0.5");
    says(cincel_model_add_dropout(model, NAN), CINCEL_INVALID_ARGUMENT, "p is nan");
    assert_int_equal(model->layers, 0);
    says(cincel_model_add_linear(model, 3, 1), CINCEL_INVALID_ARGUMENT, "flatten");
    says(cincel_model_add_relu(NULL), CINCEL_INVALID_ARGUMENT, "model is NULL");
    says(cincel_model_name(model, "first"), CINCEL_INVALID_ARGUMENT, "no layer");
    assert_int_equal(model->layers, 0); /* none of these left a trace */

    must(cincel_model_add_flatten(model));
    says(cincel_model_add_linear(model, -1, 1), CINCEL_INVALID_ARGUMENT, "out is -1");
    o = (cincel_conv2d_options)CINCEL_CONV2D_OPTIONS_INIT;
    o.out_channels = 2;
    o.kernel_h = o.kernel_w = 1;
    says(cincel_model_add_conv2d(model, &o), CINCEL_INVALID_ARGUMENT, "flattened");
    cincel_model_destroy(model);
}

static void names_are_checked(void **state)
{
    (void)state;
    cincel_model *model;
    cincel_parameter p = CINCEL_PARAMETER_INIT;
    must(cincel_model_create(1, 1, 5, &model));
    must(cincel_model_add_linear(model, 4, 1));
    must(cincel_model_name(model, "fc1"));
    must(cincel_model_add_linear(model, 3, 0));
    says(cincel_model_name(model, "fc1"), CINCEL_INVALID_ARGUMENT, "taken by layer 0");
    says(cincel_model_name(model, ""), CINCEL_INVALID_ARGUMENT, "0 bytes");
    says(cincel_model_name(model, "7"), CINCEL_INVALID_ARGUMENT, "number");
    says(cincel_model_name(model, "a\"b"), CINCEL_INVALID_ARGUMENT, "quote");
    says(cincel_model_name(model, NULL), CINCEL_INVALID_ARGUMENT, "name is NULL");
    must(cincel_model_parameter(model, 1, &p));
    assert_string_equal(p.name, "fc1.bias");
    must(cincel_model_parameter(model, 2, &p));
    assert_string_equal(p.name, "1.weight");
    says(cincel_model_parameter(model, 3, &p), CINCEL_INVALID_ARGUMENT, "parameter 3 of 3");
    cincel_model_destroy(model);
}

/* Bounds, mean and variance of the uniform distributions, and that the seed and nothing else matters. */
static void initialisation_has_the_stated_distribution(void **state)
{
    (void)state;
    cincel_model *model = simplecnn(), *other = simplecnn();
    for (int init = CINCEL_INIT_KAIMING; init <= CINCEL_INIT_XAVIER; init++) {
        must(cincel_model_init(model, (cincel_init)init, 5));
        must(cincel_model_init(other, (cincel_init)init, 5));
        assert_memory_equal(model->parameters, other->parameters, model->block * sizeof(float));
        must(cincel_model_init(other, (cincel_init)init, 6));
        assert_memory_not_equal(model->parameters, other->parameters, model->block * sizeof(float));
        for (size_t i = 0; i < model->tensors; i++) {
            const struct layer_tensor *t = cincel_model_tensor(model, i);
            const double in = (double)t->fan_in, out = (double)t->fan_out;
            const bool kaiming = init == CINCEL_INIT_KAIMING;
            const double bound = (t->role == TENSOR_BIAS) ? (kaiming ? 1 / sqrt(in) : 0.0)
                                                          : sqrt(6 / (kaiming ? in : in + out));
            double sum = 0.0, square = 0.0, largest = 0.0;
            for (size_t e = 0; e < t->count; e++) {
                const double v = layer_tensor_in(model->parameters, t)[e];
                sum += v;
                square += v * v;
                largest = fmax(largest, fabs(v));
            }
            const double n = (double)t->count;
            assert_true(largest <= bound * (1 + 1e-6));
            /* five standard errors of the mean and of the variance of a uniform distribution */
            assert_true(fabs(sum / n) <= 5 * bound / sqrt(3 * n));
            assert_true(fabs(square / n - bound * bound / 3) <= 5 * bound * bound * sqrt(4.0 / 45 / n));
        }
    }
    says(cincel_model_init(model, (cincel_init)9, 1), CINCEL_INVALID_ARGUMENT, "init is 9");
    cincel_model_destroy(other);
    cincel_model_destroy(model);
}

struct scratch {
    char folder[32], path[64];
};

static struct scratch make_scratch(void)
{
    struct scratch s = {"test_train_model.XXXXXX", ""};
    assert_non_null(mkdtemp(s.folder));
    snprintf(s.path, sizeof s.path, "%s/weights.safetensors", s.folder);
    return s;
}

static void remove_scratch(const struct scratch *s)
{
    unlink(s->path);
    assert_int_equal(rmdir(s->folder), 0); /* and no temporary file is left in it */
}

static void saved_models_load_bit_for_bit(void **state)
{
    (void)state;
    const struct scratch s = make_scratch();
    cincel_model *model = simplecnn(), *other = simplecnn();
    must(cincel_model_init(model, CINCEL_INIT_KAIMING, 1));
    must(cincel_model_init(other, CINCEL_INIT_KAIMING, 2));
    must(cincel_model_save(model, s.path));
    must(cincel_model_load(other, s.path));
    assert_memory_equal(model->parameters, other->parameters, model->block * sizeof(float));
    cincel_model_destroy(other);
    cincel_model_destroy(model);
    remove_scratch(&s);
}

/* Weights [out][h][w][c] of a linear layer behind a flatten are [out][c·h·w] in the file; OHWI is OIHW. */
static void files_hold_pytorchs_order(void **state)
{
    (void)state;
    const struct scratch s = make_scratch();
    cincel_model *model;
    cincel_conv2d_options o = CINCEL_CONV2D_OPTIONS_INIT;
    o.out_channels = 2;
    o.kernel_h = 2;
    o.kernel_w = 1;
    must(cincel_model_create(3, 2, 3, &model)); /* → 2 x 2 x 2 */
    must(cincel_model_add_conv2d(model, &o));
    must(cincel_model_add_flatten(model));
    must(cincel_model_add_relu(model)); /* keeps the flattened shape */
    must(cincel_model_add_linear(model, 1, 0));
    for (size_t i = 0; i < model->tensors; i++) {
        cincel_parameter p = CINCEL_PARAMETER_INIT;
        must(cincel_model_parameter(model, i, &p));
        for (size_t e = 0; e < p.count; e++) p.data[e] = (float)e;
    }
    must(cincel_model_save(model, s.path));
    static const float oihw[] = {0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11}, chw[] = {0, 2, 4, 6, 1, 3, 5, 7};
    struct cincel_tensor_file *file;
    const struct cincel_tensor_entry *entry;
    float got[12];
    must(cincel_tensor_file_open(s.path, &file));
    must(cincel_tensor_file_find(file, "0.weight", 4, (const size_t[]){2, 3, 2, 1}, &entry));
    cincel_tensor_file_read(file, entry, got);
    assert_memory_equal(got, oihw, sizeof oihw);
    must(cincel_tensor_file_find(file, "3.weight", 2, (const size_t[]){1, 8}, &entry));
    cincel_tensor_file_read(file, entry, got);
    assert_memory_equal(got, chw, sizeof chw);
    cincel_tensor_file_close(file);
    cincel_model_destroy(model);
    remove_scratch(&s);
}

/* Other models' files, and what happens to the parameters: nothing. */
static void loading_checks_before_it_touches(void **state)
{
    (void)state;
    const struct scratch s = make_scratch();
    static const struct {
        int in, out, bias;
        const char *name, *message;
    } bad[] = {{5, 3, 1, "fc", "fc.weight"}, /* another shape */
               {4, 3, 0, "fc", "fc.bias"},   /* a tensor is missing */
               {4, 3, 1, "head", "fc.weight"},
               /* another name */};
    cincel_model *model, *other;
    must(cincel_model_create(1, 1, 4, &model));
    must(cincel_model_add_linear(model, 3, 1));
    must(cincel_model_name(model, "fc"));
    must(cincel_model_init(model, CINCEL_INIT_XAVIER, 1));
    float kept[12];
    memcpy(kept, model->parameters, sizeof kept);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        must(cincel_model_create(1, 1, bad[i].in, &other));
        must(cincel_model_add_linear(other, bad[i].out, bad[i].bias));
        must(cincel_model_name(other, bad[i].name));
        must(cincel_model_save(other, s.path));
        says(cincel_model_load(model, s.path), CINCEL_FORMAT_ERROR, bad[i].message);
        cincel_model_destroy(other);
    }
    must(cincel_model_create(1, 1, 4, &other)); /* a tensor too many */
    must(cincel_model_add_linear(other, 3, 1));
    must(cincel_model_name(other, "fc"));
    must(cincel_model_add_linear(other, 3, 0));
    must(cincel_model_save(other, s.path));
    says(cincel_model_load(model, s.path), CINCEL_FORMAT_ERROR, "\"1.weight\" is not in the model");
    cincel_model_destroy(other);
    says(cincel_model_load(model, "no/such/file"), CINCEL_IO_ERROR, "no/such/file");
    says(cincel_model_save(model, "no/such/folder/file"), CINCEL_IO_ERROR, "no/such/folder");
    assert_memory_equal(kept, model->parameters, sizeof kept);
    cincel_model_destroy(model);
    remove_scratch(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(simplecnn_has_its_shapes_and_names),
        cmocka_unit_test(builtin_models_have_their_sizes),
        cmocka_unit_test(layer_flops_are_counted),
        cmocka_unit_test(layers_refuse_what_does_not_fit),
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(initialisation_has_the_stated_distribution),
        cmocka_unit_test(saved_models_load_bit_for_bit),
        cmocka_unit_test(files_hold_pytorchs_order),
        cmocka_unit_test(loading_checks_before_it_touches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
