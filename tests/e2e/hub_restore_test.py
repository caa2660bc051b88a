#!/usr/bin/python3
"""A hub that was lost goes on from a backup that was taken while it served, and its devices with
it; and a hub whose clock was wrong. The real programs.

    hub_restore_test.py POLDER_HUB POLDERD POLDER WRONG_CLOCK_LIBRARY
"""
import json
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import fleets  # noqa: E402

WRONG_CLOCK = pathlib.Path(sys.argv[4]).resolve()
DAY_S = 86400


class Restore(fleets.Fleet):
    def repository_version(self):
        return self.hub.get("/v1/repository")["version"]

    @staticmethod
    def seen_version(device):
        timestamp = json.loads((device.folder / "metadata" / "timestamp.json").read_text())
        return timestamp["signed"]["version"]

    def lose_the_hub(self, backup):
        self.hub.kill()
        shutil.rmtree(self.hub.folder)
        said = self.polder_hub("restore", backup, "--folder", self.hub.folder)
        self.assertIn("revoke again", said)
        self.hub.start()

    @staticmethod
    def restore_without_room(backup, folder):
        """Ends in the middle of the first file that is larger: that of the database."""
        room = (backup / "hub.db").stat().st_size // 2
        done = subprocess.run(
            [fleets.HUB, "restore", backup, "--folder", folder], stderr=subprocess.DEVNULL,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)))
        assert done.returncode != 0

    def test_a_hub_goes_on_from_a_backup(self):
        self.release("1.0.0")
        first = self.device("cam-1")
        self.roll_out("1.0.0")
        self.all_run("1.0.0")
        self.rolled_out()
        backup = self.scratch / "backup"
        self.assertIn("files", self.polder_hub("backup", backup, "--folder", self.hub.folder))
        subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=backup, check=True)
        for path in backup.rglob("*"):  # all keys of the hub among them
            self.assertEqual(path.stat().st_mode & 0o777, 0o700 if path.is_dir() else 0o600, path)
        self.assertEqual(backup.stat().st_mode & 0o777, 0o700)
        self.assertIn("nothing is overwritten", self.polder_hub(
            "backup", backup, "--folder", self.hub.folder, status=1))
        # What the backup does not know: a release, a rollout, a device, a token.
        self.release("1.1.0")
        self.roll_out("1.1.0")
        late = self.device("cam-2")
        self.all_run("1.1.0")
        # And two roots, of which the second has others sign releases.
        self.polder("repo", "renew", self.repo, "root")
        self.sign("root-1", "root-2")
        self.push()
        self.make_key("targets-2")
        self.polder("repo", "rotate", self.repo, "targets", "--add", "targets-2.pub.pem",
                    "--remove", self.key_id("targets.pub.pem"))
        self.sign("root-1", "root-2", "targets-2")
        self.push()
        self.targets_key = "targets-2.pem"
        self.assertIn("serves a folder", self.polder_hub("restore", backup, "--folder",
                                                         self.hub.folder, status=1))
        # What no device has seen is lost with the hub, and its versions may come again.
        for device in (first, late):
            self.wait_for(f"{device.name} has the newest of the repository",
                          lambda: self.seen_version(device) == self.repository_version())
        lost_version = self.repository_version()
        lost_log = (self.hub.folder / "audit.log").read_bytes()
        self.hub.end()
        # One that was damaged is found out before anything is written.
        damaged = self.scratch / "damaged"
        shutil.copytree(backup, damaged)
        blob = next(path for path in (damaged / "repository" / "blobs").rglob("*")
                    if path.is_file() and path.stat().st_size > 10)
        blob.write_bytes(b"x" + blob.read_bytes()[1:])
        elsewhere = self.scratch / "elsewhere"
        self.assertIn("is not what was backed up",
                      self.polder_hub("restore", damaged, "--folder", elsewhere, status=1))
        self.assertFalse(elsewhere.exists())
        # One that was cut off, here by a disk that takes no large file, begins no hub.
        self.restore_without_room(backup, elsewhere)
        self.assertIn("was cut off here", self.polder_hub(
            "serve", "--folder", elsewhere, "--listen", "127.0.0.1:0", status=1))
        # Another backup would make it half of each; the same one, whole, goes on.
        second = self.scratch / "second"
        self.polder_hub("backup", second, "--folder", self.hub.folder)
        self.assertIn("with another backup", self.polder_hub("restore", second, "--folder",
                                                             elsewhere, status=1))
        for words in (["rekey"], ["admin-token"], ["backup", self.scratch / "half"]):
            self.assertIn("'polder-hub restore' was cut off here", self.polder_hub(
                *words, "--folder", elsewhere, status=1))
        self.polder_hub("restore", backup, "--folder", elsewhere)
        self.assertIn("is not empty", self.polder_hub("restore", backup, "--folder", elsewhere,
                                                      status=1))
        # What is refused leaves no folder behind.
        none = self.scratch / "none"
        self.assertIn("no backup", self.polder_hub("restore", self.scratch, "--folder", none,
                                                   status=1))
        self.assertFalse(none.exists())
        self.lose_the_hub(backup)

        # Devices go on: one by a certificate that the hub does not know, both with what they run.
        since = time.time()
        for device in (first, late):
            self.wait_for(f"{device.name} is back",
                          lambda: device.hub()["checked_in_s"] >= since)
            self.assertEqual(device.running(), "1.1.0")
        self.wait_for("both devices are on record",
                      lambda: len(self.hub.get("/v1/devices")["devices"]) == 2)
        self.wait_for("versions above those that devices have seen",
                      lambda: self.repository_version() > lost_version)
        self.assertIn("polder hub push --again", self.log())
        time.sleep(12)  # what is assigned now would have been taken by then
        for device in (first, late):
            self.assertEqual(device.running(), "1.1.0")
        # What people have published since is pushed again by them, and approved by another.
        self.assertEqual(self.push_again(), 2, "a root by itself, and all else with the next")
        self.polder("hub", "pull", self.repo, person="anna")
        self.release("1.2.0")
        self.roll_out("1.2.0")
        self.all_run("1.2.0")
        # The log of what was done is another one, and says where that of the backup ended.
        log = (self.hub.folder / "audit.log").read_text()
        self.assertIn('"act":"hub_restored"', log)
        begin = json.loads(log.splitlines()[0])
        former, = (self.hub.folder / "former").glob("*/audit.log")
        self.assertTrue(begin["object"].endswith("/" + former.parent.name), begin)
        self.assertTrue(lost_log.startswith(former.read_bytes()))
        self.hub.end()
        subprocess.run([fleets.POLDER, "keys", "public", self.hub.folder / "audit-key.pem",
                        "--output", self.scratch / "audit.pub.pem"], check=True)
        self.polder("audit", "verify", self.hub.folder / "audit.log", "--key",
                    self.scratch / "audit.pub.pem")
        shutil.rmtree(elsewhere)


class WrongClock(fleets.Fleet):
    def setUp(self):
        self.wrong_by = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory())) / "wrong"
        self.set_clock(0)
        self.hub_environment = {"LD_PRELOAD": str(WRONG_CLOCK), "WRONG_CLOCK": str(self.wrong_by)}
        super().setUp()

    def set_clock(self, wrong_by_s):
        self.wrong_by.write_text(str(wrong_by_s))

    def serve(self, hub):
        hub.environment = self.hub_environment
        return super().serve(hub)

    def copied(self, years):
        """Of the hub's keys alone, in a folder of their own; the environment of a wrong clock."""
        folder = self.scratch / f"copy{years}"
        folder.mkdir()
        for path in self.hub.folder.glob("*.pem"):
            shutil.copy(path, folder)
        return self.hub_environment

    def come_back(self, device):
        """One that was refused asks again within ten minutes; a new start asks at once."""
        device.kill()
        device.run()
        since = time.time()
        self.wait_for("the device", lambda: device.hub()["checked_in_s"] >= since)

    def test_a_clock_that_jumps(self):
        self.release("1.0.0")
        device = self.device("cam-1")
        self.roll_out("1.0.0")
        self.all_run("1.0.0")
        self.rolled_out()
        timestamp = self.hub.folder / "repository" / "metadata" / "timestamp.json"
        before = timestamp.read_bytes()
        # It jumps while the hub serves: beyond all that people have signed for, and to before that.
        for years in (20, -20):
            self.set_clock(years * 365 * DAY_S)
            time.sleep(12)  # it has looked what is to be published
            self.assertEqual(self.hub.get("/healthz"), {"status": "ok"})
            self.assertEqual(timestamp.read_bytes(), before)
            self.assertEqual(device.running(), "1.0.0")
            # Nor does one begin by such a clock; it says what to do.
            said = self.polder_hub("serve", "--folder", self.scratch / f"copy{years}", "--listen",
                                   "127.0.0.1:0", status=1, environment=self.copied(years))
            self.assertIn("set the clock", said)
        # A hundred days ahead it publishes, and that ends later than what comes afterwards.
        self.set_clock(100 * DAY_S)
        self.wait_for("a publication", lambda: timestamp.read_bytes() != before)
        self.set_clock(0)
        self.come_back(device)
        self.add_release("1.1.0")
        said = self.polder("hub", "push", self.repo, person="anna", status=1)
        self.assertIn("clock", said)
        self.hub.end()
        self.hub.options = (*self.hub_options, "--clock-is-right")
        ahead = timestamp.read_bytes()
        self.hub.start()
        self.wait_for("a publication", lambda: timestamp.read_bytes() != ahead)
        self.come_back(device)
        self.push()
        self.roll_out("1.1.0")
        self.all_run("1.1.0")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[5:])
