#!/usr/bin/python3
"""A device and its releases, with the real programs: a repository in a folder and on a web server,
updates, a release that is bad, metadata that expire, what is half copied.

    agent_test.py POLDER POLDERD [TEST...]
"""
import functools
import http.server
import json
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import tokens  # noqa: E402
from devices import MODEL, Device, POLDER, POLDERD, children  # noqa: E402
from small_releases import wav  # noqa: E402

MISSING_TPM = tokens.missing_for_tpm()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Agent(Device):
    def test_updates_from_a_folder(self):
        self.release("1.0.0")
        self.assertIn("would install voice 1.0.0", self.agent("check"))
        self.assertIsNone(self.running())
        self.assertEqual(self.install()["units"][MODEL]["running"]["version"], "1.0.0")
        self.release("1.1.0")
        self.install()
        status = json.loads(self.agent("status", "--json"))
        self.assertEqual(self.running(), "1.1.0")
        self.assertEqual(status["units"][MODEL]["previous"]["version"], "1.0.0")
        # Nothing new is nothing to do.
        self.assertIn("nothing to install", self.agent("check"))
        self.install()
        self.assertEqual(self.running(), "1.1.0")

    def test_a_slot_that_has_changed_is_not_run(self):
        self.release("1.0.0")
        self.install()
        self.release("1.1.0")
        self.install()
        self.agent("identity", "create")
        self.agent("doctor")
        slot = json.loads(self.agent("status", "--json"))["units"][MODEL]["slot"]
        pipeline = self.device / "slots" / MODEL / slot / "pipeline.toml"
        text = pipeline.read_bytes()
        # Another file under its name, or other bytes in the file, which blobs/ has as well.
        for is_in_place in (False, True):
            if not is_in_place:
                pipeline.unlink()
            pipeline.write_bytes(text.replace(b'name = "speech"', b'name = "spEech"'))
            self.assertEqual(pipeline.stat().st_size, len(text))
            found = self.agent("doctor", status=1)
            self.assertIn(f"damaged: {MODEL} 1.1.0: slots/{MODEL}/{slot}/pipeline.toml", found)
            self.repo.rename(self.scratch / "away")
            report = self.install(status=1)["units"][MODEL]
            self.assertEqual(report["running"]["version"], "1.0.0")
            self.assertEqual(report["lost"]["version"], "1.1.0")
            self.assertIn("lost: 1.1.0: its slot was damaged", self.agent("status"))
            self.assertIn(f"{MODEL} 1.1.0: its slot was damaged", self.agent("doctor", status=1))
            (self.scratch / "away").rename(self.repo)
            # The first try finds that the blob is damaged, and the next one fetches it.
            if is_in_place:
                self.install(status=1)
            self.install()
            self.assertEqual(self.running(), "1.1.0")
            self.assertEqual(pipeline.read_bytes(), text)
            self.agent("doctor")

    def test_a_device_sets_its_own_steps(self):
        # The release's recording is not there; this device has one of its own.
        recording = self.scratch / "own.wav"
        recording.write_bytes(wav([0] * 16000))
        self.release("1.0.0", sound="missing.wav")
        self.configure(more=f'[pipeline.{MODEL}]\nmicrophone.path = "{recording}"\n')
        report = self.install()
        self.assertEqual(report["units"][MODEL]["running"]["version"], "1.0.0")
        self.agent("identity", "create")
        self.agent("doctor")
        # A setting that stops fitting: doctor says where it is, and the rest goes on.
        for setting, message in (("microphon.path = 'x'", "no step 'microphon'; did you mean"),
                                 ("infer.model = 'x'", "no key 'model' that a device may set"),
                                 ("window.context = 'x'", "'context' must be")):
            self.configure(more=f"[pipeline.{MODEL}]\n{setting}\n")
            found = self.agent("doctor", status=1)
            self.assertIn(message, found)
            self.assertRegex(found, r"polderd\.toml:\d+: ")
        # What does not fit is the owner's to mend, and no mark against a release.
        self.release("1.1.0", sound="missing.wav")
        report = self.install(status=1)
        self.assertIn("'context' must be", self.agent("status"))
        self.assertEqual(report["bad"], [])
        self.assertEqual(self.running(), "1.0.0")
        # What cannot be a setting at all.
        self.configure(more="[pipeline.vioce]\na.b = 1\n")
        self.agent("status", status=1)

    def test_what_failed_by_a_setting_is_tried_again_without_it(self):
        def setting(path):
            self.configure(more=f'[pipeline.{MODEL}]\nmicrophone.path = "{path}"\n')
        away, broken, right = (self.scratch / name for name in ("away.wav", "b.wav", "right.wav"))
        broken.write_bytes(b"no sound")
        right.write_bytes(wav([0] * 16000))
        self.release("1.0.0")
        # What is not there may come: not the release's fault, and said in full.
        setting(away)
        report = self.install(status=1)
        self.assertEqual(report["bad"], [])
        why = f"microphone.path: '{away}' is not there"
        self.assertEqual((report["failed"], self.running()), ([], None))
        self.assertIn(why, self.agent("status"))
        self.assertIn(why, self.agent("doctor", status=1))
        self.assertIn(why, self.agent("check", status=1))
        self.install(status=1)
        # What is there and wrong is found by the trial, and counts for these settings alone.
        setting(broken)
        self.assertIn("would install", self.agent("check"))
        report = self.install(status=1)
        self.assertIn("crash loop", report["bad"][0]["reason"])
        refused = json.loads(self.agent("check", "--json", status=1))["refused"]
        self.assertIn("crash loop", refused[0]["reason"])
        self.install(status=1)
        self.assertIn("would install", self.agent("check", "--retry"))
        setting(right)
        self.assertIn("it is tried again", self.agent("status"))
        self.install()
        self.assertEqual(self.running(), "1.0.0")
        # By word, without a change.
        setting(broken)
        self.release("2.0.0")
        self.install(status=1)
        broken.write_bytes(right.read_bytes())
        self.install(status=1)
        self.agent("check", "--install", "--retry")
        self.assertEqual(self.running(), "2.0.0")

    def test_events_are_kept_on_the_device(self):
        recording = self.scratch / "loud.wav"
        recording.write_bytes(wav([16000] * 8000))
        self.release("1.0.0")
        events = self.device / "output" / MODEL / "events.jsonl"
        setting = f'[pipeline.{MODEL}]\nmicrophone.path = "{recording}"\n'
        self.configure(more='[output]\nkeep = "nothing"\n' + setting)
        self.install()
        self.assertFalse(events.exists())
        # As they are from then on; whoever reads them has to be polderd's user.
        self.configure(more=setting)
        self.release("1.1.0")
        self.install()
        lines = [json.loads(line) for line in events.read_text().splitlines()]
        self.assertEqual(lines[0]["event"], "speech_start")
        self.assertEqual(events.parent.stat().st_mode & 0o777, 0o700)
        self.assertEqual(events.stat().st_mode & 0o077, 0)
        self.assertIn("output: ", self.agent("status"))
        live = json.loads(self.agent("status", "--json"))["live"]
        counts = live["output"][MODEL]
        self.assertEqual((counts["dropped_bytes"], counts["lost_bytes"]), (0, 0))
        # The release before has written, too, if it came so far.
        self.assertLessEqual(len(lines[0]), counts["kept_bytes"])
        self.assertLessEqual(counts["kept_bytes"], events.stat().st_size)

    def test_workers_are_the_program_that_runs(self):
        """Whatever has taken its place on the disk, as a new one does."""
        recording = self.scratch / "long.wav"
        recording.write_bytes(wav([0] * 16000 * 600))
        self.configure(more=f'[pipeline.{MODEL}]\nmicrophone.path = "{recording}"\n')
        self.release("1.0.0")
        self.install()
        program = self.scratch / "polderd"
        shutil.copy(POLDERD, program)
        running = self.service(program)
        self.until_well()
        (first, _), = children(running.pid)
        program.unlink()
        program.write_text("#!/bin/sh\nexit 9\n")
        program.chmod(0o755)
        os.kill(first, signal.SIGKILL)
        deadline = time.monotonic() + 60
        now = []
        while not now and time.monotonic() < deadline:
            time.sleep(0.1)
            now = [pid for pid, _ in children(running.pid) if pid != first]
        self.assertEqual(os.readlink(f"/proc/{now[0]}/exe"), f"{program} (deleted)")
        self.until_well()

    def test_updates_from_a_web_server(self):
        handler = functools.partial(QuietHandler, directory=self.repo)
        handler.log_message = lambda *_: None
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(lambda: (server.shutdown(), thread.join(), server.server_close()))
        self.configure(f"http://127.0.0.1:{server.server_port}")
        self.release("1.0.0")
        self.install()
        self.assertEqual(self.running(), "1.0.0")

    def test_a_release_that_crashes_is_rolled_back(self):
        self.release("1.0.0")
        self.install()
        self.release("2.0.0", broken="broken.wav")
        report = self.install(status=1)
        self.assertEqual(report["units"][MODEL]["running"]["version"], "1.0.0")
        self.assertIn("crash loop", report["bad"][0]["reason"])
        self.assertIn("refused: voice 2.0.0: failed here: ", self.agent("check", status=1))
        # A newer one goes on from there.
        self.release("2.0.1")
        self.install()
        self.assertEqual(self.running(), "2.0.1")
        log = self.polder("audit", "show", self.device / "audit" / "log")
        for act in ("update_installed", "update_committed", "update_rolled_back",
                    "worker_failed"):
            self.assertIn(act, log)

    def test_a_release_with_other_results_is_not_activated(self):
        self.release("1.0.0")
        self.install()
        self.release("2.0.0", golden=0.75)
        report = self.install(status=1)
        self.assertEqual(report["units"][MODEL]["running"]["version"], "1.0.0")
        self.assertIn("2.0.0", report["bad"][0]["release"])
        log = self.polder("audit", "show", self.device / "audit" / "log")
        self.assertIn("update_failed", log)
        self.assertNotIn("update_rolled_back", log)

    def test_a_half_copied_repository_blames_nobody(self):
        self.release("1.0.0")
        self.install()
        self.release("1.1.0")
        whole = self.scratch / "whole"
        shutil.copytree(self.repo / "blobs", whole)
        newest = json.loads((self.scratch / "manifest.json").read_text())["pipeline"]["blob"]
        path = self.repo / "blobs" / "sha256" / newest[:2] / newest
        path.write_bytes(path.read_bytes()[:-1])
        report = self.install(status=1)
        self.assertEqual(report["bad"], [])
        self.assertEqual(self.running(), "1.0.0")

    def test_a_changed_manifest_is_refused(self):
        self.release("1.0.0")
        for path in (self.repo / "targets" / MODEL / "1.0.0").iterdir():
            path.write_bytes(path.read_bytes().replace(b"Apache", b"Apacha"))
        self.agent("check", "--install", status=1)
        self.assertIsNone(self.running())
        log = self.polder("audit", "show", self.device / "audit" / "log")
        self.assertIn("release_refused", log)

    def test_expired_metadata_stop_updates_and_nothing_else(self):
        self.release("1.0.0")
        self.install()
        # A timestamp of long ago, with the highest number of all.
        subprocess.run([POLDER, "repo", "publish", self.repo, "--key", "online.pem", "--force"],
                       env={**os.environ, "SOURCE_DATE_EPOCH": "1000000000"}, cwd=self.keys,
                       check=True, capture_output=True, timeout=60)
        self.agent("check", status=1)
        self.assertIn("repository: timestamp.json", self.agent("doctor", status=1))
        for _ in range(3):
            report = self.install(status=1)
        self.assertIn("expired", report["live"]["check_error"])
        self.assertEqual(self.running(), "1.0.0")
        # Renewed, all goes on.
        self.release("1.1.0")
        self.install()
        self.assertEqual(self.running(), "1.1.0")

    def test_identity(self):
        made = json.loads(self.agent("identity", "create", "--json"))
        self.assertEqual(made["device"], "camera-17")
        key = self.device / "identity" / "key.pem"
        self.assertEqual(key.stat().st_mode & 0o777, 0o600)
        self.agent("identity", "create", status=1)
        self.assertEqual(json.loads(self.agent("identity", "show", "--json"))["id"], made["id"])
        csr = self.agent("identity", "csr")
        done = subprocess.run(["openssl", "req", "-verify", "-noout", "-subject"], input=csr,
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("camera-17", done.stdout)
        # Its key signs the audit log.
        self.release("1.0.0")
        self.install()
        public = self.scratch / "device.pub.pem"
        public.write_text(made["public"])
        self.polder("audit", "verify", self.device / "audit" / "log", "--key", public)
        report = json.loads(self.polder("audit", "verify", self.device / "audit", "--key", public,
                                        "--json"))
        self.assertEqual((report["first_segment"], report["last_segment"]), (1, 1))
        self.assertEqual(report["covered"], report["entries"])
        self.assertNotIn("not signed", self.agent("status"))
        # A key that others can read signs nothing, and everybody who asks is told.
        key.chmod(0o644)
        self.install()
        self.assertIn("entries are not signed", self.agent("status"))
        live = json.loads(self.agent("status", "--json"))["live"]
        self.assertIn("chmod 600", live["audit"]["trouble"])
        self.assertIn("chmod 600", self.agent("doctor", status=1))
        key.chmod(0o600)
        self.install()
        self.assertNotIn("not signed", self.agent("status"))
        # A damaged log is left as it is, and told likewise.
        log = self.device / "audit" / "log"
        damaged = log.read_bytes().replace(b"polderd", b"nobody?", 1)
        log.write_bytes(damaged)
        self.install()
        self.assertEqual(log.read_bytes(), damaged)
        for command, status in (("status", 0), ("doctor", 1)):
            said = self.agent(command, status=status)
            self.assertIn("entries are not recorded", said)
            self.assertIn(f"mv {self.device}/audit ", said)

    def run_what_is_sealed(self, made):
        """Seals a release for the releaser alone, then for the device whose identity `made` is."""
        for name, pem in (("device", made["decryption"]["public"]),
                          ("other", (self.keys / "online.pub.pem").read_text())):
            (self.scratch / f"{name}.pub.pem").write_text(pem)
        sealed = self.scratch / "mean.sealed"
        self.polder("keys", "create", "--type", "p256", "--output", self.scratch / "own.pem",
                    "--no-passphrase")
        self.polder("keys", "public", self.scratch / "own.pem", "--output",
                    self.scratch / "own.pub.pem")
        # For the releaser alone: this device refuses it, says why, and blames nobody.
        self.polder("seal", self.scratch / "mean.plan", "--to", self.scratch / "own.pub.pem",
                    "--output", sealed)
        content = sealed.read_bytes()
        target = f"{MODEL}/1.0.0/{content[32:64].hex()}.keys"

        def add_keys():
            self.polder("repo", "add", self.repo, f"{sealed}.keys", "--target", target, "--key",
                        "targets.pem")
        self.release("1.0.0", sealed=content)
        add_keys()
        self.publish()
        self.assertIn("is sealed for other devices", self.agent("check", status=1))
        report = self.install(status=1)
        self.assertIsNone(report["units"][MODEL]["running"])
        self.assertEqual(report["bad"], [])
        # The releaser adds the device: the release is as it was.
        self.polder("seal", sealed, "--add-recipient", self.scratch / "device.pub.pem", "--key",
                    self.scratch / "own.pem")
        add_keys()
        self.publish()
        report = self.install()
        self.assertEqual(report["units"][MODEL]["running"]["version"], "1.0.0")
        self.assertEqual(json.loads(self.agent("status", "--json"))["live"]["health"][MODEL],
                         "well")
        plain = (self.scratch / "mean.plan").read_bytes()
        for path in self.device.rglob("*"):
            if path.is_file():
                self.assertNotIn(plain[64:128], path.read_bytes(), path)

    def test_a_sealed_release_runs_where_it_is_sealed_for(self):
        self.run_what_is_sealed(json.loads(self.agent("identity", "create", "--json")))
        # A copy of the device's folder without its key is of no use.
        (self.device / "identity" / "decryption.pem").unlink()
        self.agent("check", "--install", status=1)
        self.assertIn("decryption.pem", self.agent("status"))

    @unittest.skipIf(MISSING_TPM, f"scripts/setup test installs {', '.join(MISSING_TPM)}")
    def test_keys_in_a_tpm(self):
        with tokens.Tpm() as tpm:
            self.environment = tpm.environment
            self.configure(more='[identity]\nkey = "tpm:0x81000002"\n'
                                'decryption_key = "tpm:0x81000003"\n')
            made = json.loads(self.agent("identity", "create", "--json"))
            self.assertEqual(made["key"], "tpm:0x81000002")
            self.assertEqual(made["decryption"]["key"], "tpm:0x81000003")
            csr = self.agent("identity", "csr")
            done = subprocess.run(["openssl", "req", "-verify", "-noout"], input=csr,
                                  capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.run_what_is_sealed(made)
            self.agent("doctor")
            public = self.scratch / "tpm.pub.pem"
            public.write_text(made["public"])
            self.polder("audit", "verify", self.device / "audit" / "log", "--key", public)
        # No key is in the folder: a copy of all of it is of no use with another TPM.
        self.assertEqual(list(self.device.rglob("*.pem")), [])
        with tokens.Tpm() as other:
            self.environment = other.environment
            self.agent("identity", "create")
            self.agent("check", "--install", status=1)
            status = json.loads(self.agent("status", "--json"))
            self.assertNotEqual(status["live"]["health"][MODEL], "well")
            self.assertIn("sealed for", self.agent("status"))

    def test_doctor_says_what_is_wrong(self):
        findings = json.loads(self.agent("doctor", "--json", status=1))
        wrong = {f["what"].split(":")[0] for f in findings if f["level"] == "wrong"}
        self.assertEqual(wrong, {"identity"})
        self.agent("identity", "create")
        self.agent("doctor")
        shutil.rmtree(self.repo)
        self.assertIn("repository", self.agent("doctor", status=1))

    def test_bad_input(self):
        config = self.scratch / "polderd.toml"
        config.write_text(config.read_text() + "\nmodles = 3\n")
        done = subprocess.run([POLDERD, "status", "--config", config], capture_output=True,
                              text=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"polderd\.toml:\d+: ")
        for words, message in ((["stauts"], "did you mean 'status'?"),
                               (["status", "--jsn"], "did you mean '--json'?"),
                               (["identity", "create", "--passphrase-fd", "x"], "passphrase-fd")):
            done = subprocess.run([POLDERD, *words], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(message, done.stderr)

    def test_help(self):
        done = subprocess.run([POLDERD, "--help"], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0)
        self.assertIn("all that it would install, and what it refuses.\n", done.stdout)
        self.assertIn("Prints the keys of polderd.toml as Markdown.\n", done.stdout)
        for command in ("run", "check", "status", "doctor", "identity create"):
            self.assertIn(command, done.stdout)
            one = subprocess.run([POLDERD, *command.split(), "--help"], capture_output=True,
                                 text=True, timeout=60)
            self.assertEqual(one.returncode, 0)
            self.assertIn("example:", one.stdout)

    def refused(self, *words):
        done = subprocess.run([POLDERD, *words, "--config", self.scratch / "polderd.toml"],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 1, done.stdout)
        return done.stderr

    def test_two_at_a_time_are_refused(self):
        self.release("1.0.0")
        running = self.service()
        self.assertIn("another polderd works here", self.refused("check", "--install"))
        # A question disturbs nobody.
        self.agent("check")
        # It installs by itself; killed at any time it goes on from there.
        for line in running.stderr:
            if "committed" in line:
                break
        self.assertEqual(self.running(), "1.0.0")

    @unittest.skipUnless(os.geteuid() == 0, "changes its user")
    def test_nobody_but_its_user_writes(self):
        nobody = pwd.getpwuid(65534).pw_name
        self.device.mkdir(exist_ok=True)
        os.chown(self.device, 65534, 65534)
        # Of keys root would judge otherwise than their user.
        for words in (["run"], ["check", "--install"], ["identity", "create"], ["identity", "show"],
                      ["identity", "csr"], ["doctor"]):
            self.assertIn(f"sudo -u {nobody} polderd", self.refused(*words))
        self.assertEqual(list(self.device.iterdir()), [])
        self.agent("status")

    @unittest.skipUnless(os.geteuid() == 0, "changes its user")
    def test_a_user_is_told_what_it_may_not_read(self):
        nobody = 65534
        program = shutil.copy(POLDERD, self.scratch)

        def ask(*words):
            done = subprocess.run([program, *words, "--config", self.scratch / "polderd.toml"],
                                  capture_output=True, text=True, timeout=60, user=nobody,
                                  group=nobody, extra_groups=[])
            return done.stdout + done.stderr

        self.agent("identity", "create")
        for path in [self.scratch, *self.scratch.rglob("*")]:
            os.chown(path, nobody, nobody)
        self.assertIn("identity: the key is there", ask("doctor"))
        key = self.device / "identity" / "key.pem"
        os.chown(key, 0, 0)
        said = ask("doctor")
        self.assertIn(f"Permission denied; where it is to be this user's: chown {nobody} '{key}'",
                      said)
        self.assertIn("keep the key", said)
        self.assertNotIn("another key", said)
        self.device.chmod(0o700)
        os.chown(self.device, 0, 0)
        self.assertIn("Permission denied; 'sudo -u root polderd ...'", ask("status"))

    @unittest.skipUnless(os.geteuid() == 0, "changes its user")
    def test_others_of_its_user_cannot_read_the_agent(self):
        nobody = 65534
        program = shutil.copy(POLDERD, self.scratch)
        for path in [self.scratch, *self.scratch.rglob("*")]:
            os.chown(path, nobody, nobody)
        running = self.service(program, user=nobody, group=nobody, extra_groups=[])
        # The kernel says so by giving its files to root.
        self.assertEqual(os.stat(f"/proc/{running.pid}").st_uid, nobody)
        self.assertEqual(os.stat(f"/proc/{running.pid}/mem").st_uid, 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
