#!/usr/bin/python3
"""Mistakes of people who keep a repository: none may leave something behind, or reach a device.

    repo_mistakes_test.py POLDER [TEST...]
"""
import hashlib
import json
import subprocess
import sys
import unittest

from repositories import ENVIRONMENT, POLDER, RepositoryTest

LATER = {**ENVIRONMENT, "SOURCE_DATE_EPOCH": str(1800000000 + 400 * 86400)}


class Mistakes(RepositoryTest):
    def refused(self, *words):
        return self.polder("repo", *words, status=1)

    def files(self):
        """Of the repository, with what is in them."""
        return {str(path.relative_to(self.repo)): path.read_bytes()
                for path in self.repo.rglob("*") if path.is_file()}

    def test_a_command_that_fails_leaves_nothing(self):
        words = ("init", self.repo, "--root-key", "root-1.pub.pem", "--root-threshold", "1",
                 "--targets-key", "targets.pub.pem", "--timestamp-key", "online.pub.pem")
        self.assertIn("nothing was staged", self.refused(*words, "--key", "other.pem"))
        self.polder("repo", *words, "--key", "root-1.pem", "--key", "targets.pem")
        self.publish()
        self.polder("repo", "delegate", self.repo, "assignments", "--path", "assignments/*",
                    "--role-key", "online.pub.pem", "--key", "targets.pem", "--key", "online.pem")
        self.polder("keys", "create", "--output", self.scratch / "locked.pem", environment={
            **ENVIRONMENT, "POLDER_PASSPHRASE": "the right one"})
        before = self.files()
        for words in (("rotate", self.repo, "targets", "--add", "other.pub.pem"),
                      ("delegate", self.repo, "people", "--role-key", "family.pub.pem", "--path",
                       "people/*/*"),
                      ("add", self.repo, "family.pub.pem"),
                      ("assign", self.repo, "default"),
                      ("floor", self.repo, "people", "1.0.0", "--without-release"),
                      ("renew", self.repo, "root")):
            for keys in (["root-3.pem"], ["mistyped.pem"], ["targets.pem", "mistyped.pem"],
                         ["targets.pem", "root-3.pem"], [self.scratch / "locked.pem"]):
                said = self.polder("repo", *words, *[f"--key={key}" for key in keys], status=1,
                                   environment={**ENVIRONMENT, "POLDER_PASSPHRASE": "another"})
                self.assertIn("nothing was staged or signed", said)
                self.assertEqual(self.files(), before, (words, keys))
        # What somebody staged before stays as it was.
        self.polder("repo", "add", self.repo, "other.pub.pem")
        before = self.files()
        for words in (("rotate", self.repo, "targets", "--add", "family.pub.pem"),
                      ("sign", self.repo, "--key", "targets.pem")):
            self.refused(*words, "--key", "mistyped.pem")
            self.assertEqual(self.files(), before)
        # Put right, it is done.
        self.polder("repo", "rotate", self.repo, "targets", "--add", "other.pub.pem", "--key",
                    "root-1.pem", "--key", "targets.pem")
        self.publish()

    def test_what_devices_read_is_what_they_can_read(self):
        self.published()
        assignment = self.scratch / "assignment.json"
        assignment.write_text(json.dumps({"format": 1, "device": "cam-12", "releases": []}))
        for file, target, says in (
                ("root-1.pub.pem", "floors.json", "floors.json"),
                ("root-1.pub.pem", "assignments/cam-12.json", "assignments/cam-12.json"),
                (assignment, "assignments/cam-13.json", "under 'assignments/cam-12.json'"),
                ("root-1.pub.pem", "people/1.2.0/manifest.json", "people/1.2.0/manifest.json"),
                ("root-1.pub.pem", "people/1.2.0/ab.keys", "no keys of a sealed file")):
            self.assertIn(says, self.refused("add", self.repo, file, "--target", target))
        large = self.scratch / "large"
        large.write_bytes(b" " * (2 << 20))
        self.assertIn("large", self.refused("add", self.repo, large, "--target", "floors.json"))
        self.polder("repo", "add", self.repo, assignment, "--target", "assignments/cam-12.json")

    def stage_by_hand(self, content, target="floors.json"):
        """A file of the top level, put into staged/ by somebody."""
        self.polder("repo", "renew", self.repo, "targets")
        path = self.repo / "staged/targets.json"
        envelope = json.loads(path.read_text())
        digest = hashlib.sha256(content).hexdigest()
        envelope["signed"]["targets"][target] = {"length": len(content),
                                                 "hashes": {"sha256": digest}}
        path.write_text(json.dumps(envelope))
        file = self.repo / f"staged/targets/{digest}.{target}"
        file.parent.mkdir(exist_ok=True)
        return file

    def test_floors_that_no_device_reads_are_found_and_mended(self):
        self.published()
        self.polder("repo", "floor", self.repo, "people", "1.2.0", "--without-release", "--key",
                    "targets.pem")
        self.publish()
        content = (self.keys / "root-1.pub.pem").read_bytes()
        file = self.stage_by_hand(content)
        # Nobody signs it who has it here; unseen, as on a stick without the files, and by force.
        file.write_bytes(content)
        self.assertIn("floors.json", self.refused("sign", self.repo, "--key", "targets.pem"))
        self.assertIn("staged, not published: floors.json", self.polder(
            "repo", "verify", self.repo, status=1))
        file.unlink()
        self.polder("repo", "sign", self.repo, "--key", "targets.pem", "--without-files")
        file.write_bytes(content)
        publish = ("repo", "publish", self.repo, "--key", "online.pem")
        self.assertIn("nothing was published", self.polder(*publish, status=1))
        self.polder(*publish, "--force")
        said = self.polder("repo", "verify", self.repo, status=1)
        self.assertIn("floors.json", said)
        self.assertIn("not good", said)
        # The floors before it are those that still hold.
        self.assertIn("floors only rise", self.refused("floor", self.repo, "people", "1.1.0"))
        self.polder("repo", "floor", self.repo, "other", "0.1.0", "--without-release", "--key",
                    "targets.pem")
        self.publish()
        self.polder("repo", "verify", self.repo)
        shown = json.loads(self.polder("repo", "show", self.repo, "--json"))
        self.assertEqual(shown["floors"], {"people": "1.2.0", "other": "0.1.0"})

    def test_published_floors_only_rise(self):
        self.published()
        floor = ("repo", "floor", self.repo, "people", "1.2.0", "--without-release", "--key",
                 "targets.pem")
        self.polder(*floor)
        self.publish()
        # The same again is there already.
        before = self.files()
        self.assertIn("nothing is staged", self.polder(*floor))
        self.assertEqual(self.files(), before)
        # On a stick without the published files they cannot be compared, which is told.
        self.polder("repo", "floor", self.repo, "people", "1.3.0", "--without-release")
        (self.repo / "targets").rename(self.scratch / "elsewhere")
        self.polder("repo", "sign", self.repo, "--key", "targets.pem")
        (self.repo / "targets").mkdir()
        self.polder("repo", "discard", self.repo)
        self.polder("repo", "renew", self.repo, "targets", "--key", "targets.pem")
        (self.repo / "targets").rmdir()
        (self.scratch / "elsewhere").rename(self.repo / "targets")
        self.polder("repo", "discard", self.repo)
        lower = self.scratch / "lower.json"
        for floors, says in (({"people": "1.1.0"}, "is 1.2.0 and would be 1.1.0"),
                             ({}, "is 1.2.0 and would be none")):
            lower.write_text(json.dumps({"format": 1, "floors": floors}))
            self.assertIn(says, self.refused("add", self.repo, lower, "--target", "floors.json"))
            self.stage_by_hand(lower.read_bytes()).write_bytes(lower.read_bytes())
            self.assertIn(says, self.refused("sign", self.repo, "--key", "targets.pem"))
            self.polder("repo", "sign", self.repo, "--key", "targets.pem", "--force")
            self.assertIn(says, self.refused("publish", self.repo, "--key", "online.pem"))
            self.polder("repo", "discard", self.repo)
        self.assertIn("floors only rise", self.refused("remove", self.repo, "floors.json"))
        self.polder("repo", "remove", self.repo, "floors.json", "--force", "--key", "targets.pem")
        self.assertIn("would be none", self.refused("publish", self.repo, "--key", "online.pem"))
        self.polder("repo", "publish", self.repo, "--key", "online.pem", "--force")

    def test_errors_say_what_to_look_at(self):
        self.published()
        other = self.scratch / "other"
        self.polder("repo", "init", other, "--root-key", "other.pub.pem", "--root-threshold", "1",
                    "--targets-key", "targets.pub.pem", "--timestamp-key", "family.pub.pem",
                    "--key", "other.pem", "--key", "targets.pem")
        self.polder("repo", "publish", other, "--key", "family.pem")
        self.assertIn("0 found: is it of another repository", self.polder(
            "repo", "verify", self.repo, "--root", other / "metadata/1.root.json", status=1))
        (self.repo / "repository.toml").write_text("")
        self.assertIn("needs 'profile' (one of hub|static)", self.refused("show", self.repo))

    def test_a_publication_is_told_once(self):
        self.published()
        add = self.run_polder("add", self.repo, "other.pub.pem", "--key", "targets.pem")
        self.assertIn("+ other.pub.pem", add)
        told = self.run_polder("publish", self.repo, "--key", "online.pem")
        self.assertIn("targets version 2 until", told)
        self.assertNotIn("other.pub.pem", told)

    def run_polder(self, *words):
        """What a command that succeeds says of it on stderr."""
        return subprocess.run([POLDER, "repo", *words], cwd=self.keys, env=ENVIRONMENT, check=True,
                              capture_output=True, text=True, timeout=60).stderr

    def test_all_that_is_wrong_is_told_at_once(self):
        self.published()
        for name in ("one", "two"):
            self.polder("repo", "add", self.repo, "other.pub.pem", "--target", name)
        self.polder("repo", "sign", self.repo, "--key", "targets.pem")
        self.publish()
        files = sorted((self.repo / "targets").iterdir())
        files[0].unlink()
        files[1].write_bytes(files[1].read_bytes()[:-1] + b"?")
        said = self.polder("repo", "verify", self.repo, status=1, environment=LATER)
        for says in ("timestamp.json: version 2 expired", "snapshot.json: version 2 expired",
                     "targets.json: version 2 expired", "one", "target 'two'"):
            self.assertIn(says, said)
        self.assertNotIn("root.json", said)
        found = json.loads(self.polder("repo", "verify", self.repo, "--json", status=1,
                                       environment=LATER))
        self.assertEqual(len(found["problems"]), 5)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
