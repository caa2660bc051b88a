#!/usr/bin/python3
"""What leaves a device, with the real programs: /metrics, reports to a collector, the ring on the
disk. Sound and the names of files carry tokens that must not be in any of it.

    telemetry_test.py POLDER POLDERD
"""
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import unittest
import urllib.error
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from leaks import NAME_TOKEN, SOUND_TOKEN, CanaryMaker, forms, leaks  # noqa: E402
from telemetry_device import MODEL, ReportingDevice  # noqa: E402

POLDER = pathlib.Path(sys.argv[1]).resolve()
POLDERD = pathlib.Path(sys.argv[2]).resolve()

class Telemetry(ReportingDevice):
    polder_path, polderd_path, maker_class = POLDER, POLDERD, CanaryMaker

    def captured(self):
        """Everything that leaves, and what would: requests, pages, reports on the disk."""
        ring = [path.read_bytes() for path in (self.device / "reports").iterdir()]
        bodies = [body for _, _, body in self.collector.bodies]
        texts = [json.dumps(json.loads(body), ensure_ascii=False).encode()
                 for _, status, body in self.collector.bodies if status]
        return b"\n".join(ring + bodies + texts + self.pages)

    def test_what_leaves_a_device(self):
        self.release("1.0.0")
        self.start()
        self.wait_for("the first release", lambda: self.value(
            "polder_release_info", unit=MODEL, version="1.0.0"))
        self.wait_for("frames", lambda: self.value("polder_frames_total", unit=MODEL))
        # A release whose recording is none: its worker says so, by name.
        self.release("1.1.0", broken=f"{NAME_TOKEN}.wav")
        self.wait_for("the roll-back", lambda: "polder.alarm.rolled_back" in self.logged())
        # Offered again, it is refused for what was said of it then.
        self.wait_for("a refusal", lambda: "polder.alarm.release_refused" in self.logged())
        self.wait_for("metrics", lambda: self.sums().get("polder.frames", 0) > 0 and
                      self.sums().get("polder.worker.crashes", 0) > 0)
        # The test's own worth: the words are there, on the device, for its owner.
        self.assertIn(NAME_TOKEN, (self.scratch / "log").read_text())
        # What the service printed has the words of the error, and nothing that a sensor gave.
        self.assertEqual(leaks((self.scratch / "log").read_bytes()), ["name"])
        self.assertIn("sound", leaks(next(self.device.rglob("*.wav")).read_bytes()))
        captured = self.captured()
        self.assertGreater(len(captured), 5000)
        self.assertEqual(leaks(captured), [])
        for token in (SOUND_TOKEN, NAME_TOKEN.encode()):
            for form in forms(token):
                self.assertNotEqual(leaks(captured[:3000] + form + captured[3000:]), [], form)
        self.check_figures()

    def check_figures(self):
        records = self.logged()
        for event in ("lifecycle.started", "lifecycle.update_begun", "lifecycle.activated",
                      "lifecycle.committed", "alarm.crash_loop", "alarm.rolled_back",
                      "alarm.release_refused"):
            self.assertIn(f"polder.{event}", records)
        self.assertEqual(records["polder.alarm.rolled_back"]["body"]["stringValue"],
                         "polder.alarm.rolled_back")
        live = json.loads(self.status("--json"))["live"]["reports"]
        self.assertGreater(live["seen_bytes"], 30_000)
        self.assertGreater(live["sent_bytes"], 0)
        self.assertLessEqual(live["sent_bytes"], sum(
            len(body) for _, status, body in self.collector.bodies if status))
        self.assertGreater(live["delivered_s"], 0)
        self.assertRegex(self.status(), r"reports: \d+ waiting, .*; last delivered 20\d\d-")
        self.assertRegex(self.status(), r"data: .* seen \(.* decoded\), .* sent")
        print(*[line for line in self.status().splitlines()
                if line.startswith(("  reports:", "  data:"))], sep="\n", file=sys.stderr)

    def test_the_page(self):
        self.release("1.0.0")
        self.start()
        self.wait_for("frames", lambda: self.value("polder_frames_total", unit=MODEL))
        families = {family.name: family for family in text_string_to_metric_families(self.page())}
        for name in ("polder", "polder_boot", "polder_lifecycle_phase", "polder_release",
                     "polder_unit_health", "polder_frames", "polder_encoded_bytes",
                     "polder_worker_starts", "polder_worker_crashes", "polder_stage_packets",
                     "polder_stage_latency_seconds", "polder_signal", "polder_reports_waiting",
                     "polder_reports_dropped", "polder_sent_bytes", "polder_scraped_bytes",
                     "polder_bad_releases", "polder_roll_backs", "polder_refusals",
                     "polder_check_failed", "polder_check_success_timestamp_seconds",
                     "polder_free_bytes", "polder_audit_log_signed"):
            self.assertTrue(name in families or f"{name}_info" in families, name)
        latency = families["polder_stage_latency_seconds"]
        self.assertEqual(latency.type, "summary")
        self.assertEqual({sample.labels.get("stage") for sample in latency.samples},
                         {"microphone", "window", "infer", "speech", "events"})
        if promtool := shutil.which("promtool"):
            done = subprocess.run([promtool, "check", "metrics"], input=self.page(), text=True,
                                  capture_output=True, timeout=100)
            self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))
        for status, options in ((404, {"path": "/"}), (405, {"method": "POST"}),
                                (403, {"host": "evil.example"})):
            with self.assertRaises(urllib.error.HTTPError) as refused:
                self.page(**options)
            self.assertEqual(refused.exception.code, status)
        # On this machine's other addresses nobody listens.
        with self.assertRaises(OSError):
            socket.create_connection(("127.0.0.2", self.port), timeout=30)

    def test_a_collector_that_is_not_there_and_a_port_that_is_taken(self):
        self.collector.shutdown()
        self.collector.server_close()
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", self.port))
            taken.listen()
            self.release("1.0.0")
            self.start()
            self.wait_for("the release", lambda: (self.device / "state.json").exists() and
                          json.loads(self.status("--json"))["units"][MODEL]["committed"])
            self.wait_for("an error", lambda: "reports: collector: " in self.status())
        live = json.loads(self.status("--json"))["live"]["reports"]
        self.assertGreater(live["waiting"], 0)
        self.assertEqual(live["delivered_s"], 0)
        self.assertIn("metrics: 127.0.0.1:", (self.scratch / "log").read_text())

    def test_other_addresses_are_refused(self):
        path = self.scratch / "polderd.toml"
        path.write_text(path.read_text().replace("127.0.0.1:" + str(self.port), "0.0.0.0:9464"))
        done = subprocess.run([POLDERD, "run", "--config", path], capture_output=True, text=True,
                              timeout=100)
        self.assertEqual(done.returncode, 1)
        self.assertIn("'127.0.0.1:PORT' expected", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
