#!/usr/bin/env python3
"""Times PyTorch's recurrent layers on the problems of a shapes file, the peer of cincel-bench's rnn/ names.

usage: pytorch_rnn.py [--shapes bench/shapes/rnn.txt] [--threads 1,2] [--seconds 2] [--cincel bench.json]

Prints the minimum and the median of forward, and of forward with backward, in ms. With --cincel, the JSON of a
cincel-bench run, ratios time(PyTorch) / time(cincel) of fwd_inference, and of fwd_training + bwd, and their
geometric means follow. Debian's PyTorch 1.13 is meant (package python3-torch); any other works. The allocator is
told to keep its heap, without which page faults cost it speed.
"""
import argparse
import json
import math
import os
import statistics
import sys
import time

# 32 MB: the largest mmap threshold that every glibc accepts.
KEEP_HEAP = {"MALLOC_TRIM_THRESHOLD_": "4294967296", "MALLOC_MMAP_THRESHOLD_": "33554432"}


def read_shapes(path):
    with open(path) as file:
        for line in file:
            words = line.split("#")[0].split()
            if words:
                yield words[0], words[1], [int(word) for word in words[2:]]


def make_layer(torch, cell, inputs, hidden):
    if cell == "lstm":
        return torch.nn.LSTM(inputs, hidden)
    if cell == "gru":
        return torch.nn.GRU(inputs, hidden)
    return torch.nn.RNN(inputs, hidden, nonlinearity=cell.split("_")[1])


def measure(call, seconds):
    """(minimum, median) of a call in ms."""
    for _ in range(3):
        call()
    times, end = [], time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - start))
    return min(times), statistics.median(times)


def time_problem(torch, cell, shape, seconds):
    steps, batch, inputs, hidden = shape
    torch.manual_seed(1)
    layer = make_layer(torch, cell, inputs, hidden)
    x = torch.rand(steps, batch, inputs).requires_grad_()
    dy = torch.rand(steps, batch, hidden)

    def infer():
        with torch.no_grad():
            layer(x)

    def train():
        layer.zero_grad(set_to_none=False)
        x.grad = None
        layer(x)[0].backward(dy)

    return measure(infer, seconds), measure(train, seconds)


def read_cincel(path):
    """{(problem, pass, threads): ms}"""
    with open(path) as file:
        entries = json.load(file)["benchmarks"]
    times = {}
    for entry in entries:
        words = entry["name"].split("/")
        if words[0] == "rnn" and words[-1] == "cincel":
            times[words[1], words[2], int(words[3].split(":")[1])] = entry["min_ms"]
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shapes", default=os.path.join(os.path.dirname(__file__), "shapes", "rnn.txt"))
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--cincel", help="JSON of cincel-bench")
    arguments = parser.parse_args()
    if any(name not in os.environ for name in KEEP_HEAP):
        os.execve(sys.executable, [sys.executable] + sys.argv, {**os.environ, **KEEP_HEAP})
    import torch

    cincel = read_cincel(arguments.cincel) if arguments.cincel else {}
    ratios = {}
    for threads in map(int, arguments.threads.split(",")):
        torch.set_num_threads(threads)
        for name, cell, shape in read_shapes(arguments.shapes):
            infer, train = time_problem(torch, cell, shape, arguments.seconds)
            line = (f"{name:<12} threads:{threads} forward {infer[0]:8.3f} ({infer[1]:.3f}) "
                    f"forward+backward {train[0]:8.3f} ({train[1]:.3f})")
            ours = [cincel.get((name, pass_, threads)) for pass_ in ("fwd_inference", "fwd_training", "bwd")]
            if all(ours):
                both = infer[0] / ours[0], train[0] / (ours[1] + ours[2])
                line += f"  x {both[0]:.2f} x {both[1]:.2f}"
                ratios.setdefault(threads, []).append(both)
            print(line, flush=True)
    for threads, pairs in ratios.items():
        means = [math.exp(sum(math.log(pair[i]) for pair in pairs) / len(pairs)) for i in range(2)]
        print(f"geometric means, threads:{threads}: forward x {means[0]:.2f}, forward+backward x {means[1]:.2f}")


if __name__ == "__main__":
    main()
