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

#include "cincel/base.h"
#include "cincel/conv.h"
#include "cincel/conv_transpose.h"
#include "cincel/eltwise.h"
#include "cincel/embedding.h"
#include "cincel/layout.h"
#include "cincel/loss.h"
#include "cincel/norm.h"
#include "cincel/optim.h"
#include "cincel/pool.h"
#include "cincel/profile.h"
#include "cincel/rnn.h"

#endif
