#!/usr/bin/env python3
"""Makes optim.safetensors, the golden values of test_train_golden_optim.c, with PyTorch, in this folder.

A few steps of every optimizer on the same weights and gradients, and gradients clipped by their norm. Computed
in double, stored in single precision, as in make_golden.py.
"""
import torch

from make_golden import FOLDER, save

COUNT, STEPS = 53, 6


def main():
    torch.manual_seed(23)
    start = torch.randn(COUNT).double()
    gradients = (torch.randn(STEPS, COUNT) * torch.logspace(-4, 2, COUNT)).double()
    out = {"start": start, "gradients": gradients}
    optimizers = {
        "sgd": lambda p: torch.optim.SGD(p, lr=0.125, momentum=0.75, weight_decay=0.0625),
        "adam": lambda p: torch.optim.Adam(p, lr=0.0078125),
        "adam_decay": lambda p: torch.optim.Adam(p, lr=0.0078125, betas=(0.75, 0.96875), eps=0.5, weight_decay=0.25),
        "adamw": lambda p: torch.optim.AdamW(p, lr=0.0078125, betas=(0.75, 0.96875), weight_decay=0.25),
    }
    for name, make in optimizers.items():
        w = start.clone().requires_grad_(True)
        optimizer = make([w])
        for gradient in gradients:
            w.grad = gradient.clone()
            optimizer.step()
        out[name] = w
    for name, most in {"clipped": 0.5, "not_clipped": 1e9}.items():
        w = start.clone().requires_grad_(True)
        w.grad = gradients[0].clone()
        out[name + ".norm"] = torch.nn.utils.clip_grad_norm_([w], most).reshape(1)
        out[name] = w.grad
    save(FOLDER / "optim.safetensors", out)


if __name__ == "__main__":
    main()
