#!/usr/bin/env python3
"""Makes losses.safetensors, the golden values of test_train_golden_losses.c, with PyTorch, in this folder.

Softmax, log-softmax and every loss with its gradient. Computed in double, stored in single precision, as in
make_golden.py.
"""
import torch
from torch.nn import functional

from make_golden import FOLDER, save

SMOOTHING, IGNORED, DELTA = 0.1, 2, 0.75


def with_gradient(out, name, function, x, dy=None):
    """The result of `function(x)` and d(result . dy)/dx, or d(result)/dx of a single number."""
    x = x.clone().requires_grad_(True)
    y = function(x)
    y.backward(dy) if dy is not None else y.backward()
    out[name] = y.detach().reshape(-1) if dy is None else y.detach()
    out[name + ".dx"] = x.grad


def single(tensor):
    """Numbers that single precision holds exactly, in double."""
    return tensor.to(torch.float32).to(torch.float64)


def main():
    torch.manual_seed(21)
    logits, dy = single(4 * torch.randn(11, 19)), single(torch.randn(11, 19))
    labels = torch.randint(0, 19, (11,))
    labels[3] = labels[7] = IGNORED
    weights = single(torch.rand(19) + 0.25)
    x, target, chance = single(3 * torch.randn(101)), single(3 * torch.randn(101)), single(torch.rand(101))
    target[::10] = x[::10]
    parameters = torch.tensor([SMOOTHING, IGNORED, DELTA])
    out = {"logits": logits, "dy": dy, "labels": labels.to(torch.float64), "weights": weights, "x": x,
           "target": target, "chance": chance, "parameters": parameters}

    with_gradient(out, "softmax", lambda z: functional.softmax(z, 1), logits, dy)
    with_gradient(out, "log_softmax", lambda z: functional.log_softmax(z, 1), logits, dy)
    smoothing = float(parameters[0])  # as single precision has it
    for i in range(8):
        options = {}
        if i & 1:
            options["label_smoothing"] = smoothing
        if i & 2:
            options["weight"] = weights
        if i & 4:
            options["ignore_index"] = IGNORED
        with_gradient(out, f"cross_entropy.{i}", lambda z: functional.cross_entropy(z, labels, **options), logits)
    with_gradient(out, "bce", lambda z: functional.binary_cross_entropy_with_logits(z, chance), x)
    with_gradient(out, "mse", lambda z: functional.mse_loss(z, target), x)
    with_gradient(out, "l1", lambda z: functional.l1_loss(z, target), x)
    with_gradient(out, "huber", lambda z: functional.huber_loss(z, target, delta=DELTA), x)
    save(FOLDER / "losses.safetensors", out)


if __name__ == "__main__":
    main()
