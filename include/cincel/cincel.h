/*
 * cincel: SIMD kernels for training convolutional and recurrent networks on CPUs.
 *
 * Life cycle: a *context* knows the machine and owns the threads; a *descriptor* (plain struct)
 * states a problem; a *plan* is an immutable choice of algorithm, kernel and schedule for one
 * problem and one pass; an *execute call* runs a plan on the caller's buffers.
 *
 * Conventions that hold everywhere unless a function says otherwise
 *   Numbers    f32 in and out, f32 accumulation.
 *   Layouts    activations NHWC (channels contiguous); convolution weights OHWI
 *              `[oc][kh][kw][ic/groups]`; linear weights `[out][in]` as PyTorch holds them.
 *   Sizes      counts of elements; byte counts say so. Offsets are computed in size_t.
 *   Ownership  the caller owns every buffer; a plan keeps no pointer between calls. What a
 *              `_create` or `_plan` call returns is released with the matching `_destroy`.
 *   Aliasing   the buffers of one call must not overlap unless the call says they may.
 *   Alignment  tensors: that of a float. Workspaces: 64 bytes.
 *   Threads    a context may be shared: plan creation on it is thread-safe. A plan may be executed
 *              by any number of threads at once, each with its own workspace. Execute calls allocate
 *              nothing, print nothing and do no I/O. Inside another OpenMP parallel region, and in a
 *              child after fork(), a plan runs on the calling thread alone.
 *   Errors     every call that can fail returns a cincel_status; on failure no output parameter is
 *              written (except tensors, whose content is then unspecified) and
 *              cincel_error_message() of the calling thread says which field was wrong and how.
 *   Structs    begin with `size`, set by their _INIT macro; fields are only ever appended, so none is
 *              part of another, only pointed to. A callback's argument, which the library makes, has none.
 */
#ifndef CINCEL_CINCEL_H
#define CINCEL_CINCEL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CINCEL_API __attribute__((visibility("default")))
#else
#define CINCEL_API
#endif

#define CINCEL_VERSION_MAJOR 0
#define CINCEL_VERSION_MINOR 1
#define CINCEL_VERSION_PATCH 0

/* ------------------------------------------------------------------------------------ status -- */

typedef enum cincel_status {
    CINCEL_OK = 0,
    CINCEL_INVALID_ARGUMENT, /* a null pointer, an impossible shape, the wrong plan for a call */
    CINCEL_UNSUPPORTED,      /* a valid request that this build or machine cannot serve */
    CINCEL_OUT_OF_MEMORY,
    CINCEL_IO_ERROR,     /* a file could not be opened, read or written: errno is in the message */
    CINCEL_FORMAT_ERROR, /* a file was read and its content makes no sense */
    CINCEL_CANCELLED,    /* the caller's cancel flag was raised */
    CINCEL_INTERNAL_ERROR
} cincel_status;

/* A constant English phrase for `status`, never NULL. */
CINCEL_API const char *cincel_status_string(cincel_status status);

/*
 * One line, without a newline, on the last call of this thread that failed, e.g.
 * `conv: pad_top 5 exceeds kernel height 3`; "" if none failed. It stays valid until the next
 * failing call of the same thread. (Thread-local, like errno: the library's only ambient state.)
 */
CINCEL_API const char *cincel_error_message(void);

/* "0.1.0" */
CINCEL_API const char *cincel_version(void);

/* ----------------------------------------------------------------------------------- context -- */

typedef struct cincel_context cincel_context;

typedef enum cincel_profiles {
    CINCEL_PROFILES_DEFAULT = 0, /* built-in < system < user < $CINCEL_PROFILE */
    CINCEL_PROFILES_NONE         /* read no file and no environment variable */
} cincel_profiles;

typedef struct cincel_config {
    size_t size;
    int threads;     /* 0: $CINCEL_THREADS, else all physical cores of the fastest kind that affinity
                        and the cgroup CPU quota allow */
    const char *isa; /* NULL: $CINCEL_ISA, else the best the CPU has. "generic", "avx2", "avx512",
                        "neon": nothing above it is used */
    cincel_profiles profiles;
    int reproducible;    /* 1: the same bits on every machine with FMA: numeric choices follow from
                            the problem alone, never from a profile or a timing */
    double error_budget; /* admitted max |error| / RMS(output); 0: the default, 2e-4 */
    void (*log)(void *user, const char *line); /* NULL: the file $CINCEL_LOG names ("stderr" too), else
                                                  silence. Called while contexts and plans are made, by the
                                                  thread that makes them, one line a call, no newline */
    void *log_user;
} cincel_config;
#define CINCEL_CONFIG_INIT                                                          \
    {                                                                               \
        sizeof(cincel_config), 0, NULL, CINCEL_PROFILES_DEFAULT, 0, 0.0, NULL, NULL \
    }

/*
 * Reads the CPU, the topology and the environment once and starts nothing: threads come to life at
 * the first execute call that uses them. `config` may be NULL (all defaults) and is copied.
 * The context must outlive the plans made on it.
 */
CINCEL_API cincel_status cincel_context_create(const cincel_config *config, cincel_context **out);
CINCEL_API void cincel_context_destroy(cincel_context *ctx); /* NULL is allowed */

/* Size of the team that plans on this context may use, ≥ 1. */
CINCEL_API int cincel_context_threads(const cincel_context *ctx);

/* ----------------------------------------------------------------------------------- machine -- */

#define CINCEL_MAX_CORE_KINDS 4

typedef struct cincel_machine_info {
    size_t size;
    char cpu[64];                          /* marketing name */
    char key[96];                          /* names the profile: "amd-25-1-avx2-l1_32k-l2_512k" */
    char isa[16];                          /* ISA in use: "avx2" */
    char isas[64];                         /* usable ones, best first: "avx2 generic" */
    char features[160];                    /* CPU features cincel looks at and found, space separated */
    int logical_cpus;                      /* online */
    int allowed_cpus;                      /* by the affinity mask */
    int physical_cores;                    /* distinct cores among the allowed CPUs */
    int core_kinds;                        /* 1 on uniform machines, 2 on big.LITTLE */
    int kind_cores[CINCEL_MAX_CORE_KINDS]; /* allowed cores a kind, fastest first */
    int numa_nodes;
    double cpu_quota;                     /* CPUs granted by the cgroup; 0: no limit */
    int threads;                          /* the context's team */
    size_t l1d_bytes, l2_bytes, l3_bytes; /* one instance each; 0: none or unknown */
    int l2_shared_by, l3_shared_by;       /* cores that share an instance */
    size_t line_bytes;
    size_t memory_bytes;
    char topology_source[16]; /* "hwloc" or "sysfs" */
} cincel_machine_info;
#define CINCEL_MACHINE_INFO_INIT                                                                             \
    {                                                                                                        \
        sizeof(cincel_machine_info), "", "", "", "", "", 0, 0, 0, 0, {0}, 0, 0.0, 0, 0, 0, 0, 0, 0, 0, 0, "" \
    }

CINCEL_API cincel_status cincel_machine_describe(const cincel_context *ctx, cincel_machine_info *out);

#define CINCEL_MAX_BANDWIDTH_POINTS 24

/* Measured limits of the machine; bandwidths over a range of working-set sizes (total bytes). */
typedef struct cincel_machine_peaks {
    size_t size;
    double gflops_1;    /* f32 FMA peak of one core with the ISA in use, GFLOP/s */
    double gflops_team; /* of the whole team at once */
    int points;
    size_t working_set[CINCEL_MAX_BANDWIDTH_POINTS]; /* bytes, ascending */
    double read_1[CINCEL_MAX_BANDWIDTH_POINTS];      /* GB/s, one core */
    double triad_1[CINCEL_MAX_BANDWIDTH_POINTS];     /* GB/s counted as 2 reads + 1 write */
    double read_team[CINCEL_MAX_BANDWIDTH_POINTS];
    double triad_team[CINCEL_MAX_BANDWIDTH_POINTS];
    int from_cache; /* 1: read from the cache file */
} cincel_machine_peaks;
#define CINCEL_MACHINE_PEAKS_INIT                                                     \
    {                                                                                 \
        sizeof(cincel_machine_peaks), 0.0, 0.0, 0, {0}, {0.0}, {0.0}, {0.0}, {0.0}, 0 \
    }

/*
 * Measures the peaks (about two seconds), or reads them from `$XDG_CACHE_HOME/cincel/` where an
 * earlier call left them for this machine key, ISA and team size. `refresh` = 1 measures anyway.
 * A cache that cannot be written is not an error.
 */
CINCEL_API cincel_status cincel_machine_measure(cincel_context *ctx, int refresh, cincel_machine_peaks *out);

/* ------------------------------------------------------------------------------------- plans -- */

typedef struct cincel_plan cincel_plan;

typedef enum cincel_pass { CINCEL_FORWARD = 0, CINCEL_BACKWARD_DATA, CINCEL_BACKWARD_WEIGHTS } cincel_pass;

typedef enum cincel_effort {
    CINCEL_PROFILE = 0, /* profile, else nearest tuned shape, else the cost model (the default) */
    CINCEL_ESTIMATE,    /* the cost model alone: microseconds */
    CINCEL_MEASURE      /* time the candidates now, within the budget */
} cincel_effort;

typedef struct cincel_options {
    size_t size;
    cincel_effort effort;
    int threads;                /* at most this many of the context's team; 0: all */
    size_t max_workspace_bytes; /* hard limit; 0: none */
    double budget_seconds;      /* of MEASURE; 0: the default, 2 s a plan */
    const volatile int *cancel; /* NULL, or raised to non-zero, by a signal handler or another thread, to
                                   end MEASURE at once: the best so far is taken */
    const char *choice;         /* NULL, or a choice line (cincel_plan_choice): exactly this, or an error.
                                   effort and threads are then ignored, max_workspace_bytes holds */
} cincel_options;
#define CINCEL_OPTIONS_INIT                                           \
    {                                                                 \
        sizeof(cincel_options), CINCEL_PROFILE, 0, 0, 0.0, NULL, NULL \
    }

CINCEL_API void cincel_plan_destroy(cincel_plan *plan); /* NULL is allowed */

/* Bytes of workspace an execute call needs; may be 0, and then `ws` may be NULL. */
CINCEL_API size_t cincel_plan_workspace_size(const cincel_plan *plan);

/*
 * One line of text on what was chosen and why: algorithm, kernel row, knobs, threads, expected time
 * and where the choice came from. Valid as long as the plan.
 */
CINCEL_API const char *cincel_plan_describe(const cincel_plan *plan);

/* The choice alone, as cincel_options.choice accepts it back. Valid as long as the plan. */
CINCEL_API const char *cincel_plan_choice(const cincel_plan *plan);

/* 64-byte aligned memory; `bytes` = 0 gives NULL and CINCEL_OK. Release with _destroy. */
CINCEL_API cincel_status cincel_workspace_create(size_t bytes, void **out);
CINCEL_API void cincel_workspace_destroy(void *ws);

/* ------------------------------------------------------------------------------- activations -- */

/* Applied to a result before it is stored. */
typedef enum cincel_activation {
    CINCEL_ACT_NONE = 0,
    CINCEL_ACT_RELU /* max(z, 0); NaN stays NaN; gradient dy where y > 0, else 0 */
} cincel_activation;

/* ------------------------------------------------------------------------------- convolution -- */

/*
 * Cross-correlation, as every deep-learning library means by "convolution" (Goodfellow et al.,
 * Deep Learning, 2016, eq. 9.6), with groups and dilation:
 *
 *   y[n][oh][ow][oc] = act(b[oc] + Σ_kh Σ_kw Σ_c w[oc][kh][kw][c]
 *        · x[n][oh·stride_h − pad_top + kh·dilation_h][ow·stride_w − pad_left + kw·dilation_w][g·ic/groups +
 * c])
 *
 * with g = oc / (oc_total/groups), c over ic/groups and x = 0 outside the image.
 *   oh = (ih + pad_top + pad_bottom − dilation_h·(kh−1) − 1) / stride_h + 1, rounded down; ow alike.
 * Tensors: x [n][ih][iw][ic], w [oc][kh][kw][ic/groups], b [oc], y [n][oh][ow][oc].
 */
typedef struct cincel_conv_desc {
    size_t size;
    int n, groups;
    int ic, ih, iw;
    int oc, kh, kw;
    int stride_h, stride_w;
    int pad_top, pad_bottom, pad_left, pad_right; /* each below the dilated kernel's extent */
    int dilation_h, dilation_w;                   /* 1: dense */
    cincel_activation activation;
    int accumulate; /* backward passes: 1 adds to dx / dw / db, 0 overwrites them */
} cincel_conv_desc;
#define CINCEL_CONV_DESC_INIT                                                                        \
    {                                                                                                \
        sizeof(cincel_conv_desc), 1, 1, 0, 1, 1, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, CINCEL_ACT_NONE, 0 \
    }

/* Checks the descriptor and gives the output size. Either pointer may be NULL. */
CINCEL_API cincel_status cincel_conv_output_size(const cincel_conv_desc *d, int *oh, int *ow);

/* `options` may be NULL. */
CINCEL_API cincel_status cincel_conv_plan(cincel_context *ctx, const cincel_conv_desc *d, cincel_pass pass,
                                          const cincel_options *options, cincel_plan **out);

/* `bias` may be NULL: none is added. */
CINCEL_API cincel_status cincel_conv_forward(const cincel_plan *plan, const float *x, const float *w,
                                             const float *bias, float *y, void *ws);

/*
 * dx from dy. `y` is the forward output, needed only where d.activation is not NONE (its gradient
 * follows from y and is applied to dy on the fly); NULL otherwise.
 */
CINCEL_API cincel_status cincel_conv_backward_data(const cincel_plan *plan, const float *dy, const float *w,
                                                   const float *y, float *dx, void *ws);

/* dw, and db unless it is NULL, from x and dy. `y` as for backward_data. */
CINCEL_API cincel_status cincel_conv_backward_weights(const cincel_plan *plan, const float *x,
                                                      const float *dy, const float *y, float *dw, float *db,
                                                      void *ws);

/* ---------------------------------------------------------------------------- fully connected -- */

/* y[n][out] = act(b[out] + Σ_in w[out][in] · x[n][in]);  w as PyTorch's nn.Linear. */
typedef struct cincel_linear_desc {
    size_t size;
    int n, in, out;
    cincel_activation activation;
    int accumulate;
} cincel_linear_desc;
#define CINCEL_LINEAR_DESC_INIT                                 \
    {                                                           \
        sizeof(cincel_linear_desc), 1, 0, 0, CINCEL_ACT_NONE, 0 \
    }

CINCEL_API cincel_status cincel_linear_plan(cincel_context *ctx, const cincel_linear_desc *d,
                                            cincel_pass pass, const cincel_options *options,
                                            cincel_plan **out);
CINCEL_API cincel_status cincel_linear_forward(const cincel_plan *plan, const float *x, const float *w,
                                               const float *bias, float *y, void *ws);
CINCEL_API cincel_status cincel_linear_backward_data(const cincel_plan *plan, const float *dy, const float *w,
                                                     const float *y, float *dx, void *ws);
CINCEL_API cincel_status cincel_linear_backward_weights(const cincel_plan *plan, const float *x,
                                                        const float *dy, const float *y, float *dw, float *db,
                                                        void *ws);

/* ----------------------------------------------------------------------------------- pooling -- */

typedef enum cincel_pool_kind { CINCEL_POOL_MAX = 0 } cincel_pool_kind;

/*
 * Maximum over a kh x kw window; padding never wins. Tensors x [n][ih][iw][c], y [n][oh][ow][c], with
 * oh, ow as for convolution (dilation 1). Ties go to the first cell in (kh, kw) order, and a NaN wins
 * over every number, as in PyTorch.
 */
typedef struct cincel_pool_desc {
    size_t size;
    cincel_pool_kind kind;
    int n, c, ih, iw;
    int kh, kw, stride_h, stride_w;
    int pad_top, pad_bottom, pad_left, pad_right; /* each below the kernel's extent */
    int accumulate;                               /* backward: 1 adds to dx */
} cincel_pool_desc;
#define CINCEL_POOL_DESC_INIT                                                            \
    {                                                                                    \
        sizeof(cincel_pool_desc), CINCEL_POOL_MAX, 1, 0, 1, 1, 2, 2, 2, 2, 0, 0, 0, 0, 0 \
    }

CINCEL_API cincel_status cincel_pool_output_size(const cincel_pool_desc *d, int *oh, int *ow);

/* `pass` is FORWARD or BACKWARD_DATA. */
CINCEL_API cincel_status cincel_pool_plan(cincel_context *ctx, const cincel_pool_desc *d, cincel_pass pass,
                                          const cincel_options *options, cincel_plan **out);

/* Bytes of the buffer that carries where each maximum came from, forward to backward. */
CINCEL_API size_t cincel_pool_argmax_size(const cincel_plan *plan);

/* `argmax` may be NULL where no backward pass follows. */
CINCEL_API cincel_status cincel_pool_forward(const cincel_plan *plan, const float *x, float *y, void *argmax,
                                             void *ws);
CINCEL_API cincel_status cincel_pool_backward(const cincel_plan *plan, const float *dy, const void *argmax,
                                              float *dx, void *ws);

/* -------------------------------------------------------------------- element-wise and softmax -- */

/*
 * Whole-tensor operations on the context's threads; no plan, no workspace. `y` may be `x`, `dx` may
 * be `dy`, exactly; partial overlap is not allowed.
 */

/* y[i] = act(x[i]) */
CINCEL_API cincel_status cincel_activation_forward(cincel_context *ctx, cincel_activation act, const float *x,
                                                   float *y, size_t count);
/* dx[i] = dy[i] · act'(x[i]), the derivative taken from the output y */
CINCEL_API cincel_status cincel_activation_backward(cincel_context *ctx, cincel_activation act,
                                                    const float *y, const float *dy, float *dx, size_t count);

/* y[r][i] = exp(x[r][i] − max_r) / Σ_j exp(x[r][j] − max_r), over `rows` rows of `cols` */
CINCEL_API cincel_status cincel_softmax_forward(cincel_context *ctx, const float *x, float *y, size_t rows,
                                                size_t cols);

/*
 * Mean over rows of −log softmax(x)[label] (Goodfellow et al., 2016, §6.2.2.3), by log-sum-exp.
 *   *loss   the mean (may be NULL); dx [rows][cols] (may be NULL) = (softmax(x) − onehot) / rows
 *   *hits   rows whose largest logit is the label's (may be NULL)
 * A label outside 0 … cols−1 is an error naming row and label; nothing is written then.
 */
CINCEL_API cincel_status cincel_softmax_cross_entropy(cincel_context *ctx, const float *x,
                                                      const int32_t *labels, size_t rows, size_t cols,
                                                      double *loss, size_t *hits, float *dx);

typedef enum cincel_math {
    CINCEL_MATH_EXP,
    CINCEL_MATH_LOG,
    CINCEL_MATH_TANH,
    CINCEL_MATH_SIGMOID
} cincel_math;

/* y[i] = f(x[i]), ≤ 2.5 ULP; infinities, NaN, zeros and denormal results as in C's math library
   (denormals are flushed where the hardware flushes them). */
CINCEL_API cincel_status cincel_math_apply(cincel_context *ctx, cincel_math f, const float *x, float *y,
                                           size_t count);

/* --------------------------------------------------------------------------------- optimizers -- */

/*
 * One step of stochastic gradient descent with momentum and L2 weight decay, as PyTorch's
 * torch.optim.SGD defines it (Sutskever et al., 2013, in PyTorch's form):
 *   g = dw + weight_decay · w;   v = momentum · v + g;   w = w − lr · v
 * `v` may be NULL when momentum is 0.
 */
CINCEL_API cincel_status cincel_sgd_step(cincel_context *ctx, float *w, const float *dw, float *v,
                                         size_t count, float lr, float momentum, float weight_decay);

#ifdef __cplusplus
}
#endif
#endif
