#!/usr/bin/env python3
"""Makes the golden files of test_train_golden.c with PyTorch, in this folder.

weights.safetensors   the state_dict of a small network, as a PyTorch user would save it
expected.safetensors  an input, labels, and what PyTorch computes from them: logits, mean cross-entropy
                      loss, the gradient of every parameter, and the parameters after two steps of SGD
conv_transpose.safetensors  transposed convolutions: sizes, inputs, outputs and gradients of each

Height, width, kernel and channel counts all differ, so that no mix-up of axes goes unnoticed. Computed
in double, stored in single precision: the test's tolerance is then cincel's error alone.
The safetensors files are written by hand: the format is a length, a JSON header and the data.
"""
import json
import pathlib
import struct

import torch
from torch import nn

FOLDER = pathlib.Path(__file__).resolve().parent
LR, MOMENTUM, WEIGHT_DECAY = 0.1, 0.9, 0.01


def save(path, tensors):
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, tensor in tensors.items():
        raw = tensor.detach().to(torch.float32).contiguous().numpy().tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    torch.manual_seed(20)
    net = nn.Sequential(
        nn.Conv2d(3, 5, (3, 2), stride=(1, 2), padding=(1, 0)),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(5, 4, 3, padding=1, bias=False),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(4 * 5 * 3, 9),
        nn.ReLU(),
        nn.Linear(9, 6),
    ).to(torch.float32).to(torch.float64)  # parameters that single precision holds exactly
    x = torch.rand(7, 3, 10, 13, dtype=torch.float32).to(torch.float64)
    labels = torch.tensor([0, 5, 2, 3, 1, 4, 2])

    save(FOLDER / "weights.safetensors", net.state_dict())
    optimizer = torch.optim.SGD(net.parameters(), lr=LR, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)
    expected = {"x": x, "labels": labels.to(torch.float64), "sgd": torch.tensor([LR, MOMENTUM, WEIGHT_DECAY])}
    for step in range(2):
        optimizer.zero_grad()
        logits = net(x)
        loss = nn.functional.cross_entropy(logits, labels)
        loss.backward()
        if step == 0:
            expected["logits"] = logits.detach().clone()
            expected["loss"] = loss.detach().reshape(1)
            for name, parameter in net.named_parameters():
                expected["grad." + name] = parameter.grad.clone()
        optimizer.step()
    for name, parameter in net.named_parameters():
        expected["trained." + name] = parameter.detach().clone()
    save(FOLDER / "expected.safetensors", expected)


def conv_transpose():
    cases = [  # n, ic, ih, iw, oc, (kh, kw), stride, padding, out_pad, groups, dilation
        (2, 3, 5, 4, 6, (3, 2), (2, 3), (1, 0), (1, 2), 1, (1, 1)),
        (1, 8, 4, 6, 4, (4, 4), (2, 2), (1, 1), (0, 0), 2, (1, 1)),
        (2, 6, 3, 5, 9, (3, 3), (1, 1), (2, 1), (1, 0), 3, (2, 1)),
        (1, 17, 7, 7, 20, (2, 2), (2, 2), (0, 0), (0, 0), 1, (1, 1)),
    ]
    torch.manual_seed(21)
    tensors = {}
    for i, (n, ic, ih, iw, oc, kernel, stride, padding, out_pad, groups, dilation) in enumerate(cases):
        layer = nn.ConvTranspose2d(ic, oc, kernel, stride, padding, out_pad, groups, True, dilation)
        layer = layer.to(torch.float64)
        x = torch.rand(n, ic, ih, iw, dtype=torch.float32).to(torch.float64).requires_grad_()
        y = layer(x)
        dy = torch.rand(y.shape, dtype=torch.float32).to(torch.float64)
        y.backward(dy)
        sizes = [n, groups, ic, ih, iw, oc, *kernel, *stride, *padding, *out_pad, *dilation]
        tensors[f"{i}.sizes"] = torch.tensor(sizes, dtype=torch.float64)
        named = {"x": x, "w": layer.weight, "b": layer.bias, "y": y, "dy": dy, "dx": x.grad}
        named |= {"dw": layer.weight.grad, "db": layer.bias.grad}
        tensors |= {f"{i}.{name}": tensor for name, tensor in named.items()}
    save(FOLDER / "conv_transpose.safetensors", tensors)


if __name__ == "__main__":
    main()
    conv_transpose()
