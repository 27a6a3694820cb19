/*
 * cincel-train: models, data sets, training, prediction, on top of the plans of cincel.h.
 *
 * A *model* is an architecture with its parameters; a *session* binds it to a context and a batch size:
 * it makes all plans and plans all memory before the first step. A *data set* gives samples by number.
 * cincel_train() is the whole cycle: shuffle, step, validate, stop early, keep the best weights.
 *
 * Conventions (errors, ownership, struct sizes, NHWC) are those of cincel.h. A model may be read by
 * several sessions at once, but only one thread at a time may change it (init, load, train, step, and a
 * gradient call where a batch norm's running statistics move).
 * All randomness is counter-based (Philox keyed by seed, purpose, epoch and sample or element number):
 * the same for any number of threads and any ISA, and nothing but the seed has to be stored.
 */
#ifndef CINCEL_TRAIN_H
#define CINCEL_TRAIN_H

#include "cincel/cincel.h"
#include "cincel/dataset.h"

#ifdef __cplusplus
extern "C" {
#endif

/* -------------------------------------------------------------------------------------- models -- */

typedef struct cincel_model cincel_model;

/* An empty sequential model for samples [height][width][channels] (1 x 1 x features for vectors, steps x 1 x
   features for sequences: batches are then batch-first). */
CINCEL_API cincel_status cincel_model_create(int height, int width, int channels, cincel_model **out);
CINCEL_API void cincel_model_destroy(cincel_model *model); /* NULL is allowed */

/* Fields as in cincel_conv_desc; the input's shape is what reaches the layer. */
typedef struct cincel_conv2d_options {
    size_t size;
    int out_channels, kernel_h, kernel_w;
    int stride_h, stride_w;
    int pad_top, pad_bottom, pad_left, pad_right;
    int dilation_h, dilation_w, groups;
    int bias; /* 1: with a bias */
} cincel_conv2d_options;
#define CINCEL_CONV2D_OPTIONS_INIT                                           \
    {                                                                        \
        sizeof(cincel_conv2d_options), 0, 3, 3, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1 \
    }

/* As cincel_conv_transpose_desc (PyTorch's ConvTranspose2d). */
typedef struct cincel_conv_transpose2d_options {
    size_t size;
    int out_channels, kernel_h, kernel_w;
    int stride_h, stride_w;
    int pad_top, pad_bottom, pad_left, pad_right;
    int out_pad_h, out_pad_w;
    int dilation_h, dilation_w, groups;
    int bias; /* 1: with a bias */
} cincel_conv_transpose2d_options;
#define CINCEL_CONV_TRANSPOSE2D_OPTIONS_INIT                                                 \
    {                                                                                        \
        sizeof(cincel_conv_transpose2d_options), 0, 2, 2, 2, 2, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1 \
    }

/* Layers are appended in order; each call checks the shape that reaches it. Names for the weights file
   are positions, as in PyTorch's nn.Sequential ("0.weight"), unless cincel_model_name gives another. */
CINCEL_API cincel_status cincel_model_add_conv2d(cincel_model *model, const cincel_conv2d_options *o);
CINCEL_API cincel_status cincel_model_add_conv_transpose2d(cincel_model *model,
                                                           const cincel_conv_transpose2d_options *o);
/* `alpha` is for LEAKY_RELU and ELU (finite, > 0) and ignored elsewhere. Behind a convolution or a linear
   layer an activation is part of that layer's plan, except GELU, GELU_TANH and SILU in training: their
   gradient needs what went into them, so they are a pass of their own that keeps it. */
CINCEL_API cincel_status cincel_model_add_activation(cincel_model *model, cincel_activation act, float alpha);
CINCEL_API cincel_status cincel_model_add_relu(cincel_model *model);

/* Windows as in cincel_pool_desc: out_h = out_w = 0 slides kernels, both > 0 is adaptive (1 x 1: global
   pooling) and ignores kernel, stride and padding. */
typedef struct cincel_pool2d_options {
    size_t size;
    cincel_pool_kind kind;
    int kernel_h, kernel_w, stride_h, stride_w;
    int pad_top, pad_bottom, pad_left, pad_right;
    int out_h, out_w;
} cincel_pool2d_options;
#define CINCEL_POOL2D_OPTIONS_INIT                                                   \
    {                                                                                \
        sizeof(cincel_pool2d_options), CINCEL_POOL_MAX, 2, 2, 2, 2, 0, 0, 0, 0, 0, 0 \
    }

/* A pooling layer; of max pooling with square windows and padding on all sides, the short form. */
CINCEL_API cincel_status cincel_model_add_pool2d(cincel_model *model, const cincel_pool2d_options *o);
CINCEL_API cincel_status cincel_model_add_max_pool2d(cincel_model *model, int kernel, int stride, int pad);

/*
 * Batch normalisation of each channel (cincel_batch_norm_train; eps > 0, momentum 0 … 1; PyTorch's defaults
 * are 1e-5 and 0.1). Gradient calls normalise by their batch, of which each channel must have at least two
 * numbers, and move the running statistics, which are part of the model; forward calls use those. Weights
 * files hold all under PyTorch's names: weight, bias, running_mean, running_var, num_batches_tracked.
 */
CINCEL_API cincel_status cincel_model_add_batch_norm(cincel_model *model, float eps, float momentum);

/* Layer normalisation over all numbers of a sample, with a weight and a bias for each: nn.LayerNorm of
   [C, H, W], or of a vector. eps > 0; PyTorch's default is 1e-5. */
CINCEL_API cincel_status cincel_model_add_layer_norm(cincel_model *model, float eps);

/* Inverted dropout with probability p, 0 ≤ p < 1, in gradient calls; nothing in forward calls. */
CINCEL_API cincel_status cincel_model_add_dropout(cincel_model *model, float p);

/* flatten makes each sample one vector; a linear layer takes it to out_features numbers, with a bias where
   `bias` is 1. On a sequence, [steps][1][channels], it is applied to each position. */
CINCEL_API cincel_status cincel_model_add_flatten(cincel_model *model);
CINCEL_API cincel_status cincel_model_add_linear(cincel_model *model, int out_features, int bias);

/* A stack of recurrent layers; with the same meaning as in cincel_rnn_desc where the names are the same. */
typedef struct cincel_rnn_options {
    size_t size;
    cincel_rnn_cell cell;
    int hidden;        /* numbers a state, of each direction */
    int layers;        /* 1 … 8, one upon the other */
    int bidirectional; /* 1: a second direction from each sequence's end, its numbers behind the first's */
    int bias;
    float dropout; /* between layers: 0 ≤ p < 1 */
    int last_only; /* 0: the output is that of every step, [steps][1][channels]; 1: the last state of each
                      direction of the last layer, a vector: torch's h_n, Keras' return_sequences=False */
    int reset_before, update_new;
} cincel_rnn_options;
#define CINCEL_RNN_OPTIONS_INIT                                         \
    {                                                                   \
        sizeof(cincel_rnn_options), CINCEL_LSTM, 0, 1, 0, 1, 0, 0, 0, 0 \
    }

/*
 * nn.RNN, nn.LSTM or nn.GRU with batch_first over sequences [steps][1][channels]; the parameters have
 * PyTorch's names ("lstm.weight_ih_l0", …) and distribution, U(±1/√hidden), whatever cincel_model_init is
 * asked for. The stack is one module with one name, and several layers of the model: cincel_model_layer tells
 * them one by one.
 */
CINCEL_API cincel_status cincel_model_add_rnn(cincel_model *model, const cincel_rnn_options *o);

/*
 * Tokens are whole numbers 0 … vocabulary − 1 as floats, one a position: samples [steps][1][1] are sequences
 * of them (so is any [height][width][1]). An embedding makes each a trained vector of `width` numbers,
 * one-hot a vector with a one in the token's place. Either must be the first layer. A token that is none is
 * an error of the call that meets it, naming its place.
 */
CINCEL_API cincel_status cincel_model_add_embedding(cincel_model *model, int vocabulary, int width);
CINCEL_API cincel_status cincel_model_add_one_hot(cincel_model *model, int vocabulary);

/* Names the last layer added, e.g. "conv1": its tensors are "conv1.weight", "conv1.bias". */
CINCEL_API cincel_status cincel_model_name(cincel_model *model, const char *name);

/*
 * A built-in model by name for samples of the given shape and `outputs` outputs. ReLU stands behind every
 * layer but the last; parameters for 28 x 28 x 1 and 10 outputs:
 * - simplecnn: 3x3 convolutions of 32 and 64 channels, max pooling behind each, 128 hidden; 421,642;
 * - lenet5: LeNet-5 (LeCun et al., 1998) in its modern form, max pooling and ReLU; 61,706;
 * - vgg-small: pairs of 3x3 convolutions of 32, 64 and 128 channels between max poolings (Simonyan &
 *   Zisserman, 2015), 256 hidden; 584,170;
 * - mlp: 128 and 64 hidden, for tables; 109,386.
 *
 * On sequences:
 * - charlstm: tokens [steps][1][1], `outputs` of them in the vocabulary: an embedding of 64, two LSTMs of 256
 *   with dropout of 0.1 between, a linear layer; 884,545 for 65 characters;
 * - forecast: windows [steps][1][columns] of time series: a GRU of 64, a linear layer on its last state;
 *   13,848 for one column and 24 outputs.
 *
 * An unknown name is an error that lists the known ones.
 */
CINCEL_API cincel_status cincel_model_builtin(const char *name, int height, int width, int channels,
                                              int outputs, cincel_model **out);

/* The names, index from 0; NULL past the last. */
CINCEL_API const char *cincel_model_builtin_name(size_t index);

/* A layer of a model as it was added. The texts are valid as long as the model is not changed. */
typedef struct cincel_layer_info {
    size_t size;
    const char *name, *kind;     /* "conv1", "conv2d" */
    int height, width, channels; /* of its output, one sample */
    size_t parameters;           /* number of floats */
    uint64_t flops;              /* multiplications and additions of a forward pass, one sample: those of
                                    convolutions (transposed too) and linear layers; other layers are small beside them and
                                    count 0 */
} cincel_layer_info;
#define CINCEL_LAYER_INFO_INIT                               \
    {                                                        \
        sizeof(cincel_layer_info), NULL, NULL, 0, 0, 0, 0, 0 \
    }

CINCEL_API size_t cincel_model_layers(const cincel_model *model); /* number of layers; 0 for NULL */
/* Layer `index`, 0 … layers − 1, into *out, whose size is set. */
CINCEL_API cincel_status cincel_model_layer(const cincel_model *model, size_t index, cincel_layer_info *out);

/* From what distribution parameters are drawn; fan_in and fan_out count the numbers behind and before an
 * output. */
typedef enum cincel_init {
    CINCEL_INIT_KAIMING = 0, /* He et al., 2015: uniform, fan-in, gain √2; biases U(±1/√fan_in) */
    CINCEL_INIT_XAVIER       /* Glorot & Bengio, 2010: uniform ±√(6/(fan_in+fan_out)); biases 0 */
} cincel_init;

/* Draws all parameters from `seed` alone; norms start at weight 1, bias 0 and their initial statistics. */
CINCEL_API cincel_status cincel_model_init(cincel_model *model, cincel_init init, uint64_t seed);

CINCEL_API size_t cincel_model_parameters(const cincel_model *model); /* number of floats */

/*
 * One parameter tensor: what is trained; running statistics are not. The data is in the library's layout
 * (convolutions OHWI, linear [out][in] with `in` in NHWC order) and may be read and written by the caller
 * between steps.
 */
typedef struct cincel_parameter {
    size_t size;
    const char *name; /* "conv1.weight" */
    float *data;
    size_t count;
} cincel_parameter;
#define CINCEL_PARAMETER_INIT                   \
    {                                           \
        sizeof(cincel_parameter), NULL, NULL, 0 \
    }

CINCEL_API size_t cincel_model_parameter_count(const cincel_model *model); /* number of tensors */
/* Tensor `index`, 0 … count − 1, into *out, whose size is set; name and data are the model's. */
CINCEL_API cincel_status cincel_model_parameter(cincel_model *model, size_t index, cincel_parameter *out);

/*
 * safetensors files under PyTorch's state_dict names and in PyTorch's layout: convolutions OIHW, the
 * first linear layer after a flatten with its columns in C,H,W order (permuted on load and save).
 * Saving writes a temporary file, syncs and renames: a failure leaves an existing file as it was.
 * Loading checks every name, shape and bound before the model is touched.
 */
CINCEL_API cincel_status cincel_model_save(const cincel_model *model, const char *path);
CINCEL_API cincel_status cincel_model_load(cincel_model *model, const char *path);

/* ---------------------------------------------------------------------------------- objectives -- */

/* The loss that training minimises, and with it what the model's outputs mean. Means over the batch; the
   definitions are PyTorch's, see cincel/loss.h. */
typedef enum cincel_objective_kind {
    CINCEL_OBJECTIVE_CROSS_ENTROPY = 0, /* outputs are logits of classes, one label a sample, or one a
                                           position of an output [height][width][classes]; predictions are
                                           their softmax */
    CINCEL_OBJECTIVE_BCE,               /* outputs are logits of independent yes-or-no questions, targets in
                                           0 … 1; predictions are their sigmoid */
    CINCEL_OBJECTIVE_MSE,               /* outputs are numbers: squared distance, */
    CINCEL_OBJECTIVE_L1,                /* absolute distance, */
    CINCEL_OBJECTIVE_HUBER              /* squared up to delta, absolute beyond (Huber, 1964) */
} cincel_objective_kind;

/* A label that counts for nothing, in loss, gradient and accuracy: what a sequence shorter than the others is
   filled up with. */
enum { CINCEL_LABEL_IGNORED = -100 };

/* An objective and its parameters; those of other kinds are ignored. */
typedef struct cincel_objective {
    size_t size;
    cincel_objective_kind kind;
    float delta;           /* of HUBER, finite and > 0 */
    float label_smoothing; /* of CROSS_ENTROPY, 0 … 1 (Szegedy et al., 2016) */
    /* Of CROSS_ENTROPY, what a sample of each class counts in loss and gradient, finite, >= 0 and not all 0
       (see cincel_cross_entropy_desc); NULL: 1. As many as the model has classes. Accuracy counts samples
       alike. Borrowed: the caller keeps them as long as a session or a call has the objective. */
    const float *class_weights;
    size_t class_weight_count;
} cincel_objective;
#define CINCEL_OBJECTIVE_INIT                                                         \
    {                                                                                 \
        sizeof(cincel_objective), CINCEL_OBJECTIVE_CROSS_ENTROPY, 1.0f, 0.0f, NULL, 0 \
    }

/* ---------------------------------------------------------------------------------- optimizers -- */

/* How weights follow from gradients. */
typedef enum cincel_optimizer_kind {
    CINCEL_OPTIMIZER_SGD = 0, /* cincel_sgd_step */
    CINCEL_OPTIMIZER_ADAM,    /* cincel_adam_step, weight decay as L2, */
    CINCEL_OPTIMIZER_ADAMW    /* or decoupled */
} cincel_optimizer_kind;

/* An optimizer and its factors; those of other kinds are ignored, but checked. All ≥ 0 and finite. */
typedef struct cincel_optimizer {
    size_t size;
    cincel_optimizer_kind kind;
    float lr;                 /* > 0 */
    float momentum;           /* of SGD, < 1 */
    float weight_decay;       /* of all weights and biases */
    double beta1, beta2, eps; /* of ADAM and ADAMW; betas < 1, eps > 0 */
    double clip_norm;         /* > 0: gradients of a larger norm, all together, are scaled down to it first */
} cincel_optimizer;
#define CINCEL_OPTIMIZER_INIT                                                                    \
    {                                                                                            \
        sizeof(cincel_optimizer), CINCEL_OPTIMIZER_SGD, 1e-3f, 0.9f, 0.0f, 0.9, 0.999, 1e-8, 0.0 \
    }

/* "sgd", "adam", "adamw"; NULL for other numbers. */
CINCEL_API const char *cincel_optimizer_name(int kind);

/* ------------------------------------------------------------------------------------ sessions -- */

typedef struct cincel_session cincel_session;

/* What a session is made for. */
typedef struct cincel_session_options {
    size_t size;
    int batch;                         /* largest number of samples a call */
    int training;                      /* 1: backward plans, gradients and saved activations too */
    const cincel_options *plan;        /* for every plan of the session, copied; NULL: the defaults */
    const cincel_objective *objective; /* of the gradients, copied; NULL: cross-entropy */
    uint64_t seed;                     /* of dropout, which is drawn by seed, layer, element and the number of
                                          gradient calls before */
    cincel_optimizer_kind optimizer;   /* of the updates: memory is planned for what it keeps */
    int stateful; /* 1: recurrent layers begin with the states that the call before left, row by row; at
                     first, and after cincel_session_reset, with 0 */
} cincel_session_options;
#define CINCEL_SESSION_OPTIONS_INIT                                                   \
    {                                                                                 \
        sizeof(cincel_session_options), 64, 0, NULL, NULL, 0, CINCEL_OPTIMIZER_SGD, 0 \
    }

/* Makes all plans and allocates all memory of a step once. Context and model must outlive it. */
CINCEL_API cincel_status cincel_session_create(cincel_context *ctx, cincel_model *model,
                                               const cincel_session_options *o, cincel_session **out);
CINCEL_API void cincel_session_destroy(cincel_session *session);

/* Bytes planned for activations, gradients, what the optimizer keeps and workspace (the model's parameters
 * apart). */
CINCEL_API size_t cincel_session_memory(const cincel_session *session);

/* One plan of the session at its full batch. The texts are valid as long as the session. */
typedef struct cincel_session_plan_info {
    size_t size;
    const char *layer; /* "conv1" */
    cincel_pass pass;
    const char *choice, *description; /* cincel_plan_choice, cincel_plan_describe */
    cincel_plan_source source;        /* where the choice came from */
} cincel_session_plan_info;
#define CINCEL_SESSION_PLAN_INFO_INIT                                                           \
    {                                                                                           \
        sizeof(cincel_session_plan_info), NULL, CINCEL_FORWARD, NULL, NULL, CINCEL_SOURCE_MODEL \
    }

CINCEL_API size_t cincel_session_plans(const cincel_session *session); /* number of plans */
/* Plan `index`, 0 … plans − 1, into *out, whose size is set. */
CINCEL_API cincel_status cincel_session_plan(const cincel_session *session, size_t index,
                                             cincel_session_plan_info *out);

/* x [n][h][w][c] → *logits [n][outputs], what the last layer gives, inside the session, valid until its next
   call. n ≤ batch; the first call with an n other than `batch` makes plans for it (the only calls that
   allocate). */
CINCEL_API cincel_status cincel_session_forward(cincel_session *session, const float *x, int n,
                                                const float **logits);

/* Forward, cross-entropy and backpropagation: gradients of the mean loss over n samples, labels [n], or over
   the positions of their outputs, labels [n][height · width], those with CINCEL_LABEL_IGNORED apart (if that
   is all of them, the loss is NaN and the gradients are 0). *hits (may be NULL, as may loss): samples, or
   positions, whose largest logit is the label's. */
CINCEL_API cincel_status cincel_session_gradients(cincel_session *session, const float *x,
                                                  const int32_t *labels, int n, double *loss, size_t *hits);

/* The same for the other objectives, with targets [n][outputs]. *hits: outputs on their target's side of one
   half, for BCE; 0 for the others. */
CINCEL_API cincel_status cincel_session_target_gradients(cincel_session *session, const float *x,
                                                         const float *targets, int n, double *loss,
                                                         size_t *hits);

/* Gradient of parameter tensor `index`, in the layout of the parameter; NULL if not training. */
CINCEL_API const float *cincel_session_gradient(const cincel_session *session, size_t index);

/* The states of recurrent layers become 0, as they are before the first call. Nothing where the session is
   not stateful. */
CINCEL_API cincel_status cincel_session_reset(cincel_session *session);

/* How many numbers the states of a stateful session are; 0 for others. Recurrent layer after recurrent layer
   h [batch][hidden] and, of an LSTM, c [batch][hidden]; `batch` is the session's. */
CINCEL_API size_t cincel_session_state_count(const cincel_session *session);
/* Copies the final states of the last call to states [count], or makes states [count] the initial ones of the
   next call. */
CINCEL_API cincel_status cincel_session_states(const cincel_session *session, float *states, size_t count);
CINCEL_API cincel_status cincel_session_set_states(cincel_session *session, const float *states,
                                                   size_t count);

/*
 * Lengths of the sequences of the calls that follow, 1 … steps each, copied: lengths[i] is that of sample i,
 * and n, the number of samples of those calls. Recurrent layers do no work behind a sequence's end, what they
 * give there is 0; mask the loss with CINCEL_LABEL_IGNORED. NULL, as it is at first: all steps of all
 * samples.
 */
CINCEL_API cincel_status cincel_session_lengths(cincel_session *session, const int *lengths, int n);

/* Applies the optimizer, which is of the kind the session was made for, to all parameters with the gradients
   of the last gradient call; clipping scales these. */
CINCEL_API cincel_status cincel_session_update(cincel_session *session, const cincel_optimizer *o);

/* The same with SGD. */
CINCEL_API cincel_status cincel_session_sgd(cincel_session *session, float lr, float momentum,
                                            float weight_decay);

/* ------------------------------------------------------------------------------------ training -- */

/* How far a run is; the library's, valid during the callback. */
typedef struct cincel_train_progress {
    int epoch, epochs;       /* epoch from 1 */
    size_t step, steps;      /* within the epoch, from 1 */
    double loss, accuracy;   /* running means of the epoch; accuracy as in cincel_evaluation */
    double items_per_second; /* of the epoch's training steps so far */
    double seconds_left;     /* estimate for the whole run */
    int epoch_done;          /* 1: the call that closes an epoch; the fields below are valid */
    double validation_loss, validation_accuracy;
    int best;             /* 1: the best epoch so far, by options.criterion */
    double validation_r2; /* as cincel_evaluation.r2; 0 without a validation part */
} cincel_train_progress;

/* The learning rate over a run. */
typedef enum cincel_lr_schedule {
    CINCEL_LR_CONSTANT = 0,
    CINCEL_LR_COSINE /* lr · (1 + cos(π · step / steps)) / 2 over all steps of all epochs (Loshchilov &
                        Hutter, 2017, without restarts) */
} cincel_lr_schedule;

/* What makes one epoch better than another, on the validation part. */
typedef enum cincel_criterion {
    CINCEL_BEST_LOSS = 0, /* a smaller loss */
    CINCEL_BEST_ACCURACY  /* a higher accuracy, or the same and a smaller loss. For classifiers: their loss
                             rises again, from overconfidence, well before their accuracy does */
} cincel_criterion;

/* How a model is trained. */
typedef struct cincel_train_options {
    size_t size;
    int epochs, batch;
    float lr, momentum, weight_decay;
    int patience;               /* epochs without a better one, by `criterion`, before stopping; 0: never */
    double validation_fraction; /* of a seeded permutation of the training set: its last part. 0: none;
                                   the epoch's training figures then take the validation's place */
    uint64_t seed;
    const cincel_options *plan; /* for every plan; NULL: the defaults */
    /* Called after every step, and once more when the epoch is validated; from the calling thread. May be
       NULL. */
    void (*progress)(void *user, const cincel_train_progress *p);
    void *user;
    const volatile int *cancel; /* raised: stop after the current step, restore the best weights */
    cincel_lr_schedule lr_schedule;
    cincel_criterion criterion;
    const cincel_objective *objective; /* NULL: cross-entropy */
    const cincel_optimizer *optimizer; /* NULL: SGD with lr, momentum and weight_decay above, which an
                                          optimizer given here takes the place of */
    const cincel_dataset *validation;  /* samples of their own to validate on, in place of a fraction */
    int stateful; /* 1: sample i + 1 continues sample i, as those of cincel_dataset_tokens do. Samples are not
                     shuffled: `batch` streams through the set are worked through side by side, recurrent
                     layers go on with the states the step before left them, gradients end where the
                     sample begins (truncated backpropagation through time: Williams & Peng, 1990). Streams
                     begin anew, and elsewhere, with every epoch. Validation: the last part of the set. Not
                     for ragged sets, whose samples end */
} cincel_train_options;
#define CINCEL_TRAIN_OPTIONS_INIT                                                                   \
    {                                                                                               \
        sizeof(cincel_train_options), 10, 64, 0.05f, 0.9f, 0.0f, 0, 0.1, 1, NULL, NULL, NULL, NULL, \
            CINCEL_LR_CONSTANT, CINCEL_BEST_LOSS, NULL, NULL, NULL, 0                               \
    }

/* What a run came to; times in seconds. */
typedef struct cincel_train_report {
    size_t size;
    int epochs;     /* run, the cancelled one not counted */
    int best_epoch; /* whose weights the model now holds */
    int stopped_early, cancelled;
    double train_loss, train_accuracy;           /* of the last epoch */
    double validation_loss, validation_accuracy; /* of the best epoch */
    double items_per_second;                     /* of training steps, validation not counted */
    double seconds;
    size_t planned_bytes;
    double validation_r2; /* of the best epoch */
} cincel_train_report;
#define CINCEL_TRAIN_REPORT_INIT                                                      \
    {                                                                                 \
        sizeof(cincel_train_report), 0, 0, 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0, 0.0 \
    }

/*
 * Trains from the model's present parameters and leaves those of the best epoch in the model
 * (the last ones where no epoch was completed). A cancelled run is CINCEL_OK with report->cancelled. A
 * loss that is not finite ends the run with CINCEL_INVALID_ARGUMENT, naming step and learning rate.
 *
 * Of a ragged set (cincel_dataset_ragged) batches are made by length: the epoch's shuffled samples are sorted
 * within pools of 50 batches, and the batches shuffled. Loss and accuracy are means over what is not ignored:
 * the steps of all sequences, or the sequences. Recurrent layers do no work behind a sequence's end; other
 * layers do it on zeros.
 */
CINCEL_API cincel_status cincel_train(cincel_context *ctx, cincel_model *model, const cincel_dataset *data,
                                      const cincel_train_options *o, cincel_train_report *report);

/* How a model is evaluated. */
typedef struct cincel_evaluate_options {
    size_t size;
    int batch;                         /* largest number of samples at once */
    const cincel_objective *objective; /* NULL: cross-entropy */
    int stateful;                      /* as cincel_train_options.stateful */
} cincel_evaluate_options;
#define CINCEL_EVALUATE_OPTIONS_INIT                 \
    {                                                \
        sizeof(cincel_evaluate_options), 64, NULL, 0 \
    }

/* How good a model is on a data set. */
typedef struct cincel_evaluation {
    size_t size;
    size_t samples;
    double loss;     /* mean */
    double accuracy; /* CROSS_ENTROPY: samples, BCE: outputs that are right; 0 for the others */
    double r2; /* MSE, L1, HUBER: 1 − Σ (target − output)² / Σ (target − its mean)², all outputs together;
                  0 where all targets are the same, and for the others */
} cincel_evaluation;
#define CINCEL_EVALUATION_INIT                      \
    {                                               \
        sizeof(cincel_evaluation), 0, 0.0, 0.0, 0.0 \
    }

/* The model's figures over a data set. `o` may be NULL. */
CINCEL_API cincel_status cincel_evaluate(cincel_context *ctx, cincel_model *model, const cincel_dataset *data,
                                         const cincel_evaluate_options *o, cincel_evaluation *out);

/* predictions [n][outputs] for x [n][h][w][c], by the objective (NULL: cross-entropy): probabilities of the
   classes, of each output, or the outputs themselves. */
CINCEL_API cincel_status cincel_predict(cincel_context *ctx, cincel_model *model,
                                        const cincel_objective *objective, const float *x, int n,
                                        float *predictions);

/* The same for sequences that end: lengths [n], 1 … steps each (NULL: all have all steps). What is predicted
   for steps behind a sequence's end means nothing. */
CINCEL_API cincel_status cincel_predict_sequences(cincel_context *ctx, cincel_model *model,
                                                  const cincel_objective *objective, const float *x,
                                                  const int *lengths, int n, float *predictions);

#ifdef __cplusplus
}
#endif
#endif
