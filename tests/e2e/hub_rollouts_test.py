#!/usr/bin/python3
"""Rollouts and tags by the command line, against a hub: the real programs.

    hub_rollouts_test.py POLDER_HUB POLDER
"""
import json
import os
import pathlib
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

import hubs

HUB, POLDER = (pathlib.Path(word).resolve() for word in sys.argv[1:3])


class HubRollouts(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)
        self.hub = hubs.Hub(HUB, self.scratch / "hub", "--person-rate", 1000,
                            "--poll-s", 1)
        self.addCleanup(self.hub.kill)
        self.hub.start()

    def let_assign(self):
        self.hub.let_assign(POLDER, self.scratch / "releaser")

    def devices(self, *names):
        """Enrolled, and known to have the model people 1.0.0, as reports tell it."""
        for name in names:
            csr = subprocess.run(
                ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.scratch / f"{name}.pem",
                 "-subj", f"/CN={name}"], check=True, capture_output=True, text=True).stdout
            status, answer = self.hub.ask(
                "POST", "/v1/enrol", {"token": self.hub.enrolment_token(), "csr": csr})
            self.assertEqual(status, 201, answer)
            with sqlite3.connect(self.hub.folder / "hub.db", timeout=30) as database:
                database.execute("INSERT INTO device_model (device, model, running, committed, "
                                 "is_well, seen_s) VALUES (?, 'people', '1.0.0', '1.0.0', 1, ?)",
                                 (name, int(time.time())))
            database.close()

    def publish(self, version):
        """As the hub has on record what was published."""
        with sqlite3.connect(self.hub.folder / "hub.db", timeout=30) as database:
            database.execute(
                "INSERT INTO model_release (model, version, manifest, state, added_s, added_by, "
                "publication, is_runtime, details) VALUES ('people', ?, '', 'published', 0, '', "
                "'', 0, '{}')", (version,))
        database.close()

    def done(self, *words, status=0, token=None):
        done = subprocess.run([POLDER, *words], capture_output=True, text=True, timeout=120, env={
            **os.environ, "POLDER_HUB": self.hub.url(), "POLDER_HUB_CA": str(self.hub.ca()),
            "POLDER_HUB_TOKEN": token or self.hub.token})
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def polder(self, *words, status=0, token=None):
        done = self.done(*words, status=status, token=token)
        return done.stdout if status == 0 else done.stdout + done.stderr

    def test_tags(self):
        self.devices("cam-1", "cam-2")
        self.assertIn("line=3", self.polder("fleet", "tag", "cam-1", "line=3", "site=ams"))
        self.assertRegex(self.polder("fleet", "devices"),
                         r"cam-1 +never +- +line=3,site=ams\ncam-2 .* -\n")
        listed = json.loads(self.polder("fleet", "devices", "--query", "site=ams", "--json"))
        self.assertEqual([one["id"] for one in listed["devices"]], ["cam-1"])
        self.assertEqual(listed["devices"][0]["tags"], {"site": "ams", "line": "3"})
        self.polder("fleet", "tag", "cam-1")
        self.assertEqual(json.loads(self.polder("fleet", "show", "cam-1", "--json"))["tags"], {})
        self.assertIn("TAG=VALUE expected", self.polder("fleet", "tag", "cam-1", "x", status=1))
        self.assertIn("no device of this name", self.polder("fleet", "show", "cam-9", status=1))

    def test_a_rollout_from_its_beginning_to_its_end(self):
        self.devices("cam-1", "cam-2", "cam-3")
        # No device would hear of it.
        self.assertIn("polder repo delegate REPO assignments",
                      self.polder("rollout", "create", "people", "1.1.0", status=1))
        self.assertEqual(self.polder("rollout", "list"), "no rollouts\n")
        self.let_assign()
        words = ("rollout", "create", "people", "1.1.0", "--unpublished", "--stages",
                 "1, 50%, 100%", "--least-minutes", "0", "--look-s", "1", "--measures",
                 "none", "--json")
        self.assertIn("3 of its devices go back to people 1.0.0", self.polder(*words, status=1))
        self.publish("1.1.0")
        made = json.loads(self.polder(*words, "--one-way"))
        self.assertEqual(made["devices"], {"matching": 3, "wanted": 1, "running": 0, "failed": 0})
        self.assertEqual([stage["text"] for stage in made["stages"]], ["1 device", "50%", "100%"])
        self.assertIn("no device runs it yet", made["gate"]["reasons"])
        self.assertIn("is part of rollout r1",
                      self.polder("rollout", "create", "people", "1.2.0", "--unpublished",
                                  "--one-way", status=1))
        self.assertRegex(self.polder("rollout", "list", "--phase", "running"),
                         r"r1 +people +1\.1\.0 +running +1 of 3 +no device runs it yet\n")
        self.assertIn("paused: wait", self.polder("rollout", "pause", "r1", "--reason", "wait"))
        self.assertIn("it cannot be paused",
                      self.polder("rollout", "pause", "r1", "--reason", "wait", status=1))
        self.polder("rollout", "resume", "r1")
        # The hub's own timer judges the gate; a hub that was killed goes on.
        self.hub.kill()
        self.hub.start()
        with sqlite3.connect(self.hub.folder / "hub.db", timeout=30) as database:
            database.execute("UPDATE rollout_device SET running = '1.1.0' WHERE wanted = 2")
            # Whoever is told runs it at once.
            database.execute(
                "CREATE TRIGGER told AFTER UPDATE OF wanted ON rollout_device WHEN NEW.wanted = 2 "
                "BEGIN UPDATE rollout_device SET running = '1.1.0' WHERE device = NEW.device; "
                "UPDATE device_model SET running = '1.1.0' WHERE device = NEW.device; END")
            database.execute("UPDATE device_model SET running = '1.1.0' WHERE device IN "
                             "(SELECT device FROM rollout_device WHERE wanted = 2)")
        database.close()
        watched = self.polder("rollout", "show", "r1", "--watch")
        for line in ("stage 2 of 3 (50%)", "stage 3 of 3 (100%)", "done"):
            self.assertRegex(watched, re.escape(f"  {line}  (polder-hub)"))
        self.assertIn("3 matching, 3 wanted, 3 running now, 0 failed", watched)
        # What is new alone, each with its time.
        lines = watched.splitlines()
        for line in lines:
            self.assertRegex(line, r"^  \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ  ")
        told = [line.split("  ", 2)[2] for line in lines]
        self.assertFalse([one for one, next_one in zip(told, told[1:]) if one == next_one], told)

    def test_an_abort(self):
        self.devices("cam-1")
        self.let_assign()
        self.polder("rollout", "create", "people", "1.1.0", "--query", "site=ams", "--window",
                    "22:00-05:00", "--other-version", "1.2.0", "--unpublished")
        self.assertIn("--reason", self.polder("rollout", "abort", "r1", status=1))
        said = self.polder("rollout", "abort", "r1", "--reason", "wrong labels")
        self.assertIn("aborted  stage 1 of 6  of site=ams: wrong labels", said)
        self.polder("rollout", "show", "r1", "--watch", status=1)
        self.assertIn("no rollout of this name", self.polder("rollout", "show", "r9", status=1))

    def test_a_window_of_some_days_in_a_zone(self):
        self.devices("cam-1")
        self.let_assign()
        # Never open now: four days ahead, for one minute.
        days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
        day = days[(time.gmtime().tm_wday + 4) % 7]
        words = ("rollout", "create", "people", "1.1.0", "--unpublished", "--query", "site=ams",
                 "--window")
        window = f"{day} 12:00-12:01 Europe/Amsterdam"
        waits = f"waits for the window {day.title()} 12:00-12:01 Europe/Amsterdam: opens at 20"
        self.assertIn(waits, self.polder(*words, window, "--dry-run"))
        self.polder(*words, window)
        shown = self.polder("rollout", "show", "r1")
        self.assertRegex(shown, rf"\nwindow   {day.title()} 12:00-12:01 Europe/Amsterdam; opens at "
                                r"20\d\d-\d\d-\d\dT1[01]:00:00Z\ngate     hold as of ")
        self.assertIn(waits, shown)
        answer = json.loads(self.polder("rollout", "show", "r1", "--json"))["window"]
        self.assertEqual([answer[name] for name in ("days", "from", "to", "zone")],
                         [[day], "12:00", "12:01", "Europe/Amsterdam"])
        said = self.polder(*words, "Fri-Mon 22:00-05:00 amsterdam", status=1)
        self.assertIn("--window: zone: there is no time zone 'amsterdam'; did you mean "
                      "'Europe/Amsterdam'?", said)

    def test_a_measure_that_saw_nothing_is_not_known_yet(self):
        self.devices("cam-1", "cam-2")
        self.let_assign()
        self.polder("rollout", "create", "people", "1.1.0", "--one-way", "--history-looks", "0",
                    "--look-s", "1", "--unpublished")
        self.assertRegex(self.polder("rollout", "show", "r1"),
                         r"\ndone     \S+Z at the earliest\n"
                         r"gate     hold as of \S+Z \(next look \S+Z\); .*\n(.*\n)*"
                         r"  frames that differ +not known yet; evidence: .* 0 and 0 observa")

    def test_a_dry_run_begins_nothing(self):
        self.devices("anybody.cam", "cam-1", "cam-2", "cam-3")
        self.let_assign()
        words = ("rollout", "create", "people", "1.1.0", "--stages",
                 "shadow 1, 2 margin=2.5 least_minutes=7 failures=2 least_observations=9, 100%",
                 "--least-minutes", "3",
                 "--one-way", "--unpublished", "--dry-run")
        said = self.polder(*words)
        self.assertRegex(said, r"^devices  4 matching, \d there, 0 running\n")
        self.assertRegex(said, r"\n  shadow on 1 device +1 device\n  2 devices +2 devices\n"
                               r"  100% +4 devices\n  in all at least 8 h 2\d min \(17 h \d+ min "
                               r"where no worker ends\), and until what is compared is proven\n"
                               r"people 1.1.0 is not published here\n"
                               r"watches the old release first: 0 of 96 looks\n$")
        shown = json.loads(self.polder(*words, "--json"))
        self.assertEqual([stage["least_minutes"] for stage in shown["stages"]], [3, 7, 3])
        second = shown["stages"][1]
        self.assertEqual([second[name] for name in ("margin", "failures", "least_observations")],
                         [2.5, 2, 9])
        self.assertEqual(self.polder("rollout", "list"), "no rollouts\n")
        self.assertIn("note: people 1.1.0 is not published here\n", self.done(*words[:-1]).stderr)
        self.assertIn("\nrefused until rollout r1 is over, of which device anybody.cam is part",
                      self.polder(*words))
        self.assertIn("device anybody.cam is part of rollout r1",
                      self.polder(*words[:-1], status=1))

    def test_what_is_wrong_is_told(self):
        self.let_assign()
        for words, told in (
                (("create", "people", "1.1.0", "--stages", "3, 1, 100%"), "must be larger"),
                (("create", "people", "1.1.0", "--unpublished", "--stages", "shadow 2, 1, 100%"),
                 "shadow_s"),
                (("create", "people", "1.1.0", "--stages", "1 margin=9, 100%"), "1.1 to 4"),
                (("create", "people", "one"), "VERSION: "),
                (("create", "people", "1.1.0"), "MODEL: no release of 'people' is published"),
                (("create", "people", "1.1.0", "--stages", "1, 10 % margin=0.5, 100%"),
                 "--stages: stage 2: margin: "),
                (("create", "people", "1.1.0", "--window", "29:00-30:00"), "--window: from: "),
                (("create", "people", "1.1.0", "--query", "a=b,a=c"), "twice")):
            self.assertIn(told, self.polder("rollout", *words, status=1))
        self.assertIn("'marge' given", self.polder("rollout", "create", "people", "1.1.0",
                                                   "--stages", "1 marge=2, 100%", status=2))
        viewer = self.hub.token_of("eve", "viewer")
        self.assertIn("needs operator", self.polder("rollout", "create", "people", "1.1.0",
                                                    status=1, token=viewer))
        self.assertEqual(self.polder("rollout", "list", token=viewer), "no rollouts\n")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
