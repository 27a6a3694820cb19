/*
 * A small network built layer by layer and trained on synthetic digits.
 *   cc train_digits.c $(pkg-config --cflags --libs cincel-train)
 *   ./a.out [IMAGES]
 */
#include <cincel/train.h>
#include <stdio.h>
#include <stdlib.h>

static void must(cincel_status status)
{
    if (status == CINCEL_OK) return;
    fprintf(stderr, "train_digits: %s\n", cincel_error_message());
    exit(1);
}

static void on_progress(void *user, const cincel_train_progress *p)
{
    (void)user;
    if (p->epoch_done)
        printf("epoch %d: loss %.4f, validation accuracy %.4f, %.0f images/s\n", p->epoch, p->loss,
               p->validation_accuracy, p->items_per_second);
}

int main(int argc, char **argv)
{
    const int images = argc > 1 ? atoi(argv[1]) : 4000;
    cincel_context *ctx;
    cincel_model *model;
    cincel_dataset *train, *test;
    must(cincel_context_create(NULL, &ctx));
    must(cincel_dataset_synthetic_digits(images, 1, &train));
    must(cincel_dataset_synthetic_digits(1000, 2, &test));

    cincel_conv2d_options conv = CINCEL_CONV2D_OPTIONS_INIT; /* 3x3, stride 1 */
    conv.pad_top = conv.pad_bottom = conv.pad_left = conv.pad_right = 1;
    conv.out_channels = 16;
    must(cincel_model_create(28, 28, 1, &model));
    must(cincel_model_add_conv2d(model, &conv));
    must(cincel_model_add_relu(model));
    must(cincel_model_add_max_pool2d(model, 2, 2, 0));
    must(cincel_model_add_flatten(model));
    must(cincel_model_add_linear(model, 10, 1));
    must(cincel_model_init(model, CINCEL_INIT_KAIMING, 1));

    cincel_train_options options = CINCEL_TRAIN_OPTIONS_INIT;
    cincel_train_report report = CINCEL_TRAIN_REPORT_INIT;
    cincel_evaluation found = CINCEL_EVALUATION_INIT;
    options.epochs = 3;
    options.progress = on_progress;
    must(cincel_train(ctx, model, train, &options, &report));
    must(cincel_evaluate(ctx, model, test, NULL, &found));
    printf("test accuracy %.4f on synthetic digits\n", found.accuracy);

    cincel_dataset_destroy(test);
    cincel_dataset_destroy(train);
    cincel_model_destroy(model);
    cincel_context_destroy(ctx);
    return 0;
}
