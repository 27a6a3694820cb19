#!/usr/bin/env python3
"""Writes rnn.h, the golden values of test_plan_rnn.c, in this folder: what PyTorch makes of its recurrent layers.

Computed in double, stored in single precision: the test's tolerance is then cincel's error alone. The last
sequence is shorter than the others (packed), the second direction of a bidirectional layer is there too.
"""
import pathlib

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

STEPS, BATCH, INPUT, HIDDEN = 4, 3, 5, 6
LENGTHS = [4, 4, 2]
CELLS = (("lstm", nn.LSTM, {}), ("gru", nn.GRU, {}), ("tanh", nn.RNN, {}), ("relu", nn.RNN, {"nonlinearity": "relu"}))


def single(*shape, scale=1.0):
    """Doubles that single precision holds exactly."""
    return (torch.randn(*shape, dtype=torch.float32) * scale).to(torch.float64)


def put(out, name, tensor):
    values = [f"{v:.9g}" for v in tensor.detach().flatten().tolist()]
    values = [v + "f" if "." in v or "e" in v else v + ".0f" for v in values]
    out.append(f"static const float golden_{name}[] = {{{', '.join(values)}}};")


def put_cell(out, name, kind, options, x, dy, state, dstate):
    module = kind(INPUT, HIDDEN, bidirectional=True, **options).to(torch.float64)
    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(single(*weight.shape, scale=0.5))
    lstm = name == "lstm"
    leaves = [t.clone().requires_grad_() for t in ([x] + list(state[:2 if lstm else 1]))]
    packed = pack_padded_sequence(leaves[0], LENGTHS)
    y, last = module(packed, tuple(leaves[1:]) if lstm else leaves[1])
    y, _ = pad_packed_sequence(y, total_length=STEPS)
    last = last if lstm else (last,)
    torch.autograd.backward([y] + list(last), [dy] + list(dstate[:len(last)]))
    put(out, f"{name}_y", y)
    for what, tensor in zip(("h_n", "c_n"), last):
        put(out, f"{name}_{what}", tensor)
    for what, leaf in zip(("dx", "dh0", "dc0"), leaves):
        put(out, f"{name}_{what}", leaf.grad)
    for parameter, weight in module.named_parameters():
        put(out, f"{name}_{parameter}", weight)
        put(out, f"{name}_d_{parameter}", weight.grad)


def main():
    torch.manual_seed(5)
    x, dy = single(STEPS, BATCH, INPUT), single(STEPS, BATCH, 2 * HIDDEN)
    state = [single(2, BATCH, HIDDEN) for _ in range(2)]
    dstate = [single(2, BATCH, HIDDEN) for _ in range(2)]
    out = ["/* Made by make_rnn.py: bidirectional recurrent layers as PyTorch computes them. */",
           "#ifndef CINCEL_TESTS_GOLDEN_RNN_H", "#define CINCEL_TESTS_GOLDEN_RNN_H", "",
           f"enum {{ GOLDEN_STEPS = {STEPS}, GOLDEN_BATCH = {BATCH}, GOLDEN_INPUT = {INPUT}, GOLDEN_HIDDEN = {HIDDEN} }};",
           f"static const int golden_lengths[] = {{{', '.join(map(str, LENGTHS))}}};"]
    for name, tensor in (("x", x), ("dy", dy), ("h0", state[0]), ("c0", state[1]), ("dh_n", dstate[0]), ("dc_n", dstate[1])):
        put(out, name, tensor)
    for name, kind, options in CELLS:
        put_cell(out, name, kind, options, x, dy, state, dstate)
    out += ["", "#endif", ""]
    (pathlib.Path(__file__).resolve().parent / "rnn.h").write_text("\n".join(out))


if __name__ == "__main__":
    main()
