#!/usr/bin/env python3
"""Turns cincel-bench's JSON into a markdown table of times and ratios.

usage: table.py FILE.json...

Ratios are time(peer) / time(cincel) by the minima: above 1, cincel is faster. "best" is the fastest peer
of a line. Geometric means follow, for each operator, pass and number of threads.
"""
import collections
import json
import math
import re
import sys

NAME = re.compile(r"(\w+)/(.+?)(?:/(fwd_inference|fwd_training|fwd|bwd_data|bwd_weights|bwd))?/threads:(\d+)/(\w+)$")
LIMIT = "limit"  # a triad over the same memory: what 100 % of an element-wise operation's peak is
DENORMAL = "cincel_denormal"  # cincel on denormal numbers: a ratio of its own, no peer


def read(paths):
    """{(operator, problem, pass, threads): {implementation: entry}}, in the order of the files."""
    lines = collections.OrderedDict()
    for path in paths:
        with open(path) as file:
            entries = json.load(file)["benchmarks"]
        for entry in entries:
            match = NAME.match(entry["name"])
            if not match or entry.get("error_occurred") or entry.get("run_type") == "aggregate":
                continue
            operator, problem, pass_, threads, implementation = match.groups()
            line = lines.setdefault((operator, problem, pass_ or "", int(threads)), {})
            if implementation not in line or entry["min_ms"] < line[implementation]["min_ms"]:
                line[implementation] = entry
    return lines


def ratios(line):
    """{peer: time of the peer / time of cincel}, with the fastest peer as "best"."""
    if "cincel" not in line:
        return {}
    ours = line["cincel"]["min_ms"]
    result = {name: entry["min_ms"] / ours for name, entry in line.items() if name not in ("cincel", LIMIT)}
    peers = [value for name, value in result.items() if name != DENORMAL]
    if peers:
        result["best"] = min(peers)
    return result


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def row(cells):
    print("| " + " | ".join(cells) + " |")


def header(cells, text_columns):
    row(cells)
    row(["---" if i < text_columns else "---:" for i in range(len(cells))])


def figure(value, form="%.2f"):
    return "" if value is None else form % value


def main(paths):
    lines = read(paths)
    if not lines:
        sys.exit("table.py: no figures in " + " ".join(paths))
    peers = sorted({name for line in lines.values() for name in line} - {"cincel", LIMIT})
    columns = (["best"] if peers else []) + peers

    header(["problem", "pass", "threads", "cincel ms", "median", "rate", "% of peak"]
           + ["x " + name for name in columns], 2)
    means = collections.OrderedDict()
    for (operator, problem, pass_, threads), line in lines.items():
        ours = line.get("cincel", {})
        unit = "GFLOP/s" if "GFLOP/s" in ours else "GB/s"
        line_ratios = ratios(line)
        for name, value in line_ratios.items():
            means.setdefault((operator, pass_, threads), {}).setdefault(name, []).append(value)
        row([operator + "/" + problem, pass_, str(threads), figure(ours.get("min_ms"), "%.4g"),
             figure(ours.get("median_ms"), "%.4g"),
             figure(ours.get(unit), "%.1f ") + (unit if ours else ""), figure(ours.get("pct_peak"), "%.0f")]
            + [figure(line_ratios.get(name)) for name in columns])

    if not means:
        return
    print("\nGeometric means of the ratios (number of problems):\n")
    header(["operator", "pass", "threads"] + ["x " + name for name in columns], 2)
    for (operator, pass_, threads), by_peer in means.items():
        row([operator, pass_, str(threads)]
            + ["%.2f (%d)" % (geometric_mean(by_peer[name]), len(by_peer[name])) if name in by_peer else ""
               for name in columns])


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    main(sys.argv[1:])
