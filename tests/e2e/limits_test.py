#!/usr/bin/python3
"""polderd within its limits of size and memory, as it ships: each failure names limit and value.

    limits_test.py POLDER POLDERD [TEST...]
"""
import functools
import hashlib
import http.server
import json
import os
import pathlib
import re
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from devices import MODEL, POLDERD, Device  # noqa: E402

MB = 1_000_000
STRIPPED_BYTES = 6 * MB
IDLE_BYTES = 12 * MB  # resident, after a check over TLS
INSTALL_BYTES = 40 * MB  # anonymous, of polderd and its children together
RELEASE_BYTES = 1000 * MB
CHUNK = 256 << 10
DEADLINE_S = 120


def status_bytes(pid, name):
    """Of /proc/PID/status; 0 when the process has gone."""
    try:
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    found = re.search(rf"^{name}:\s+(\d+) kB", text, re.M)
    return int(found[1]) * 1024 if found else 0


def family(pid):
    """The process and what it has started."""
    try:
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [pid, *(one for child in children for one in family(int(child)))]


class Handler(http.server.SimpleHTTPRequestHandler):
    """A folder, with ranges; connections are kept."""
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append(self.path)
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        path = pathlib.Path(self.directory) / self.path.lstrip("/")
        if not asked or not path.is_file():
            super().do_GET()
            return
        size = path.stat().st_size
        first, last = int(asked[1]), min(int(asked[2] or size - 1), size - 1)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        with path.open("rb") as file:
            file.seek(first)
            while first <= last:
                piece = file.read(min(CHUNK, last + 1 - first))
                self.wfile.write(piece)
                first += len(piece)

    def log_message(self, *_):
        pass


class Limits(Device):
    def expect_within(self, what, value, limit):
        print(f"{what}: {value / MB:.2f} MB, at most {limit / MB:.0f} MB", file=sys.stderr)
        self.assertLessEqual(value, limit, f"{what}: {value:,} bytes; the limit is {limit:,}")

    def serve(self, context=None):
        server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(Handler, directory=self.repo))
        server.asked = []
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(lambda: (server.shutdown(), thread.join(), server.server_close()))
        return server

    def test_size(self):
        with tempfile.NamedTemporaryFile() as stripped:
            subprocess.run(["strip", "-o", stripped.name, POLDERD], check=True)
            self.expect_within("polderd, stripped", os.path.getsize(stripped.name),
                               STRIPPED_BYTES)

    def test_idle(self):
        key, certificate = self.scratch / "key.pem", self.scratch / "certificate.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", certificate,
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
                       check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server = self.serve(context)
        self.configure(f"https://localhost:{server.server_port}",
                       more=f'[network]\nca_file = "{certificate}"\n')
        self.agent("identity", "create")
        process = subprocess.Popen([POLDERD, "run", "--config", self.scratch / "polderd.toml"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(lambda: (process.terminate(), process.wait()))
        deadline = time.monotonic() + DEADLINE_S
        while not any(path.endswith("targets.json") for path in server.asked):
            self.assertIsNone(process.poll())
            self.assertLess(time.monotonic(), deadline, server.asked)
            time.sleep(0.1)
        time.sleep(3)  # it has written down what it found, and is idle
        self.assertEqual(family(process.pid), [process.pid])  # no pipeline
        self.expect_within("idle after a check over TLS",
                           status_bytes(process.pid, "VmRSS"), IDLE_BYTES)
        print(f"most until then: {status_bytes(process.pid, 'VmHWM') / MB:.2f} MB",
              file=sys.stderr)

    def large_blob(self):
        """A file in the repository, made chunk by chunk, none as another; with its index. Returns
        the entries of a manifest's blobs and the file's digest."""
        base, digest, entries, left = os.urandom(CHUNK), hashlib.sha256(), [], RELEASE_BYTES
        place = self.repo / "large"
        with place.open("wb") as file:
            while left:
                chunk = (struct.pack("<Q", left) + base[8:])[:left]
                digest.update(chunk)
                entries.append(struct.pack("<I", len(chunk)) + hashlib.sha256(chunk).digest())
                file.write(chunk)
                left -= len(chunk)
        blobs = {}
        index = self.maker.blob(blobs, b"POLDCIDX" + struct.pack(
            "<IIQ", 1, len(entries), RELEASE_BYTES) + b"".join(entries))
        name = digest.hexdigest()
        path = self.repo / "blobs" / "sha256" / name[:2] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        place.rename(path)
        return [*blobs.values(), {"sha256": name, "bytes": RELEASE_BYTES, "chunks": index}], name

    def test_an_install_of_a_gigabyte(self):
        entries, name = self.large_blob()
        manifest = json.loads(self.maker.manifest("1.0.0"))
        manifest["pipeline"]["files"]["large.bin"] = name
        manifest["blobs"] += entries
        path = self.scratch / "manifest.json"
        path.write_text(json.dumps(manifest))
        self.polder("repo", "add", self.repo, path, "--target", f"{MODEL}/1.0.0/manifest.json",
                    "--key", "targets.pem")
        self.publish()
        self.configure(f"http://127.0.0.1:{self.serve().server_port}")
        process = subprocess.Popen([POLDERD, "check", "--install", "--config",
                                    self.scratch / "polderd.toml"], stdout=subprocess.DEVNULL)
        self.addCleanup(lambda: (process.kill(), process.wait()))
        most, processes = 0, 0
        while process.poll() is None:
            all_of_it = family(process.pid)
            most = max(most, sum(status_bytes(pid, "RssAnon") for pid in all_of_it))
            processes = max(processes, len(all_of_it))
            time.sleep(0.02)
        self.assertEqual(process.returncode, 0)
        self.assertEqual(self.running(), "1.0.0")
        self.assertGreater(processes, 1)  # a worker was seen
        self.expect_within("anonymous memory while 1 GB is installed", most, INSTALL_BYTES)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
