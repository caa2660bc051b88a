#!/usr/bin/python3
"""Tests of bench/speed: what it makes of measurements, on numbers made for it."""
import importlib.machinery
import importlib.util
import pathlib
import unittest

PATH = pathlib.Path(__file__).resolve().parent / "speed"
LOADER = importlib.machinery.SourceFileLoader("speed", str(PATH))
speed = importlib.util.module_from_spec(importlib.util.spec_from_loader("speed", LOADER))
LOADER.exec_module(speed)


def measured(us=100.0, open_us=1000.0, rss=10_000_000, first=2.0):
    return {"runtime": "r", "isa": "i", "arena_bytes": None, "runs": 10, "first_run_us": us * 2,
            "latency_us": {"min": us, "p50": us * 1.1, "p90": us * 1.2, "p99": us * 1.3},
            "open_us": {"min": open_us, "first": open_us * first},
            "peak_rss_bytes": rss, "rss_above_empty_bytes": rss - 1_000_000}


def results(plan_us=100.0, plan_open=50.0, onnx_open=1000.0, rss=3_000_000):
    return {name: {"ort": measured(), "plan": measured(plan_us, plan_open, rss),
                   "onnx": measured(plan_us, onnx_open, rss)} for name in speed.COMPARED}


def reached(found):
    return [r for _, _, r in speed.verdicts(found)]


class Rounds(unittest.TestCase):
    def test_minimum_of_minima_median_of_the_rest(self):
        merged = speed.merged([measured(us) for us in (100.0, 90.0, 300.0)])
        self.assertEqual(merged["latency_us"]["min"], 90)
        self.assertAlmostEqual(merged["latency_us"]["p50"], 110)
        self.assertEqual(merged["first_run_us"], 200)
        self.assertEqual(merged["runs"], 30)

    def test_geometric_mean(self):
        self.assertAlmostEqual(speed.geometric_mean([0.5, 2.0]), 1)
        self.assertAlmostEqual(speed.geometric_mean([4.0]), 4)


class Targets(unittest.TestCase):
    def test_all_reached_at_the_limit(self):
        self.assertEqual(reached(results(plan_us=100 / 0.7 - 0.01)), [True] * 7)

    def test_each_can_be_missed(self):
        self.assertFalse(reached(results(plan_us=100 / 0.69))[0])
        self.assertEqual(reached(results(onnx_open=1001))[1:3], [False, False])
        self.assertEqual(reached(results(plan_open=51))[3:5], [False, False])
        self.assertEqual(reached(results(rss=3_400_000))[5:7], [False, False])

    def test_one_network_can_miss_a_target_for_all(self):
        found = results()
        found["resnet18"]["plan"] = measured(100.0, 51.0, 3_000_000)
        self.assertEqual(reached(found), [True, True, True, False, False, True, True])
        self.assertIn("resnet18", speed.verdicts(found)[3][1])

    def test_larger_networks_may_take_half(self):
        found = results()
        found["resnet18"]["plan"] = measured(100.0, 50.0, 4_900_000)
        self.assertTrue(all(reached(found)))
        found["resnet18"]["plan"] = measured(100.0, 50.0, 5_100_000)
        self.assertFalse(reached(found)[5])

    def test_nothing_measured_promises_nothing(self):
        self.assertEqual(speed.verdicts({"tiny_ad": {"ort": measured()}}), [])


class Page(unittest.TestCase):
    def test_stands_alone_and_escapes(self):
        report = {"machine": "<cpu>", "commit": "c", "date": "d", "rounds": 1, "threads": 1,
                  "models": results(), "failed": {"x": "a < b"},
                  "targets": [{"target": "t", "found": "f", "reached": False}]}
        page = speed.speed_page.page(report)
        self.assertIn("&lt;cpu&gt;", page)
        self.assertIn("a &lt; b", page)
        self.assertIn("missed", page)
        self.assertNotIn("src=", page)
        self.assertNotIn("http", page)
        self.assertEqual(page.count("<rect"), 6 * 3 * len(speed.COMPARED))


if __name__ == "__main__":
    unittest.main()
