#!/usr/bin/env python3
"""Text and time series from outside: charlstm, generate, forecast; bad input as in test_commands.py."""

import json
import math
import os
import random
import subprocess
import unittest

from common import Case, COMMAND, read, write
from word_share import word_share

SENTENCE = "the cat sat on the mat, and a dog ran.\n"
STEPS = 16


def series(rows, columns=2, header="a,b\n"):
    rng = random.Random(5)
    lines = [
        ",".join(f"{10 * c + math.sin(r / (3 + c)) + 0.01 * rng.gauss(0, 1):.5f}" for c in range(columns))
        for r in range(rows)
    ]
    return (header + "\n".join(lines) + "\n").encode()


class Text(Case):
    """A small text, learnt by heart."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.text = write(cls.shared + "/text.txt", (SENTENCE * 130 + "ñ€\n" * 3).encode())
        cls.run_dir = os.path.join(cls.shared, "run")
        done = subprocess.run(
            COMMAND
            + ["train", "charlstm", "--data", cls.text, "--out", cls.run_dir, "--window", str(STEPS)]
            + ["--epochs", "3", "--batch", "8", "--lr", "0.01", "--threads", "1"],
            capture_output=True,
            timeout=240,
        )
        if done.returncode != 0:
            raise AssertionError(done.stderr.decode())
        cls.stdout = done.stdout.decode()
        cls.summary = json.loads(read(cls.run_dir + "/summary.json"))

    def test_run_directory(self):
        s = self.summary
        characters = "".join(sorted(set(SENTENCE + "ñ€")))
        self.assertEqual(s["text"]["vocabulary"], characters)
        expected = {"model": "charlstm", "height": STEPS, "width": 1, "channels": 1, "classes": len(characters)}
        expected.update({"optimizer": "adam", "clip_norm": 1.0})
        self.assertEqual({k: s[k] for k in expected}, expected)
        self.assertAlmostEqual(s["perplexity"], math.exp(s["validation_loss"]), places=6)
        self.assertLess(s["validation_loss"], 1.0)
        self.assertIn(f"perplexity {s['perplexity']:.4g}\n", self.stdout)
        lines = read(self.run_dir + "/metrics.csv").decode().splitlines()
        self.assertIn("perplexity", lines[0].split(","))
        self.assertEqual({line.count(",") for line in lines}, {lines[0].count(",")})

    def test_same_seed_same_weights(self):
        out = self.path("again")
        self.succeeds(
            *["train", "charlstm", "--data", self.text, "--out", out, "--window", STEPS, "--epochs", 3],
            *["--batch", 8, "--lr", 0.01, "--threads", 2],
        )
        self.assertEqual(read(out + "/weights.safetensors"), read(self.run_dir + "/weights.safetensors"))

    def test_generate(self):
        def written(*options):
            return self.succeeds("generate", self.run_dir, "--length", 120, *options)

        first = written("--prompt", "the cat", "--temperature", 0.2)
        self.assertTrue(first.startswith("the cat sat on the mat"), first)
        self.assertEqual(len(first), len("the cat") + 120 + 1)
        self.assertEqual(first, written("--prompt", "the cat", "--temperature", 0.2, "--threads", 2))
        self.assertGreater(word_share(first, SENTENCE), 0.9)
        self.assertLess(word_share(written("--temperature", 50), SENTENCE), 0.5)
        wild = [written("--temperature", 5, "--seed", seed) for seed in (1, 1, 2)]
        self.assertEqual(wild[0], wild[1])
        self.assertNotEqual(wild[0], wild[2])
        cold = [written("--temperature", 0, "--prompt", "ñ", "--seed", seed) for seed in (1, 2)]
        self.assertEqual(cold[0], cold[1])

    def test_eval(self):
        """The last tenth of the text by itself is what the run was validated on."""
        text = read(self.text).decode()
        last = write(self.path("last.txt"), text[len(text) - len(text) // 10 :].encode())
        found = json.loads(self.succeeds("eval", self.run_dir, "--data", last, "--json"))
        self.assertAlmostEqual(found["perplexity"], math.exp(found["test_loss"]), places=5)
        # streams of another number begin elsewhere
        self.assertAlmostEqual(found["test_loss"], self.summary["validation_loss"], delta=0.3)
        self.assertIn("perplexity", self.succeeds("eval", self.run_dir, "--data", last))

    def test_bad_prompts(self):
        self.fails(1, ["--prompt", "character 3 is 'Z' (U+005A)"], "generate", self.run_dir, "--prompt", "atZ")
        self.fails(2, ["--prompt"], "generate", self.run_dir, "--prompt", "")
        self.fails(2, ["--temperature", "-1"], "generate", self.run_dir, "--temperature", "-1")
        self.fails(2, ["--length", "0"], "generate", self.run_dir, "--length", "0")
        self.fails(1, ["nowhere", "summary.json"], "generate", self.path("nowhere"))

    def test_bad_files(self):
        def refuses(words, data, *options):
            bad = write(self.path("bad.txt"), data)
            self.fails(1, ["bad.txt", *words], "train", "charlstm", "--data", bad, "--out", self.path("o"), *options)
            self.assertFalse(os.path.exists(self.path("o")))

        refuses(["is empty"], b"")
        refuses(["NUL"], b"abc\0" * 500)
        refuses(["no UTF-8"], b"abc\xff" * 500)
        refuses(["a tenth", "64 steps"], b"abcd" * 100)
        self.fails(2, ["--data", "charlstm"], "train", "charlstm", "--out", self.path("o"))
        self.fails(1, ["none.txt"], "train", "charlstm", "--data", self.path("none.txt"), "--out", self.path("o"))
        for option, value in (("horizon", "3"), ("target", "1"), ("test", self.text), ("loss", "mse")):
            self.fails(2, [f"--{option}"], "train", "charlstm", "--data", self.text, f"--{option}", value)
        short = write(self.path("short.txt"), b"the cat")
        self.fails(1, ["short.txt", "7 characters"], "eval", self.run_dir, "--data", short)
        other = write(self.path("other.txt"), b"THE CAT" * 20)
        self.fails(1, ["other.txt", "'T' (U+0054)"], "eval", self.run_dir, "--data", other)
        self.fails(2, ["--data"], "eval", self.run_dir)
        self.fails(1, ["cincel generate"], "predict", self.run_dir, short)

    def test_damaged_summary(self):
        for change, words in (
            ({"text": {"vocabulary": 5}}, "text.vocabulary is no string"),
            ({"text": {"vocabulary": "abc"}}, "has 3 characters"),
            ({"text": {}}, "text.vocabulary"),
        ):
            copy = self.path("copy")
            os.makedirs(copy, exist_ok=True)
            write(copy + "/summary.json", json.dumps({**self.summary, **change}).encode())
            write(copy + "/weights.safetensors", read(self.run_dir + "/weights.safetensors"))
            self.fails(1, ["summary.json", words], "generate", copy)


class Series(Case):
    def test_builtin(self):
        out = self.path("run")
        self.succeeds("train", "forecast", "--out", out, "--epochs", 3, "--window", 24, "--horizon", 6, "--threads", 1)
        s = json.loads(read(out + "/summary.json"))
        self.assertEqual((s["height"], s["channels"], s["targets"]), (24, 1, 6))
        self.assertGreater(math.sqrt(s["naive_loss"] / s["test_loss"]), 3)
        found = json.loads(self.succeeds("eval", out, "--json"))
        self.assertAlmostEqual(found["test_loss"], s["test_loss"], places=6)
        self.assertAlmostEqual(found["naive_loss"], s["naive_loss"], places=6)
        self.fails(1, ["not trained on text"], "generate", out)

        # the same sines without noise, and how they go on
        waves = [sum(a * math.sin(2 * math.pi * t / p) for a, p in ((1, 24), (0.6, 17), (0.4, 63))) for t in range(206)]
        data = write(self.path("waves.csv"), "".join("%.6f\n" % v for v in waves[:200]).encode())
        lines = self.succeeds("predict", out, data).splitlines()
        self.assertEqual([l.split()[0] for l in lines], ["%s[+%d]" % (data, i) for i in range(1, 7)])
        errors = [abs(float(l.split()[1]) - v) for l, v in zip(lines, waves[200:])]
        self.assertLess(sum(errors) / len(errors), 0.3)

    def test_files(self):
        data = write(self.path("s.csv"), series(400))
        out = self.path("run")
        common = ["train", "forecast", "--data", data, "--window", 12, "--horizon", 3, "--epochs", 2, "--threads", 1]
        self.succeeds(*common, "--out", out, "--target", "b")
        s = json.loads(read(out + "/summary.json"))
        self.assertEqual((s["channels"], s["targets"], s["series"]["target"]), (2, 3, 1))
        self.assertAlmostEqual(s["series"]["mean"][1], 10, delta=0.3)
        self.succeeds("eval", out, "--data", data)
        found = json.loads(self.succeeds("predict", out, data, "--json"))
        self.assertEqual([e["file"] for e in found], [data])
        self.assertEqual([len(row) for row in found[0]["forecast"]], [1, 1, 1])
        self.assertTrue(all(abs(row[0] - 10) < 3 for row in found[0]["forecast"]), found)
        self.succeeds(*common, "--out", self.path("both"))
        found = json.loads(self.succeeds("predict", self.path("both"), data, data, "--json"))
        self.assertEqual([[len(row) for row in e["forecast"]] for e in found], [[2, 2, 2]] * 2)
        self.assertEqual(json.loads(read(self.path("both") + "/summary.json"))["targets"], 6)

        self.fails(2, ["--data"], "eval", out)
        one = write(self.path("one.csv"), series(50, columns=1, header=""))
        self.fails(1, ["one.csv", "1 columns, the model takes 2"], "eval", out, "--data", one)
        few = write(self.path("few.csv"), series(14))
        self.fails(1, ["few.csv", "14 rows"], "eval", out, "--data", few)
        self.fails(1, ["one.csv", "1 columns, the model takes 2"], "predict", out, one)
        short = write(self.path("short.csv"), series(11))
        self.fails(1, ["short.csv", "11 rows, the model's window takes 12"], "predict", out, short)
        self.fails(1, ["few.csv", "14 rows are too few"], "train", "forecast", "--data", few, "--out", self.path("o"))
        self.fails(2, ["s.csv", "no column"], *common, "--target", "c", "--out", self.path("o"))
        self.fails(2, ["--loss", "bce"], *common, "--loss", "bce", "--out", self.path("o"))
        self.assertFalse(os.path.exists(self.path("o")))


class Summary(Case):
    def test_models(self):
        found = json.loads(self.succeeds("summary", "charlstm", "--input", "20x1x1", "--outputs", "30", "--json"))
        self.assertEqual([l["kind"] for l in found["layers"]], ["embedding", "lstm", "dropout", "lstm", "linear"])
        self.assertEqual(found["layers"][-1]["height"], 20)
        self.assertIn("forecast for samples 48x1x1", self.succeeds("summary", "forecast"))
        self.fails(2, ["28x28x64", "sequence"], "summary", "charlstm", "--input", "28x28x1")


if __name__ == "__main__":
    unittest.main()
