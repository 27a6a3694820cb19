#!/usr/bin/env python3
"""Disassembles kernel objects and checks what the compiler made of the tiles.

Usage: codegen_guard.py --objdump OBJDUMP --isa NAME [--mca LLVM_MCA] OBJECT...

Each function gemm_, strip_ or outer_<mr>x<nr> must have an innermost loop with exactly mr * nr / lanes
FMAs a step and no vector register going to or from the stack; narrow_<mr>x<outputs>, whose lanes are always 16,
slide_<mr> and slide_quads_<mr>, one vector wide, and wide_<mr>_<vectors> alike
(compilers may merge equal ends of the narrowest tiles of the second, which are left out). Compilers fail at both after innocent changes of a
body: it costs up to 20x and breaks no test of results.

With llvm-mca (which knows ports and latencies, not caches), the loop of each gemm tile with enough
accumulators must also come to 90 % of the speed of its FMAs alone.
"""
import argparse
import re
import subprocess
import sys

LANES = {"avx2": 8, "avx512": 16, "neon": 4}
FMA = {"avx2": re.compile(r"^vfn?madd\d+ps"), "avx512": re.compile(r"^vfn?madd\d+ps"), "neon": re.compile(r"^fmla$")}
# For 512 bits skylake-avx512, with its two FMA units, is the hardest of LLVM 19's models: icelake-server and
# sapphirerapids have one (100 % of it), and znver4's gives every broadcast an FMA pipe (67-80 %).
CPUS = {"avx2": ("skylake", "znver3"), "avx512": ("skylake-avx512",), "neon": ("cortex-a72", "neoverse-n1")}
ACCUMULATORS_MIN = {"avx2": 12, "avx512": 20, "neon": 20}
SHARE_MIN = 0.9
SLIDE_MIN = 4
TILE = re.compile(r"^(gemm|strip|outer)_(\d+)x(\d+)$")
NARROW = re.compile(r"^narrow_(\d+)x(\d+)$")
SLIDE = re.compile(r"^(slide|slide_quads)_(\d+)$")
WIDE = re.compile(r"^wide_(\d+)_(\d+)$")
FUNCTION = re.compile(r"^[0-9a-f]+ <([^>]+)>:$")
LINE = re.compile(r"^\s*([0-9a-f]+):\s+(\S+)\s*(.*)$")
JUMP = {True: re.compile(r"^(b|b\.\w+|cbn?z|tbn?z)$"), False: re.compile(r"^j\w+$")}


def functions(objdump, path):
    """name -> [(address, mnemonic, operands)]"""
    text = subprocess.run([objdump, "-d", "--no-show-raw-insn", path], check=True, capture_output=True,
                          text=True).stdout
    out, current = {}, None
    for line in text.splitlines():
        if m := FUNCTION.match(line):
            current = out.setdefault(m.group(1), [])
        elif current is not None and (m := LINE.match(line)):
            current.append((int(m.group(1), 16), m.group(2), m.group(3)))
    return out


def innermost_loops(code, arm):
    """The bodies of all backward jumps that contain no other backward jump."""
    spans = []
    for address, mnemonic, operands in code:
        target = re.search(r"([0-9a-f]+) <", operands)
        if JUMP[arm].match(mnemonic) and target and code[0][0] <= int(target.group(1), 16) <= address:
            spans.append((int(target.group(1), 16), address))
    inner = [s for s in spans if not any(o != s and s[0] <= o[0] and o[1] <= s[1] for o in spans)]
    return [[i for i in code if start <= i[0] <= end] for start, end in inner]


def touches_stack(code, loop, arm):
    """Instructions of the loop that move vector registers to or from the stack."""
    if arm:
        frame, vector = r"\[(sp|x29)\b", r"\b[qvds]\d+\b"
    else:
        has_frame = any(m.startswith("mov") and o == "%rsp,%rbp" for _, m, o in code)
        frame, vector = (r"\(%r[sb]p\b" if has_frame else r"\(%rsp\b"), r"%[xyz]mm\d"
    return [f"{m} {o}" for _, m, o in loop if re.search(frame, o) and re.search(vector, o)]


def parse(name, isa):
    """Family and accumulators of a tile; None for other functions."""
    if m := TILE.match(name):
        return m.group(1), int(m.group(2)) * int(m.group(3)) // LANES[isa]
    if m := NARROW.match(name):
        return "narrow", int(m.group(1)) * int(m.group(2)) * 16 // LANES[isa]
    if (m := SLIDE.match(name)) and int(m.group(2)) >= SLIDE_MIN:
        return m.group(1), int(m.group(2))
    if m := WIDE.match(name):
        return "wide", int(m.group(1)) * int(m.group(2))
    return None


def check_tile(name, code, isa):
    """Errors of one tile; the masked loop of an outer tile (partial n) may spill, its main loop may not, and the
    jumps of a narrow tile's partial loads look like loops."""
    arm = isa == "neon"
    family, expected = parse(name, isa)
    clean, errors = 0, []
    for loop in innermost_loops(code, arm):
        count = sum(1 for _, m, _ in loop if FMA[isa].match(m))
        if count == 0 or (family == "narrow" and count != expected):
            continue
        spills = touches_stack(code, loop, arm)
        if count % expected:
            errors.append(f"{name}: a loop has {count} FMAs, expected {expected}")
        elif not spills:
            clean += 1
        elif family not in ("outer", "narrow"):
            errors.append(f"{name}: {len(spills)} vector moves to or from the stack, e.g. {spills[0]}")
    if not clean and not errors:
        errors.append(f"{name}: no loop of {expected} FMAs without stack traffic")
    return errors


def cycles(mca, cpu, arm, code):
    """Of one run of `code` among many, jumps left out."""
    runs = 1000
    comment = r"//.*" if arm else r"(//|#).*"
    source = "\n".join(f"\t{m} {re.sub(comment, '', o)}" for _, m, o in code if not JUMP[arm].match(m))
    command = [mca, f"-mcpu={cpu}", f"-mtriple={'aarch64' if arm else 'x86_64'}", f"-iterations={runs}", "-"]
    text = subprocess.run(command, input=source, check=True, capture_output=True, text=True).stdout
    return int(re.search(r"Total Cycles:\s+(\d+)", text).group(1)) / runs


def check_speed(name, code, isa, mca):
    """Lines of a report and errors, of a gemm tile that is not bound by its loads."""
    report, errors = [], []
    if not name.startswith("gemm_"):
        return report, errors
    mr, nr = map(int, TILE.match(name).groups()[1:])
    nv = nr // LANES[isa]
    if mr * nv < ACCUMULATORS_MIN[isa] or mr + nv > mr * nv:
        return report, errors
    for loop in innermost_loops(code, isa == "neon"):
        fmas = [i for i in loop if FMA[isa].match(i[1])]
        for cpu in CPUS[isa] if fmas else ():
            share = cycles(mca, cpu, isa == "neon", fmas) / cycles(mca, cpu, isa == "neon", loop)
            report.append(f"{name} on {cpu}: {100 * share:.0f} % of the FMAs' bound")
            if share < SHARE_MIN:
                errors.append(report[-1])
    return report, errors


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--objdump", default="objdump")
    parser.add_argument("--isa", required=True, choices=LANES)
    parser.add_argument("--mca", help="llvm-mca, version 19 or so; without it speed is not looked at")
    parser.add_argument("objects", nargs="+")
    args = parser.parse_args()

    errors, speeds, tiles = [], [], 0
    for path in args.objects:
        for name, code in functions(args.objdump, path).items():
            if parse(name, args.isa):
                tiles += 1
                errors += check_tile(name, code, args.isa)
                if args.mca:
                    report, slow = check_speed(name, code, args.isa, args.mca)
                    speeds += report
                    errors += slow
    if tiles == 0:
        errors.append(f"no tile found among {len(args.objects)} objects")
    if args.mca and not speeds:
        errors.append("no tile whose speed could be computed")
    print(f"{args.isa}: {len(args.objects)} objects, {tiles} tiles, {len(errors)} errors")
    for line in speeds:
        print("  " + line)
    for error in errors:
        print("  " + error)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
