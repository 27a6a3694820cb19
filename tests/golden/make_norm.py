#!/usr/bin/env python3
"""Writes norm.h, the golden values of test_ops_norm.c, in this folder: what PyTorch makes of batch norm and layer norm.

Computed in double, stored in single precision: the test's tolerance is then cincel's error alone. Data lies off
zero, sizes differ in every axis, and the running statistics start from something.
"""
import pathlib

import torch
from torch import nn

ROWS, COLS, EPS, MOMENTUM = 14, 5, 1e-3, 0.3


def single(*shape):
    """Doubles that single precision holds exactly."""
    return (torch.randn(*shape, dtype=torch.float32) * 0.7 + 3).to(torch.float64)


def put(out, name, tensor):
    values = [f"{v:.9g}" for v in tensor.detach().flatten().tolist()]
    values = [v + "f" if "." in v or "e" in v else v + ".0f" for v in values]
    out.append(f"static const float {name}[] = {{{', '.join(values)}}};")


def main():
    torch.manual_seed(7)
    x, dy = single(ROWS, COLS), single(ROWS, COLS)
    gamma, beta = single(COLS), single(COLS)
    running_mean, running_var = single(COLS), single(COLS).abs() + 0.5
    out = ["/* Made by make_norm.py: batch norm and layer norm as PyTorch computes them. */",
           "#ifndef CINCEL_TESTS_GOLDEN_NORM_H", "#define CINCEL_TESTS_GOLDEN_NORM_H", "",
           f"enum {{ GOLDEN_ROWS = {ROWS}, GOLDEN_COLS = {COLS} }};",
           f"static const float golden_eps = {EPS}f, golden_momentum = {MOMENTUM}f;"]
    for name, tensor in (("x", x), ("dy", dy), ("gamma", gamma), ("beta", beta),
                         ("running_mean", running_mean), ("running_var", running_var)):
        put(out, "golden_" + name, tensor)

    batch = nn.BatchNorm1d(COLS, eps=EPS, momentum=MOMENTUM).to(torch.float64)
    layer = nn.LayerNorm(COLS, eps=EPS).to(torch.float64)
    for kind, module in (("batch", batch), ("layer", layer)):
        with torch.no_grad():
            module.weight.copy_(gamma)
            module.bias.copy_(beta)
        if kind == "batch":
            batch.running_mean.copy_(running_mean)
            batch.running_var.copy_(running_var)
            put(out, "golden_infer_y", batch.eval()(x))
            batch.train()
        leaf = x.clone().requires_grad_()
        y = module(leaf)
        y.backward(dy)
        put(out, f"golden_{kind}_y", y)
        put(out, f"golden_{kind}_dx", leaf.grad)
        put(out, f"golden_{kind}_dgamma", module.weight.grad)
        put(out, f"golden_{kind}_dbeta", module.bias.grad)
    put(out, "golden_running_mean_after", batch.running_mean)
    put(out, "golden_running_var_after", batch.running_var)
    out += ["", "#endif", ""]
    (pathlib.Path(__file__).resolve().parent / "norm.h").write_text("\n".join(out))


if __name__ == "__main__":
    main()
