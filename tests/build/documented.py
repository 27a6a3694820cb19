#!/usr/bin/env python3
"""documented.py HEADER…: every function, struct, enum and other type of these headers is under a comment.

A comment serves all declarations down to the next empty line; a declaration may have its own behind it instead.
Initialisers (…_INIT) belong to the struct above them; a type's forward declaration says what it is elsewhere.
"""
import re
import sys

DECLARATION = re.compile(r"^(CINCEL_API|typedef|struct|enum)\b")
EXTERN = re.compile(r'^extern "C" \{')  # its } is the one too many
FORWARD = re.compile(r"^typedef struct (\w+) \1;$")


def undocumented(text):
    """Line numbers and lines."""
    text = re.sub(r"^#define \w+_INIT[^\n]*(\\\n[^\n]*)*\n?", lambda m: "\n" * m.group(0).count("\n"), text, flags=re.M)
    covered, inside, depth = False, False, 0
    for number, line in enumerate(text.split("\n"), 1):
        if inside or line.lstrip().startswith("/*"):
            inside = "*/" not in line
            covered = not re.match(r"/\* ?-{5,}", line)
            continue
        if not line.strip() and depth == 0:
            covered = False
        if depth == 0 and DECLARATION.match(line) and not covered and "/*" not in line and not FORWARD.match(line):
            yield number, line
        if not EXTERN.match(line):
            depth = max(0, depth + line.count("{") - line.count("}"))


def main():
    errors = 0
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as header:
            for number, line in undocumented(header.read()):
                print(f"{path}:{number}: no comment above: {line}")
                errors += 1
    print(f"{len(sys.argv) - 1} headers, {errors} declarations without a comment")
    return 1 if errors or len(sys.argv) < 2 else 0


if __name__ == "__main__":
    sys.exit(main())
