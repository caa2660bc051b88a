#!/usr/bin/env python3
"""What polderd exports, sent to a real OpenTelemetry Collector: it takes all of it, and what it
hands on passes the checks of otlp_test.py.

    collector_test.py POLDER INTEROP

INTEROP/collector is what scripts/fetch-interop has built, where there is Go for it.
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

import otlp_test
from telemetry_device import DEADLINE_S, free_port

COLLECTOR = pathlib.Path(sys.argv[2]).resolve() / "collector"
CONFIG = """
receivers:
  otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{port}"}}}}}}
exporters:
  file/metrics: {{path: "{folder}/metrics.json"}}
  file/logs: {{path: "{folder}/logs.json"}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    metrics: {{receivers: [otlp], exporters: [file/metrics]}}
    logs: {{receivers: [otlp], exporters: [file/logs]}}
"""


class RealCollector:
    """The program, with the methods of telemetry_device.Collector."""

    def __init__(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.folder, self.port = pathlib.Path(self.scratch.name), free_port()
        (self.folder / "config.yaml").write_text(CONFIG.format(port=self.port, folder=self.folder))
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen([COLLECTOR, "--config", self.folder / "config.yaml"],
                                            stdout=log, stderr=log)
        end = time.monotonic() + DEADLINE_S
        while "Everything is ready" not in self.log():
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"the collector does not start: {self.log()}")
            time.sleep(0.1)

    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def log(self):
        return (self.folder / "log").read_text()

    def taken(self, path):
        """What it has handed on, a request a line; the last line may be half written."""
        file = self.folder / (path.rsplit("/", 1)[-1] + ".json")
        lines = file.read_text().split("\n")[:-1] if file.exists() else []
        return [json.loads(line) for line in lines if line]

    def shutdown(self):
        self.process.terminate()

    def server_close(self):
        self.process.wait(60)
        self.scratch.cleanup()


class TakenByACollector(otlp_test.Otlp):
    collector_class = RealCollector

    def test_sound_and_an_update_that_fails(self):
        super().test_sound_and_an_update_that_fails()
        self.assertNotIn("error", self.collector.log().lower())


if __name__ == "__main__":
    if not COLLECTOR.exists():
        print("skipped: collector: scripts/fetch-interop found no Go that is new enough")
        sys.exit(0)
    unittest.main(argv=sys.argv[:1], verbosity=2)
