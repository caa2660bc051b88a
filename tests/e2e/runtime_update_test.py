#!/usr/bin/python3
"""polderd updates itself, with real programs: the installed one starts the one of a slot; one that
dies gives way to the one before; one that is lost is stood in for and installed again.

    runtime_update_test.py POLDER POLDERD [TEST...]
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

from small_releases import Maker, wav

POLDER = pathlib.Path(sys.argv[1]).resolve()
POLDERD = pathlib.Path(sys.argv[2]).resolve()
PATIENCE_S = 100
TARGET = {"x86_64": "x86-64-v3", "aarch64": "arm64"}[os.uname().machine]


class RuntimeUpdate(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)
        self.device = self.scratch / "device"
        self.installed = self.scratch / "polderd"
        shutil.copy(POLDERD, self.installed)
        for name in ("root", "targets", "online"):
            self.polder("keys", "create", "--output", f"{name}.pem", "--no-passphrase")
            self.polder("keys", "public", f"{name}.pem", "--output", f"{name}.pub.pem")
        self.polder("repo", "init", "repo", "--root-key", "root.pub.pem", "--root-threshold", "1",
                    "--targets-key", "targets.pub.pem", "--timestamp-key", "online.pub.pem")
        self.polder("repo", "sign", "repo", "--key", "root.pem", "--key", "targets.pem")
        self.polder("repo", "publish", "repo", "--key", "online.pem")
        self.config = self.scratch / "polderd.toml"
        self.config.write_text(f"""device = "gate-3"
folder = "{self.device}"
models = ["voice"]
runtime = "polderd"
repository = "{self.scratch}/repo"
root = "{self.scratch}/repo/metadata/1.root.json"
[updates]
observe_s = 1
""")
        self.process = None
        self.log = (self.scratch / "log").open("w+")
        self.addCleanup(self.log.close)
        self.addCleanup(self.stop)

    def polder(self, *words):
        done = subprocess.run([POLDER, *map(str, words)], cwd=self.scratch, capture_output=True,
                              text=True, timeout=PATIENCE_S)
        self.assertEqual(done.returncode, 0, done.stderr)

    def release(self, version, program):
        """A release of polderd, which is the file `program`."""
        folder = self.scratch / version
        folder.mkdir()
        shutil.copy(program, folder / "polderd.bin")
        (folder / "release.toml").write_text(f"""model = "polderd"
version = "{version}"
licence = "Apache-2.0"
[[artifact]]
name = "polderd"
file = "polderd.bin"
kind = "runtime"
target = "{TARGET}"
""")
        self.polder("release", "create", folder / "release.toml", "--output", folder / "release")
        self.polder("repo", "add", "repo", folder / "release", "--key", "targets.pem")
        self.polder("repo", "publish", "repo", "--key", "online.pem")

    def another(self, mark):
        """A polderd that is another file."""
        path = self.scratch / f"polderd-{mark}"
        shutil.copy(POLDERD, path)
        with path.open("ab") as file:
            file.write(mark.encode())
        return path

    # --- What systemd would do

    def start(self):
        self.process = subprocess.Popen([self.installed, "run", "--config", self.config],
                                        stderr=self.log, env={"PATH": os.environ["PATH"]})

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        self.process = None

    def until(self, what, condition):
        """Runs the service until it is so, started again whenever it ends."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if not self.process or self.process.poll() is not None:
                self.start()
            if condition(self.status()):
                return
            time.sleep(0.05)
        self.log.seek(0)
        self.fail(f"not {what}: {json.dumps(self.status())}\n{self.log.read()}")

    def status(self):
        done = subprocess.run([POLDERD, "status", "--json", "--config", self.config],
                              capture_output=True, text=True, timeout=PATIENCE_S)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def program(self):
        """What runs now."""
        return pathlib.Path(os.readlink(f"/proc/{self.process.pid}/exe"))

    def is_committed(self, version):
        def condition(status):
            unit = status["units"]["polderd"]
            return (status["phase"] == "idle" and unit["running"] is not None and
                    unit["running"]["version"] == version == unit["committed"]["version"] and
                    self.program().is_relative_to(self.device))
        return condition

    def runs_instead(self, version):
        def condition(status):
            running = status["units"]["polderd"]["running"]
            return (status["phase"] == "idle" and running is not None and
                    running["version"] == version and self.program() != self.installed)
        return condition

    def publish_model(self):
        maker = Maker(POLDER, self.scratch, self.scratch / "repo")
        (self.scratch / "manifest.json").write_text(maker.manifest("1.0.0"))
        self.polder("repo", "add", "repo", "manifest.json", "--target",
                    "voice/1.0.0/manifest.json", "--key", "targets.pem")
        self.polder("repo", "publish", "repo", "--key", "online.pem")

    def children(self):
        """The programs of the children of what runs, and of those that have ended unheard."""
        found = []
        for path in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                state, parent = (path / "stat").read_text().rpartition(") ")[2].split()[:2]
                if int(parent) == self.process.pid:
                    found.append("ended" if state == "Z" else os.readlink(path / "exe"))
            except OSError:
                continue
        return found

    def test_no_worker_outlives_its_polderd(self):
        # A recording that lasts longer than this test.
        recording = self.scratch / "long.wav"
        recording.write_bytes(wav([0] * 16000 * 600))
        with self.config.open("a") as file:
            file.write(f'[pipeline.voice]\nmicrophone.path = "{recording}"\n')
        self.publish_model()
        self.until("the model", lambda status: status["phase"] == "idle" and
                   status["units"]["voice"]["committed"])
        self.assertEqual(self.children(), [str(self.installed)])
        self.release("1.0.0", self.another("first"))
        self.stop()
        self.until("1.0.0", lambda status: self.is_committed("1.0.0")(status) and
                   status["live"]["health"]["voice"] == "well")
        self.assertEqual(self.children(), [str(self.program())])

    def doctor(self):
        return subprocess.run([POLDERD, "doctor", "--config", self.config], capture_output=True,
                              text=True, timeout=PATIENCE_S).stdout

    def test_from_one_to_the_next_and_back(self):
        first = self.another("first")
        self.release("1.0.0", first)
        self.until("1.0.0", self.is_committed("1.0.0"))
        self.assertEqual(self.program().read_bytes(), first.read_bytes())

        # The next one can say its version, and dies as soon as it runs.
        dying = self.scratch / "dying"
        dying.write_text(f'#!/bin/sh\n[ "$1" = --version ] && exec {POLDERD} --version\nexit 7\n')
        dying.chmod(0o755)
        self.release("2.0.0", dying)
        self.stop()
        self.until("2.0.0 given up", lambda status: status["bad"] and status["phase"] == "idle")
        self.assertIn("2.0.0", self.status()["bad"][0]["release"])
        self.until("1.0.0 again", self.is_committed("1.0.0"))

        # One that is committed, and later dies at its start: the release before runs, until this
        # one is installed again.
        flag = self.scratch / "dies"
        late = self.scratch / "late"
        late.write_text(f'#!/bin/sh\n[ -e {flag} ] && exit 7\nexec {POLDERD} "$@"\n')
        late.chmod(0o755)
        self.release("2.0.1", late)
        self.stop()
        self.until("2.0.1", lambda status: status["phase"] == "idle" and
                   status["units"]["polderd"]["committed"]["version"] == "2.0.1")
        self.assertEqual(self.program(), POLDERD)
        self.stop()
        flag.touch()
        shutil.move(self.scratch / "repo", self.scratch / "away")
        self.until("1.0.0 in its place", self.runs_instead("1.0.0"))
        shutil.move(self.scratch / "away", self.scratch / "repo")
        flag.unlink()
        self.stop()
        self.until("2.0.1 in its slot again", self.runs_instead("2.0.1"))

        second = self.another("second")
        self.release("2.1.0", second)
        self.stop()
        self.until("2.1.0", self.is_committed("2.1.0"))
        self.assertEqual(self.program().read_bytes(), second.read_bytes())

        # It is another program of the same size, which is never run.
        changed = self.program()
        self.stop()
        ran = self.scratch / "ran"
        size = changed.stat().st_size
        changed.unlink()
        changed.write_bytes(f"#!/bin/sh\ntouch {ran}\nexit 7\n".encode().ljust(size, b"#"))
        changed.chmod(0o755)
        self.assertIn("its bytes have the digest", self.doctor())
        shutil.move(self.scratch / "repo", self.scratch / "away")
        self.until("2.0.1 in place of another program", self.runs_instead("2.0.1"))
        self.assertEqual(self.status()["units"]["polderd"]["lost"]["version"], "2.1.0")
        self.assertIn("polderd 2.1.0: its slot was damaged", self.doctor())
        shutil.move(self.scratch / "away", self.scratch / "repo")
        self.stop()
        self.until("2.1.0 in its place", self.is_committed("2.1.0"))
        self.assertFalse(ran.exists())
        self.assertNotIn("2.1.0: its slot", self.doctor())

        # A polderd that runs from its slot installs models, and keeps nothing that no slot needs.
        self.publish_model()
        self.stop()
        self.until("the model", lambda status: status["phase"] == "idle" and
                   status["units"]["voice"]["committed"])
        self.assertTrue(self.program().is_relative_to(self.device))
        self.log.seek(0)
        self.assertNotIn("cannot open", self.log.read().replace("metadata: cannot open", ""))

        # Its file is lost: the release before runs, until this one is installed again.
        lost = self.program()
        self.stop()
        lost.unlink()
        shutil.move(self.scratch / "repo", self.scratch / "away")
        self.until("2.0.1 once more", self.runs_instead("2.0.1"))
        shutil.move(self.scratch / "away", self.scratch / "repo")
        self.stop()
        self.until("2.1.0 again", self.is_committed("2.1.0"))

        # Both are: the installed one stands in.
        self.stop()
        for path in self.device.glob("slots/polderd/*/polderd"):
            path.unlink()
        shutil.move(self.scratch / "repo", self.scratch / "away")
        self.until("the installed one", lambda status: status["phase"] == "idle" and
                   status["units"]["polderd"]["running"] is None)
        self.assertEqual(self.program(), self.installed)
        shutil.move(self.scratch / "away", self.scratch / "repo")
        self.stop()
        self.until("2.1.0 for good", self.is_committed("2.1.0"))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
