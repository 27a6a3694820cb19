#!/usr/bin/env python3
"""How many of the words of three letters and more in a generated text (stdin) occur in the text trained on.

    cincel generate RUN_DIR --length 2000 --temperature 0.7 | tests/cli/word_share.py TEXT [LEAST]

Prints the share; with LEAST, fails where it is below. The last word, cut off by the length, does not count.
"""
import re
import sys


def words(text):
    return [w.lower() for w in re.findall(r"[^\W\d_]{3,}", text)]


def word_share(generated, known):
    whole = re.sub(r"\w+\s*$", "", generated)
    found, vocabulary = words(whole), set(words(known))
    return sum(w in vocabulary for w in found) / max(1, len(found))


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        share = word_share(sys.stdin.read(), f.read())
    print(f"{share:.4f}")
    return 1 if len(sys.argv) > 2 and share < float(sys.argv[2]) else 0


if __name__ == "__main__":
    sys.exit(main())
