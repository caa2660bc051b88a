#!/usr/bin/python3
"""What 'polderd check' answers: all that would be installed, what is refused, and whether it is the
time for it; with the real programs.

    agent_check_test.py POLDER POLDERD [TEST...]
"""
import datetime
import json
import pathlib
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from devices import MODEL, POLDER, POLDERD, Device  # noqa: E402


def hours_from_now(hours):
    time = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=hours)
    return time.strftime("%H:%M")


class Check(Device):
    def settings(self, models=(MODEL,), window=None):
        self.configure()
        path = self.scratch / "polderd.toml"
        text = path.read_text().replace(f'models = ["{MODEL}"]', f"models = {json.dumps(models)}")
        if window:
            text = text.replace("[updates]\n", f'[updates]\nwindow = "{window}"\n')
        path.write_text(text)

    def test_a_shell_completes_it(self):
        script = subprocess.run([POLDERD, "completion", "bash"], capture_output=True, text=True,
                                check=True).stdout
        for words, expected in ((["polderd", "sta"], "status"),
                                (["polderd", "identity", "cs"], "csr"),
                                (["polderd", "check", "--ins"], "--install")):
            line = " ".join(words)
            done = subprocess.run(
                ["bash", "-c", f"{script}\nCOMP_WORDS=({line}); COMP_CWORD={len(words) - 1}\n"
                               "_polderd; echo \"${COMPREPLY[@]}\""],
                capture_output=True, text=True, check=True)
            self.assertEqual(done.stdout.strip(), expected, done.stderr)

    def test_a_stick_is_named_as_it_was_typed(self):
        done = subprocess.run(
            [POLDERD, "check", "--config", "polderd.toml", "--repository", "media/stick/"],
            cwd=self.scratch, capture_output=True, text=True, timeout=100, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("media/stick/metadata", done.stderr)
        self.assertNotIn(str(self.scratch), done.stderr)
        self.release("1.0.0")
        done = subprocess.run(
            [POLDERD, "check", "--config", "polderd.toml", "--repository", "repo"],
            cwd=self.scratch, capture_output=True, text=True, timeout=100, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_check_is_a_question(self):
        def files():
            return {path.relative_to(self.device): path.read_bytes()
                    for path in self.device.rglob("*") if path.is_file()}
        self.release("1.0.0")
        for words in (["check"], ["status"], ["identity", "show"]):
            self.agent(*words, status=1 if words[0] == "identity" else 0)
            self.assertFalse(self.device.exists(), words)
        self.install()
        self.release("2.0.0")
        before = files()
        self.assertIn("would install voice 2.0.0", self.agent("check"))
        self.assertEqual(files(), before)

    def test_all_that_would_be_installed_is_listed(self):
        self.settings(models=["voice", "door", "gate"])
        self.release("1.0.0")
        self.release("1.1.0", model="door")
        self.release("1.0.0", model="gate", golden=0.75)
        self.assertEqual(self.agent("check").splitlines(),
                         ["would install voice 1.0.0", "would install door 1.1.0",
                          "would install gate 1.0.0"])
        self.install(status=1)
        self.release("1.2.0", model="door")
        self.release("1.1.0")
        answer = json.loads(self.agent("check", "--json", status=1))
        self.assertEqual([(item["unit"], item["version"]) for item in answer["install"]],
                         [("voice", "1.1.0"), ("door", "1.2.0")])
        self.assertEqual([item["unit"] for item in answer["refused"]], ["gate"])
        self.assertEqual((answer["window"], answer["now"]), (None, True))
        self.assertEqual(self.agent("check", status=1).splitlines()[:2],
                         ["would install voice 1.1.0", "would install door 1.2.0"])

    def test_what_a_device_is_not_set_up_for(self):
        def refused(message, setting=""):
            self.configure(more=setting)
            found = self.agent("check", status=1)
            self.assertIn("not set up for: voice 2.0.0: ", found)
            self.assertIn(message, found)
            answer = json.loads(self.agent("check", "--json", status=1))
            self.assertEqual((answer["install"], answer["refused"][0]["own"]), ([], True))
            told = self.install(status=1)
            self.assertEqual((told["bad"], told["failed"], self.running()), ([], [], "1.0.0"))
            self.assertIn(message, self.agent("doctor", status=1))
        self.release("1.0.0")
        self.install()
        self.release("2.0.0", sound="missing.wav", limits={"memory_bytes": 900 << 20})
        # Before anything but its pipeline has come.
        refused("[pipeline.voice] microphone.path: 'missing.wav' is not there")
        self.assertFalse((self.device / "slots/voice/b").exists())
        refused("[pipeline.voice] microphone.path: '/dev/no-sound' is not there",
                '[pipeline.voice]\nmicrophone.path = "/dev/no-sound"\n')
        refused("no step 'microphon'; did you mean 'microphone'?",
                '[pipeline.voice]\nmicrophon.path = "clip.wav"\n')
        refused("no key 'paht' that a device may set; did you mean 'path'?",
                '[pipeline.voice]\nmicrophone.paht = "clip.wav"\n')
        refused("'context' must be", "[pipeline.voice]\nwindow.context = 'x'\n")
        fits = '[pipeline.voice]\nmicrophone.path = "clip.wav"\n'
        refused("'mean' may take 900 MB of memory by its release, and [worker] memory_mb = 512 of "
                "polderd.toml gives a worker less: set it to 900 or more",
                "memory_mb = 512\n" + fits)
        self.configure(more=fits)
        self.assertIn("would install voice 2.0.0", self.agent("check"))
        self.install()
        self.assertEqual(self.running(), "2.0.0")

    def test_a_running_pipeline_is_not_replaced_by_none(self):
        def bare(version):
            manifest = json.loads(self.maker.manifest(version))
            gone = manifest.pop("pipeline")
            manifest["blobs"] = [blob for blob in manifest["blobs"] if blob["sha256"] not in
                                 [gone["blob"], *gone["files"].values()]]
            (self.scratch / "bare.json").write_text(json.dumps(manifest))
            self.polder("repo", "add", self.repo, self.scratch / "bare.json", "--target",
                        f"voice/{version}/manifest.json", "--key", "targets.pem")
            self.publish()
        self.release("1.0.0")
        self.install()
        bare("1.1.0")
        why = "refused: voice 1.1.0: has no pipeline, and voice 1.0.0 runs one"
        self.assertIn(why, self.agent("check", status=1))
        told = self.install(status=1)
        self.assertEqual((told["bad"], told["failed"], self.running()), ([], [], "1.0.0"))
        # Its owner has said that others open its models.
        self.settings()
        path = self.scratch / "polderd.toml"
        path.write_text('without_pipeline = ["voice"]\n' + path.read_text())
        self.install()
        self.assertEqual(self.running(), "1.1.0")
        self.assertIn(", was: well", self.agent("status"))
        # Where nothing was said, it is said that nothing runs.
        self.settings()
        told = self.install()
        self.assertIn("no pipeline", told["units"]["voice"]["health"])
        self.assertIn("nothing runs: this release has no pipeline", self.agent("doctor", status=1))

    def test_that_nothing_is_assigned_is_told(self):
        self.release("1.0.0")
        self.polder("repo", "delegate", self.repo, "assignments", "--role-key", "online.pub.pem",
                    "--path", "assignments/*", "--key", "targets.pem")
        self.polder("repo", "assign", self.repo, "camera-18", "voice=1.0.0", "--key", "online.pem")
        self.publish()
        told = "the repository assigns nothing to 'camera-17': 'polder repo assign REPO camera-17 "
        lines = self.agent("check").splitlines()
        self.assertEqual(lines[0], "nothing to install")
        self.assertIn(told, lines[1])
        self.assertIn(told, json.loads(self.agent("check", "--json"))["note"])
        self.install()
        self.assertIn(told, self.agent("status"))
        self.polder("repo", "assign", self.repo, "camera-17", "voice=1.0.0", "--key", "online.pem")
        self.publish()
        self.assertEqual(self.agent("check").splitlines(), ["would install voice 1.0.0"])
        self.install()
        self.assertNotIn(told, self.agent("status"))

    def delegate(self):
        self.polder("repo", "delegate", self.repo, "assignments", "--role-key", "online.pub.pem",
                    "--path", "assignments/*", "--key", "targets.pem")

    def assign(self, *words):
        self.polder("repo", "assign", self.repo, *words, "--key", "online.pem")
        self.publish()

    def test_a_lost_release_comes_back_though_nobody_assigns_it(self):
        self.release("1.0.0")
        self.delegate()
        self.assign("camera-17", "voice=1.0.0")
        self.install()
        self.assign("camera-17")
        shutil.rmtree(self.device / "slots/voice/a")
        self.install()
        self.assertEqual(self.running(), "1.0.0")
        # Where the repository has it no more all say what is lost and what to do.
        self.polder("repo", "remove", self.repo, "voice/1.0.0/manifest.json", "--key",
                    "targets.pem")
        self.publish()
        shutil.rmtree(self.device / "slots/voice/a")
        self.install(status=1)
        self.assertIsNone(self.running())
        refused = "refused: voice 1.0.0: this device has committed it, its slot is lost, and"
        for told in (self.agent("check", status=1), self.agent("status"),
                     self.agent("doctor", status=1)):
            self.assertIn(refused, told)
            self.assertIn("'polder repo add', 'publish'", told)
        self.assertIn("lost: 1.0.0: its slot was damaged", self.agent("status"))
        self.assertIn("voice 1.0.0: its slot was damaged; nothing runs",
                      self.agent("doctor", status=1))

    def test_a_way_back_whose_files_are_gone_is_none(self):
        for version in ("1.0.0", "1.1.0"):
            self.release(version)
            self.install()
        self.assertIn("way back: 1.0.0", self.agent("status"))
        shutil.rmtree(self.device / "slots/voice/a")
        self.assertNotIn("way back", self.agent("status"))
        units = json.loads(self.agent("status", "--json"))["units"]
        self.assertIsNone(units["voice"]["previous"])
        self.assertIn("it is no way back any more", self.agent("doctor", status=None))

    def test_several_devices_are_assigned_at_once(self):
        def version():
            roles = json.loads(self.polder("repo", "show", self.repo, "--json"))["roles"]
            return next(role["version"] for role in roles if role["role"] == "assignments")

        def refused(word, *parts):
            done = subprocess.run([POLDER, "repo", "assign", self.repo, word, "voice=1.0.0"],
                                  cwd=self.keys, capture_output=True, text=True, timeout=60)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            for part in parts:
                self.assertIn(part, done.stderr)
        self.release("1.0.0")
        self.delegate()
        self.assign("default", "voice=1.0.0")
        before = version()
        hall = self.scratch / "hall.txt"
        hall.write_text("camera-17  # at the door\n\n# the others\r\ncamera-18\n")
        self.assign(f"@{hall}", "voice=1.0.0")
        self.assign("camera-19,camera-20", "voice=1.0.0")
        self.assertEqual(version(), before + 2)
        shown = json.loads(self.polder("repo", "show", self.repo, "--json"))
        self.assertEqual(sorted(item["device"] for item in shown["assignments"]),
                         [f"camera-{number}" for number in (17, 18, 19, 20)] + ["default"])
        self.assertEqual(self.agent("check").splitlines(), ["would install voice 1.0.0"])
        hall.write_text("camera-21\ncamera 22\n")
        refused(f"@{hall}", f"{hall}:2: ", "camera 22")
        refused("camera-21,came/ra", "came/ra")
        refused("camera-21,camera-21", "'camera-21' is named twice")
        refused("camera-21,Default", "'Default'")
        hall.write_text("# nobody\n")
        refused(f"@{hall}", "names no device")
        self.assertEqual(json.loads(self.polder("repo", "show", self.repo, "--json"))["staged"], [])

    def test_a_root_of_another_repository_is_not_called_trusted(self):
        self.release("1.0.0")
        self.assertIn("root: trusted", self.agent("doctor", status=None))
        other = self.scratch / "other"
        self.polder("repo", "init", other, "--root-key", "root-1.pub.pem", "--root-threshold", "1",
                    "--targets-key", "targets.pub.pem", "--timestamp-key", "root-3.pub.pem")
        self.polder("repo", "sign", other, "--key", "root-1.pem", "--key", "targets.pem")
        self.polder("repo", "publish", other, "--key", "root-3.pem")
        shutil.copy(other / "metadata/1.root.json", self.scratch / "root.json")
        told = self.agent("doctor", status=1)
        self.assertNotIn("root: trusted", told)
        self.assertIn("root: what the repository has is not signed by the keys that it names", told)
        self.assertIn("came from another repository", told)

    def test_commands_of_the_identity_are_explained(self):
        done = subprocess.run([POLDERD, "identity", "--help"], capture_output=True, text=True,
                              timeout=60)
        self.assertEqual(done.returncode, 0)
        for part in ("polderd identity create\nMakes the device's key",
                     "polderd identity csr > camera-17.csr",
                     "Prints the device's name and public key"):
            self.assertIn(part, done.stdout)

    def test_a_window_that_is_closed_is_told(self):
        closed = f"{hours_from_now(2)}-{hours_from_now(4)}"
        self.release("1.0.0")
        self.settings(window=closed)
        told = f"not now: updates begin from {closed} UTC ([updates] window)"
        self.assertEqual(self.agent("check").splitlines(), ["would install voice 1.0.0", told])
        answer = json.loads(self.agent("check", "--json"))
        self.assertEqual((answer["window"], answer["now"]), (closed, False))
        done = subprocess.run([POLDERD, "check", "--install", "--config",
                               self.scratch / "polderd.toml"], capture_output=True, text=True,
                              timeout=100)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(told, done.stderr)
        self.assertIsNone(self.running())
        # Nothing to install needs no time.
        opened = f"{hours_from_now(-2)}-{hours_from_now(4)}"
        self.settings(window=opened)
        self.assertEqual(self.agent("check").splitlines(), ["would install voice 1.0.0"])
        self.assertTrue(json.loads(self.agent("check", "--json"))["now"])
        self.install()
        self.assertEqual(self.running(), "1.0.0")
        self.settings(window=closed)
        self.assertEqual(self.agent("check").splitlines(), ["nothing to install"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
