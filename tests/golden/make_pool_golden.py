#!/usr/bin/env python3
"""Makes pool.safetensors, the golden file of test_train_golden_pool.c, with PyTorch, in this folder.

For each case of CASES: NAME.case (the descriptor: kind n c ih iw kh kw stride_h stride_w pad_h pad_w oh ow),
and NAME.x, NAME.y, NAME.dy, NAME.dx, all NCHW as PyTorch has them. Adaptive cases have oh, ow > 0 and no window.
Computed in double, stored in single precision.
"""
import torch
from torch.nn import functional as F

from make_golden import FOLDER, save

MAX, INCLUDE, EXCLUDE = range(3)
#   name            kind     n  c   image     window  stride  padding adaptive
CASES = {
    "max":            (MAX,     2, 19, (11, 9),  (3, 2), (2, 1), (1, 0), (0, 0)),
    "max_wide":       (MAX,     2, 5,  (20, 19), (17, 16), (2, 3), (8, 7), (0, 0)),
    "max_adaptive":   (MAX,     1, 33, (13, 7),  (0, 0), (0, 0), (0, 0), (5, 3)),
    "max_global":     (MAX,     1, 10, (19, 17), (0, 0), (0, 0), (0, 0), (1, 1)),
    "include":        (INCLUDE, 2, 19, (11, 9),  (3, 2), (2, 1), (1, 1), (0, 0)),
    "include_large":  (INCLUDE, 1, 8,  (16, 17), (7, 9), (3, 2), (3, 4), (0, 0)),
    "exclude":        (EXCLUDE, 1, 35, (11, 9),  (3, 4), (2, 3), (1, 2), (0, 0)),
    "adaptive":       (EXCLUDE, 1, 17, (13, 7),  (0, 0), (0, 0), (0, 0), (5, 3)),
    "adaptive_grown": (INCLUDE, 1, 6,  (3, 4),   (0, 0), (0, 0), (0, 0), (5, 6)),
    "global":         (INCLUDE, 1, 40, (9, 11), (0, 0), (0, 0), (0, 0), (1, 1)),
}


def pool(x, kind, window, stride, pad, adaptive):
    if adaptive[0]:
        return (F.adaptive_max_pool2d if kind == MAX else F.adaptive_avg_pool2d)(x, adaptive)
    if kind == MAX:
        return F.max_pool2d(x, window, stride, pad)
    return F.avg_pool2d(x, window, stride, pad, count_include_pad=kind == INCLUDE)


def main():
    torch.manual_seed(21)
    tensors = {}
    for name, (kind, n, c, image, window, stride, pad, adaptive) in CASES.items():
        # few values for maxima: ties, so that the order of the cells matters
        x = torch.randint(-9, 9, (n, c, *image)) if kind == MAX else torch.randn(n, c, *image)
        x = x.to(torch.float32).to(torch.float64).requires_grad_()
        y = pool(x, kind, window, stride, pad, adaptive)
        dy = torch.randn_like(y).to(torch.float32).to(torch.float64)
        y.backward(dy)
        case = [kind, n, c, *image, *window, *stride, *pad, *adaptive]
        tensors[name + ".case"] = torch.tensor(case, dtype=torch.float64)
        tensors.update({name + ".x": x, name + ".y": y, name + ".dy": dy, name + ".dx": x.grad})
    save(FOLDER / "pool.safetensors", tensors)


if __name__ == "__main__":
    main()
