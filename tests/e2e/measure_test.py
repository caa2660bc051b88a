#!/usr/bin/python3
"""Runs `polder bench` and `polder profile` on a small model and holds what they print.

    measure_test.py POLDER MODEL.onnx [TEST...]
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

POLDER, MODEL = sys.argv[1:3]


def polder(*arguments, status=0):
    done = subprocess.run([POLDER, *map(str, arguments)], capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == status, (arguments, done.returncode, done.stdout, done.stderr)
    return done


class Measure(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.scratch = pathlib.Path(cls.folder.name)
        cls.plan = cls.scratch / "model.plan"
        polder("compile", MODEL, "-o", cls.plan)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def bench(self, model):
        return json.loads(polder("bench", model, "--json", "--min-ms", "20").stdout)

    def test_percentiles_are_in_order(self):
        found = self.bench(MODEL)
        latency = [found["latency_us"][k] for k in ("min", "p50", "p90", "p99", "max")]
        self.assertEqual(latency, sorted(latency))
        self.assertGreater(latency[0], 0)
        self.assertGreaterEqual(found["runs"], 20)

    def test_opening_from_the_model_and_from_its_plan(self):
        found = self.bench(MODEL)
        self.assertLessEqual(found["open_us"]["min"], found["open_us"]["first"])
        self.assertLess(found["open_plan_us"]["min"], found["open_us"]["min"])
        self.assertIsNone(self.bench(self.plan)["open_plan_us"])

    def test_memory_is_that_of_a_fresh_process(self):
        found = self.bench(self.plan)
        self.assertGreater(found["peak_rss_bytes"], 1 << 20)
        self.assertGreaterEqual(found["rss_above_empty_bytes"], 0)
        self.assertLess(found["rss_above_empty_bytes"], found["peak_rss_bytes"])

    def test_the_table_names_the_machine(self):
        self.assertIn("Linux", polder("bench", self.plan, "--min-ms", "20").stdout)

    def test_bad_input_fails_in_one_line(self):
        for command in ("bench", "profile"):
            error = polder(command, self.scratch / "none.plan", status=1).stderr
            self.assertIn("none.plan", error)
            self.assertEqual(len(error.splitlines()), 1)
        polder("bench", status=2)
        polder("bench", self.plan, "--fast", status=2)

    def test_profile_of_every_node(self):
        trace, page = self.scratch / "trace.json", self.scratch / "profile.html"
        found = json.loads(polder("profile", self.plan, "--json", "--min-ms", "20",
                                  "--trace", trace, "--html", page).stdout)
        events = json.loads(trace.read_text())["traceEvents"]
        self.assertEqual(len(events), len(found["nodes"]))
        self.assertGreater(len(events), 0)
        self.assertEqual([e["ts"] for e in events], sorted(e["ts"] for e in events))
        self.assertGreater(found["peak_gflops"], 0)
        self.assertNotIn("http", page.read_text())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
