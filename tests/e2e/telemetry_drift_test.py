#!/usr/bin/python3
"""A release with baselines on a device: input as it was when the model was judged, and input that
has changed, as `polderd status`, /metrics and reports tell them apart.

    telemetry_drift_test.py POLDER POLDERD
"""
import json
import pathlib
import random
import sys
import tomllib
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from small_releases import PIPELINE, wav  # noqa: E402
from telemetry_device import MODEL, ReportingDevice  # noqa: E402

POLDER = pathlib.Path(sys.argv[1]).resolve()
POLDERD = pathlib.Path(sys.argv[2]).resolve()
BLOCK = 64  # samples; 500 blocks in a window of two seconds, and PSI needs 200
SIGNAL = "microphone.rms"


def sound(seconds, low, high, seed):
    """Square waves, one a block, each of a loudness (which is its RMS) between the two."""
    chance = random.Random(seed)
    samples = []
    for _ in range(seconds * 16000 // BLOCK):
        level = chance.uniform(low, high)
        samples += [round(level * 32768), -round(level * 32768)] * (BLOCK // 2)
    return samples


class Drift(ReportingDevice):
    polder_path, polderd_path = POLDER, POLDERD
    every_s = 2

    def baselines(self, samples):
        """As a releaser makes them."""
        (self.scratch / "judged.wav").write_bytes(wav(samples))
        (self.scratch / "pipeline.toml").write_text(
            PIPELINE.format(wav="away.wav", block=BLOCK, context=576 - BLOCK))
        self.polder("play", self.scratch / "pipeline.toml", "--set", "infer.model=mean.plan",
                    "--set", "microphone.path=judged.wav", "--out", self.scratch / "out",
                    "--baselines", self.scratch / "baselines.toml")
        return tomllib.loads((self.scratch / "baselines.toml").read_text())["baseline"]

    def install(self, samples):
        judged = self.baselines(sound(60, 0.02, 0.18, seed=1))
        self.assertEqual([(item["signal"], item["kind"]) for item in judged], [(SIGNAL, "input")])
        self.assertEqual(sum(judged[0]["counts"]), 60 * 16000 // BLOCK)
        self.release("1.0.0", samples=samples, baselines=judged, block=BLOCK)
        self.start()

    def reported_psi(self):
        return [point["asDouble"] for body in self.collector.taken("/v1/metrics")
                for resource in body["resourceMetrics"]
                for metric in resource["scopeMetrics"][0]["metrics"]
                if metric["name"] == "polder.signal.psi"
                for point in metric["gauge"]["dataPoints"]]

    def seen(self):
        live = json.loads(self.status("--json"))["live"]
        return live["reports"]["units"][MODEL]["signals"].get(SIGNAL, {}) if live else {}

    def test_input_as_it_was(self):
        self.install(sound(120, 0.02, 0.18, seed=2))
        self.wait_for("PSI", lambda: len(self.reported_psi()) >= 5)
        self.assertLess(max(self.reported_psi()), 0.1)
        self.assertNotIn("polder.alarm.drift", self.logged())
        self.assertEqual(self.seen()["alarms"], 0)
        self.assertLess(self.seen()["psi"], 0.1)
        self.assertLess(self.value("polder_signal_psi", unit=MODEL, signal=SIGNAL), 0.1)
        self.assertEqual(self.value("polder_signal_alarms_total", unit=MODEL, signal=SIGNAL), 0)
        self.assertRegex(self.status(), SIGNAL + r": 0 alarm\(s\) of drift, PSI 0\.0\d+: stable")

    def test_input_that_changes(self):
        self.install(sound(12, 0.02, 0.18, seed=3) + sound(180, 0.5, 0.9, seed=4))
        self.wait_for("the alarm", lambda: "polder.alarm.drift" in self.logged())
        alarm = self.logged()["polder.alarm.drift"]
        attributes = {item["key"]: item["value"] for item in alarm["attributes"]}
        self.assertEqual(attributes["polder.signal"], {"stringValue": SIGNAL})
        self.assertGreaterEqual(attributes["polder.evidence"]["doubleValue"],
                                attributes["polder.mean_run"]["doubleValue"])
        self.wait_for("PSI", lambda: max(self.reported_psi(), default=0) > 0.25)
        found = self.reported_psi()
        self.assertLess(found[0], 0.1)
        self.assertGreater(found[-1], 0.25)
        self.wait_for("status", lambda: self.seen().get("alarms") == 1)
        self.assertGreater(self.seen()["psi"], 0.25)
        self.assertGreater(self.value("polder_signal_psi", unit=MODEL, signal=SIGNAL), 0.25)
        self.assertEqual(self.value("polder_signal_alarms_total", unit=MODEL, signal=SIGNAL), 1)
        self.assertRegex(self.status(), SIGNAL + r": 1 alarm\(s\) of drift, PSI \d.*: changed")
        print("PSI by report:", *[f"{psi:.3f}" for psi in found], file=sys.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
