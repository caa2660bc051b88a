"""A device that reports: real programs, a repository, a collector that keeps what it is sent."""
import http.server
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.request

from small_releases import Maker

KEYS = ["root-1", "root-2", "root-3", "targets", "online"]
MODEL = "voice"
DEADLINE_S = 120  # of what happens within a second or two when the machine has time


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


class ReportingDevice(unittest.TestCase):
    """Who uses it gives the paths of both programs."""
    polder_path = polderd_path = None
    maker_class, collector_class = Maker, Collector
    every_s = 1

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
        self.maker = self.maker_class(self.polder_path, self.scratch, self.repo)
        shutil.copy(self.repo / "metadata" / "1.root.json", self.scratch / "root.json")
        self.collector = self.collector_class()
        self.addCleanup(self.collector.server_close)
        self.addCleanup(self.collector.shutdown)
        self.port = free_port()
        (self.scratch / "polderd.toml").write_text(
            f'device = "camera-17"\nfolder = "{self.device}"\nmodels = ["{MODEL}"]\n'
            f'repository = "{self.repo}"\nroot = "{self.scratch}/root.json"\n'
            f'[updates]\nobserve_s = 2\ncheck_every_s = 2\n[worker]\ncrashes = 2\n'
            f'[reports]\nevery_s = {self.every_s}\nmetrics = "127.0.0.1:{self.port}"\n'
            f'otlp = "{self.collector.url()}"\n')
        self.pages = []

    def polder(self, *words):
        done = subprocess.run([self.polder_path, *map(str, words)], cwd=self.scratch,
                              capture_output=True, text=True, timeout=100)
        self.assertEqual(done.returncode, 0, done.stderr)

    def release(self, version, **options):
        path = self.scratch / "manifest.json"
        path.write_text(self.maker.manifest(version, **options))
        self.polder("repo", "add", self.repo, path, "--target", f"{MODEL}/{version}/manifest.json",
                    "--key", "targets.pem")
        self.polder("repo", "publish", self.repo, "--key", "online.pem")

    def start(self):
        with open(self.scratch / "log", "ab") as log:
            agent = subprocess.Popen(
                [self.polderd_path, "run", "--config", self.scratch / "polderd.toml"],
                stdout=log, stderr=log, env={"PATH": os.environ["PATH"]})
        self.addCleanup(agent.wait)
        self.addCleanup(agent.kill)
        return agent

    def status(self, *words):
        return subprocess.run([self.polderd_path, "status", *words, "--config",
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
        from prometheus_client.parser import text_string_to_metric_families
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
