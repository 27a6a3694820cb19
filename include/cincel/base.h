/* cincel: what all operators share: status, contexts, the machine, plans, activations, layouts. Conventions:
 * cincel.h. */
#ifndef CINCEL_BASE_H
#define CINCEL_BASE_H

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

/* What a call came to. The sentence behind a failure is cincel_error_message(). */
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

/* Where a context looks for the results of earlier tuning. */
typedef enum cincel_profiles {
    CINCEL_PROFILES_DEFAULT = 0, /* built-in < system < user < $CINCEL_PROFILE */
    CINCEL_PROFILES_NONE         /* read no file and no environment variable */
} cincel_profiles;

/* How a context is set up; all fields but size may stay as CINCEL_CONFIG_INIT leaves them. */
typedef struct cincel_config {
    size_t size;
    int threads;     /* 0: $CINCEL_THREADS, else all physical cores of the fastest kind that affinity
                        and the cgroup CPU quota allow */
    const char *isa; /* NULL: $CINCEL_ISA, else the best the CPU has. "generic", "avx2", "avx512",
                        "neon": nothing above it is used */
    cincel_profiles profiles;
    int reproducible;    /* 1: the same bits on every machine with FMA and for any number of threads:
                            algorithm and numeric choices follow from
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

/* What cincel_machine_describe knows of the machine. Byte counts in bytes. */
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

/* Fills *out, whose size is set, from what the context found when it was made; measures nothing. */
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

/* What a plan computes: y, dx or dw (with db); BACKWARD: all gradients at once, of recurrent layers. */
typedef enum cincel_pass {
    CINCEL_FORWARD = 0,
    CINCEL_BACKWARD_DATA,
    CINCEL_BACKWARD_WEIGHTS,
    CINCEL_BACKWARD
} cincel_pass;

/* How much is done to find the best choice. */
typedef enum cincel_effort {
    CINCEL_PROFILE = 0, /* profile, else nearest tuned shape, else the cost model (the default) */
    CINCEL_ESTIMATE,    /* the cost model alone: microseconds */
    CINCEL_MEASURE,     /* time the candidates now, within the budget */
    CINCEL_CONFIRM      /* time the profile's choice for this very problem against the untuned one alone, and
                           keep the better, by this visit and by MEASURE's in the same context together: other
                           programs can mislead one visit, hardly two at different times. As MEASURE where
                           the profile has none */
} cincel_effort;

/* How a plan is made; NULL in its place means CINCEL_OPTIONS_INIT. */
typedef struct cincel_options {
    size_t size;
    cincel_effort effort;
    int threads;                /* at most this many of the context's team; 0: all */
    size_t max_workspace_bytes; /* hard limit; 0: none */
    double budget_seconds;      /* of MEASURE and CONFIRM; 0: the default, 2 s a plan */
    const volatile int *cancel; /* NULL, or raised to non-zero, by a signal handler or another thread, to
                                   end measuring at once: the best so far is taken */
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

/*
 * y = act(z), and how its derivative is taken in a backward pass: from y where that is possible, so that z
 * need not be kept. NaN stays NaN everywhere.
 */
typedef enum cincel_activation {
    CINCEL_ACT_NONE = 0,
    CINCEL_ACT_RELU,       /* max(z, 0); act' = y > 0 ? 1 : 0 */
    CINCEL_ACT_LEAKY_RELU, /* z > 0 ? z : alpha z (Maas et al., 2013), alpha > 0; act' = y > 0 ? 1 : alpha */
    CINCEL_ACT_ELU,        /* z > 0 ? z : alpha (e^z - 1) (Clevert et al., 2016), alpha > 0;
                              act' = y > 0 ? 1 : y + alpha */
    CINCEL_ACT_SIGMOID,    /* 1 / (1 + e^-z); act' = y (1 - y) */
    CINCEL_ACT_TANH,       /* tanh z; act' = 1 - y^2 */
    CINCEL_ACT_GELU,      /* z Phi(z), Phi the normal distribution (Hendrycks & Gimpel, 2016); act' needs z */
    CINCEL_ACT_GELU_TANH, /* its form z / 2 (1 + tanh(sqrt(2/pi) (z + 0.044715 z^3))); act' needs z */
    CINCEL_ACT_SILU       /* z sigmoid(z) (Elfwing et al., 2018; "swish"); act' needs z */
} cincel_activation;

/* ----------------------------------------------------------------------------------- layouts -- */

/* Of activation tensors. NCHW tensors are converted on the way in and out, inside the call. */
typedef enum cincel_layout { CINCEL_NHWC = 0, CINCEL_NCHW } cincel_layout;

/* Of convolution weights: [oc][kh][kw][ic/groups], or PyTorch's [oc][ic/groups][kh][kw]. */
typedef enum cincel_weights_layout { CINCEL_OHWI = 0, CINCEL_OIHW } cincel_weights_layout;

#ifdef __cplusplus
}
#endif
#endif
