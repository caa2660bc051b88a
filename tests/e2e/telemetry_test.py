#!/usr/bin/python3
"""What leaves a device, with the real programs: /metrics, reports to a collector, the ring on the
disk. Sound and the names of files carry tokens that must not be in any of it.

    telemetry_test.py POLDER POLDERD
"""
import base64
import http.server
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from small_releases import Maker, wav  # noqa: E402

POLDER = pathlib.Path(sys.argv[1]).resolve()
POLDERD = pathlib.Path(sys.argv[2]).resolve()
KEYS = ["root-1", "root-2", "root-3", "targets", "online"]
MODEL = "voice"
DEADLINE_S = 120  # of what happens within a second or two when the machine has time

# Of samples, 16 bits each; of the name of a file.
SOUND_TOKEN = os.urandom(16)
NAME_TOKEN = "canary" + os.urandom(8).hex()


def forms(token):
    """How a token may look in bytes that somebody lets out: as it is, hex, base64 wherever it
    begins, samples as floats."""
    found = {token, token.hex().encode(), token.hex().upper().encode()}
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + token)
        found.add(encoded[-(-shift * 8 // 6):len(encoded) - 4])
    samples = struct.unpack(f"<{len(token) // 2}h", token)
    for scale in (32768, 32767, 1):
        found.add(struct.pack(f"<{len(samples)}f", *(s / scale for s in samples)))
    for separator in (", ", ","):
        found.add(separator.join(map(str, samples)).encode())
    return found


def leaks(data):
    """The tokens that are in the data, in any form."""
    named = [("sound", SOUND_TOKEN), ("name", NAME_TOKEN.encode())]
    return [name for name, token in named if any(form in data for form in forms(token))]


class CanaryMaker(Maker):
    """Its sound is the token over and over."""

    def blob(self, blobs, data):
        if data[:4] == b"RIFF":
            data = wav(struct.unpack("<8h", SOUND_TOKEN) * 2000)
        return super().blob(blobs, data)


class Collector(http.server.ThreadingHTTPServer):
    """Keeps what it is sent; refuses the first few, as one that is just starting."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), CollectorHandler)
        self.bodies, self.refusals = [], 3
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def taken(self, path):
        return [json.loads(body) for where, status, body in list(self.bodies)
                if where == path and status == 200]


class CollectorHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = 503 if self.server.refusals > 0 else 200
        self.server.refusals -= 1
        head = f"{self.requestline}\n{self.headers}".encode()
        self.server.bodies.append((self.path, status, body))
        self.server.bodies.append(("head", 0, head))
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Telemetry(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)
        self.repo, self.device = self.scratch / "repo", self.scratch / "device"
        for name in KEYS:
            self.polder("keys", "create", "--output", f"{name}.pem", "--no-passphrase")
            self.polder("keys", "public", f"{name}.pem", "--output", f"{name}.pub.pem")
        self.polder("repo", "init", self.repo, "--root-key", "root-1.pub.pem", "--root-key",
                    "root-2.pub.pem", "--root-key", "root-3.pub.pem", "--targets-key",
                    "targets.pub.pem", "--timestamp-key", "online.pub.pem")
        self.polder("repo", "sign", self.repo, "--key", "root-1.pem", "--key", "root-2.pem",
                    "--key", "targets.pem")
        self.polder("repo", "publish", self.repo, "--key", "online.pem")
        self.maker = CanaryMaker(POLDER, self.scratch, self.repo)
        shutil.copy(self.repo / "metadata" / "1.root.json", self.scratch / "root.json")
        self.collector = Collector()
        self.addCleanup(self.collector.server_close)
        self.addCleanup(self.collector.shutdown)
        self.port = free_port()
        (self.scratch / "polderd.toml").write_text(
            f'device = "camera-17"\nfolder = "{self.device}"\nmodels = ["{MODEL}"]\n'
            f'repository = "{self.repo}"\nroot = "{self.scratch}/root.json"\n'
            f'[updates]\nobserve_s = 2\ncheck_every_s = 2\n[worker]\ncrashes = 2\n'
            f'[reports]\nevery_s = 1\nmetrics = "127.0.0.1:{self.port}"\n'
            f'otlp = "{self.collector.url()}"\n')
        self.pages = []

    def polder(self, *words):
        done = subprocess.run([POLDER, *map(str, words)], cwd=self.scratch, capture_output=True,
                              text=True, timeout=100)
        self.assertEqual(done.returncode, 0, done.stderr)

    def release(self, version, **options):
        path = self.scratch / "manifest.json"
        path.write_text(self.maker.manifest(version, **options))
        self.polder("repo", "add", self.repo, path, "--target", f"{MODEL}/{version}/manifest.json",
                    "--key", "targets.pem")
        self.polder("repo", "publish", self.repo, "--key", "online.pem")

    def start(self):
        with open(self.scratch / "log", "ab") as log:
            agent = subprocess.Popen([POLDERD, "run", "--config", self.scratch / "polderd.toml"],
                                     stdout=log, stderr=log, env={"PATH": os.environ["PATH"]})
        self.addCleanup(agent.wait)
        self.addCleanup(agent.kill)
        return agent

    def status(self, *words):
        return subprocess.run([POLDERD, "status", *words, "--config",
                               self.scratch / "polderd.toml"], capture_output=True, text=True,
                              check=True, timeout=100).stdout

    def page(self, host="127.0.0.1", path="/metrics", method="GET"):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method,
                                         headers={"Host": host})
        with urllib.request.urlopen(request, timeout=30) as answer:
            self.pages.append(answer.read())
        return self.pages[-1].decode()

    def value(self, name, **labels):
        """Of a sample; None while there is no such sample, or no page."""
        try:
            families = text_string_to_metric_families(self.page())
        except OSError:
            return None
        return next((sample.value for family in families for sample in family.samples
                     if sample.name == name and labels.items() <= sample.labels.items()), None)

    def wait_for(self, what, condition):
        end = time.monotonic() + DEADLINE_S
        while not condition():
            if time.monotonic() > end:
                self.fail(f"{what}: not within {DEADLINE_S} s\n" +
                          (self.scratch / "log").read_text())
            time.sleep(0.1)

    def logged(self):
        return {record["eventName"]: record for body in self.collector.taken("/v1/logs")
                for resource in body["resourceLogs"] for scope in resource["scopeLogs"]
                for record in scope["logRecords"]}

    def sums(self):
        """Of the sums that the collector has taken, by name."""
        sums = {}
        for body in self.collector.taken("/v1/metrics"):
            for resource in body["resourceMetrics"]:
                for metric in resource["scopeMetrics"][0]["metrics"]:
                    for point in metric.get("sum", {}).get("dataPoints", []):
                        sums[metric["name"]] = sums.get(metric["name"], 0) + int(point["asInt"])
        return sums

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
        # A release whose pipeline names a file that is not there: its worker says so, by name.
        self.release("1.1.0", sound=f"{NAME_TOKEN}.wav")
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
                     "polder_reports_dropped", "polder_sent_bytes", "polder_scraped_bytes"):
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
