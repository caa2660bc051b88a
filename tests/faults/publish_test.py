#!/usr/bin/python3
"""Ends 'polder repo publish' and 'discard' before each call that changes the repository: clients
see what was there or what comes, and the same command, or the other one, then does its work.

    publish_test.py POLDER KILL_POINTS [TEST...]
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "e2e"))
import plus_release  # noqa: E402

POLDER, KILL_POINTS = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
ENVIRONMENT = {**os.environ, "SOURCE_DATE_EPOCH": "1800000000"}


class Publish(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)
        self.repo = self.scratch / "repo"
        for key in ("root", "targets", "online"):
            self.polder("keys", "create", "--output", f"{key}.pem", "--no-passphrase")
            self.polder("keys", "public", f"{key}.pem", "--output", f"{key}.pub.pem")
        for model in ("old", "new"):
            plus_release.make(self.polder, self.scratch, model, model)
        self.polder("repo", "init", "repo", "--root-key", "root.pub.pem", "--root-threshold", "1",
                    "--targets-key", "targets.pub.pem", "--timestamp-key", "online.pub.pem",
                    "--key", "root.pem", "--key", "targets.pem")
        self.polder("repo", "add", "repo", "old", "--key", "targets.pem")
        self.publish()
        self.polder("repo", "add", "repo", "new", "--key", "targets.pem")
        self.before = self.served()
        self.template = self.scratch / "template"
        self.repo.rename(self.template)

    def polder(self, *words):
        done = subprocess.run([POLDER, *words], cwd=self.scratch, capture_output=True, text=True,
                              env=ENVIRONMENT, timeout=60)
        self.assertEqual(done.returncode, 0, f"{words}: {done.stderr}{done.stdout}")
        return done.stdout

    def publish(self):
        self.polder("repo", "publish", "repo", "--key", "online.pem")

    def served(self):
        return sorted(str(path.relative_to(self.repo)) for name in ("targets", "blobs")
                      for path in (self.repo / name).rglob("*") if path.is_file())

    def staged(self):
        return [path for path in (self.repo / "staged").rglob("*") if path.is_file()]

    def clients_see(self):
        """Whether it is what comes; it is whole in any case."""
        done = subprocess.run([POLDER, "repo", "verify", "repo", "--json"], cwd=self.scratch,
                              capture_output=True, text=True, env=ENVIRONMENT, timeout=60)
        found = json.loads(done.stdout)
        self.assertEqual(found["problems"], [])
        self.staged_problems = found["staged_problems"]
        self.assertIn(found["targets"], (1, 2))
        return found["targets"] == 2

    def killed(self, number, *words):
        """Ends the command before call `number`; whether it came so far."""
        if self.repo.exists():
            shutil.rmtree(self.repo)
        shutil.copytree(self.template, self.repo)
        done = subprocess.run([KILL_POINTS, "--below", self.repo, "--kill", str(number), "--",
                               POLDER, "repo", *words], cwd=self.scratch, capture_output=True,
                              text=True, env=ENVIRONMENT, timeout=60)
        return done.stdout.splitlines()[-1].startswith("killed")

    def test_a_publication_that_is_ended_is_made_good(self):
        number, seen = 0, set()
        while self.killed(number, "publish", "repo", "--key", "online.pem"):
            seen.add(self.clients_see())
            self.assertEqual(self.staged_problems, [], number)
            self.publish()
            self.assertTrue(self.clients_see(), number)
            self.assertEqual(self.staged(), [])
            number += 1
        self.assertEqual(seen, {False, True})

    def test_a_publication_that_is_ended_is_discarded(self):
        number, seen = 0, set()
        while self.killed(number, "publish", "repo", "--key", "online.pem"):
            new = self.clients_see()
            seen.add(new)
            self.polder("repo", "discard", "repo")
            self.publish()
            self.assertEqual(self.clients_see(), new, number)
            self.assertEqual(self.staged(), [])
            if not new:
                self.assertEqual(self.served(), self.before, number)
            number += 1
        self.assertEqual(seen, {False, True})

    def test_what_is_ended_while_it_is_discarded(self):
        number = 0
        while self.killed(number, "discard", "repo"):
            self.assertFalse(self.clients_see())
            self.polder("repo", "discard", "repo")
            self.assertEqual(self.staged(), [])
            self.publish()
            self.assertFalse(self.clients_see())
            self.assertEqual(self.served(), self.before, number)
            number += 1
        self.assertGreater(number, 3)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
