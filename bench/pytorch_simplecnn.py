#!/usr/bin/env python3
"""Times PyTorch's training step of SimpleCNN, the peer of `cincel train simplecnn`.

usage: pytorch_simplecnn.py [--threads 1,2] [--batch 64] [--seconds 5] [--packaged]

Prints images a second, best and median over rounds that alternate between NCHW and channels_last.
Debian's PyTorch 1.13 is meant (package python3-torch); any other works. The allocator is told to keep its
heap, without which page faults cost a third of the speed; --packaged leaves it as it is.
"""
import argparse
import os
import statistics
import subprocess
import sys
import time

KEEP_HEAP = {"MALLOC_TRIM_THRESHOLD_": "4294967296", "MALLOC_MMAP_THRESHOLD_": "4294967296"}
BEGUN = "PYTORCH_SIMPLECNN_THREADS"  # set in the process that measures, one a number of threads


def simplecnn(torch):
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(3136, 128), nn.ReLU(), nn.Linear(128, 10))


def make_step(torch, batch, layout):
    """A function that makes one training step: forward, loss, backward, SGD with momentum."""
    torch.manual_seed(1)
    model = simplecnn(torch).to(memory_format=layout)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    loss = torch.nn.CrossEntropyLoss()
    x = torch.rand(batch, 1, 28, 28).contiguous(memory_format=layout)
    labels = torch.randint(0, 10, (batch,))

    def step():
        optimizer.zero_grad(set_to_none=False)
        loss(model(x), labels).backward()
        optimizer.step()

    return step


def measure(threads, batch, seconds):
    import torch
    torch.set_num_threads(threads)
    steps = {"nchw": make_step(torch, batch, torch.contiguous_format),
             "channels_last": make_step(torch, batch, torch.channels_last)}
    rates = {name: [] for name in steps}
    for step in steps.values():
        for _ in range(5):
            step()
    end = time.perf_counter() + seconds * len(steps)
    while time.perf_counter() < end:
        for name, step in steps.items():
            start = time.perf_counter()
            for _ in range(10):
                step()
            rates[name].append(10 * batch / (time.perf_counter() - start))
    for name, values in rates.items():
        print("pytorch %s  threads %d  %-13s  best %7.0f img/s  median %7.0f img/s  (%d rounds)"
              % (torch.__version__, threads, name, max(values), statistics.median(values), len(values)),
              flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", default="1,2", help="numbers of threads (default 1,2)")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each layout and number of threads")
    parser.add_argument("--packaged", action="store_true", help="the allocator as PyTorch's users find it")
    o = parser.parse_args()
    if BEGUN in os.environ:
        measure(int(os.environ[BEGUN]), o.batch, o.seconds)
        return
    # The allocator reads its settings, and OpenMP its team, when a process starts: one process each.
    for threads in o.threads.split(","):
        environment = dict(os.environ, OMP_NUM_THREADS=threads, **{BEGUN: threads})
        if not o.packaged:
            environment.update(KEEP_HEAP)
        subprocess.run([sys.executable] + sys.argv, env=environment, check=True)


if __name__ == "__main__":
    main()
