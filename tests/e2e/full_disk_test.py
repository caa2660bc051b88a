#!/usr/bin/python3
"""polderd on a disk that is full, and on one that has become read-only: real file systems in
memory, mounted where nobody else sees them.

    full_disk_test.py POLDER POLDERD [TEST...]
"""
import json
import os
import pathlib
import subprocess
import sys
import time
import unittest

# A name space of mounts of its own, where this user may mount.
ALONE = ["unshare", "--mount", "--map-root-user"]
if __name__ == "__main__" and os.environ.get("POLDER_DISK_TEST") != "alone":
    tried = subprocess.run([*ALONE, "mount", "-t", "tmpfs", "none", "/tmp"], capture_output=True,
                           text=True)
    if tried.returncode != 0:
        print(f"skipped: full_disk: nothing can be mounted here: {tried.stderr.strip()}")
        sys.exit(77)
    os.environ["POLDER_DISK_TEST"] = "alone"
    os.execvp(ALONE[0], [*ALONE, sys.executable, *sys.argv])

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from devices import MODEL, Device, POLDERD  # noqa: E402
from small_releases import wav  # noqa: E402


class FullDisk(Device):
    def mount(self, size):
        self.device.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", self.device],
                       check=True)
        # Lazily: a worker that was killed with its polderd may take a moment to go.
        self.addCleanup(subprocess.run, ["umount", "--quiet", "--lazy", self.device])

    def polderd(self, *words, status):
        done = subprocess.run([POLDERD, *words, "--config", self.scratch / "polderd.toml"],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def test_what_is_full(self):
        self.release("1.0.0")
        # From no room for anything, over none for the state, to none for the release.
        for size in "4k", "8k", "16k", "24k", "32k", "48k", "64k", "1m":
            with self.subTest(size):
                self.mount(size)
                text = self.polderd("check", "--install", status=1)
                self.assertRegex(text, "free some space|free [0-9.]+ MB more")
                self.assertIn("wrong    disk", self.polderd("doctor", status=1))
                subprocess.run(["mount", "-o", "remount,size=64m", self.device], check=True)
                self.polderd("check", "--install", status=0)
                self.assertEqual(self.running(), "1.0.0")
                subprocess.run(["umount", self.device], check=True)

    def test_what_is_read_only_runs_on(self):
        self.mount("64m")
        self.release("1.0.0")
        self.polderd("check", "--install", status=0)
        self.release("1.1.0")
        subprocess.run(["mount", "-o", "remount,ro", self.device], check=True)
        text = self.polderd("check", "--install", status=1)
        self.assertIn("mount it for writing", text)
        text = self.polderd("doctor", status=1)
        self.assertRegex(text, "wrong    disk: .*Read-only")
        self.assertIn("polderd: not running", text)
        self.assertEqual(self.running(), "1.0.0")
        agent = subprocess.Popen([POLDERD, "run", "--config", self.scratch / "polderd.toml"],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(agent.wait)
        self.addCleanup(agent.kill)
        self.wait_for(lambda: self.workers(agent.pid))
        self.assertIn("polderd: running", self.polderd("doctor", status=1))
        self.assertIsNone(agent.poll())
        # Once it may be written to again, updates come again.
        subprocess.run(["mount", "-o", "remount,rw", self.device], check=True)
        agent.kill()
        agent.wait()
        self.polderd("check", "--install", status=0)
        self.assertEqual(self.running(), "1.1.0")

    def test_output_is_lost_while_it_is_full_and_nothing_else(self):
        recording = self.scratch / "speech.wav"
        recording.write_bytes(wav(([32000] * 16000 + [-32000] * 16000) * 300))
        self.configure(more=f'[pipeline.{MODEL}]\nmicrophone.path = "{recording}"\n')
        self.mount("64m")
        self.release("1.0.0")
        self.polderd("check", "--install", status=0)
        # A page is full: the next line takes another.
        (self.device / "output" / MODEL / "events.jsonl").write_text("x" * 4095 + "\n")
        with self.assertRaises(OSError), open(self.device / "filler", "wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        agent = subprocess.Popen([POLDERD, "run", "--config", self.scratch / "polderd.toml"],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(agent.wait)
        self.addCleanup(agent.kill)
        self.wait_for(lambda: self.workers(agent.pid))
        first = self.workers(agent.pid)
        time.sleep(5)
        (self.device / "filler").unlink()

        def is_kept_again():
            live = json.loads(self.polderd("status", "--json", status=0))["live"]
            counts = (live or {}).get("output", {}).get(MODEL)
            return counts and counts["lost_bytes"] > 0 and counts["kept_bytes"] > 0

        self.wait_for(is_kept_again)
        self.assertEqual(self.workers(agent.pid), first)
        lines = (self.device / "output" / MODEL / "events.jsonl").read_text().splitlines()
        self.assertIn("event", json.loads(lines[-1]))

    def workers(self, pid):
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [child for child in children
                if b"worker" in pathlib.Path(f"/proc/{child}/cmdline").read_bytes()]

    def wait_for(self, there):
        end = time.monotonic() + 60
        while not there():
            self.assertLess(time.monotonic(), end, "nothing came of it within a minute")
            time.sleep(0.05)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
