#!/usr/bin/python3
"""polderd on clocks that are wrong by decades, jump in the middle of an update, or say 1970:
metadata that have expired are never taken, and a clock that is right again ends all of it.

    clock_test.py POLDER POLDERD WRONG_CLOCK_LIBRARY [TEST...]
"""
import functools
import http.server
import os
import pathlib
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from world import PATIENCE_S, Device, Releaser, read_state, scratch_parent

POLDER, POLDERD, CLOCK = (pathlib.Path(word).resolve() for word in sys.argv[1:4])
YEAR_S = 365 * 86400
NO_CLOCK = -(1 << 40)  # 1970
WRONG = {"20 years ahead": 20 * YEAR_S, "20 years behind": -20 * YEAR_S, "1970": NO_CLOCK}


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Clock(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory(dir=scratch_parent())
        cls.addClassCleanup(scratch.cleanup)
        cls.scratch = pathlib.Path(scratch.name)
        cls.base = Releaser(POLDER, cls.scratch / "base").make()
        cls.base.release("1.0.0")
        cls.numbers = iter(range(1000))

    def setUp(self):
        number = next(self.numbers)
        self.releaser = self.base.copy(self.scratch / f"base-{number}")
        self.releaser.authorised = set(self.base.authorised)
        self.device = Device(POLDERD, self.releaser, self.scratch / f"run-{number}",
                             clock_library=CLOCK)

    def runs(self, version):
        self.assertEqual(self.device.running(), version)
        self.assertIsNone(self.device.error())

    def publish_expired(self):
        """What the repository said last is newer, and has expired a day ago."""
        days = 2 + 7  # the timestamp's life
        done = subprocess.run(
            [POLDER, "repo", "publish", "repo", "--key", "online.pem", "--force"],
            cwd=self.releaser.folder,
            env={**os.environ, "SOURCE_DATE_EPOCH": str(int(time.time()) - days * 86400 * 60)},
            capture_output=True, text=True, timeout=PATIENCE_S)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_first_installation_by_a_wrong_clock(self):
        # Behind: no clock before the program itself is believed, so what is valid is taken.
        for name in ("20 years behind", "1970"):
            with self.subTest(name):
                self.setUp()
                self.device.set_clock(WRONG[name])
                status, said = self.device.install()[:2]
                self.assertEqual(status, 0, said)
                self.runs("1.0.0")
        # Ahead: everything has expired; a right clock ends that.
        self.setUp()
        self.device.set_clock(WRONG["20 years ahead"])
        status, said = self.device.install()[:2]
        self.assertEqual(status, 1, said)
        self.assertIn("expired", said)
        self.assertIsNone(self.device.running())
        self.device.set_clock(0)
        self.assertEqual(self.device.install()[0], 0)
        self.runs("1.0.0")

    def serve_over_tls(self):
        """The repository; its certificate begins now, after the program was made."""
        key, certificate = self.releaser.folder / "tls.key", self.releaser.folder / "tls.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", certificate,
                        "-subj", "/CN=localhost", "-days", "365", "-addext",
                        "subjectAltName=DNS:localhost"], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(
            Quiet, directory=self.releaser.repo))
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return f"https://localhost:{server.server_port}", certificate

    def test_over_tls_a_clock_that_is_behind_holds_nothing_up(self):
        place, certificate = self.serve_over_tls()
        for name in ("20 years behind", "1970"):
            with self.subTest(name):
                device = Device(POLDERD, self.releaser, self.scratch / f"tls-{name}", place,
                                f'ca_file = "{certificate}"\n', clock_library=CLOCK)
                device.set_clock(WRONG[name])
                status, said = device.install()[:2]
                self.assertEqual(status, 0, said)
                self.assertEqual(device.running(), "1.0.0")
        device.set_clock(WRONG["20 years ahead"])
        self.releaser.release("1.1.0")
        status, said = device.install()[:2]
        self.assertEqual(status, 1, said)
        self.assertIn("expired", said)
        device.set_clock(0)
        self.assertEqual(device.install()[0], 0)
        self.assertEqual(device.running(), "1.1.0")

    def test_a_device_goes_on_and_comes_back(self):
        """What runs goes on whatever the clock says; right again, it is updated."""
        self.assertEqual(self.device.install()[0], 0)
        self.releaser.release("1.1.0")
        self.device.set_clock(WRONG["20 years ahead"])
        status, said = self.device.install()[:2]
        self.assertEqual(status, 1, said)
        self.assertIn("expired", said)
        self.runs("1.0.0")
        self.device.set_clock(0)
        self.assertEqual(self.device.install()[0], 0)
        self.runs("1.1.0")

    def test_expired_metadata_are_refused_by_every_clock(self):
        """Set back, a clock would make them fresh again: it is not believed."""
        self.assertEqual(self.device.install()[0], 0)
        self.releaser.release("1.1.0")
        self.publish_expired()
        for name, wrong_by_s in {"right": 0, **WRONG}.items():
            with self.subTest(name):
                self.device.set_clock(wrong_by_s)
                status, said = self.device.install()[:2]
                self.assertEqual(status, 1, said)
                self.assertIn("expired", said)
                self.runs("1.0.0")
        # Renewed, all goes on, even by a clock that is still wrong.
        self.releaser.publish()
        self.device.set_clock(WRONG["1970"])
        status, said = self.device.install()[:2]
        self.assertEqual(status, 0, said)
        self.runs("1.1.0")

    def jump_in(self, phase, wrong_by_s):
        """The clock jumps as soon as an update is in that phase, and stays so."""
        seen = set()
        process = subprocess.Popen(self.device.command("run"), stderr=subprocess.DEVNULL,
                                   env=self.device.environment(), start_new_session=True)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            state = read_state(self.device.home)
            seen.add(state and state["phase"])
            if phase in seen:
                self.device.set_clock(wrong_by_s)
            if self.device.unit().get("committed", {}).get("version") == "1.1.0":
                break
            time.sleep(0.001)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return seen

    def test_a_jump_in_the_middle_of_an_update(self):
        for name, wrong_by_s in WRONG.items():
            with self.subTest(name):
                self.setUp()
                self.assertEqual(self.device.install()[0], 0)
                self.releaser.release("1.1.0")
                self.assertIn("observe", self.jump_in("observe", wrong_by_s))
                # What was fresh when it was offered is finished; nothing is lost or stuck.
                self.runs("1.1.0")
                self.device.set_clock(0)
                self.releaser.release("1.2.0")
                status, said = self.device.install()[:2]
                self.assertEqual(status, 0, said)
                self.runs("1.2.0")

    def test_what_failed_under_a_wrong_clock(self):
        """By a clock that is wrong a download fails: put right, the clock does not hold it back."""
        self.assertEqual(self.device.install()[0], 0)
        versions = iter(range(1, 100))
        blobs, away = self.releaser.repo / "blobs", self.releaser.repo / "away"
        # Within the life of the metadata, which refuse a clock that is further ahead.
        for wrong_by_s in (3600, 86400, -20 * YEAR_S, NO_CLOCK):
            with self.subTest(wrong_by_s):
                version = f"1.1.{next(versions)}"
                self.releaser.release(version)
                blobs.rename(away)
                self.device.set_clock(wrong_by_s)
                self.assertEqual(self.device.install()[0], 1)
                self.assertEqual(len(read_state(self.device.home)["attempts"]), 1)
                away.rename(blobs)
                self.device.set_clock(0)
                status, said = self.device.install()[:2]
                self.assertEqual(status, 0, said)
                self.runs(version)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[4:])
