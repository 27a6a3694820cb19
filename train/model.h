/*
 * What a model is inside: a list of layers, each an object of a layer kind, over one block of parameters.
 *
 * A *layer kind* is a const row of functions (struct layer_kind); a new kind is one file under train/
 * that defines its row and its cincel_model_add_ call, and one line in the list below. Nothing else
 * asks what kind a layer is: the session works from the row's functions and facts.
 */
#ifndef CINCEL_TRAIN_MODEL_H
#define CINCEL_TRAIN_MODEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "cincel/train.h"

enum { LAYER_TENSORS = 8 }; /* most tensors of a layer: of a recurrent one in both directions */

/*
 * Shape of a sample between two layers, NHWC in memory. A vector is 1 x 1 x features; where it was
 * flattened from an image, it keeps the image's height and width, because PyTorch counts the same
 * features in C,H,W order.
 */
struct layer_shape {
    int h, w, c;
    int flat_h, flat_w; /* 1 x 1 unless flattened */
};

/* What a tensor is before training. */
enum tensor_role {
    TENSOR_WEIGHT, /* drawn by its fan */
    TENSOR_BIAS,   /* drawn by the fan of its weight, or 0 */
    TENSOR_EVEN, /* U(±1/√fan_in) under any initialisation: PyTorch's, of recurrent layers' weights and biases
                  */
    TENSOR_NORMAL, /* standard normal, as PyTorch's embeddings are */
    TENSOR_ONES,
    TENSOR_ZEROS,
    TENSOR_COUNTER /* 0; a whole number, I64 in a weights file. As a float it stays at 2^24 once there */
};

/*
 * One tensor. In memory it is [rows][h][w][c]; in a weights file [rows][c][h][w], written with `ndim`
 * dimensions: convolutions 4, linear 2 (columns = c·h·w), layer norms of images 3, biases 1, counters 0.
 */
struct layer_tensor {
    const char *suffix; /* "weight" */
    char *name;         /* "conv1.weight": owned by the model */
    size_t offset;      /* in its block, in floats, of a multiple of 64 bytes */
    size_t count;
    size_t rows, h, w, c;
    int ndim;
    enum tensor_role role;
    size_t fan_in, fan_out; /* of weights and biases */
};

struct layer_kind;

struct layer {
    const struct layer_kind *kind;
    char *name;     /* "conv1"; the position in the model unless named */
    bool continues; /* part of the module that the layer before is (of) too: shares its name and position */
    float alpha;    /* of the activation the kind is, where that has one */
    struct layer_shape in, out;
    int tensors, states; /* parameters, which are trained, and behind them what is kept and saved with them */
    struct layer_tensor tensor[LAYER_TENSORS];
    uint64_t flops; /* of its products, forward, one sample: cincel_layer_info */
    union {         /* read by the layer's own file only */
        cincel_conv2d_options conv;
        cincel_conv_transpose2d_options conv_transpose;
        cincel_pool2d_options pool;
        struct {
            int out, bias;
        } linear;
        struct {
            float eps, momentum;
        } norm;
        struct {
            int vocabulary, width;
        } embedding;
        struct {
            cincel_rnn_options o;
            int level; /* of the stack, from 0 */
        } rnn;
        float drop;
    } as;
};

/* What a plan ends in, and what is undone before a backward pass. */
struct layer_activation {
    cincel_activation act;
    float alpha; /* of LEAKY_RELU and ELU */
};

enum { LAYER_PASSES = CINCEL_BACKWARD + 1 };

/* A layer's plans for one batch size. A layer without a plan for a pass has NULL there. */
struct layer_plans {
    cincel_plan *pass[LAYER_PASSES];
    cincel_plan
        *reverse[LAYER_PASSES]; /* of kinds that have a second one for a pass: of the other direction */
};

/* The buffers of one layer in one call, n samples. */
struct layer_call {
    cincel_context *ctx;
    const struct layer *layer;
    const struct layer_plans *plans;
    int n;
    bool training; /* a forward pass that gradients follow: layers that differ then do as in training */
    uint64_t seed, stream; /* of what is drawn in this step for this layer */
    const int *lengths;    /* [n], of the sequences; NULL: all have all steps */
    float *carry;          /* [carry_floats][batch]: states from call to call; NULL: there are none */
    size_t batch;          /* of the session, n ≤ batch */
    const float *x;
    float *y;
    void *aux; /* kept from forward to backward; NULL where no backward pass follows */
    float *dy; /* backward only, as dx and gradient; may be overwritten */
    float *dx; /* NULL: not wanted (the first layer with parameters) */
    const float *parameter[LAYER_TENSORS];
    float *gradient[LAYER_TENSORS]; /* overwritten */
    float *state[LAYER_TENSORS];    /* from 0 */
    void *ws;
};

struct layer_kind {
    const char *name; /* "conv2d" */

    /* Facts the session's passes over the layer list work from. */
    cincel_activation activation; /* the layer is this element-wise activation, with the layer's
                                     alpha, and nothing else */
    bool fuses_activation;        /* its forward plan can apply one to its output */
    bool selects;                 /* each output is one of the inputs: an activation's mask may be taken
                                     after it, where it is smaller, as well as before it */
    bool view;                    /* output and input are the same numbers in the same order: no work */
    bool training_only;           /* does nothing but in training */
    bool
        affine; /* each output is a row of tensor 0 times inputs, plus tensor 1 (or 0): what `fold` changes */
    bool backward_reads_x, backward_reads_y;

    /* From layer->in and the options: checks them, sets layer->out, tensors and their shapes, flops. */
    cincel_status (*infer)(struct layer *layer);

    /* A plan for n samples; *out stays NULL where the pass needs none. NULL for kinds without plans. */
    cincel_status (*plan)(cincel_context *ctx, const struct layer *layer, int n, cincel_pass pass,
                          struct layer_activation fused, const cincel_options *options, cincel_plan **out);
    /* In its place, of kinds whose backward pass is one plan (CINCEL_BACKWARD) and that may have two of each
       pass: fills what is NULL of them. `training`: a backward pass may follow the forward one. */
    cincel_status (*plan_directions)(cincel_context *ctx, const struct layer *layer, int n, cincel_pass pass,
                                     bool training, const cincel_options *options, struct layer_plans *out);

    /* Bytes kept from forward to backward, and of workspace for kinds without plans (forward calls only,
       unless `training`), n samples. NULL: none. */
    size_t (*aux_bytes)(const struct layer *layer, const struct layer_plans *plans, int n);
    size_t (*workspace_bytes)(const struct layer *layer, int n, bool training);

    /* Numbers a sample that a stateful session keeps from call to call. NULL: none. */
    cincel_status (*carry_floats)(const struct layer *layer, size_t *out);

    /* Can it train on n samples? NULL: on any number. */
    cincel_status (*check_batch)(const struct layer *layer, int n);

    /* Writes tensors 0 and 1 (bias NULL: 0) of the affine layer before, `inner` weights an output, so that
       its outputs are those of this layer in a forward call. NULL: there are no such. */
    cincel_status (*fold)(const struct layer_call *call, size_t inner, const float *w, const float *bias,
                          float *w_out, float *bias_out);

    cincel_status (*forward)(const struct layer_call *call);
    cincel_status (*backward)(const struct layer_call *call);
};

/* ---- the layer kinds, one file each */
extern const struct layer_kind cincel_layer_conv2d, cincel_layer_conv_transpose2d, cincel_layer_max_pool2d,
    cincel_layer_avg_pool2d, cincel_layer_flatten, cincel_layer_linear, cincel_layer_batch_norm,
    cincel_layer_layer_norm, cincel_layer_dropout, cincel_layer_embedding, cincel_layer_one_hot,
    cincel_layer_last_step;
extern const struct layer_kind cincel_layer_activation[]; /* by cincel_activation */
extern const struct layer_kind cincel_layer_rnn[];        /* by cincel_rnn_cell */

struct cincel_model {
    struct layer_shape in;
    struct layer *layer;
    size_t layers, capacity;
    float *parameters;     /* 64-byte aligned; the gaps between tensors stay 0 */
    size_t block;          /* floats in the block, gaps included */
    size_t tensors, count; /* parameter tensors; numbers in them */
    float *state;          /* the states, arranged alike in a block of their own */
    size_t state_block, states;
    atomic_bool sealed; /* a session was made: its plans hold for these layers, none may follow */
};

/* The first tensors of a layer with a weight, whose fields but the suffix are set, and, where `bias` says so,
   a bias for each of `outputs`, drawn by the same fans. */
void cincel_layer_weight(struct layer *layer, const struct layer_tensor *weight, size_t outputs, int bias);

/*
 * Appends a layer of this kind: `proto` gives kind and options. Checks the shape that reaches it and
 * leaves the model as it was on failure.
 */
cincel_status cincel_model_append(cincel_model *model, const struct layer *proto);

/* Takes the layers from this number on away again, which were appended last. */
void cincel_model_truncate(cincel_model *model, size_t layers);

/* Shape of the samples a further layer, or the loss, would get. */
struct layer_shape cincel_model_out(const cincel_model *model);

static inline size_t layer_shape_count(struct layer_shape s) { return (size_t)s.h * s.w * s.c; }

/* Places of an output, each a row of c numbers for the objective: 1 for vectors, the steps of a sequence. */
static inline size_t cincel_positions(struct layer_shape s) { return (size_t)s.h * (size_t)s.w; }

/* The layer's tensor t in the model's block, or in a block of the same arrangement (gradients). */
static inline float *layer_tensor_in(float *block, const struct layer_tensor *t) { return block + t->offset; }

/* The parameter tensor, or the state, of this number, in the order of the layers; NULL past the end. */
const struct layer_tensor *cincel_model_tensor(const cincel_model *model, size_t index);
const struct layer_tensor *cincel_model_state(const cincel_model *model, size_t index);

/* Copies of both blocks, to come back to: room for cincel_model_snapshot_size floats. */
size_t cincel_model_snapshot_size(const cincel_model *model);
void cincel_model_take_snapshot(const cincel_model *model, float *out);
void cincel_model_restore_snapshot(cincel_model *model, const float *from);

#endif
