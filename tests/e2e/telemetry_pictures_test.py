#!/usr/bin/python3
"""What leaves a device that looks at pictures. Their pixels, their metadata and the names of their
files carry tokens that must be in none of it, however they are packed.

    telemetry_pictures_test.py POLDER POLDERD
"""
import base64
import json
import os
import pathlib
import re
import struct
import sys
import unittest
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from picture_releases import PictureMaker, chunk, png  # noqa: E402
from telemetry_device import MODEL, ReportingDevice  # noqa: E402

POLDER = pathlib.Path(sys.argv[1]).resolve()
POLDERD = pathlib.Path(sys.argv[2]).resolve()
PICTURES = 40
TOKENS = {"pixels": os.urandom(12),  # 4 pixels of RGB, again and again
          "metadata": b"meta" + os.urandom(8).hex().encode(),
          "name": b"canary" + os.urandom(8).hex().encode(),
          "broken": b"broken" + os.urandom(8).hex().encode()}  # of a file that cannot be read


def forms(token):
    """The token in bytes: as it is, hex, base64 wherever it begins, lists of numbers, floats of
    0 to 255 and of 0 to 1, its colours in the other order."""
    found = set()
    other_order = b"".join(token[i:i + 3][::-1] for i in range(0, len(token), 3))
    for data in (token, other_order):
        found |= {data, data.hex().encode(), data.hex().upper().encode()}
        for shift in range(3):
            encoded = base64.b64encode(b"\0" * shift + data)
            part = encoded[-(-shift * 8 // 6):len(encoded) - 4]
            found |= {part, part.replace(b"+", b"-").replace(b"/", b"_")}
        for scale in (1, 255):
            found.add(struct.pack(f"<{len(data)}f", *(value / scale for value in data)))
        found |= {separator.join(map(str, data)).encode() for separator in (",", ", ")}
    return found


FORMS = {name: forms(token) for name, token in TOKENS.items()}


def inflated(data):
    """What zlib and gzip make of each place in the data where one of their streams may begin."""
    for begin in re.finditer(rb"\x78[\x01\x5e\x9c\xda]|\x1f\x8b\x08", data):
        try:
            yield zlib.decompressobj(47).decompress(data[begin.start():], 1 << 20)
        except zlib.error:
            pass


def unpacked(data, depth=2):
    """The data, and what it is once texts in base64 and hex are bytes, and streams inflated."""
    yield data
    if depth == 0:
        return
    inner = list(inflated(data))
    for text in set(re.findall(rb"[A-Za-z0-9+/_-]{16,}", data)):
        text = text.replace(b"-", b"+").replace(b"_", b"/")
        if len(text) % 4 != 1:
            inner.append(base64.b64decode(text + b"=" * (-len(text) % 4)))
        if re.fullmatch(rb"(?:[0-9a-fA-F]{2})+", text):
            inner.append(bytes.fromhex(text.decode()))
    for found in inner:
        yield from unpacked(found, depth - 1)


def leaks(data):
    return sorted({name for part in unpacked(data) for name, all_forms in FORMS.items()
                   if any(form in part for form in all_forms)})


class Pictures(ReportingDevice):
    polder_path, polderd_path, maker_class = POLDER, POLDERD, PictureMaker

    def setUp(self):
        super().setUp()
        folder = self.scratch / TOKENS["name"].decode()
        folder.mkdir()
        text = TOKENS["metadata"]
        exif = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x0e\0\x02" + struct.pack(">II", len(text), 26)
        for i in range(PICTURES):
            (folder / f"{TOKENS['name'].decode()}-{i:03}.png").write_bytes(png(
                64, 48, TOKENS["pixels"] * (64 * 48 // 4), chunk(b"tEXt", b"Comment\0" + text),
                chunk(b"zTXt", b"Place\0\0" + zlib.compress(text)),
                chunk(b"eXIf", exif + b"\0\0\0\0" + text)))
        (folder / f"{TOKENS['broken'].decode()}.png").write_bytes(b"\x89PNG\r\n\x1a\nno picture")
        with open(self.scratch / "polderd.toml", "a") as config:
            config.write(f'[pipeline.{MODEL}]\ncamera.path = "{folder}"\n')
        self.pictures = folder

    def captured(self):
        ring = [path.read_bytes() for path in (self.device / "reports").iterdir()]
        bodies = [body for _, _, body in self.collector.bodies]
        return b"\n".join(ring + bodies + self.pages)

    def test_what_leaves_a_device_that_sees(self):
        self.release("1.0.0")
        self.start()
        self.wait_for("classes", lambda: (self.value(
            "polder_class_total", unit=MODEL, **{"class": "person"}) or 0) > 0)
        self.wait_for("all pictures", lambda: self.value(
            "polder_frames_total", unit=MODEL) == PICTURES)
        self.wait_for("classes at the collector", lambda: self.reported_classes().get("person"))
        # Of a folder without one good picture the worker says in words what is wrong with it.
        for path in self.pictures.glob(f"{TOKENS['name'].decode()}-*"):
            path.unlink()
        self.release("1.1.0")
        self.wait_for("the roll-back", lambda: "polder.alarm.rolled_back" in self.logged())
        self.check_classes()
        self.assertIn(TOKENS["broken"].decode(), (self.scratch / "log").read_text())
        captured = self.captured()
        self.assertGreater(len(captured), 5000)
        self.assertEqual(leaks(captured), [])
        self.check_scan(captured)

    def reported_classes(self):
        counts = {}
        for body in self.collector.taken("/v1/metrics"):
            for resource in body["resourceMetrics"]:
                for metric in resource["scopeMetrics"][0]["metrics"]:
                    for point in metric.get("sum", {}).get("dataPoints", []):
                        for item in point["attributes"]:
                            if item["key"] == "polder.class":
                                name = item["value"]["stringValue"]
                                counts[name] = counts.get(name, 0) + int(point["asInt"])
        return counts

    def check_classes(self):
        """By name, everywhere: those of the release's labels."""
        reported = self.reported_classes()
        self.assertEqual(set(reported), {"person", "dog"})
        self.assertGreaterEqual(reported["person"], PICTURES // 2)
        live = json.loads(self.status("--json"))["live"]["reports"]["units"][MODEL]
        self.assertEqual(set(live["classes"]), {"person", "dog"})
        self.assertRegex(self.status(), r"classes: .*person \d+")

    def check_scan(self, captured):
        """The test's own worth: each token is found in each form, wherever it is hidden."""
        for name, token in TOKENS.items():
            for form in forms(token):
                self.assertIn(name, leaks(captured[:3000] + form + captured[3000:]))
            for packed in (zlib.compress(token * 3), b"\0" + zlib.compress(b"say: " + token)):
                for hidden in (packed, base64.b64encode(packed), packed.hex().encode()):
                    body = b'{"value":"' + hidden + b'"}'
                    self.assertIn(name, leaks(captured[:3000] + body + captured[3000:]))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
