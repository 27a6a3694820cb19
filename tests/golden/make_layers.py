#!/usr/bin/env python3
"""Makes layers.safetensors, the golden file of test_train_golden_layers.c, with PyTorch, in this folder.

One small network a layer or loss. For a case named "elu" the file holds
  elu/x, elu/y                input (NCHW) and labels or targets
  elu/before/NAME             its state_dict before the step
  elu/out, elu/loss           the outputs and the loss in training
  elu/grad/NAME               the gradient of each parameter
  elu/after/NAME              buffers (running statistics) after the step
  elu/eval                    the outputs in evaluation mode, after the step

Height, width, kernel and channel counts all differ, so that no mix-up of axes goes unnoticed. Computed
in double, stored in single precision: the test's tolerance is then cincel's error alone.
"""
import json
import pathlib
import struct

import torch
from torch import nn

FOLDER = pathlib.Path(__file__).resolve().parent
BATCH, CHANNELS, HEIGHT, WIDTH, OUTPUTS = 5, 3, 9, 8, 4


def behind(layer, features):
    """conv, the layer, flatten, linear: gradients pass through the layer to the convolution."""
    return nn.Sequential(nn.Conv2d(CHANNELS, 6, (3, 2)), layer, nn.Flatten(), nn.Linear(features, OUTPUTS))


def activation(layer):
    """In a place where it can be part of the convolution, alone, and at the end."""
    return nn.Sequential(
        nn.Conv2d(CHANNELS, 6, (3, 2)), layer, nn.MaxPool2d(2), layer, nn.Flatten(), nn.Linear(6 * 3 * 3, OUTPUTS), layer
    )


def images(net, loss=nn.CrossEntropyLoss()):
    x = torch.randn(BATCH, CHANNELS, HEIGHT, WIDTH, dtype=torch.float32)
    return net, x, torch.tensor([0, 3, 1, 2, 3]), loss


def vectors(loss, targets):
    net = nn.Sequential(nn.Flatten(), nn.Linear(7, 5), nn.Tanh(), nn.Linear(5, OUTPUTS))
    return net, torch.randn(BATCH, 7, 1, 1, dtype=torch.float32), targets, loss


def cases():
    yield "relu", images(activation(nn.ReLU()))
    yield "leaky_relu", images(activation(nn.LeakyReLU(0.3)))
    yield "elu", images(activation(nn.ELU(0.7)))
    yield "sigmoid", images(activation(nn.Sigmoid()))
    yield "tanh", images(activation(nn.Tanh()))
    yield "gelu", images(activation(nn.GELU()))
    yield "gelu_tanh", images(activation(nn.GELU(approximate="tanh")))
    yield "silu", images(activation(nn.SiLU()))

    # the convolution leaves 7 x 7
    yield "max_pool", images(behind(nn.MaxPool2d((3, 2), stride=(2, 1), padding=(1, 1)), 6 * 4 * 8))
    yield "avg_pool_include", images(behind(nn.AvgPool2d((3, 2), stride=(2, 1), padding=(1, 1)), 6 * 4 * 8))
    yield "avg_pool_exclude", images(
        behind(nn.AvgPool2d((3, 2), stride=(2, 1), padding=(1, 1), count_include_pad=False), 6 * 4 * 8)
    )
    yield "avg_pool_adaptive", images(behind(nn.AdaptiveAvgPool2d((3, 5)), 6 * 3 * 5))
    yield "max_pool_adaptive", images(behind(nn.AdaptiveMaxPool2d((3, 5)), 6 * 3 * 5))
    yield "avg_pool_global", images(behind(nn.AdaptiveAvgPool2d(1), 6))
    yield "max_pool_global", images(behind(nn.AdaptiveMaxPool2d(1), 6))

    yield "batch_norm", images(behind(nn.BatchNorm2d(6, eps=1e-3, momentum=0.2), 6 * 7 * 7))
    yield "batch_norm_flat", images(
        nn.Sequential(
            nn.Conv2d(CHANNELS, 6, (3, 2), stride=2),
            nn.Flatten(),
            nn.BatchNorm1d(6 * 4 * 4),
            nn.Linear(6 * 4 * 4, 5),
            nn.BatchNorm1d(5),
            nn.Linear(5, OUTPUTS),
        )
    )
    yield "layer_norm", images(behind(nn.LayerNorm([6, 7, 7]), 6 * 7 * 7))
    yield "layer_norm_flat", images(
        nn.Sequential(
            nn.Conv2d(CHANNELS, 6, (3, 2), stride=2), nn.Flatten(), nn.LayerNorm(6 * 4 * 4), nn.Linear(6 * 4 * 4, OUTPUTS)
        )
    )
    yield "conv", images(
        nn.Sequential(
            nn.Conv2d(CHANNELS, 6, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=3),
            nn.Flatten(),
            nn.Linear(6 * 5 * 6, OUTPUTS),
        )
    )
    yield "conv_transpose", images(
        nn.Sequential(
            nn.ConvTranspose2d(CHANNELS, 6, (3, 2), stride=(2, 3), padding=(1, 0), output_padding=(1, 2), groups=3),
            nn.Tanh(),
            nn.MaxPool2d(3),
            nn.ConvTranspose2d(6, 4, 3, dilation=(1, 2), bias=False),
            nn.Flatten(),
            nn.Linear(4 * 8 * 12, OUTPUTS),
        )
    )

    numbers = 2 * torch.randn(BATCH, OUTPUTS, dtype=torch.float32)
    yield "mse", vectors(nn.MSELoss(), numbers)
    yield "l1", vectors(nn.L1Loss(), numbers)
    yield "huber", vectors(nn.HuberLoss(delta=0.6), numbers)
    yield "bce", vectors(nn.BCEWithLogitsLoss(), (numbers > 0).float())
    yield "smoothing", vectors(nn.CrossEntropyLoss(label_smoothing=0.2), torch.tensor([0, 3, 1, 2, 3]))


def save(path, tensors):
    """By hand: the format is a length, a JSON header and the data. 8-byte numbers go first, to be aligned."""
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, tensor in sorted(tensors.items(), key=lambda item: item[1].dtype != torch.int64):
        whole = tensor.dtype == torch.int64
        raw = tensor.detach().to(torch.int64 if whole else torch.float32).contiguous().numpy().tobytes()
        header[name] = {
            "dtype": "I64" if whole else "F32",
            "shape": list(tensor.shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    torch.manual_seed(21)
    tensors = {}
    for name, (net, x, y, loss) in cases():
        for key, value in net.state_dict().items():  # ones and zeros would hide a mix-up
            if value.is_floating_point() and value.dim() == 1:
                value.add_(0.5 * torch.rand(value.shape))
        net = net.to(torch.float64)  # parameters that single precision holds exactly
        labels = y.dtype == torch.int64
        tensors[f"{name}/x"] = x
        tensors[f"{name}/y"] = y.to(torch.float32)
        for key, value in net.state_dict().items():
            tensors[f"{name}/before/{key}"] = value.clone()
        out = net(x.to(torch.float64))
        value = loss(out, y if labels else y.to(torch.float64))
        value.backward()
        tensors[f"{name}/out"] = out
        tensors[f"{name}/loss"] = value.reshape(1)
        for key, parameter in net.named_parameters():
            tensors[f"{name}/grad/{key}"] = parameter.grad
        for key, buffer in net.named_buffers():
            tensors[f"{name}/after/{key}"] = buffer.clone()
        net.eval()
        tensors[f"{name}/eval"] = net(x.to(torch.float64))
    save(FOLDER / "layers.safetensors", tensors)


if __name__ == "__main__":
    main()
