"""What the tests of the command share: files to feed it, and a case that runs it.

$CINCEL_COMMAND is the command to run.
"""

import gzip
import os
import random
import shlex
import shutil
import struct
import subprocess
import tempfile
import unittest
import zlib

COMMAND = shlex.split(os.environ.get("CINCEL_COMMAND", "cincel"))
SIDE = 12
TRAIN, TEST = 120, 30


# ---- files to feed it


def idx_images(pictures):
    return struct.pack(">4I", 0x803, len(pictures), SIDE, SIDE) + b"".join(pictures)


def idx_labels(labels):
    return struct.pack(">2I", 0x801, len(labels)) + bytes(labels)


def make_samples(count, seed):
    """Bars whose row tells the class: learnt in no time."""
    rng = random.Random(seed)
    pictures, labels = [], []
    for _ in range(count):
        label = rng.randrange(10)
        picture = bytearray(rng.randrange(40) for _ in range(SIDE * SIDE))
        row = 1 + label
        picture[row * SIDE + 1 : row * SIDE + SIDE - 1] = bytes([255] * (SIDE - 2))
        pictures.append(bytes(picture))
        labels.append(label)
    return pictures, labels


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)
    return path


def read(path):
    with open(path, "rb") as f:
        return f.read()


def png(width, height, grey):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes(grey[y * width : (y + 1) * width]) for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


class Case(unittest.TestCase):
    """One scratch folder a test; the trained run that several tests look at is made once."""

    @classmethod
    def setUpClass(cls):
        cls.shared = tempfile.mkdtemp(prefix="cincel-test-")
        cls.addClassCleanup(shutil.rmtree, cls.shared)
        cls.data = os.path.join(cls.shared, "data")
        os.mkdir(cls.data)
        cls.pictures, cls.labels = make_samples(TEST, 2)
        pictures, labels = make_samples(TRAIN, 1)
        write(cls.data + "/train-images-idx3-ubyte", idx_images(pictures))
        write(cls.data + "/train-labels-idx1-ubyte", idx_labels(labels))
        write(cls.data + "/t10k-images-idx3-ubyte.gz", gzip.compress(idx_images(cls.pictures)))
        write(cls.data + "/t10k-labels-idx1-ubyte.gz", gzip.compress(idx_labels(cls.labels)))

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="cincel-test-")
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def run_cincel(self, *args, stdout=subprocess.PIPE, preexec=None):
        return subprocess.run(
            COMMAND + [str(a) for a in args],
            stdout=stdout,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            preexec_fn=preexec,
            timeout=240,
        )

    def fails(self, code, words, *args, lines=1):
        """Runs, and checks that it fails as it should; returns stderr."""
        done = self.run_cincel(*args)
        text = done.stderr.decode()
        told = f"{args}: exit code {done.returncode}, stderr {text!r}"
        self.assertEqual(done.returncode, code, told)
        self.assertEqual(done.stdout, b"", told)
        self.assertTrue(text.endswith("\n") and text.count("\n") == lines, told)
        self.assertTrue(text.splitlines()[-1].startswith("cincel: "), told)
        for word in words:
            self.assertIn(str(word), text, told)
        return text

    def succeeds(self, *args):
        done = self.run_cincel(*args)
        self.assertEqual(done.returncode, 0, f"{args}: {done.stderr.decode()}")
        return done.stdout.decode()

    def train(self, out, *args):
        return self.succeeds("train", "simplecnn", "--data", self.data, "--out", out, *args)

    def copy_data(self):
        copy = self.path("data")
        shutil.copytree(self.data, copy)
        return copy
