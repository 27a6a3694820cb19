#!/usr/bin/env python3
"""Draws cincel-bench's JSON as SVG: one bar a problem and pass, its length the share of the FMA peak, with
a mark where the best peer of the same run stands.

usage: chart.py FILE.json... > chart.svg

Convolutions on one thread; the minimum over the files counts, as in table.py.
"""
import sys
from xml.sax.saxutils import escape

import table

PASSES = (("fwd", "forward"), ("bwd_data", "backward data"), ("bwd_weights", "backward weights"))
LABEL, COLUMN, GAP, ROW, TOP = 150, 215, 20, 19, 64  # pixels
INK, BAR, MARK, RULE = "#24292f", "#3b7dd8", "#d1582b", "#d0d7de"


def share(entry):
    return entry["pct_peak"]


def text(x, y, content, size=12, anchor="start", weight="normal"):
    return (f'<text x="{x}" y="{y}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" '
            f'fill="{INK}">{escape(content)}</text>')


def full_scale(lines):
    """What the width of a column stands for: fewer multiplications than direct's take a bar beyond 100."""
    most = max([share(entry) for line in lines.values() for entry in line.values()], default=100)
    return max(100, 50 * -(-most // 50))


def bar(x, y, line, scale):
    """One bar with its figure, and the mark of the best peer."""
    ours = share(line["cincel"])
    peers = [share(entry) for name, entry in line.items() if name != "cincel"]
    parts = [f'<rect x="{x}" y="{y}" width="{ours * scale:.1f}" height="{ROW - 6}" rx="2" fill="{BAR}"/>']
    if peers:
        at = x + max(peers) * scale
        parts.append(f'<path d="M{at:.1f} {y - 2}v{ROW - 2}" stroke="{MARK}" stroke-width="3"/>')
    inside = ours * scale > 26
    parts.append(f'<text x="{x + 5 if inside else x + ours * scale + 8:.1f}" y="{y + 10}" font-size="10" '
                 f'fill="{"#ffffff" if inside else INK}">{ours:.0f}</text>')
    return parts


def draw(lines):
    problems = []
    for operator, problem, _, threads in lines:
        if operator == "conv" and threads == 1 and problem not in problems:
            problems.append(problem)
    if not problems:
        sys.exit("chart.py: no convolutions on one thread in the files")
    full = full_scale({k: v for k, v in lines.items() if k[0] == "conv" and k[3] == 1})
    width = LABEL + len(PASSES) * (COLUMN + GAP)
    height = TOP + len(problems) * ROW + 8
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
             f'viewBox="0 0 {width} {height}" font-family="system-ui, sans-serif">',
             f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
             text(8, 20, "Convolution on one core, % of the measured FMA peak", 14, weight="bold"),
             f'<rect x="{width - 300}" y="10" width="24" height="11" rx="2" fill="{BAR}"/>',
             text(width - 270, 20, "cincel"),
             f'<path d="M{width - 210} 8v15" stroke="{MARK}" stroke-width="3"/>',
             text(width - 202, 20, "best of oneDNN, same run")]
    for column, (pass_, title) in enumerate(PASSES):
        x = LABEL + column * (COLUMN + GAP)
        parts.append(text(x, TOP - 14, title, weight="bold"))
        for tick in range(0, int(full) + 1, 100 if full > 150 else 50):
            at = x + tick * COLUMN / full
            parts.append(f'<path d="M{at} {TOP - 6}V{height - 8}" stroke="{RULE}"/>')
        for row, problem in enumerate(problems):
            line = lines.get(("conv", problem, pass_, 1), {})
            if "cincel" in line:
                parts += bar(x, TOP + row * ROW, line, COLUMN / full)
    parts += [text(8, TOP + row * ROW + 11, problem) for row, problem in enumerate(problems)]
    return "\n".join(parts + ["</svg>"])


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    print(draw(table.read(sys.argv[1:])))
