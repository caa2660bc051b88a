#!/usr/bin/env python3
"""What polderd exports against OpenTelemetry's own messages, as PyPI's opentelemetry-proto has
them, and against the rules of its data model that a schema cannot say.

    otlp_test.py POLDER INTEROP

Runs in the Python that scripts/fetch-interop has made; polderd lies beside POLDER.
"""
import collections
import json
import math
import pathlib
import re
import sys
import unittest

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest)
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_DELTA

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "e2e"))
from picture_releases import PictureMaker, png  # noqa: E402
from telemetry_device import MODEL, ReportingDevice  # noqa: E402

POLDER = pathlib.Path(sys.argv[1]).resolve()
KINDS = {"/v1/metrics": ExportMetricsServiceRequest, "/v1/logs": ExportLogsServiceRequest}
# Of the JSON encoding: 64 bits are text, enums are numbers.
TEXTS = {"timeUnixNano", "startTimeUnixNano", "observedTimeUnixNano", "asInt", "count",
         "intValue"}
NUMBERS = {"aggregationTemporality", "severityNumber"}
UNITS = re.compile(r"1|s|By|Cel|W|\{[a-z]+\}")  # of UCUM


def members(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from members(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from members(inner)


def attributes(where):
    keys = [item.key for item in where.attributes]
    if len(set(keys)) != len(keys):
        raise AssertionError(f"an attribute twice: {keys}")
    return {item.key: item.value for item in where.attributes}


class Otlp(ReportingDevice):
    polder_path, polderd_path = POLDER, POLDER.parent / "polderd"

    def parsed(self, path):
        """Strictly: what the schema does not know is an error."""
        requests = []
        for body in self.collector.taken(path):
            for key, value in members(body):
                if key in TEXTS:
                    self.assertRegex(value, r"^\d+$", key)
                if key in NUMBERS:
                    self.assertIs(type(value), int, key)
            requests.append(json_format.ParseDict(body, KINDS[path](),
                                                  ignore_unknown_fields=False))
        self.assertTrue(requests)
        return requests

    def check_resource(self, resource):
        found = attributes(resource)
        self.assertEqual(found["service.name"].string_value, "polderd")
        self.assertEqual(found["service.instance.id"].string_value, "camera-17")

    def check_histogram(self, point):
        bounds = list(point.explicit_bounds)
        self.assertEqual(bounds, sorted(set(bounds)))
        self.assertTrue(all(map(math.isfinite, bounds)))
        self.assertEqual(len(point.bucket_counts), len(bounds) + 1)
        self.assertEqual(sum(point.bucket_counts), point.count)
        self.assertEqual(point.HasField("min"), point.count > 0)
        if point.count:
            self.assertLessEqual(point.min * point.count, point.sum * (1 + 1e-9) + 1e-12)
            self.assertLessEqual(point.sum, point.max * point.count * (1 + 1e-9) + 1e-12)

    def check_metric(self, metric, streams, resource):
        kind = metric.WhichOneof("data")
        self.assertIn(kind, ("sum", "gauge", "histogram"))  # exponential ones are not sent
        self.assertRegex(metric.name, r"^[a-z][a-z0-9_.]{0,254}$")
        self.assertTrue(UNITS.fullmatch(metric.unit), metric)
        data = getattr(metric, kind)
        self.assertTrue(data.data_points)
        if kind != "gauge":
            self.assertEqual(data.aggregation_temporality, AGGREGATION_TEMPORALITY_DELTA)
        if kind == "sum":
            self.assertTrue(data.is_monotonic)
        for point in data.data_points:
            self.assertGreater(point.time_unix_nano, 0)
            if kind == "sum":
                self.assertEqual(point.WhichOneof("value"), "as_int")
                self.assertGreaterEqual(point.as_int, 0)
            if kind == "gauge":
                self.assertTrue(math.isfinite(point.as_double))
            if kind == "histogram":
                self.check_histogram(point)
            if kind != "gauge":
                self.assertLess(point.start_time_unix_nano, point.time_unix_nano)
                labels = {key: str(value) for key, value in attributes(point).items()}
                stream = (resource, metric.name, metric.unit, kind, str(sorted(labels.items())))
                streams[stream].append((point.start_time_unix_nano, point.time_unix_nano))
        return metric.name

    def check_metrics(self):
        names, streams = set(), collections.defaultdict(list)
        for request in self.parsed("/v1/metrics"):
            for of_resource in request.resource_metrics:
                self.check_resource(of_resource.resource)
                for scope in of_resource.scope_metrics:
                    self.assertEqual(scope.scope.name, "polder.report")
                    here = [self.check_metric(metric, streams, str(of_resource.resource))
                            for metric in scope.metrics]
                    self.assertEqual(len(set(here)), len(here))
                    names |= set(here)
        # Deltas of one stream follow each other: no time is counted twice.
        for stream, windows in streams.items():
            windows.sort()
            for (_, end), (begin, _) in zip(windows, windows[1:]):
                self.assertLessEqual(end, begin, stream)
        self.assertGreater(max(map(len, streams.values())), 3)
        return names

    def check_logs(self):
        uids, names = [], set()
        for request in self.parsed("/v1/logs"):
            for of_resource in request.resource_logs:
                self.check_resource(of_resource.resource)
                for record in of_resource.scope_logs[0].log_records:
                    found = attributes(record)
                    uids.append(found["log.record.uid"].string_value)
                    self.assertIn(record.severity_number, (9, 13))
                    self.assertEqual(record.event_name, found["event.name"].string_value)
                    self.assertGreater(record.time_unix_nano, 0)
                    names.add(record.event_name)
        self.assertEqual(len(set(uids)), len(uids))
        return names

    def metric_count(self):
        return len(self.collector.taken("/v1/metrics"))

    def test_sound_and_an_update_that_fails(self):
        self.release("1.0.0")
        self.start()
        self.wait_for("frames", lambda: self.sums().get("polder.frames", 0) > 0)
        self.release("1.1.0", golden=0.75)
        self.wait_for("the failure", lambda: "polder.alarm.update_failed" in self.logged())
        self.wait_for("metrics", lambda: self.metric_count() > 6)
        self.assertLessEqual({"polder.frames", "polder.stage.duration", "polder.signal.value",
                              "polder.sent"}, self.check_metrics())
        self.assertLessEqual({"polder.alarm.update_failed", "polder.lifecycle.committed"},
                             self.check_logs())


class OtlpOfPictures(Otlp):
    maker_class = PictureMaker

    def test_sound_and_an_update_that_fails(self):
        folder = self.scratch / "pictures"
        folder.mkdir()
        for i in range(200):
            (folder / f"{i:03}.png").write_bytes(png(64, 48, bytes([i]) * (64 * 48 * 3)))
        with open(self.scratch / "polderd.toml", "a") as config:
            config.write(f'[pipeline.{MODEL}]\ncamera.path = "{folder}"\n')
        self.release("1.0.0")
        self.start()
        self.wait_for("detections", lambda: self.sums().get("polder.detections", 0) > 0)
        self.wait_for("metrics", lambda: self.metric_count() > 6)
        self.assertIn("polder.detections", self.check_metrics())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
