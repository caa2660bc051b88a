#!/usr/bin/python3
"""polderd and a web server that cuts, flips, drips, never ends or leads elsewhere: nothing but what
was released is installed, memory is bounded, what has come is not fetched again.

    network_test.py POLDER POLDERD WRONG_CLOCK_LIBRARY [TEST...]
"""
import concurrent.futures
import hashlib
import http.server
import json
import os
import pathlib
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from world import Device, Releaser, scratch_parent

POLDER, POLDERD, CLOCK = (pathlib.Path(word).resolve() for word in sys.argv[1:4])
STEP = 64 << 10
HEADER_BYTES, ENTRY_BYTES = 24, 36  # of a chunk index (trust/chunks.h)
MAX_CAP_BYTES = 32 << 20  # nothing that is capped is larger
MAX_RESIDENT_KB = 40 << 10


class Handler(http.server.BaseHTTPRequestHandler):
    """Files with ranges; Server.fault says what becomes of an answer."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server
        path = server.repo / self.path.lstrip("/")
        if not path.is_file():
            return self.send_error(404)
        data, first = path.read_bytes(), 0
        size, asked = len(data), self.headers.get("Range")
        if asked:
            begin, end = asked.removeprefix("bytes=").split("-")
            first, last = int(begin), int(end) if end else size - 1
            data = data[first:last + 1]
        with server.lock:
            number = len(server.requests)
            server.requests.append((self.path, first))
        fault = server.fault(self.path, first, number) if server.fault else {}
        if "redirect" in fault:
            self.send_response(302)
            self.send_header("Location", fault["redirect"] + self.path)
            self.send_header("Content-Length", "0")
            return self.end_headers()
        if "flip" in fault and data:
            at = fault["flip"] % len(data)
            data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]
        endless = fault.get("endless")
        self.send_response(206 if asked and not endless else 200)
        if asked and not endless:
            self.send_header("Content-Range", f"bytes {first}-{first + len(data) - 1}/{size}")
        if not endless:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.close_connection = bool(fault)
        self.send(data, fault, endless)

    def send(self, data, fault, endless):
        try:
            if "drip" in fault:
                for byte in data:
                    self.put(bytes([byte]))
                    time.sleep(1)
            self.put(data[:fault.get("cut", len(data))])
            while endless:
                self.put(b" " * STEP)
        except OSError:
            pass  # it has hung up
        if "then" in fault:
            fault["then"]()

    def put(self, data):
        self.wfile.write(data)
        self.wfile.flush()
        with self.server.lock:
            self.server.served[self.path] = self.server.served.get(self.path, 0) + len(data)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, repo):
        super().__init__(("127.0.0.1", 0), Handler)
        self.repo, self.fault, self.lock = repo, None, threading.Lock()
        self.requests, self.served = [], {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Network(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory(dir=scratch_parent())
        cls.addClassCleanup(scratch.cleanup)
        cls.scratch = pathlib.Path(scratch.name)
        cls.releaser = Releaser(POLDER, cls.scratch / "base").make()
        cls.releaser.large_release("1.0.0", 0)
        plan = cls.releaser.folder / "large-0.plan"
        cls.plan = f"/{cls.blob(plan.read_bytes())}"
        cls.plan_bytes = plan.stat().st_size
        cls.numbers = iter(range(1000))

    @staticmethod
    def blob(data):
        digest = hashlib.sha256(data).hexdigest()
        return f"blobs/sha256/{digest[:2]}/{digest}"

    def device(self, fault=None, network=""):
        server = Server(self.releaser.repo)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        server.fault = fault
        folder = self.scratch / f"run-{next(self.numbers)}"
        return server, Device(POLDERD, self.releaser, folder, server.url(), network, CLOCK)

    def largest_chunk(self):
        manifest = json.loads((self.releaser.folder / "made-1.0.0/manifest.json").read_text())
        digest = self.plan.rsplit("/", 1)[1]
        chunks = next(b["chunks"] for b in manifest["blobs"] if b["sha256"] == digest)
        index = (self.releaser.repo / "blobs/sha256" / chunks[:2] / chunks).read_bytes()
        sizes = [struct.unpack_from("<I", index, at)[0]
                 for at in range(HEADER_BYTES, len(index), ENTRY_BYTES)]
        self.assertEqual(sum(sizes), self.plan_bytes)
        return max(sizes)

    def is_installed(self, device):
        self.assertEqual(device.running(), "1.0.0")
        self.assertIsNone(device.error())

    def test_cut_every_64_kib(self):
        """By a server that never sends more at once: each byte comes once."""
        server, device = self.device(lambda path, *_: {"cut": STEP} if path == self.plan else {})
        status, said, _ = device.install()
        self.assertEqual(status, 0, said)
        self.is_installed(device)
        self.assertEqual(server.served[self.plan], self.plan_bytes)
        count = sum(path == self.plan for path, _ in server.requests)
        self.assertEqual(count, -(-self.plan_bytes // STEP))

    def cut_and_killed(self, at):
        """The line is cut after `at` bytes, and the power goes: bytes that came in vain."""
        server, device = self.device()
        process = subprocess.Popen(device.command("run"), stderr=subprocess.DEVNULL,
                                   env=device.environment(), start_new_session=True)

        def kill():
            time.sleep(0.2)  # what was sent has been read
            os.killpg(process.pid, signal.SIGKILL)

        server.fault = lambda path, *_: {"cut": at, "then": kill} if path == self.plan else {}
        process.wait()
        kept = server.served[self.plan]
        server.fault, before = None, len(server.requests)
        status, said, _ = device.install()
        self.assertEqual(status, 0, said)
        self.is_installed(device)
        resumed = [first for path, first in server.requests[before:] if path == self.plan]
        self.assertGreater(len(resumed), 0)
        return server.served[self.plan] - self.plan_bytes, kept - resumed[0]

    def test_cut_and_killed_at_every_64_kib(self):
        cuts = range(STEP, self.plan_bytes, STEP)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            wasted = list(pool.map(self.cut_and_killed, cuts))
        largest = self.largest_chunk()
        for cut, (twice, back) in zip(cuts, wasted):
            self.assertLessEqual(twice, largest, f"cut at {cut}")
            self.assertLessEqual(back, largest, f"cut at {cut}")
        print(f"{len(wasted)} cuts of {self.plan_bytes} bytes: at most {max(w for w, _ in wasted)} "
              f"came twice, the largest chunk has {largest}", file=sys.stderr)

    def test_a_flipped_bit_in_every_file(self):
        """Its first answer is wrong in one bit: it is refused, and nothing else is ever there."""
        server, device = self.device()
        self.assertEqual(device.install()[0], 0)
        paths = sorted({path for path, _ in server.requests})
        self.assertGreater(len(paths), 8)

        def flipped(numbered):
            number, path = numbered
            first = threading.Event()

            def fault(asked, *_):
                if asked != path or first.is_set():
                    return {}
                first.set()
                return {"flip": number * 7919 + 100}

            _, victim = self.device(fault)
            status, said, _ = victim.install()
            self.assertTrue(first.is_set(), path)
            self.assertIsNone(victim.error(), path)
            self.assertEqual(read_bad(victim), [], path)
            if status == 0:
                return 0
            self.assertIsNone(victim.running(), path)
            # It is tried again, after a while.
            victim.set_clock(3600)
            status, said, _ = victim.install()
            self.assertEqual(status, 0, f"{path}: {said}")
            self.is_installed(victim)
            return 1

        def read_bad(victim):
            return json.loads((victim.home / "state.json").read_text())["state"]["bad"]

        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            refused = sum(pool.map(flipped, enumerate(paths)))
        print(f"{len(paths)} files with a flipped bit: {refused} refused until the next time",
              file=sys.stderr)

    def test_one_byte_a_second(self):
        for kind in ("timestamp.json", self.plan):
            _, device = self.device(lambda path, *_, kind=kind: {"drip": True}
                                    if path.endswith(kind) else {}, "deadline_s = 2\n")
            before = time.monotonic()
            status, said, _ = device.install()
            self.assertEqual(status, 1, said)
            self.assertLess(time.monotonic() - before, 60)
            self.assertIsNone(device.running())

    def test_endless_files(self):
        server, device = self.device()
        self.assertEqual(device.install()[0], 0)
        kinds = {path.rsplit("/", 1)[1] for path, _ in server.requests}
        names = [n for n in kinds if n.endswith(".json")] + [self.plan.rsplit("/", 1)[1]]
        peak = 0
        for name in names:
            server, victim = self.device(lambda path, *_, name=name: {"endless": True}
                                         if path.endswith(name) else {})
            _, said, resident = victim.install()
            peak = max(peak, resident)
            self.assertIsNone(victim.error())
            self.assertLess(max(server.served.values()), MAX_CAP_BYTES, name)
        self.assertLess(peak, MAX_RESIDENT_KB)
        print(f"{len(names)} endless files: at most {peak} KB resident", file=sys.stderr)

    def test_redirects_are_not_followed(self):
        elsewhere, _ = self.device()
        for kind in ("timestamp.json", "manifest.json", self.plan):
            _, device = self.device(lambda path, *_, kind=kind: {"redirect": elsewhere.url()}
                                    if path.endswith(kind) else {})
            device.install()
            self.assertIsNone(device.running(), kind)
            self.assertEqual(elsewhere.requests, [])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[4:])
