#!/usr/bin/python3
"""New models beside old ones, with the real programs: what is compared, and what becomes of a new
one that cannot be compared, is sealed, fails, hangs or takes the worker down.

    shadow_test.py POLDER POLDERD [TEST...]
"""
import json
import os
import pathlib
import signal
import struct
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from devices import MODEL, Device, POLDER, POLDERD, children  # noqa: E402
from onnx_bytes import (field, graph_attribute, integers_attribute, onnx_input,  # noqa: E402
                        onnx_node, onnx_output, onnx_weights)
from small_releases import wav  # noqa: E402

I64 = 7
BOOL = 9


def floats(name, dims, values):
    return field(5, onnx_weights(name, dims, struct.pack(f"<{len(values)}f", *values)))


def integers(name, values):
    return field(5, onnx_weights(name, [len(values)], struct.pack(f"<{len(values)}q", *values),
                                 element=I64))


def mean(x="x", axes=(1,), keep=True):
    keepdims = field(5, field(1, "keepdims") + field(3, int(keep)) + field(20, 2))
    return onnx_node("ReduceMean", [x], ["m"], integers_attribute("axes", axes) + keepdims)


def to_integer(name):
    return onnx_node("Cast", ["n"], [name], name="cast", attributes=field(
        5, field(1, "to") + field(3, I64) + field(20, 2)))


def repeats_with_sound(start, body):
    """y is 0.5 for silence; with sound `body`, which makes the next v of v, is run millions of
    times. `start`: where v begins, a scalar or all of it zero."""
    graph = (field(2, "body") + body + onnx_node("Identity", ["c"], ["d"], name="on") +
             onnx_input("i", [], element=I64) + onnx_input("c", [], element=BOOL) + start[1] +
             onnx_output("d") + onnx_output("u"))
    return (mean(axes=(0, 1), keep=False), floats("k", [], [1e7]), start[0],
            onnx_node("Mul", ["m", "k"], ["n"], name="many"), to_integer("trips"),
            onnx_node("Loop", ["trips", "", "begin"], ["end"], graph_attribute("body", graph)),
            onnx_node("ReduceMean", ["end"], ["e"], name="one", attributes=field(
                5, field(1, "keepdims") + field(20, 2))),
            integers("shape", [1, 1]), onnx_node("Reshape", ["e", "shape"], ["r"], name="shaped"),
            onnx_node("Sigmoid", ["r"], ["y"], name="score"))


class Shadow(Device):
    def shadow_device(self, shadow_s=3, worker=""):
        """1.0.0 runs on a loud recording; releases are assigned, and run in shadow first."""
        recording = self.scratch / "loud.wav"
        recording.write_bytes(wav([16000] * 16000))
        self.configure(more=worker + '[reports]\nevery_s = 1\n'
                       f'[pipeline.{MODEL}]\nmicrophone.path = "{recording}"\n')
        config = self.scratch / "polderd.toml"
        config.write_text(config.read_text().replace("[updates]",
                                                     f"[updates]\nshadow_s = {shadow_s}"))
        self.release("1.0.0")
        self.polder("repo", "delegate", self.repo, "assignments", "--role-key", "online.pub.pem",
                    "--path", "assignments/*", "--key", "targets.pem")
        self.assign("1.0.0")
        self.install()
        self.assertEqual(self.running(), "1.0.0")

    def assign(self, version):
        self.polder("repo", "assign", self.repo, "default", f"{MODEL}={version}", "--shadow",
                    "--key", "online.pem")
        self.publish()

    def shadow(self, version, status=0, **options):
        """What the status says of a release that was tried in shadow, and the whole report."""
        self.release(version, **options)
        self.assign(version)
        self.install(status=status)
        report = json.loads(self.agent("status", "--json"))
        return report["live"]["shadow"].get(MODEL), report

    def log(self):
        return self.polder("audit", "show", self.device / "audit" / "log")

    def expect_old_goes_on(self, report):
        """Alone, and nothing of the new one was ever activated."""
        self.assertEqual(report["units"][MODEL]["running"]["version"], "1.0.0")
        self.assertIn(report["live"]["health"][MODEL], ("starting", "well"))
        log = self.log()
        self.assertIn("update_failed", log)
        self.assertNotIn("update_rolled_back", log)
        self.assertNotIn("crash loop", log)

    def test_old_and_new_are_compared(self):
        self.shadow_device()
        # The same model: all agrees, and both were timed.
        found, _ = self.shadow("1.1.0")
        self.assertEqual((found["release"], found["beside"]), ("voice 1.1.0", "voice 1.0.0"))
        model, = found["models"]
        self.assertEqual(model["agreement"], 1)
        self.assertGreater(model["inferences"], 5)
        self.assertGreater(model["old_p99_ms"], 0)
        self.assertGreater(model["new_p99_ms"], 0)
        self.assertEqual(model["new_score"], model["old_score"])
        self.assertEqual(self.running(), "1.1.0")
        self.assertIn("100.0% agree", self.agent("status"))
        # The reports have it too, as stages and signals.
        kept = b"".join(path.read_bytes() for path in (self.device / "reports").rglob("*")
                        if path.is_file())
        for name in (b"shadow.mean.old", b"shadow.mean.new", b"shadow.mean.agreement"):
            self.assertTrue(name in kept, name)
        # The golden holds, and with sound it decides otherwise: it is told, and installed as
        # assigned.
        # What its only input is called says nothing.
        self.maker.model(POLDER, "steep", floats("k", [1], [-3.0]), mean("sound"),
                         onnx_node("Mul", ["m", "k"], ["n"], name="n1"),
                         onnx_node("Sigmoid", ["n"], ["y"], name="n2"), port="sound")
        found, _ = self.shadow("1.2.0", plan="steep", port="sound")
        model, = found["models"]
        self.assertGreater(model["inferences"], 5)
        self.assertLess(model["agreement"], 0.2)
        self.assertGreater(model["difference_p99"], 0.1)
        self.assertEqual(self.running(), "1.2.0")

    def test_other_inputs_are_not_compared(self):
        self.shadow_device()
        score = onnx_node("Sigmoid", ["m"], ["y"], name="n1")
        # Another shape, and a pipeline that feeds it: without a comparison it is tried as ever.
        self.maker.model(POLDER, "wide", mean(), score, width=640)
        found, _ = self.shadow("1.1.0", plan="wide", width=640)
        self.assertEqual(self.running(), "1.1.0")
        self.assertEqual([model["inferences"] for model in found["models"]], [0])
        why = "'mean': inputs 'x' is f32 [1,640] instead of 'x', f32 [1,576]"
        self.assertIn(why, found["failure"])
        self.assertIn(f"'mean': nothing was compared; failed: {why}", self.agent("status"))
        self.assertNotIn("worker_failed", self.log())  # the old one did not
        # Another type, which no pipeline feeds: its trial ends it.
        self.maker.model(POLDER, "whole", onnx_node("Cast", ["x"], ["f"], name="n2",
                                                    attributes=field(5, field(1, "to") +
                                                                     field(3, 1) + field(20, 2))),
                         mean("f"), score, width=640, element=I64)
        found, report = self.shadow("1.2.0", status=1, plan="whole", width=640, golden=None)
        self.assertEqual(self.running(), "1.1.0")
        self.assertIn("inputs 'x' is i64 [1,640] instead of 'x', f32 [1,640]", found["failure"])
        self.assertIn("the pipeline feeds f32", report["bad"][0]["reason"])

    def test_sealed_releases_run_beside_others(self):
        self.shadow_device()
        self.identify()
        # Beside one that is not sealed, then beside one that is, under another key.
        for version in ("1.1.0", "1.2.0"):
            found, _ = self.shadow(version, sealed=self.seal("mean", version))
            self.assertEqual(found["release"], f"voice {version}")
            model, = found["models"]
            self.assertEqual(model["agreement"], 1)
            self.assertGreater(model["inferences"], 5)
            self.assertEqual(self.running(), version)
        # What is sealed is nowhere in the clear, once the plain one has gone.
        plain = (self.scratch / "mean.plan").read_bytes()
        for path in self.device.rglob("*"):
            if path.is_file():
                self.assertNotIn(plain[64:128], path.read_bytes(), path)

    def test_one_that_fails_never_acts(self):
        self.shadow_device()
        # Fine with silence; with sound it looks up what is not there.
        self.maker.model(POLDER, "lookup", floats("k", [1], [100.0]), floats("table", [1], [0.5]),
                         mean(), onnx_node("Mul", ["m", "k"], ["n"], name="n1"), to_integer("i"),
                         onnx_node("Gather", ["table", "i"], ["y"], name="n3"))
        _, report = self.shadow("2.0.0", status=1, plan="lookup")
        self.expect_old_goes_on(report)
        self.assertIn("in shadow, beside voice 1.0.0: 'mean'", report["bad"][0]["reason"])
        self.assertIn("in shadow", self.log())
        self.assertNotIn("worker_failed", self.log())  # the old one did not
        # A newer one goes on from there.
        self.assertEqual(self.shadow("2.0.1")[0]["models"][0]["agreement"], 1)
        self.assertEqual(self.running(), "2.0.1")

    def test_a_worker_that_dies_goes_on_without(self):
        self.shadow_device()
        self.release("2.0.0")
        self.assign("2.0.0")
        agent = self.service()
        plan = self.device / "slots"

        def workers():
            """Processes of the agent that have a model of both slots open."""
            found = []
            for path in pathlib.Path("/proc").glob("[0-9]*/maps"):
                try:
                    if path.parent.joinpath("stat").read_text().split(") ")[1].split()[1] != \
                            str(agent.pid):
                        continue
                    maps = path.read_text()
                except OSError:
                    continue
                if all(f"{plan}/{MODEL}/{slot}/" in maps for slot in "ab"):
                    found.append(int(path.parent.name))
            return found
        deadline = time.monotonic() + 60
        while not (both := workers()) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual(len(both), 1)
        os.kill(both[0], signal.SIGSEGV)
        for line in agent.stderr:
            if "in shadow" in line:
                break
        # Sanitizers make an exit of it.
        self.assertRegex(line, "signal 11|ended with status 1 ")
        # Not to be blamed for what the old one may have done; the old one runs.
        while time.monotonic() < deadline:
            status = json.loads(self.agent("status", "--json"))
            if status["live"]["health"][MODEL] == "well" and status["phase"] == "idle":
                break
            time.sleep(0.1)
        self.assertEqual(status["live"]["health"][MODEL], "well")
        self.assertEqual(status["bad"], [])
        self.assertEqual(self.running(), "1.0.0")

    def test_one_that_hangs_ends_the_update(self):
        self.shadow_device(shadow_s=600, worker="heartbeat_timeout_s = 8\n")
        # Each of five million rounds takes a millisecond.
        self.maker.model(POLDER, "endless", *repeats_with_sound(
            (floats("begin", [64, 576], [0.0] * (64 * 576)) +
             floats("w", [576, 576], [0.0] * (576 * 576)), onnx_input("v", [64, 576])),
            onnx_node("MatMul", ["v", "w"], ["u"], name="n")))
        found, report = self.shadow("2.0.0", status=1, plan="endless")
        self.expect_old_goes_on(report)
        # The old one may have been the cause: it may be tried again.
        self.assertEqual(report["bad"], [])
        self.assertRegex(found["failure"], r"^one of its stages has worked on one frame for \d+ s$")
        why = f"in shadow, beside voice 1.0.0: {found['failure']}"
        self.assertEqual(report["failed"][0]["reason"], why)
        self.assertIn(why, self.log())

    def test_one_that_eats_memory_ends_the_update(self):
        self.shadow_device(shadow_s=600)
        # 512 MB, which its probe with silence does not touch.
        self.maker.model(POLDER, "hungry", *repeats_with_sound(
            (floats("begin", [1], [0.0]), onnx_input("v", [1])),
            integers("large", [1 << 27]) + onnx_node("Expand", ["v", "large"], ["t"], name="n") +
            onnx_node("ReduceMean", ["t"], ["u"], name="n2")))
        self.release("2.0.0", plan="hungry")
        self.assign("2.0.0")
        agent = subprocess.Popen([POLDERD, "check", "--install", "--config",
                                  self.scratch / "polderd.toml"], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        self.addCleanup(agent.wait)
        self.addCleanup(agent.kill)
        # What the kernel does when memory runs out.
        deadline = time.monotonic() + 60
        eaten = []
        while not eaten and time.monotonic() < deadline and agent.poll() is None:
            eaten = [child for child in children(agent.pid) if child[1] > 400 << 20]
            time.sleep(0.05)
        self.assertEqual(len(eaten), 1)
        os.kill(eaten[0][0], signal.SIGKILL)
        self.assertEqual(agent.wait(60), 1)
        report = json.loads(self.agent("status", "--json"))
        self.expect_old_goes_on(report)
        self.assertEqual(report["bad"], [])
        why = report["failed"][0]["reason"]
        self.assertRegex(why, r"in shadow, beside voice 1.0.0: it was ended by signal 9, after .* "
                              r"with \d{6,} KB")
        self.assertIn(why, self.log())
        self.assertIn("signal 9", report["live"]["shadow"][MODEL]["failure"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
