#!/usr/bin/python3
"""polderd.toml is read anew at SIGHUP; one that is wrong is refused, and the one before holds. What
status and doctor say of a file that has changed, of a port that is taken, of memory that may not be
locked.

    reload_test.py POLDER POLDERD [TEST...]
"""
import json
import pathlib
import resource
import signal
import socket
import sys
import time
import unittest
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from devices import MODEL, Device, children  # noqa: E402
from small_releases import wav  # noqa: E402

CHANGED = "polderd.toml has changed since polderd read it"


class Reload(Device):
    def setUp(self):
        super().setUp()
        recording = self.scratch / "long.wav"
        recording.write_bytes(wav([16000] * (120 * 16000)))
        self.settings = f'[pipeline.{MODEL}]\nmicrophone.path = "{recording}"\n'
        self.configure(more=self.settings)
        self.agent("identity", "create")

    def live(self):
        return json.loads(self.agent("status", "--json"))["live"]

    def until(self, ready, what):
        deadline = time.monotonic() + 60
        while not ready():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.1)

    def findings(self, status):
        return {item["what"]: item["advice"]
                for item in json.loads(self.agent("doctor", "--json", status=status))}

    def hang_up(self, process, says):
        process.send_signal(signal.SIGHUP)
        for line in process.stderr:
            if says in line:
                return line
        self.fail(f"it has ended without '{says}'")

    def test_a_good_file_is_read(self):
        self.release("1.0.0")
        self.install()
        agent = self.service()
        self.until_well()
        (worker, _), = children(agent.pid)
        self.assertNotIn(CHANGED, self.agent("status"))
        self.configure(more=self.settings + "[reports]\nmegabytes = 4\n")
        self.assertIn(f"{CHANGED}: systemctl reload polderd", self.agent("status"))
        self.assertEqual(self.findings(0)[CHANGED], "systemctl reload polderd")
        self.assertNotEqual(self.live()["reports"]["max_bytes"], 4 << 20)
        self.hang_up(agent, "camera-17 runs, start")
        self.until(lambda: self.live()["reports"]["max_bytes"] == 4 << 20, "what is new holds")
        self.until_well()
        self.assertNotIn(CHANGED, self.agent("status"))
        self.assertIsNone(agent.poll())  # the same process
        (now, _), = children(agent.pid)
        self.assertNotEqual(now, worker)

    def test_a_bad_file_is_refused(self):
        self.release("1.0.0")
        self.install()
        agent = self.service()
        self.until_well()
        workers = children(agent.pid)
        config = self.scratch / "polderd.toml"
        good = config.read_text()
        for bad, why in ((good + "[worker2]\n", "worker2"),
                         (good.replace("observe_s = 1", "observe_s = -1"), "polderd.toml:7"),
                         (good + '[network]\nca_file = "ca.pem"\n', "a path from '/' on"),
                         (good.replace(f'"{self.device}"', '"/proc/none"'), "/proc/none"),
                         # With which it would end at the next start, and at each one after.
                         (good.replace(self.settings, "").replace(
                             f'models = ["{MODEL}"]', f'models = ["x"]\nruntime = "{MODEL}"'),
                          "name of a model and of the runtime"),
                         # Which the pipeline that runs could not take.
                         (good.replace("microphone.path", "mic.path"),
                          "the release's pipeline has no step 'mic'")):
            config.write_text(bad)
            self.assertIn(why, self.hang_up(agent, "not reloaded"))
        config.write_text(good)
        self.assertEqual([pid for pid, _ in children(agent.pid)], [pid for pid, _ in workers])
        self.assertEqual(self.live()["health"][MODEL], "well")

    def test_what_a_bad_file_leaves_to_tell(self):
        self.release("1.0.0")
        self.install()
        agent = self.service()
        self.until_well()
        config = self.scratch / "polderd.toml"
        good = config.read_text()
        for bad, why in ((good + "[worker2]\n", "worker2"), (good + "x = = 1\n", "polderd.toml:1")):
            config.write_text(bad)
            first, device, unit = self.agent("status", status=1).splitlines()[:3]
            self.assertIn(why, first)
            self.assertEqual(device, "camera-17: idle")
            self.assertTrue(unit.endswith("slot a, well"), unit)
            said = json.loads(self.agent("status", "--json", status=1))
            self.assertEqual(said["configuration_error"], first)
            self.assertTrue(said["configuration_changed"])
            found = json.loads(self.agent("doctor", "--json", status=1))
            self.assertEqual([f["what"] for f in found if f["level"] == "wrong"],
                             [f"configuration: {first}"])
            self.assertEqual(found[0]["level"], "wrong")
            self.assertIn({"level": "good", "what": f"{MODEL}: 1.0.0", "advice": ""}, found)
            self.assertEqual(self.agent("check", status=1), "")
        # Where nothing is to be found either.
        config.write_text(good.replace(str(self.device), "/proc/none") + "[worker2]\n")
        self.assertEqual(self.agent("status", status=1), "")
        config.write_text(good)
        self.agent("status")
        self.assertIsNone(agent.poll())

    def test_reloads_in_a_trial_are_no_tries(self):
        config = self.scratch / "polderd.toml"
        self.release("1.0.0")
        self.install()
        config.write_text(config.read_text().replace("observe_s = 1", "observe_s = 3"))
        self.release("1.1.0")
        agent = self.service()
        self.until(lambda: json.loads(self.agent("status", "--json"))["phase"] == "observe",
                   "a trial")
        for _ in range(10):  # eight starts would be the end of it
            self.hang_up(agent, "camera-17 runs, start")
        self.until(lambda: json.loads(self.agent("status", "--json"))["units"][MODEL]["committed"]
                   ["version"] == "1.1.0", "it is committed")
        self.assertEqual(json.loads(self.agent("status", "--json"))["bad"], [])

    def test_a_port_that_is_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            self.configure(more=self.settings + f'[reports]\nmetrics = "127.0.0.1:{port}"\n')
            self.release("1.0.0")
            agent = self.service()
            self.until_well()
            why = self.live()["metrics_error"]
            self.assertIn(str(port), why)
            self.assertIn(why, self.agent("status"))
            self.assertIn("another port", self.findings(0)[why])
            self.assertIn(str(port), next(line for line in agent.stderr if "metrics" in line))
        self.until(lambda: self.live()["metrics_error"] == "", "it is tried again")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
            self.assertIn(b"polder_", page.read())

    def test_memory_that_may_not_be_locked(self):
        self.identify_again()
        content = self.seal("mean", "1.0.0")
        self.release("1.0.0", sealed=content)
        self.install()
        for limit, is_told in ((0, True), (1 << 20, False)):
            agent = self.service(
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_MEMLOCK, (limit, limit)))
            self.until_well()
            said = [what for what in self.findings(0) if "RLIMIT_MEMLOCK" in what]
            self.assertEqual(bool(said), is_told, len(content))
            agent.kill()
            agent.wait()

    def identify_again(self):
        made = json.loads(self.agent("identity", "show", "--json"))
        (self.scratch / "device.pub.pem").write_text(made["decryption"]["public"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
