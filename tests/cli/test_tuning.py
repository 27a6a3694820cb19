#!/usr/bin/env python3
"""`cincel tune` and `cincel profile` from outside: what they write, refuse, and survive."""

import json
import os
import random
import re
import signal
import subprocess
import time
import unittest
import unittest.mock
import xml.etree.ElementTree

from common import COMMAND, Case, read, write

CONV = "{name} 1 1 4 6 6 {oc} 3 3 1 1 1 1 1 1"


def conv_shapes(first, count):
    """Lines of small convolutions, each with an output channel count of its own."""
    return "".join(CONV.format(name=f"c{oc}", oc=oc) + "\n" for oc in range(first, first + count)).encode()


class TuneCase(Case):
    def setUp(self):
        super().setUp()
        self.profile = self.path("p/machine.profile")

    def shapes(self, text, name="shapes.txt"):
        return write(self.path(name), text)

    def arguments(self, shapes, *args):
        return ["tune", "--shapes", shapes, "--profile", self.profile, "--threads", "1", *args]

    def tune(self, shapes, *args):
        return self.succeeds(*self.arguments(shapes, *args))

    def entries(self, *path):
        """What the profile holds, by problem and threads; nothing in it is damaged or invalid."""
        path = path or [self.profile]
        found = json.loads(self.succeeds("profile", "check", *path, "--json"))
        self.assertEqual((found["damaged_lines"], found["invalid"], found["foreign"]), (0, [], False))
        found = json.loads(self.succeeds("profile", "show", *path, "--json"))
        entries = {(e["problem"], e["threads"]): e for e in found["entries"]}
        self.assertEqual(len(entries), len(found["entries"]))
        return entries

    def leftovers(self):
        return [name for name in os.listdir(os.path.dirname(self.profile)) if name.endswith(".tmp")]


class Tune(TuneCase):
    def test_a_problem_an_entry(self):
        shapes = self.shapes(
            b"# comment\n\nconv 2 1 4 8 8 8 3 3 1 1 1 1 1 1\npool max 2 8 6 6 2 2 2 2 0 0\nfc 4 32 16 # end\n"
            b"cell lstm 5 3 8 16\n"
        )
        text = self.tune(shapes, "--budget", "0.2")
        entries = self.entries()
        problems = sorted(problem.split()[0] for problem, _ in entries)
        conv = ["conv/bwd_data", "conv/bwd_weights", "conv/fwd"]
        self.assertEqual(problems, sorted(conv + conv + ["lstm/bwd", "lstm/fwd", "maxpool/bwd_data", "maxpool/fwd"]))
        for e in entries.values():
            self.assertTrue(0 < e["seconds"] <= e["default_seconds"] < 1, e)
            self.assertGreaterEqual(e["spread"], 1)
        lines = text.splitlines()
        rows = [line for line in lines if line.split()[1] in ("fwd", "bwd_data", "bwd_weights", "bwd")]
        self.assertEqual(len(rows), len(entries))
        self.assertEqual(lines[-1], f"profile: {self.profile}")
        self.assertTrue(lines[1 + len(rows)].startswith("together"))
        once_more = self.tune(shapes, "--resume")
        self.assertEqual(once_more.count("(from the profile)"), len(entries))
        self.assertEqual(self.entries(), entries)

    def test_batch_passes_and_threads(self):
        shapes = self.shapes(b"fc 4 32 16\n")
        self.tune(shapes, "--passes", "fwd", "--batch", "3", "--budget", "0.02")
        self.succeeds("tune", "--shapes", shapes, "--profile", self.profile, "--passes", "bwd_data",
                      "--threads", "1,2", "--budget", "0.02")
        self.assertEqual(
            sorted((p.split()[0], p.split()[1], t) for p, t in self.entries()),
            [("conv/bwd_data", "n4", 1), ("conv/bwd_data", "n4", 2), ("conv/fwd", "n3", 1)],
        )

    def test_model(self):
        self.succeeds("tune", "--model", "mlp", "--input", "1x1x13", "--outputs", "1", "--batch", "16",
                      "--threads", "1", "--profile", self.profile, "--budget", "0.1")
        sizes = {(p.split()[3], p.split()[6]) for p, _ in self.entries()}
        self.assertEqual(sizes, {("ic13", "oc128"), ("ic128", "oc64"), ("ic64", "oc1")})

    def test_report(self):
        shapes = self.shapes(b"<a&b> 1 1 4 6 6 8 3 3 1 1 1 1 1 1\npool avg_include_pad 2 8 6 6 2 2 2 2 0 0\n")
        page = self.path("report.html")
        self.tune(shapes, "--budget", "0.1", "--report", page)
        text = read(page).decode()
        entries = self.entries()
        self.assertNotIn("<a&b>", text)
        self.assertNotRegex(text, "src=|href=|url\\(|<script|nan|inf")
        for e in entries.values():
            self.assertIn(e["choice"], text)
        charts = re.findall("<svg.*?</svg>", text, re.DOTALL)
        self.assertEqual(len(charts), 2)
        for chart in charts:
            svg = xml.etree.ElementTree.fromstring(chart)
            width, height = (float(v) for v in svg.get("viewBox").split()[2:])
            circles = svg.findall(".//circle")
            self.assertEqual(len(circles), 2 * len(entries))
            for c in circles:
                self.assertTrue(0 < float(c.get("cx")) < width and 0 < float(c.get("cy")) < height, c.attrib)
            self.assertIn("<a&b> fwd", "".join(t.text for t in svg.iter("title")))
        rows = re.findall('<div class="row .*?</div>\n', text)
        self.assertEqual(len(rows), len(entries))
        for row in rows:
            xml.etree.ElementTree.fromstring(row.replace("<br>", "<br/>"))
        done = self.run_cincel(*self.arguments(shapes, "--resume", "--report", self.path("none/report.html")))
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"none/report.html: cannot write", done.stderr)

    def test_interrupted(self):
        shapes = self.shapes(conv_shapes(1, 200))
        tuner = subprocess.Popen(COMMAND + self.arguments(shapes, "--budget", "400"), cwd=self.folder,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while not os.path.exists(self.profile) or read(self.profile).count(b" ns") < 2:
            self.assertIsNone(tuner.poll())
            time.sleep(0.01)
        tuner.send_signal(signal.SIGINT)
        _, errors = tuner.communicate(timeout=60)
        self.assertIn(b"interrupted", errors)
        self.assertNotEqual(tuner.returncode, 0)
        self.assertGreater(len(self.entries()), 0)

    def test_usage(self):
        shapes = self.shapes(b"fc 4 32 16\n")
        self.fails(2, ["--shapes", "--model"], "tune")
        for option, values in {
            "threads": ["0", "-1", "1,", ",1", "1;2", "x", "2000", ",".join("1" * 17)],
            "passes": ["fwd,", "forward", "", ","],
            "budget": ["0", "-1", "nan", "long"],
            "batch": ["0", "-2"],
            "outputs": ["0"],
            "input": ["28x28", "0x1x1", "x"],
        }.items():
            for value in values:
                self.fails(2, [f"--{option}", value], "tune", "--shapes", shapes, f"--{option}={value}")
        self.fails(2, ["resnet", "vgg-small"], "tune", "--model", "resnet", "--profile", self.profile)
        self.assertFalse(os.path.exists(self.profile))

    def test_bad_shapes(self):
        for line, words in {
            "conv 2 1 4 8 8 8 3 3 1 1 1 1 1": ["14 columns"],
            "conv 2 1 4 8 8 8 3 3 1 1 1 1 1 1 1": ["16 columns"],
            "conv 2 1 4 8 8 8 3 3 1 1 1 1 1 x": ["x", "no number"],
            "conv 2 1 4 8 8 8 3 3 1 1 1 1 1 0": ["dilation"],
            "conv 2 3 4 8 8 8 3 3 1 1 1 1 1 1": ["groups", "3"],
            "conv 2 1 4 8 8 99999999999 3 3 1 1 1 1 1 1": ["99999999999"],
            "pool mean 2 8 6 6 2 2 2 2 0 0": ["mean"],
            "fc 0 32 16": ["n", "0"],
            "cell lsdm 5 3 8 16": ["lsdm"],
            "cell lstm 5 3 8 0": ["hidden", "0"],
        }.items():
            shapes = self.shapes(b"ok 4 32 16\n" + line.encode() + b"\n")
            self.fails(1, [f"{shapes}:2: ", *words], *self.arguments(shapes))
        self.fails(1, ["none.txt", "No such file"], *self.arguments(self.path("none.txt")))
        self.fails(2, ["nothing to tune"], *self.arguments(self.shapes(b"# none\n")))
        self.assertFalse(os.path.exists(self.profile))

    def test_profile_that_cannot_be_written(self):
        shapes = self.shapes(b"fc 4 32 16\n")
        plain = write(self.path("plain"), b"no profile\n")
        done = self.run_cincel(*self.arguments(shapes, "--budget", "0.01")[:4], plain)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"plain: is no profile", done.stderr)
        self.assertEqual(read(plain), b"no profile\n")
        done = self.run_cincel(*self.arguments(shapes)[:4], plain + "/p")
        self.assertEqual(done.returncode, 1)
        self.assertIn(plain.encode(), done.stderr)


class TunedTraining(TuneCase):
    """Training takes what the profile has, says so, and tunes the rest where it is asked to."""

    def test_train(self):
        def train(name, *args):
            done = self.run_cincel("train", "mlp", "--data", table, "--out", self.path(name), "--epochs", "2",
                                   "--batch", "16", "--threads", "1", *args)
            self.assertEqual(done.returncode, 0, done.stderr)
            told = [line for line in done.stderr.decode().splitlines() if line.startswith("plans: ")]
            self.assertEqual(len(told), 1)
            plans = json.loads(read(self.path(name) + "/summary.json"))["plans"]
            return told[0], {(p["layer"], p["pass"]): p["choice"] for p in plans}, done.stderr.decode()

        rng = random.Random(3)
        rows = ([rng.random() for _ in range(3)] for _ in range(80))
        table = write(self.path("t.csv"), "".join(f"{a},{b},{c},{a - b * c}\n" for a, b, c in rows).encode())
        untuned = {"XDG_CONFIG_HOME": self.path("config"), "HOME": self.folder}
        with unittest.mock.patch.dict(os.environ, untuned):
            told, _, _ = train("untuned")
            self.assertRegex(told, "0 tuned, 0 from tuned neighbours, [1-9][0-9]* from the cost model")
            told, chosen, text = train("tuned", "--tune", "0.2")
            self.assertRegex(told, "[1-9][0-9]* tuned, 0 from tuned neighbours, 0 from the cost model")
            self.assertRegex(text, "tuned [1-9][0-9]* problems: ")
            user = json.loads(self.succeeds("profile", "path", "--json"))["user"]
            entries = self.entries(user)
            self.assertTrue(set(chosen.values()) <= {e["choice"] for e in entries.values()})
            told, again, _ = train("later")
            self.assertRegex(told, "[1-9][0-9]* tuned, 0 from")
            self.assertEqual(again, chosen)
            _, _, text = train("once-more", "--tune", "0.2")
            self.assertIn("tuned 0 problems, the profile had the others", text)
            self.assertEqual(self.entries(user), entries)
            with open(self.path("later") + "/plans.txt") as plans:
                self.assertTrue(all(line.endswith("profile: exact\n") for line in plans))
        for value in ("0", "-1", "nan", "soon"):
            self.fails(2, ["--tune", value], "train", "mlp", "--data", table, f"--tune={value}")


class Explain(TuneCase):
    CONV = "conv/fwd n2 g1 ic8 ih10 iw10 oc16 k3x3 s1x1 p1,1,1,1 d1x1 act0 acc0"

    def explain(self, *args):
        return json.loads(self.succeeds("explain", *args, "--threads", "1", "--json"))

    def test_forms(self):
        for text, key in {
            "conv/fwd n2 ic8 ih10 oc16 k3 p1": self.CONV,
            "conv/fwd p1 k3x3 oc16 ih10 ic8 n2": self.CONV,
            self.CONV: self.CONV,
            "linear/bwd_data n4 in32 out8 act1":
                "conv/bwd_data n4 g1 ic32 ih1 iw1 oc8 k1x1 s1x1 p0,0,0,0 d1x1 act1 acc0",
            "maxpool/fwd c8 ih6 iw9 k2": "maxpool/fwd n1 c8 ih6 iw9 k2x2 s2x2 p0,0,0,0 acc0",
            "avgpool_valid/bwd_data c8 ih6 k3 s1 p1,0,1,0 acc1":
                "avgpool_valid/bwd_data n1 c8 ih6 iw6 k3x3 s1x1 p1,0,1,0 acc1",
            "lstm/fwd t5 b3 i8 h16": "lstm/fwd t5 b3 i8 h16 train0 first0 before0 acc0",
            "gru/bwd t5 b3 i8 h16 train1": "gru/bwd t5 b3 i8 h16 train1 first0 before0 acc0",
        }.items():
            self.assertEqual(self.explain(text)["problem"], key)
            self.assertEqual(self.explain(*text.split())["problem"], key)

    def test_sources(self):
        environment = {"XDG_CONFIG_HOME": self.path("config"), "CINCEL_PROFILE": self.profile}
        with unittest.mock.patch.dict(os.environ, environment):
            found = self.explain(self.CONV)
            self.assertEqual(found["chosen"]["source"], "model")
            untuned = [c["choice"] for c in found["candidates"] if c["untuned"]]
            self.assertEqual(untuned, [found["chosen"]["choice"]])
            self.assertTrue(all(c["measured_seconds"] is None for c in found["candidates"]))
            self.assertIn("depthwise", [r["algorithm"] for r in found["refused"]])
            self.tune(self.shapes(b"c 2 1 8 10 10 16 3 3 1 1 1 1 1 1\n"), "--passes", "fwd", "--budget", "0.1")
            found = self.explain(self.CONV)["chosen"]
            self.assertEqual(found["source"], "profile: exact")
            self.assertEqual(found["choice"], self.entries()[(self.CONV, 1)]["choice"])
            found = self.explain(self.CONV.replace("n2", "n4"))["chosen"]
            self.assertEqual((found["source"], found["neighbour"]), ("profile: neighbour", self.CONV))
            text = self.succeeds("explain", self.CONV, "--threads", "1", "--top", "3")
            self.assertIn("profile: exact", text)
            self.assertIn("more, --top N shows N", text)
            self.assertIn("refused", text)

    def test_measure(self):
        found = self.explain(self.CONV, "--measure", "--budget", "0.2")
        times = [c["measured_seconds"] for c in found["candidates"] if c["measured_seconds"]]
        self.assertGreater(len(times), 1)
        self.assertEqual(len(found["candidates"][0]["choice"].split()[2:]) > 0, True)
        self.assertLessEqual(found["candidates"][0]["measured_seconds"], 1.011 * min(times))
        self.assertFalse(any(c["wrong"] for c in found["candidates"]))
        self.assertFalse(os.path.exists(self.profile))

    def test_usage(self):
        self.fails(2, ["missing argument"], "explain")
        for text, words in {
            "conv": ["operator/pass"],
            "relu/fwd n1": ["relu/fwd", "operator/pass"],
            "conv/fwd ic3 ih4": ["oc is missing"],
            "conv/fwd ic3 ih4 oc4 k3 k5": ["k5", "twice"],
            "conv/fwd ic3 ih4 oc4 k3 q1": ["q1", "no field"],
            "conv/fwd ic3 ih4 oc4 k9": ["none such", "k9x9"],
            "conv/fwd ic3 ih4 oc4 kx": ["kx"],
            "conv/fwd ic3 ih4 oc4 k3 p1,1": ["none such", "p1,1"],
            "conv/up ic3 ih4 oc4 k3": ["none such", "conv/up"],
            "maxpool/bwd_weights c3 ih4 k2": ["none such"],
            "conv/fwd ic3 ih4 oc4 k" + "1" * 60: ["1111"],
            "conv/fwd ic3 ih4 oc4 k" + "1" * 600: ["too long"],
        }.items():
            self.fails(2, words, "explain", text)


class Doctor(Case):
    def test_findings(self):
        done = self.run_cincel("doctor", "--json")
        found = json.loads(done.stdout)
        states = [f["state"] for f in found["findings"]]
        self.assertEqual((states.count("problem"), states.count("hint")), (found["problems"], found["hints"]))
        self.assertEqual(done.returncode, 1 if found["problems"] else 0)
        names = {"quota", "affinity", "threads", "smt", "governor", "throttling", "steal", "denormals",
                 "huge pages", "numa", "profile"}
        self.assertLessEqual(names, {f["name"] for f in found["findings"]})
        for f in found["findings"]:
            self.assertTrue(f["text"])
            self.assertEqual(bool(f["advice"]), f["state"] != "ok")
        text = self.run_cincel("doctor").stdout.decode()
        self.assertRegex(text.splitlines()[-1], "[0-9]+ problems?, [0-9]+ hints?")
        with unittest.mock.patch.dict(os.environ, {"CINCEL_THREADS": "500"}):
            done = self.run_cincel("doctor")
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"500 threads share", done.stdout)


class Profile(TuneCase):
    def setUp(self):
        super().setUp()
        visits = self.path("visits.profile")  # perhaps with two lines for a problem; merged, it has one
        self.succeeds("tune", "--shapes", self.shapes(conv_shapes(4, 3)), "--passes", "fwd", "--budget", "0.02",
                      "--threads", "1", "--profile", visits)
        self.succeeds("profile", "merge", visits, self.profile)

    def other(self, change):
        """A second file: `change` maps the list of the first one's lines to its own."""
        lines = read(self.profile).decode().splitlines()
        return write(self.path("other.profile"), ("\n".join(change(lines)) + "\n").encode())

    def test_show(self):
        text = self.succeeds("profile", "show", self.profile)
        self.assertIn("3 entries, 0 damaged lines", text)
        self.assertEqual(text.count("gain x"), 3)

    def test_merge_and_diff(self):
        part = self.other(lambda lines: lines[:-1])
        done = self.run_cincel("profile", "diff", part, self.profile)
        self.assertEqual((done.returncode, done.stdout[:1], done.stdout.count(b"\n")), (1, b"+", 1))
        done = self.run_cincel("profile", "diff", self.profile, part, "--json")
        found = json.loads(done.stdout)
        self.assertEqual((done.returncode, len(found["first"]), found["second"]), (1, 1, []))
        found = json.loads(self.succeeds("profile", "merge", self.profile, part, "--json"))
        self.assertEqual((found["entries"], found["added"], found["kept"], found["damaged_lines"]), (3, 1, 2, 0))
        self.assertEqual(self.succeeds("profile", "diff", self.profile, part), "")
        self.assertEqual(self.entries(part), self.entries())

    def test_check_names_what_is_wrong(self):
        def damage(lines):
            lines[-1] = lines[-1].replace(" ns", " nS", 1)  # the checksum no longer fits
            return lines + [lines[-2][: len(lines[-2]) // 2]]

        bad = self.other(damage)
        done = self.run_cincel("profile", "check", bad, "--json")
        found = json.loads(done.stdout)
        self.assertEqual((done.returncode, found["entries"], found["damaged_lines"]), (1, 2, 2))
        foreign = self.other(lambda lines: [x.replace("machine ", "machine vax-11-") for x in lines])
        done = self.run_cincel("profile", "check", foreign)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"another machine's file", done.stdout)
        self.fails(1, ["vax-11-", "is for machine"], "profile", "merge", foreign, self.profile)
        before = self.entries()
        self.succeeds("profile", "merge", foreign, self.profile, "--force")
        self.assertEqual(self.entries(), before)

    def test_path(self):
        found = json.loads(self.succeeds("profile", "path", "--json"))
        self.assertEqual(sorted(found), ["environment", "system", "user"])
        self.assertTrue(found["user"].endswith(".profile"))

    def test_usage(self):
        self.fails(2, ["missing argument"], "profile")
        self.fails(2, ["unknown action", "burn"], "profile", "burn")
        self.fails(2, ["merge", "1 to 2", "0"], "profile", "merge")
        self.fails(2, ["show", "was given 2"], "profile", "show", "a", "b")
        self.fails(1, ["none.profile", "no such file"], "profile", "show", self.path("none.profile"))
        plain = write(self.path("plain"), b"hello\n")
        for action in ("show", "check", "merge"):
            self.fails(1, ["plain", "is no profile"], "profile", action, plain)


class Survival(TuneCase):
    """What was finished stays, whatever kills the writer; writers do not lose each other's entries."""

    def test_killed_tuners(self):
        """Each tuner is killed a moment after its start or after an entry more has come."""
        rng = random.Random(7)
        shapes = self.shapes(conv_shapes(1, 120))
        arguments = COMMAND + self.arguments(shapes, "--passes", "fwd", "--budget", "3", "--resume")
        entries, kills = {}, int(os.environ.get("CINCEL_TEST_KILLS", "25"))
        for kill in range(kills):
            tuner = subprocess.Popen(arguments, cwd=self.folder, stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL)
            deadline = time.monotonic() + 30
            size = os.path.getsize(self.profile) if os.path.exists(self.profile) else 0
            while time.monotonic() < deadline and tuner.poll() is None:
                if os.path.exists(self.profile) and os.path.getsize(self.profile) > size:
                    break
                time.sleep(0.002)
            self.assertIsNone(tuner.poll(), "the tuner ended by itself")
            time.sleep(rng.random() * 0.02)
            tuner.kill()
            tuner.wait()
            found = self.entries()
            self.assertGreater(len(found), len(entries))
            self.assertEqual({key: found[key] for key in entries}, entries, f"kill {kill}")
            entries = found

    def test_killed_merges(self):
        """A merge rewrites the whole file: old or new, and what it leaves behind goes with the next."""
        rng = random.Random(8)
        shapes = self.shapes(conv_shapes(1, 60))
        self.tune(shapes, "--passes", "fwd", "--budget", "0.06")
        entries = self.entries()
        target = self.path("p/target.profile")
        begin = time.monotonic()
        self.succeeds("profile", "merge", self.profile, target)
        whole = time.monotonic() - begin
        for kill in range(int(os.environ.get("CINCEL_TEST_KILLS", "25"))):
            merge = subprocess.Popen(COMMAND + ["profile", "merge", self.profile, target], cwd=self.folder,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(rng.random() * 1.2 * whole)
            merge.kill()
            merge.wait()
            self.assertEqual(self.entries(target), entries, f"kill {kill}")
        write(f"{target}.1-0.tmp", b"what a killed merge left")
        self.succeeds("profile", "merge", self.profile, target)
        self.assertEqual(self.leftovers(), [])
        self.assertEqual(self.entries(target), entries)

    def test_a_torn_line_costs_nothing_else(self):
        """As after a power cut in the middle of an append."""
        self.tune(self.shapes(conv_shapes(4, 2)), "--passes", "fwd", "--budget", "0.02")
        entries = self.entries()
        text = read(self.profile)
        write(self.profile, text + text.splitlines()[-1][:70])
        self.tune(self.shapes(conv_shapes(9, 1)), "--passes", "fwd", "--budget", "0.02")
        found = json.loads(self.succeeds("profile", "show", self.profile, "--json"))
        self.assertEqual((len(found["entries"]), found["damaged_lines"]), (3, 1))
        self.succeeds("profile", "merge", self.profile, self.path("clean"))
        self.assertEqual(len(self.entries(self.path("clean"))), 3)
        self.assertTrue(entries.keys() < self.entries(self.path("clean")).keys())

    def test_four_tuners_at_once(self):
        tuners = []
        for i in range(4):
            shapes = self.shapes(conv_shapes(1 + 20 * i, 20), f"shapes{i}.txt")
            arguments = COMMAND + self.arguments(shapes, "--passes", "fwd", "--budget", "0.2")
            tuners.append(subprocess.Popen(arguments, cwd=self.folder, stdout=subprocess.DEVNULL,
                                           stderr=subprocess.PIPE))
        for tuner in tuners:
            _, errors = tuner.communicate(timeout=120)
            self.assertEqual(tuner.returncode, 0, errors)
        self.assertEqual(len(self.entries()), 80)
        self.assertEqual(sorted(os.listdir(os.path.dirname(self.profile))),
                         ["machine.profile", "machine.profile.lock"])


if __name__ == "__main__":
    unittest.main()
