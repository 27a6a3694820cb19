#!/usr/bin/env python3
"""The command from outside: what it writes when all is well, and what it does with bad input.

Bad input ends with exit code 2 (usage) or 1 (anything else), one line on stderr that names the field and
its value, nothing on stdout, and nothing half-written.
"""

import json
import os
import resource
import shutil
import signal
import struct
import subprocess
import unittest

from common import Case, COMMAND, idx_images, idx_labels, png, read, SIDE, TEST, TRAIN, write


class Training(Case):
    """A run from end to end on a few small pictures."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.run_dir = os.path.join(cls.shared, "run")
        done = subprocess.run(
            COMMAND
            + ["train", "simplecnn", "--data", cls.data, "--out", cls.run_dir]
            + ["--epochs", "6", "--batch", "8", "--seed", "3", "--threads", "1"],
            capture_output=True,
            timeout=240,
        )
        if done.returncode != 0:
            raise AssertionError(done.stderr.decode())
        cls.summary = json.loads(read(cls.run_dir + "/summary.json"))

    def copy_run(self):
        copy = self.path("run")
        shutil.copytree(self.run_dir, copy)
        return copy

    # ---- what it writes

    def test_run_directory(self):
        names = ["metrics.csv", "plans.txt", "summary.json", "weights.safetensors"]
        self.assertEqual(sorted(os.listdir(self.run_dir)), names)
        plans = read(self.run_dir + "/plans.txt").decode().splitlines()
        wanted = [f"{p['layer']} {p['pass']} | " for p in self.summary["plans"]]
        self.assertEqual([line[: len(begin)] for line, begin in zip(plans, wanted)], wanted)
        for line, plan in zip(plans, self.summary["plans"]):
            self.assertIn(f": {plan['choice']} | ", line)
        s = self.summary
        expected = {"model": "simplecnn", "height": SIDE, "width": SIDE, "channels": 1, "classes": 10}
        expected.update({"epochs": 6, "seed": 3, "threads": 1, "dataset": "mnist (IDX)"})
        self.assertEqual({k: s[k] for k in expected}, expected)
        pixels = (SIDE // 4) ** 2
        parameters = 32 * 9 + 32 + 64 * 32 * 9 + 64 + 64 * pixels * 128 + 128 + 128 * 10 + 10
        self.assertEqual(s["parameters"], parameters)
        self.assertGreater(s["items_per_second"], 0)
        self.assertGreater(s["test_loss"], 0)
        self.assertGreater(s["test_accuracy"], 0.6)
        lines = read(self.run_dir + "/metrics.csv").decode().splitlines()
        self.assertEqual(len(lines), 1 + 6)
        self.assertTrue(all(line.count(",") == lines[0].count(",") for line in lines))

    def test_weights_file(self):
        data = read(self.run_dir + "/weights.safetensors")
        length = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8 : 8 + length])
        header.pop("__metadata__", None)
        shapes = sorted(tuple(t["shape"]) for t in header.values())
        features = 64 * (SIDE // 4) ** 2
        self.assertEqual(
            shapes, sorted([(32, 1, 3, 3), (32,), (64, 32, 3, 3), (64,), (128, features), (128,), (10, 128), (10,)])
        )
        self.assertEqual(max(t["data_offsets"][1] for t in header.values()), len(data) - 8 - length)

    def test_same_seed_same_weights(self):
        out = self.path("again")
        self.train(out, "--epochs", "6", "--batch", "8", "--seed", "3", "--threads", "2")
        self.assertEqual(read(out + "/weights.safetensors"), read(self.run_dir + "/weights.safetensors"))

    def test_optimizers(self):
        out = self.path("adam")
        self.train(out, "--epochs", "2", "--optimizer", "adamw", "--weight-decay", "0.01", "--clip-norm", "5")
        s = json.loads(read(out + "/summary.json"))
        expected = {"optimizer": "adamw", "lr": 0.001, "weight_decay": 0.01, "clip_norm": 5.0}
        self.assertEqual({k: s[k] for k in expected}, expected)
        self.assertNotIn("momentum", s)
        self.assertEqual((self.summary["optimizer"], self.summary["lr"]), ("sgd", 0.05))

    def test_eval_agrees(self):
        found = json.loads(self.succeeds("eval", self.run_dir, "--data", self.data, "--json"))
        self.assertAlmostEqual(found["test_accuracy"], self.summary["test_accuracy"], places=6)
        self.assertIn("test_accuracy", self.succeeds("eval", self.run_dir, "--data", self.data))

    def test_predict_agrees(self):
        images = write(self.path("t.idx"), idx_images(self.pictures))
        found = json.loads(self.succeeds("predict", self.run_dir, images, "--json"))
        self.assertEqual([p["index"] for p in found], list(range(TEST)))
        hits = sum(p["class"] == label for p, label in zip(found, self.labels))
        self.assertAlmostEqual(hits / TEST, self.summary["test_accuracy"], places=6)
        for p in found:
            self.assertEqual(len(p["probabilities"]), 10)
            self.assertAlmostEqual(sum(p["probabilities"]), 1, places=4)
            self.assertEqual(p["probability"], max(p["probabilities"]))
        lines = self.succeeds("predict", self.run_dir, images).splitlines()
        self.assertEqual(lines[7], f"{images}[7]  {found[7]['class']}  {found[7]['probability']:.4f}")

    def test_predict_png(self):
        """The same picture as a PNG, and as ink on paper, twice as large: the same class."""
        images = write(self.path("t.idx"), idx_images(self.pictures))
        wanted = json.loads(self.succeeds("predict", self.run_dir, images, "--json"))
        first = write(self.path("a.png"), png(SIDE, SIDE, self.pictures[0]))
        done = self.run_cincel("predict", self.run_dir, first, "--json")
        if done.returncode != 0 and b"made without" in done.stderr:
            self.skipTest("built without libpng")
        found = json.loads(done.stdout)
        self.assertNotIn("index", found[0])
        for a, b in zip(found[0]["probabilities"], wanted[0]["probabilities"]):
            self.assertAlmostEqual(a, b, places=5)
        big = [
            255 - self.pictures[0][y // 2 * SIDE + x // 2] for y in range(2 * SIDE) for x in range(2 * SIDE)
        ]
        second = write(self.path("b.png"), png(2 * SIDE, 2 * SIDE, big))
        found = json.loads(self.succeeds("predict", self.run_dir, second, "--json"))
        for a, b in zip(found[0]["probabilities"], wanted[0]["probabilities"]):
            self.assertAlmostEqual(a, b, places=4)

    # ---- bad input to eval and predict

    def test_one_bad_picture_among_several(self):
        images = write(self.path("t.idx"), idx_images(self.pictures[:2]))
        bad = write(self.path("bad.idx"), idx_images(self.pictures)[:-1])
        done = self.run_cincel("predict", self.run_dir, images, bad, self.path("none.png"), images)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(done.stdout.splitlines()), 4)
        errors = done.stderr.decode().splitlines()
        self.assertEqual(len(errors), 2, errors)
        self.assertIn("bad.idx: truncated", errors[0])
        self.assertIn("none.png: cannot open: No such file", errors[1])

    def test_no_run(self):
        images = write(self.path("t.idx"), idx_images(self.pictures))
        os.mkdir(self.path("empty"))
        for command in (["eval", "{}", "--data", self.data], ["predict", "{}", images]):
            for place in (self.path("nowhere"), self.path("empty"), images):
                self.fails(1, [place, "summary.json"], *[a.format(place) for a in command])

    def test_damaged_run(self):
        images = write(self.path("t.idx"), idx_images(self.pictures))
        run = self.copy_run()
        weights = read(run + "/weights.safetensors")

        def both(words):
            self.fails(1, words, "predict", run, images)
            self.fails(1, words, "eval", run, "--data", self.data)

        for size in (0, 7, 8, 100, len(weights) - 1):
            write(run + "/weights.safetensors", weights[:size])
            both(["weights.safetensors", "truncated" if size < len(weights) - 1 else "weights.safetensors"])
        write(run + "/weights.safetensors", weights + b"\0\0\0\0")
        both(["weights.safetensors", "bytes of data"])
        os.unlink(run + "/weights.safetensors")
        both(["weights.safetensors", "No such file"])
        write(run + "/weights.safetensors", weights)
        for change, words in (
            ({"model": "resnet"}, ["resnet", "simplecnn"]),
            ({"model": 5}, ["model"]),
            ({"height": SIDE * 2}, ["shape"]),
            ({"height": -1}, ["height", "-1"]),
            ({"width": "x"}, ["width"]),
            ({"channels": 0}, ["channels", "0"]),
            ({"classes": 1e3}, ["classes"]),
            ({"classes": 11}, ["shape"]),
            ({"classes": 2**40}, ["classes", 2**40]),
        ):
            write(run + "/summary.json", json.dumps({**self.summary, **change}).encode())
            both(words)
        for text in (b"", b"{", b"[]", b"null", b"\xff\xfe", json.dumps(self.summary).encode()[:-1]):
            write(run + "/summary.json", text)
            both(["summary.json"])

    def test_usage(self):
        self.fails(2, ["missing argument"], "predict")
        self.fails(2, ["missing argument"], "predict", self.run_dir)
        self.fails(2, ["--invert", "maybe"], "predict", self.run_dir, "a.png", "--invert", "maybe")
        self.fails(2, ["--threads", "-1"], "predict", self.run_dir, "a.png", "--threads", "-1")
        self.fails(2, ["--colour"], "predict", self.run_dir, "a.png", "--colour")
        self.fails(2, ["missing argument"], "eval")
        self.fails(2, ["unexpected argument", "more"], "eval", self.run_dir, "more")
        self.fails(2, ["--data"], "eval", self.run_dir, "--data")
        self.fails(2, ["--data"], "eval", self.run_dir, "--data=")

    def test_eval_of_another_shape(self):
        data = self.path("wide")
        os.mkdir(data)
        for part in ("train", "t10k"):
            write(f"{data}/{part}-images-idx3-ubyte", struct.pack(">4I", 0x803, 2, 4, 5) + bytes(40))
            write(f"{data}/{part}-labels-idx1-ubyte", idx_labels([0, 1]))
        self.fails(2, ["4", "5", SIDE], "eval", self.run_dir, "--data", data)

    # ---- the disk

    def test_full_disk_keeps_the_old_run(self):
        """A limit on the size of files stands for a full disk."""
        run = self.copy_run()
        before = {name: read(f"{run}/{name}") for name in os.listdir(run)}

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))

        done = self.run_cincel(
            "train", "simplecnn", "--data", self.data, "--out", run, "--epochs", "1", preexec=limit
        )
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(done.stdout, b"")
        self.assertIn(b"weights.safetensors: cannot write: File too large", done.stderr.splitlines()[-1])
        after = {name: read(f"{run}/{name}") for name in os.listdir(run)}
        self.assertEqual(after.keys(), before.keys())
        self.assertEqual(after["weights.safetensors"], before["weights.safetensors"])
        self.assertEqual(after["summary.json"], before["summary.json"])

    def test_full_stdout(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        with open("/dev/full", "wb") as full:
            done = self.run_cincel("eval", self.run_dir, "--data", self.data, stdout=full)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"No space left", done.stderr)


class BadTraining(Case):
    """Each ends before the first step and leaves no run directory."""

    def refuses(self, code, words, *args, data=None):
        out = self.path("run")
        self.fails(code, words, "train", *args, "--out", out, *(["--data", data] if data else []))
        self.assertFalse(os.path.exists(out), args)

    def test_numbers(self):
        for option, values in {
            "epochs": ["0", "-1", "1.5", "ten", "", "99999999999999999999", "1e99", "nan"],
            "batch": ["0", "-64", "x", "18446744073709551617"],
            "lr": ["0", "-0.1", "nan", "inf", "1e999", "fast"],
            "momentum": ["1", "-0.1", "nan"],
            "weight-decay": ["-1", "inf"],
            "clip-norm": ["-1", "nan", "x"],
            "patience": ["-1", "2.5"],
            "seed": ["-1", "x"],
            "threads": ["-1", "1000000"],
        }.items():
            for value in values:
                self.refuses(2, [f"--{option}", value], "simplecnn", f"--{option}", value, data=self.data)

    def test_usage(self):
        self.fails(2, ["missing argument"], "train")
        self.refuses(2, ["--optimizer", "adamx", "adamw"], "simplecnn", "--optimizer", "adamx", data=self.data)
        self.refuses(2, ["--optimiser"], "simplecnn", "--optimiser", "adam", data=self.data)
        self.refuses(2, ["-x"], "simplecnn", "-x", data=self.data)
        self.refuses(2, ["unexpected argument", "vgg"], "simplecnn", "vgg", data=self.data)
        self.refuses(2, ["resnet50", "simplecnn"], "resnet50", data=self.data)
        self.fails(2, ["--out"], "train", "simplecnn", "--out")
        self.fails(2, ["trian", "command"], "trian", "simplecnn")
        self.fails(2, ["command"])
        self.fails(2, ["--verbose"], "--verbose")
        self.fails(2, ["unexpected argument", "extra"], "info", "extra")
        self.fails(2, ["--yaml"], "info", "--yaml")
        self.fails(2, ["--json", "yes"], "info", "--json=yes")

    def test_no_data(self):
        self.refuses(1, ["nowhere", "No such file"], "simplecnn", data=self.path("nowhere"))
        os.mkdir(self.path("empty"))
        self.refuses(1, ["empty", "train-images-idx3-ubyte", ".gz"], "simplecnn", data=self.path("empty"))
        for name in os.listdir(self.data):
            data = self.copy_data()
            os.unlink(f"{data}/{name}")
            self.refuses(1, [data, name.removesuffix(".gz")], "simplecnn", data=data)
            shutil.rmtree(data)

    def test_damaged_data(self):
        for name in sorted(os.listdir(self.data)):
            whole = read(f"{self.data}/{name}")
            for size in (0, 3, 7, len(whole) // 2, len(whole) - 1):
                data = self.copy_data()
                write(f"{data}/{name}", whole[:size])
                self.refuses(1, [name], "simplecnn", data=data)
                shutil.rmtree(data)

    def test_mislabelled_data(self):
        data = self.copy_data()
        images, labels = data + "/train-images-idx3-ubyte", data + "/train-labels-idx1-ubyte"
        shutil.copyfile(labels, images)
        self.refuses(1, ["train-images", "mislabelled", "labels"], "simplecnn", data=data)
        shutil.copyfile(self.data + "/train-images-idx3-ubyte", images)
        shutil.copyfile(images, labels)
        self.refuses(1, ["train-labels", "mislabelled", "images"], "simplecnn", data=data)
        write(labels, idx_labels([0] * (TRAIN - 1)))
        self.refuses(1, [f"{TRAIN} images", f"{TRAIN - 1} labels"], "simplecnn", data=data)
        write(labels, idx_labels([0] * 57 + [10] + [0] * (TRAIN - 58)))
        self.refuses(1, ["train-labels", "label 10", "sample 57"], "simplecnn", data=data)
        write(labels, b"\x89PNG\r\n\x1a\n not labels")
        self.refuses(1, ["train-labels", "no IDX file", "0x89504e47"], "simplecnn", data=data)

    def test_absurd_sizes(self):
        data = self.copy_data()
        for shape in ((2**32 - 1,) * 3, (2**31 - 1, 2**16, 2**16), (2**31 - 1, 28, 28), (1, 0, 5)):
            write(data + "/train-images-idx3-ubyte", struct.pack(">4I", 0x803, *shape) + bytes(100))
            self.refuses(1, ["train-images"], "simplecnn", data=data)

    def test_pictures_too_small_for_the_model(self):
        data = self.path("tiny")
        os.mkdir(data)
        for part in ("train", "t10k"):
            write(f"{data}/{part}-images-idx3-ubyte", struct.pack(">4I", 0x803, 20, 1, 1) + bytes(20))
            write(f"{data}/{part}-labels-idx1-ubyte", idx_labels([0, 1] * 10))
        out = self.path("run")
        done = self.run_cincel("train", "simplecnn", "--data", data, "--out", out)
        self.assertIn(done.returncode, (1, 2), done.stderr)
        self.assertEqual(done.stdout, b"")
        self.assertEqual(done.stderr.count(b"\n"), 1, done.stderr)
        self.assertFalse(os.path.exists(out))

    def test_unwritable_run_directory(self):
        plain = write(self.path("file"), b"x")
        arguments = ["train", "simplecnn", "--data", self.data, "--epochs", "1", "--out"]
        self.fails(1, [plain], *arguments, plain)
        self.fails(1, [plain], *arguments, plain + "/run")
        self.assertEqual(read(plain), b"x")
        self.fails(2, ["--out"], *arguments, "")
        locked = self.path("locked")
        os.mkdir(locked)
        os.chmod(locked, 0o555)
        if os.geteuid() != 0:  # whom permissions do not stop
            self.fails(1, [locked, "Permission denied"], *arguments, locked)
            self.fails(1, [locked, "Permission denied"], *arguments, locked + "/run")
        self.assertEqual(os.listdir(locked), [])
        taken = self.path("taken")
        os.makedirs(taken + "/weights.safetensors")  # a folder where a file should go
        self.fails(1, ["weights.safetensors", "no regular file"], *arguments, taken)
        self.assertEqual(os.listdir(taken), ["weights.safetensors"])


if __name__ == "__main__":
    unittest.main()
