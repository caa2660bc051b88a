#!/usr/bin/env python3
"""Debian's Prometheus scrapes a running hub as docs/guide/hub.md has it, and alerts by the rules
that come with it.

    prometheus_test.py POLDER INTEROP

polder-hub lies beside POLDER; scripts/setup full installs prometheus. INTEROP is not used.
"""
import json
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
import hubs  # noqa: E402

POLDER = pathlib.Path(sys.argv[1]).resolve()
RULES = HERE.parents[1] / "packaging/polder-hub.rules.yml"
GUIDE = HERE.parents[1] / "docs/guide/hub.md"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def configuration():
    """What the guide tells its readers to write into prometheus.yml."""
    section = GUIDE.read_text().split("## Watch it with Prometheus")[1].split("\n## ")[0]
    lines = section.split("scrape_configs:")[1].split("\n\n")[0]
    return "scrape_configs:" + lines.replace("\n    ", "\n") + "\n"


class Prometheus(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)

    def tool(self, *words, text=None):
        done = subprocess.run(["promtool", *map(str, words)], input=text, capture_output=True,
                              text=True, cwd=self.scratch, timeout=120)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def test_the_rules(self):
        self.assertIn("12 rules found", self.tool("check", "rules", RULES))
        tests = (HERE / "polder-hub.rules.test.yml").read_text()
        (self.scratch / "test.yml").write_text(tests.replace("RULES", str(RULES)))
        self.assertIn("SUCCESS", self.tool("test", "rules", "test.yml"))

    def ask(self, path, **query):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except OSError:
            self.assertIsNone(self.prometheus.poll(), (self.scratch / "log").read_text())
            return None

    def wait_for(self, what, ready):
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            if found := ready():
                return found
            time.sleep(0.2)
        raise AssertionError(f"{what}: {self.ask('targets')}; {(self.scratch / 'log').read_text()}")

    def value(self, query):
        found = (self.ask("query", query=query) or {}).get("result")
        return found and float(found[0]["value"][1])

    def start(self, hub):
        """As the guide has it, but for places, and more often."""
        (self.scratch / "token").write_text(hub.token_of("prometheus", "viewer"))
        text = configuration()
        for guides, ours in (("/etc/prometheus/polder-hub.token", self.scratch / "token"),
                             ("/etc/prometheus/polder-hub-ca.pem", hub.ca()),
                             ("hub.example.org:8443", f"127.0.0.1:{hub.port}"),
                             ("/usr/local/share/polder-hub/polder-hub.rules.yml", RULES)):
            self.assertIn(guides, text)
            text = text.replace(guides, str(ours))
        (self.scratch / "prometheus.yml").write_text(
            "global: { scrape_interval: 1s, evaluation_interval: 1s }\n" + text)
        self.port = free_port()
        log = open(self.scratch / "log", "wb")
        self.addCleanup(log.close)
        self.prometheus = subprocess.Popen(
            ["prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data",
             f"--web.listen-address=127.0.0.1:{self.port}"], cwd=self.scratch, stdout=log,
            stderr=log)
        self.addCleanup(self.prometheus.wait)
        self.addCleanup(self.prometheus.kill)

    def test_a_hub_is_scraped(self):
        hub = hubs.Hub(POLDER.parent / "polder-hub", self.scratch / "hub")
        self.addCleanup(hub.kill)
        hub.start()
        _, _, page = hub.send("GET", "/metrics", token=hub.token)
        self.assertEqual(self.tool("check", "metrics", text=page.decode()), "")
        self.start(hub)
        self.wait_for("the hub is up", lambda: self.value('up{job="polder-hub"}') == 1)
        self.assertEqual(self.value('polder_hub_devices{state="new"}'), 0)
        hub.enrolment_token()
        self.wait_for("what people ask is counted", lambda: self.value(
            'polder_hub_requests_total{asker="person",status="2xx"}') or 0)
        rules = self.ask("rules")["groups"][0]["rules"]
        self.assertEqual({rule["health"] for rule in rules} - {"unknown"}, {"ok"})
        hub.kill()
        self.wait_for("the hub is down", lambda: self.value('up{job="polder-hub"}') == 0)
        self.wait_for("an alert", lambda: "PolderHubDown" in {
            alert["labels"]["alertname"] for alert in (self.ask("alerts") or {}).get("alerts", [])})


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)
