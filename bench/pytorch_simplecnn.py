#!/usr/bin/env python3
"""Times PyTorch's training step of SimpleCNN, the peer of `cincel train simplecnn`.

usage: pytorch_simplecnn.py [--threads 1,2] [--batch 64] [--seconds 5] [--packaged] [--cincel COMMAND]

Prints images a second, best and median over rounds that alternate between NCHW and channels_last. With
--cincel, `COMMAND train simplecnn` on synthetic digits is measured in turns with PyTorch, and the ratio is
printed: two turns each, whose epochs give the rounds.
Debian's PyTorch 1.13 is meant (package python3-torch); any other works. The allocator is told to keep its
heap, without which page faults cost a third of the speed; --packaged leaves it as it is.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

# 32 MB: the largest mmap threshold that every glibc accepts, and more than any tensor here.
KEEP_HEAP = {"MALLOC_TRIM_THRESHOLD_": "4294967296", "MALLOC_MMAP_THRESHOLD_": "33554432"}
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
    if uses_reference_blas():
        print("warning: PyTorch runs on the reference BLAS, which is no fair peer: scripts/setup peers",
              file=sys.stderr)
    print(json.dumps({"pytorch %s %s" % (torch.__version__, name): values for name, values in rates.items()}))


def uses_reference_blas():
    """What Debian's PyTorch calls for linear layers, if no better BLAS is installed: no match at all."""
    with open("/proc/self/maps") as maps:
        return "/blas/libblas.so" in maps.read()


def run_pytorch(threads, packaged):
    """Rates by layout. A process of its own: the allocator reads its settings, and OpenMP its team, at start."""
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads), **{BEGUN: str(threads)})
    if not packaged:
        environment.update(KEEP_HEAP)
    result = subprocess.run([sys.executable] + sys.argv, env=environment, check=True, stdout=subprocess.PIPE)
    return json.loads(result.stdout)


def run_cincel(command, threads, batch):
    """The rate of a short training run, as its summary states it: training steps, validation not counted."""
    with tempfile.TemporaryDirectory() as folder:
        run = os.path.join(folder, "run")
        subprocess.run([command, "train", "simplecnn", "--epochs", "2", "--batch", str(batch), "--threads",
                        str(threads), "--out", run], check=True, stdout=subprocess.DEVNULL)
        with open(os.path.join(run, "summary.json")) as file:
            return {"cincel": [json.load(file)["items_per_second"]]}


def report(threads, rates):
    for name, values in rates.items():
        print("%-32s  threads %d  best %7.0f img/s  median %7.0f img/s  (%d rounds)"
              % (name, threads, max(values), statistics.median(values), len(values)), flush=True)
    if "cincel" in rates:
        peer = max(max(values) for name, values in rates.items() if name != "cincel")
        print("%-32s  threads %d  %.2f" % ("cincel / PyTorch at its best", threads, max(rates["cincel"]) / peer))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", default="1,2", help="numbers of threads (default 1,2)")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each layout and number of threads")
    parser.add_argument("--packaged", action="store_true", help="the allocator as PyTorch's users find it")
    parser.add_argument("--cincel", metavar="COMMAND", help="the cincel command, to be measured in turns")
    o = parser.parse_args()
    if BEGUN in os.environ:
        measure(int(os.environ[BEGUN]), o.batch, o.seconds)
        return
    for threads in map(int, o.threads.split(",")):
        rates = {}
        for _ in range(2 if o.cincel else 1):
            turns = [run_pytorch(threads, o.packaged)]
            if o.cincel:
                turns.append(run_cincel(o.cincel, threads, o.batch))
            for turn in turns:
                for name, values in turn.items():
                    rates.setdefault(name, []).extend(values)
        report(threads, rates)


if __name__ == "__main__":
    main()
