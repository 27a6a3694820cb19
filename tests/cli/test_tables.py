#!/usr/bin/env python3
"""`cincel summary`, and training on tables of numbers."""

import json
import os
import random
import shutil
import subprocess
import unittest

from common import Case, COMMAND, read, write


class Summary(Case):
    def test_json_adds_up(self):
        for model in ("simplecnn", "lenet5", "vgg-small", "mlp"):
            found = json.loads(self.succeeds("summary", model, "--json", "--threads", "1", "--batch", "8"))
            self.assertEqual(found["model"], model)
            self.assertEqual(found["parameters"], sum(layer["parameters"] for layer in found["layers"]))
            self.assertEqual(found["flops"], sum(layer["flops"] for layer in found["layers"]))
            self.assertEqual(found["layers"][-1]["channels"], 10)
            self.assertGreater(found["training_bytes"], 2 * 4 * found["parameters"])  # gradients, velocities
            self.assertGreater(found["training_bytes"], found["inference_bytes"])
            self.assertGreater(found["inference_bytes"], 0)
            twice = json.loads(self.succeeds("summary", model, "--json", "--threads", "1", "--batch", "16"))
            self.assertGreater(twice["training_bytes"], found["training_bytes"])

    def test_text(self):
        text = self.succeeds("summary", "lenet5")
        self.assertIn("parameters 61706", text)
        self.assertIn("28x28x6", text)
        text = self.succeeds("summary", "mlp", "--input", "13", "--outputs", "1")
        self.assertIn("1x1x13", text)
        self.assertIn(f"parameters {13 * 128 + 128 + 128 * 64 + 64 + 64 + 1}", text)

    def test_usage(self):
        self.fails(2, ["missing argument"], "summary")
        self.fails(2, ["resnet", "vgg-small"], "summary", "resnet")
        for shape in ("", "x", "28x28", "0x28x1", "28x28x1x1", "-5", "28x28x1 ", "99999999999"):
            self.fails(2, ["--input", shape], "summary", "mlp", f"--input={shape}")
        self.fails(2, ["--batch", "0"], "summary", "mlp", "--batch", "0")
        self.fails(2, ["--outputs", "-3"], "summary", "mlp", "--outputs", "-3")
        self.fails(2, ["pool"], "summary", "vgg-small", "--input", "3x3x1")


class Tables(Case):
    """Regression and classes on CSV files: y = 3 a − 2 b + 100, a bit of curvature, and whether y > 100."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        rng = random.Random(5)
        lines = ["a,\"y, target\",b,\"big\""]
        for _ in range(600):
            a, b = rng.uniform(-2, 2), rng.uniform(50, 60)
            y = 3 * a - 2 * (b - 55) + 0.3 * a * a + 100
            lines.append(f"{a:.5f},{y:.5f},{b:.5f},{int(y > 100)}")
        cls.lines = lines
        cls.table = write(os.path.join(cls.shared, "t.csv"), "\r\n".join(lines).encode())
        cls.regression = os.path.join(cls.shared, "regression")
        done = subprocess.run(
            COMMAND
            + ["train", "mlp", "--data", cls.table, "--target", "y, target", "--out", cls.regression]
            + ["--epochs", "30", "--batch", "16", "--threads", "1"],
            capture_output=True,
            timeout=240,
        )
        if done.returncode != 0:
            raise AssertionError(done.stderr.decode())
        cls.summary = json.loads(read(cls.regression + "/summary.json"))

    def column(self, *names):
        """The table with these columns only."""
        header = ["a", "y, target", "b", "big"]
        at = [header.index(name) for name in names]
        rows = [line.split(",") for line in self.lines[1:]]
        quoted = [f'"{name}"' for name in names]
        return "\n".join([",".join(quoted)] + [",".join(row[i] for i in at) for row in rows]).encode()

    def test_summary(self):
        s = self.summary
        self.assertGreater(s["r2"], 0.97)
        self.assertLess(s["test_loss"], 0.05)
        expected = {"loss": "mse", "targets": 1, "channels": 3, "dataset": "CSV", "train_samples": 540}
        expected.update({"test_samples": 60, "model": "mlp"})
        self.assertEqual({k: s[k] for k in expected}, expected)
        self.assertNotIn("test_accuracy", s)
        self.assertEqual(s["table"]["columns"], ["a", "b", "big"])
        self.assertEqual((s["table"]["target"], s["table"]["target_column"]), ("y, target", 2))
        self.assertAlmostEqual(s["table"]["mean"][1], 55, delta=0.5)
        lines = read(self.regression + "/metrics.csv").decode().splitlines()
        self.assertEqual(lines[0], "epoch,train_loss,validation_loss,validation_r2,items_per_second")
        self.assertEqual(len(lines), 31)

    def test_threads_do_not_matter(self):
        out = self.path("again")
        self.succeeds("train", "mlp", "--data", self.table, "--target", "2", "--out", out, "--epochs", 30,
                      "--batch", 16, "--threads", 2)
        self.assertEqual(read(out + "/weights.safetensors"), read(self.regression + "/weights.safetensors"))

    def test_eval_and_predict(self):
        found = json.loads(self.succeeds("eval", self.regression, "--data", self.table, "--json"))
        self.assertGreater(found["r2"], 0.97)
        self.assertEqual(found["test_samples"], 600)
        self.assertIn("r2 ", self.succeeds("eval", self.regression, "--data", self.table))
        found = json.loads(self.succeeds("predict", self.regression, self.table, "--json"))
        wanted = [float(line.split(",")[1]) for line in self.lines[1:]]
        mean = sum(wanted) / len(wanted)
        residual = sum((p["prediction"] - y) ** 2 for p, y in zip(found, wanted))
        self.assertGreater(1 - residual / sum((y - mean) ** 2 for y in wanted), 0.97)
        # without the target, in another order, and without a header: the same
        for names in (("big", "b", "a"), ("a", "b", "big")):
            other = write(self.path("o.csv"), self.column(*names))
            same = json.loads(self.succeeds("predict", self.regression, other, "--json"))
            self.assertEqual([p["prediction"] for p in same], [p["prediction"] for p in found])
        for names in (("a", "b", "big"), ("a", "y, target", "b", "big")):
            other = write(self.path("o.csv"), self.column(*names).split(b"\n", 1)[1])
            lines = self.succeeds("predict", self.regression, other).splitlines()
            self.assertEqual(lines[7], f"{other}[7]  {found[7]['prediction']:.6g}")
            self.assertEqual(len(lines), 600)

    def test_other_losses(self):
        for loss, extra in (("l1", []), ("huber", ["--delta", "0.5"])):
            out = self.path(loss)
            self.succeeds("train", "mlp", "--data", self.table, "--target", "y, target", "--out", out,
                          "--loss", loss, "--epochs", 15, "--batch", 16, "--threads", 1, *extra)
            s = json.loads(read(out + "/summary.json"))
            self.assertGreater(s["r2"], 0.9)
            self.assertEqual(s["loss"], loss)
            found = json.loads(self.succeeds("eval", out, "--data", self.table, "--json"))
            self.assertGreater(found["r2"], 0.9)

    def test_classes(self):
        data = write(self.path("c.csv"), self.column("a", "b", "big"))
        test = write(self.path("test.csv"), b"\n".join(self.column("a", "b", "big").split(b"\n")[:101]))
        for loss in ("cross-entropy", "bce"):
            out = self.path(loss)
            self.succeeds("train", "mlp", "--data", data, "--test", test, "--out", out, "--loss", loss,
                          "--epochs", 15, "--batch", 16, "--threads", 1)
            s = json.loads(read(out + "/summary.json"))
            self.assertGreater(s["test_accuracy"], 0.95)
            self.assertEqual((s["train_samples"], s["test_samples"]), (600, 100))
            found = json.loads(self.succeeds("eval", out, "--data", test, "--json"))
            self.assertAlmostEqual(found["test_accuracy"], s["test_accuracy"], places=6)
            answers = json.loads(self.succeeds("predict", out, test, "--json"))
            key = "class" if loss == "cross-entropy" else "prediction"
            wanted = [int(line.split(",")[3]) for line in self.lines[1:101]]
            hits = sum((p[key] >= 0.5) == w for p, w in zip(answers, wanted))
            self.assertAlmostEqual(hits / 100, s["test_accuracy"], places=6)
            for p in answers:
                self.assertTrue(0 <= p.get("probability", p.get("prediction")) <= 1)

    def test_refusals(self):
        def refuses(code, words, *args):
            out = self.path("run")
            self.fails(code, words, "train", "mlp", *args, "--out", out)
            self.assertFalse(os.path.exists(out), args)

        refuses(2, ["--loss", "hinge", "huber"], "--data", self.table, "--loss", "hinge")
        refuses(2, ["--loss", "mse", "classes"], "--data", self.data, "--loss", "mse")
        refuses(2, ["--class-weights", "1,,2"], "--data", self.data, "--class-weights", "1,,2")
        refuses(2, ["class_weight_count is 2"], "--data", self.data, "--class-weights", "1,2")
        refuses(2, ["--target", "CSV"], "--data", self.data, "--target", "1")
        refuses(2, ["--delta", "0"], "--data", self.table, "--loss", "huber", "--delta", "0")
        refuses(2, ["no column", "z", "a, y, target, b, big"], "--data", self.table, "--target", "z")
        refuses(2, ["no column", "5"], "--data", self.table, "--target", "5")
        refuses(1, ["row 1", "no class"], "--data", self.table, "--target", "a", "--loss", "cross-entropy")
        lines = self.lines[:]
        lines[40] = lines[40].rsplit(",", 1)[0]
        bad = write(self.path("bad.csv"), "\n".join(lines).encode())
        refuses(1, ["bad.csv", "line 41", "3 fields"], "--data", bad)
        lines[40] = "1,x,2,3"
        write(bad, "\n".join(lines).encode())
        refuses(1, ["line 41", "column 2", "x"], "--data", bad)
        write(bad, b"")
        refuses(1, ["bad.csv", "no record"], "--data", bad)
        write(bad, b"a,b\n1,2\n3,4\n")
        refuses(2, ["2 samples"], "--data", bad)
        refuses(1, ["none.csv", "No such file"], "--data", self.table, "--test", self.path("none.csv"))
        narrow = write(self.path("narrow.csv"), self.column("a", "big"))
        refuses(1, ["narrow.csv", "1 columns", "3"], "--data", self.table, "--test", narrow)
        self.fails(1, ["narrow.csv", "no column", "b"], "predict", self.regression, narrow)
        self.fails(2, ["narrow.csv", "no column", "y, target"], "eval", self.regression, "--data", narrow)
        self.fails(2, ["--data", "table"], "eval", self.regression)
        swapped = write(self.path("swapped.csv"), self.column("b", "a", "big", "y, target"))
        self.fails(1, ["input 1", '"b"', '"a"'], "eval", self.regression, "--data", swapped)

    def test_damaged_table_in_the_summary(self):
        run = self.path("run")
        shutil.copytree(self.regression, run)
        table = self.summary["table"]
        for change, words in (
            ({"loss": "hinge"}, ["loss"]),
            ({"loss": 3}, ["loss"]),
            ({"targets": 0}, ["targets", "0"]),
            ({"targets": None}, ["targets"]),
            ({"loss": "cross-entropy"}, ["classes"]),
            ({"table": []}, ["table"]),
            ({"table": {**table, "mean": table["mean"][:-1]}}, ["table.mean"]),
            ({"table": {**table, "mean": [None] * 4}}, ["table.mean[0]"]),
            ({"table": {**table, "deviation": [1, 2, 1e300, 1]}}, ["table.deviation[2]"]),
            ({"table": {**table, "target_column": 9}}, ["table.target_column"]),
            ({"table": {**table, "columns": ["a"]}}, ["table.columns"]),
            ({"table": {**table, "columns": ["a", 2, "c"]}}, ["table.columns[1]"]),
            ({"table": {**table, "target": None}}, ["table.target"]),
            ({"height": 2}, ["table", "2x1"]),
        ):
            write(run + "/summary.json", json.dumps({**self.summary, **change}).encode())
            self.fails(1, ["summary.json", *words], "eval", run, "--data", self.table)
            self.fails(1, ["summary.json", *words], "predict", run, self.table)


if __name__ == "__main__":
    unittest.main()
