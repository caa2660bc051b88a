#!/usr/bin/python3
"""A TUF repository from the command line: made, signed by several people, published, damaged.

    repo_test.py POLDER [TEST...]
"""
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

from repositories import ENVIRONMENT, POLDER, RepositoryTest


class Repository(RepositoryTest):
    def test_the_life_of_a_repository(self):
        self.init()
        refused = self.polder("repo", "publish", self.repo, "--key", "online.pem", status=1)
        self.assertIn("0 of 2 signatures", refused)
        self.assertIn(self.key_id("root-2"), refused)
        # The holder of a key has what is to be signed, and nothing else.
        stick = self.scratch / "stick"
        stick.mkdir()
        for name in ("repository.toml", "staged", "metadata"):
            source = self.repo / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, stick / name)
        self.polder("repo", "sign", stick, "--key", "root-1.pem")
        self.polder("repo", "sign", stick, "--key", "root-2.pem")
        shutil.rmtree(self.repo / "staged")
        shutil.copytree(stick / "staged", self.repo / "staged")
        self.polder("repo", "sign", self.repo, "--key", "targets.pem")
        self.publish()
        self.polder("repo", "delegate", self.repo, "people", "--role-key", "family.pub.pem",
                    "--path", "people/*/*", "--key", "targets.pem")
        manifest = self.scratch / "manifest.json"
        manifest.write_text("{}")
        self.polder("repo", "add", self.repo, manifest, "--target", "people/1.0.0/notes.json",
                    "--key", "family.pem")
        self.publish()
        shown = json.loads(self.polder("repo", "show", self.repo, "--json"))
        self.assertEqual(shown["targets"], {"people/1.0.0/notes.json": "people"})
        self.assertEqual(shown["staged"], [])
        verified = json.loads(self.polder("repo", "verify", self.repo, "--json"))
        self.assertTrue(verified["good"])
        self.assertEqual(verified["targets"], 1)
        # Root-1 is lost: the two others replace it.
        self.polder("repo", "rotate", self.repo, "root", "--add", "other.pub.pem", "--remove",
                    self.key_id("root-1"), "--key", "root-2.pem", "--key", "root-3.pem")
        self.publish()
        self.polder("repo", "remove", self.repo, "people/1.0.0/notes.json", "--key",
                    "family.pem")
        self.publish()
        verified = json.loads(self.polder("repo", "verify", self.repo, "--json"))
        self.assertEqual((verified["good"], verified["targets"]), (True, 0))

    def test_what_two_commands_change_at_once_is_all_there(self):
        self.published()
        add = [POLDER, "repo", "add", self.repo, "root-1.pub.pem", "--key", "targets.pem",
               "--target"]
        publish = [POLDER, "repo", "publish", self.repo, "--key", "online.pem"]
        names = [f"notes/{i}" for i in range(12)]
        running = [(words, subprocess.Popen(words, cwd=self.keys, env=ENVIRONMENT, text=True,
                                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT))
                   for name in names for words in ([*add, name], publish)]
        for words, process in running:
            said = process.communicate(timeout=300)[0]
            self.assertEqual(process.returncode, 0, f"{words}: {said}")
        self.publish()
        shown = json.loads(self.polder("repo", "show", self.repo, "--json"))
        self.assertEqual(sorted(shown["targets"]), sorted(names))
        self.assertTrue(json.loads(self.polder("repo", "verify", self.repo, "--json"))["good"])

    def test_of_several_that_begin_at_once_one_does(self):
        names = ["targets", "family", "other"]
        for turn in range(8):
            repo = self.scratch / f"repo-{turn}"
            running = [subprocess.Popen(
                [POLDER, "repo", "init", repo, "--root-key", "root-1.pub.pem", "--root-threshold",
                 "1", "--targets-key", f"{name}.pub.pem", "--timestamp-key", "online.pub.pem",
                 "--key", "root-1.pem", "--key", f"{name}.pem"], cwd=self.keys, env=ENVIRONMENT,
                text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for name in names]
            said = [process.communicate(timeout=60)[1] for process in running]
            won = [name for name, process in zip(names, running) if process.returncode == 0]
            self.assertEqual(len(won), 1, said)
            for process, told in zip(running, said):
                if process.returncode != 0:
                    self.assertIn("a repository is here already; nothing was changed", told)
            root = json.loads((repo / "staged/root.json").read_text())["signed"]
            self.assertEqual(root["roles"]["targets"]["keyids"], [self.key_id(won[0])])
            named = set(json.loads((repo / "key-names.json").read_text()))
            self.assertEqual(named, {self.key_id(name) for name in ("root-1", "online", won[0])})
            self.polder("repo", "publish", repo, "--key", "online.pem")
            self.polder("repo", "verify", repo)

    def test_who_holds_a_repository_is_named(self):
        self.published()
        with open(self.repo / "repository.toml", encoding="utf-8") as config:
            fcntl.flock(config, fcntl.LOCK_EX)
            said = self.polder("repo", "discard", self.repo, status=1)
            self.assertIn("another command changes this repository", said)
            if f" {os.getpid()} " in pathlib.Path("/proc/locks").read_text(encoding="utf-8"):
                self.assertIn(f"process {os.getpid()} ", said)
            self.polder("repo", "show", self.repo)
        self.assertIn("nothing was staged", self.polder("repo", "discard", self.repo))

    def test_each_key_id_has_its_file(self):
        def lines(text):
            return [line.strip() for line in text.splitlines()]

        def named(name, file):
            return f"{self.key_id(name)} ({file})"
        init = ("repo", "init", self.repo, "--root-key", "root-1.pub.pem", "--root-key",
                "root-2.pub.pem", "--root-key", "root-3.pub.pem", "--targets-key",
                "targets.pub.pem", "--timestamp-key", "online.pub.pem", "--key", "root-1.pem")
        said = lines(self.polder(*init))
        root = said[:said.index(next(line for line in said if "staged targets" in line))]
        self.assertEqual(root, [
            "staged root version 1: 1 of 2 signatures", "by " + named("root-1", "root-1.pem"),
            "sign with 1 of:", named("root-2", "root-2.pub.pem"),
            named("root-3", "root-3.pub.pem")])
        said = self.polder("repo", "sign", self.repo, "--key", "root-3.pem")
        self.assertIn("by " + named("root-1", "root-1.pem"), said)
        self.assertIn("by " + named("root-3", "root-3.pem"), said)
        # What is missing is named by the file that init was given.
        self.assertIn("  " + named("targets", "targets.pub.pem"), said)
        self.assertNotIn(self.key_id("root-2"), said)
        self.assertIn(named("targets", "targets.pub.pem"), self.polder(
            "repo", "publish", self.repo, "--key", "online.pem", status=1))
        said = json.loads(self.polder("repo", "sign", self.repo, "--key", "targets.pem", "--json"))
        self.assertEqual({file["role"]: file["signed_keys"] for file in said["staged"]},
                         {"root": [self.key_id("root-1"), self.key_id("root-3")],
                          "targets": [self.key_id("targets")]})
        self.assertEqual([file["open_keys"] for file in said["staged"]], [[], []])
        self.assertEqual(said["key_names"][self.key_id("targets")], "targets.pem")
        self.publish()
        said = self.polder("repo", "rotate", self.repo, "root", "--add", "other.pub.pem",
                           "--remove", self.key_id("root-1"), "--key", "root-2.pem")
        self.assertIn("  " + named("other", "other.pub.pem"), said)
        self.assertIn("  " + named("root-1", "root-1.pem"), said)
        self.assertIn("by " + named("root-2", "root-2.pem"), self.polder("repo", "show", self.repo))
        self.assertIn(named("family", "family.pem") + " signs for none", self.polder(
            "repo", "sign", self.repo, "--key", "family.pem", status=1))
        # Names are for people: without them the ids are there, and what is damaged is told.
        names = self.repo / "key-names.json"
        names.unlink()
        self.assertIn("by " + self.key_id("root-2") + "\n", self.polder("repo", "show", self.repo))
        names.write_text("{")
        self.assertIn("key-names.json", self.polder("repo", "show", self.repo, status=1))

    def test_an_online_key_holds_no_offline_role(self):
        for root, targets in (("online", "targets"), ("root-1", "online")):
            refused = self.polder("repo", "init", self.repo, "--root-key", f"{root}.pub.pem",
                                  "--root-threshold", "1", "--targets-key", f"{targets}.pub.pem",
                                  "--timestamp-key", "online.pub.pem", status=1)
            self.assertIn(f"key {self.key_id('online')} (online.pub.pem) would sign", refused)
            self.assertFalse(self.repo.exists())
        self.published()
        refused = self.polder("repo", "rotate", self.repo, "targets", "--add", "online.pub.pem",
                              status=1)
        self.assertIn(f"key {self.key_id('online')} (online.pub.pem) would sign for 'targets' and "
                      "for 'snapshot'", refused)
        assign = ["repo", "delegate", self.repo, "assignments", "--path", "assignments/*",
                  "--role-key"]
        refused = self.polder(*assign, "targets.pub.pem", status=1)
        self.assertIn("would sign for 'targets' and for 'assignments'", refused)
        self.assertIn("--force", refused)
        self.polder(*assign, "root-1.pub.pem", "--force", status=1)
        self.assertEqual(json.loads(self.polder("repo", "show", self.repo, "--json"))["staged"], [])
        self.polder(*assign, "targets.pub.pem", "--force")

    def run_repo(self, *words, days=0):
        """A command that succeeds, so many days later."""
        at = {**ENVIRONMENT, "SOURCE_DATE_EPOCH": str(1800000000 + days * 86400)}
        done = subprocess.run([POLDER, "repo", *words], cwd=self.keys, capture_output=True,
                              text=True, env=at, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def signing(self, *words):
        """What is told before a signature."""
        return self.run_repo("sign", self.repo, *words).stderr

    def test_who_signs_sees_what_changes(self):
        self.init()
        told = self.signing("--key", "root-1.pem", "--key", "root-3.pem")
        self.assertIn("root: 2 of these must sign\n", told)
        self.assertIn(f"+ key {self.key_id('online')} (online.pub.pem)", told)
        self.signing("--key", "targets.pem")
        self.publish()
        notes = self.scratch / "notes.txt"
        for text in ("one", "two"):
            notes.write_text(text)
            self.polder("repo", "add", self.repo, notes)
            digest = hashlib.sha256(text.encode()).hexdigest()
            changes = json.loads(self.polder("repo", "show", self.repo, "--json"))["changes"]
            self.assertEqual(changes["targets"][0]["sha256"], digest)
            told = self.signing("--key", "targets.pem")
            self.assertIn(f"{'+' if text == 'one' else '~'} notes.txt {digest[:12]}", told)
            self.publish()
        self.polder("repo", "remove", self.repo, "notes.txt")
        self.polder("repo", "floor", self.repo, "people", "1.2.0", "--without-release")
        self.polder("repo", "delegate", self.repo, "people", "--role-key", "family.pub.pem",
                    "--path", "people/*/*")
        self.polder("repo", "rotate", self.repo, "root", "--add", "other.pub.pem", "--remove",
                    self.key_id("root-1"))
        shown = self.polder("repo", "show", self.repo)
        told = self.signing("--key", "targets.pem", "--key", "family.pem", "--key", "root-2.pem",
                            "--key", "root-3.pem")
        for text in (shown, told):
            for line in (f"- notes.txt {digest[:12]}", "floor of people: 1.2.0, was none",
                         "people: 1 of these must sign", "+ path people/*/*",
                         f"+ key {self.key_id('family')}", f"+ key {self.key_id('other')}",
                         f"- key {self.key_id('root-1')}", "root: 2 must sign, as before",
                         "root version 2 until", "was 1 until"):
                self.assertIn(line, text)
        changes = json.loads(self.polder("repo", "show", self.repo, "--json"))["changes"]
        self.assertEqual(changes["floors"], [{"model": "people", "before": "", "after": "1.2.0"}])
        self.assertEqual({change["role"]: (change["added_keys"], change["removed_keys"])
                          for change in changes["trust"]},
                         {"root": ([self.key_id("other")], [self.key_id("root-1")]),
                          "people": ([self.key_id("family")], [])})
        self.publish()
        changes = json.loads(self.polder("repo", "show", self.repo, "--json"))["changes"]
        self.assertEqual(set(map(str, changes.values())), {"[]"})
        # A command that signs at once tells the same.
        add = ("add", self.repo, notes, "--target", "more.txt", "--key", "targets.pem")
        told = self.run_repo(*add).stderr
        self.assertIn(f"+ more.txt {digest[:12]}", told)
        said = json.loads(self.polder("repo", *add, "--json"))
        self.assertEqual([change["path"] for change in said["changes"]["targets"]], ["more.txt"])
        self.run_repo("publish", self.repo, "--key", "online.pem")
        self.polder("repo", "remove", self.repo, "more.txt", "--key", "targets.pem")
        said = json.loads(self.polder("repo", "publish", self.repo, "--key", "online.pem",
                                      "--json"))
        self.assertEqual(said["changes"]["targets"][0]["sha256_before"], digest)
        # Signed anew as it is.
        self.polder("repo", "renew", self.repo, "root")
        self.assertIn("the same, signed anew", self.signing("--key", "root-2.pem"))

    def test_what_is_signed_is_here_and_whole(self):
        self.published()
        notes = self.scratch / "notes.txt"
        notes.write_text("notes")
        self.polder("repo", "add", self.repo, notes)
        file = next((self.repo / "staged/targets").iterdir())
        for damaged, says in ((None, "is missing"), (b"note", "5 bytes expected, 4 found"),
                              (b"votes", "it is damaged")):
            file.unlink()
            if damaged is not None:
                file.write_bytes(damaged)
            sign = ("repo", "sign", self.repo, "--key", "targets.pem")
            refused = self.polder(*sign, status=1)
            self.assertIn(says, refused)
            self.assertIn("--without-files", refused)
            self.assertIn("0 of 1 signatures", self.polder("repo", "show", self.repo))
            file.write_bytes(b"")
        file.unlink()
        self.assertIn("1 targets are signed unseen",
                      self.signing("--key", "targets.pem", "--without-files"))

    def test_what_no_device_takes_is_not_published(self):
        self.published()
        notes = self.scratch / "notes.txt"
        notes.write_text("notes")
        self.polder("repo", "add", self.repo, notes, "--key", "targets.pem")

        def refused(says, days=0):
            before = (self.repo / "metadata/timestamp.json").read_bytes()
            at = {**ENVIRONMENT, "SOURCE_DATE_EPOCH": str(1800000000 + days * 86400)}
            told = self.polder("repo", "publish", self.repo, "--key", "online.pem", status=1,
                               environment=at)
            self.assertIn(says, told)
            self.assertIn("nothing was published", told)
            self.assertEqual((self.repo / "metadata/timestamp.json").read_bytes(), before)
        refused("role 'targets' expired on", days=400)
        refused("role 'root' expired on", days=800)
        refused("'polder repo publish --force' replaces it", days=-1)
        file = next((self.repo / "staged/targets").iterdir())
        file.write_text("note")
        refused("5 bytes expected, 4 found")
        file.unlink()
        refused("is missing")
        self.polder("repo", "publish", self.repo, "--key", "online.pem", "--force")

    def test_a_signature_that_does_not_fit_is_missing(self):
        self.init()
        self.polder("repo", "sign", self.repo, "--key", "targets.pem")
        path = self.repo / "staged" / "targets.json"
        envelope = json.loads(path.read_text())
        envelope["signatures"][0]["sig"] = "00" * 64
        path.write_text(json.dumps(envelope))
        staged = json.loads(self.polder("repo", "show", self.repo, "--json"))["staged"]
        self.assertEqual((staged[1]["signed_keys"], staged[1]["open_keys"]),
                         ([], [self.key_id("targets")]))

    def test_the_same_steps_give_the_same_bytes(self):
        other = self.scratch / "other"
        self.init()
        self.init(other)
        for name in ("staged/root.json", "staged/targets.json", "repository.toml"):
            self.assertEqual((self.repo / name).read_bytes(), (other / name).read_bytes())

    def test_whoever_may_not_sign_is_told(self):
        self.published()
        manifest = self.scratch / "m"
        manifest.write_text("{}")
        refused = self.polder("repo", "add", self.repo, manifest, "--key", "other.pem", status=1)
        self.assertIn("signs for none of the staged roles: targets; nothing was staged", refused)
        self.polder("repo", "add", self.repo, manifest)
        refused = self.polder("repo", "publish", self.repo, "--key", "online.pem", status=1)
        self.assertIn("role 'targets' version 2: 0 of 1", refused)
        self.assertIn("forgotten, and never published: targets version 2",
                      self.polder("repo", "discard", self.repo))
        refused = self.polder("repo", "publish", self.repo, "--key", "other.pem", status=1)
        self.assertIn(self.key_id("online"), refused)
        self.publish()

    def test_a_copy_that_is_not_whole_is_told_of(self):
        self.published()
        manifest = self.scratch / "m.json"
        manifest.write_text("{}")
        self.polder("repo", "add", self.repo, manifest, "--key", "targets.pem")
        self.publish()
        files = sorted(path for name in ("metadata", "targets")
                       for path in (self.repo / name).rglob("*") if path.is_file())
        needed = 0
        for path in files:
            kept = path.read_bytes()
            for damaged in (None, kept[:-1], b"", kept[:-3] + b"\x00" + kept[-2:]):
                path.unlink()
                if damaged is not None:
                    path.write_bytes(damaged)
                done = subprocess.run([POLDER, "repo", "verify", self.repo], env=ENVIRONMENT,
                                      capture_output=True, text=True, timeout=60)
                # Old versions are no longer needed, nor is a root that begins the chain elsewhere.
                old = path.name in ("1.targets.json", "1.snapshot.json")
                self.assertEqual(done.returncode, 0 if old else 1, (path, damaged, done.stdout))
                needed += not old
                path.write_bytes(kept)
        self.assertEqual(needed, 5 * 4)
        self.polder("repo", "verify", self.repo)

    def test_a_lost_online_key_is_replaced_in_both_of_its_roles(self):
        self.published()
        signs = ["--key", "root-1.pem", "--key", "root-2.pem"]
        change = ["--add", "other.pub.pem", "--remove", self.key_id("online"), *signs]
        # In one alone the lost key stays, which is told.
        done = subprocess.run([POLDER, "repo", "rotate", self.repo, "timestamp", *change],
                              cwd=self.keys, env=ENVIRONMENT, capture_output=True, text=True,
                              timeout=60, check=True)
        self.assertIn(f"key {self.key_id('online')} (online.pub.pem) signs snapshot too",
                      done.stderr)
        self.polder("repo", "discard", self.repo)
        self.polder("repo", "rotate", self.repo, "timestamp", "snapshot", *change)
        self.polder("repo", "publish", self.repo, "--key", "online.pem", status=1)
        self.polder("repo", "publish", self.repo, "--key", "other.pem")
        self.polder("repo", "verify", self.repo)

    def test_what_expires_soon_is_told_of(self):
        self.published()  # static: snapshot and timestamp hold 180 days, targets 365, root 730
        verify, show = ("verify", self.repo), ("show", self.repo)
        for words in (verify, show):
            self.assertNotIn("warning", self.run_repo(*words, days=119).stdout)
            said = self.run_repo(*words, days=121).stdout
            self.assertIn("warning: timestamp expires in 59 days, 2027-07-14T08:00:00Z: "
                          f"'polder repo publish {self.repo} --key KEY'", said)
            self.assertNotIn("warning: targets", said)
        said = json.loads(self.run_repo(*verify, "--json", days=121).stdout)
        self.assertEqual([(w["role"], w["expires"], w["expired"]) for w in said["warnings"]],
                         [(role, "2027-07-14T08:00:00Z", False)
                          for role in ("snapshot", "timestamp")])
        # A copy warns too: its timestamp and snapshot say how long they were made to hold.
        copy = self.scratch / "copy"
        shutil.copytree(self.repo, copy)
        (copy / "repository.toml").unlink()
        self.assertNotIn("warning", self.run_repo("verify", copy, days=119).stdout)
        self.assertIn("warning: timestamp expires in 59 days, 2027-07-14T08:00:00Z: "
                      "'polder repo publish REPOSITORY --key KEY'",
                      self.run_repo("verify", copy, days=121).stdout)
        publish = ("publish", self.repo, "--key", "online.pem")
        self.assertNotIn("warning", self.run_repo(*publish, days=334).stderr)
        warned = ("warning: targets expires in 29 days, 2028-01-15T08:00:00Z: "
                  "'polder repo renew {} targets --key KEY', and publish it")
        self.assertIn(warned.format(self.repo), self.run_repo(*publish, days=336).stderr)
        said = json.loads(self.run_repo(*publish, "--json", days=336).stdout)
        self.assertEqual([w["role"] for w in said["warnings"]], ["targets"])
        self.assertEqual(said["expires"]["targets"], "2028-01-15T08:00:00Z")
        self.assertIn(warned.format(self.repo), self.run_repo(*verify, days=336).stdout)
        shutil.copytree(self.repo / "metadata", copy / "metadata", dirs_exist_ok=True)
        self.assertIn(warned.format("REPOSITORY"), self.run_repo("verify", copy, days=336).stdout)
        # What has expired is an error, which names the same command.
        at = {**ENVIRONMENT, "SOURCE_DATE_EPOCH": str(1800000000 + 366 * 86400)}
        said = self.polder("repo", "verify", self.repo, status=1, environment=at)
        self.assertIn("warning: targets has expired, 2028-01-15T08:00:00Z: "
                      f"'polder repo renew {self.repo} targets", said)

    def test_expired_metadata_are_told_of(self):
        self.published()
        later = {**ENVIRONMENT, "SOURCE_DATE_EPOCH": str(1800000000 + 181 * 86400)}
        self.assertIn("expired", self.polder("repo", "verify", self.repo, status=1,
                                             environment=later))
        done = subprocess.run([POLDER, "repo", "publish", self.repo, "--key", "online.pem"],
                              cwd=self.keys, env=later, capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 0)
        self.polder("repo", "verify", self.repo, environment=later)

    def test_a_folder_is_named_as_it_was_typed(self):
        self.published()
        stick = self.keys / "stick"
        self.repo.rename(stick)
        self.addCleanup(shutil.rmtree, stick)
        self.assertIn("\nstick: 0 targets", self.polder("repo", "verify", "stick//"))
        (stick / "metadata/1.targets.json").unlink()
        self.assertIn("polder: ./stick/metadata/1.targets.json: is published and missing",
                      self.polder("repo", "show", "./stick/", status=1))
        self.assertIn("polder: ./other: no repository is here",
                      self.polder("repo", "show", "./other/", status=1))
        self.assertEqual(self.polder("repo", "verify", "./other/", status=1), "")

    def test_bad_input(self):
        self.assertIn("no repository is here", self.polder("repo", "show", self.scratch, status=1))
        self.init()
        (self.scratch / "full").mkdir()
        (self.scratch / "full/notes").touch()
        self.assertIn("is not empty", self.polder(
            "repo", "init", self.scratch / "full", "--root-key", "root-1.pub.pem",
            "--root-threshold", 1, "--targets-key", "targets.pub.pem", "--timestamp-key",
            "online.pub.pem", status=1))
        self.assertIn("2 of 1 keys", self.polder(
            "repo", "init", self.scratch / "new", "--root-key", "root-1.pub.pem", "--targets-key",
            "targets.pub.pem", "--timestamp-key", "online.pub.pem", status=1))
        self.assertFalse((self.scratch / "new").exists())
        self.assertIn("root-1.pem", self.polder(
            "repo", "init", self.scratch / "new", "--root-key", "root-1.pem", "--targets-key",
            "targets.pub.pem", "--timestamp-key", "online.pub.pem", status=1))
        for path in ("../up", "/abs", "a//b", "a/../b"):
            self.assertIn("target", self.polder("repo", "add", self.repo, "targets.pub.pem",
                                                "--target", path, status=1))
        (self.repo / "staged" / "targets.json").write_text('{"signed": 5}')
        self.assertIn("staged/targets.json", self.polder("repo", "show", self.repo, status=1))
        (self.repo / "repository.toml").write_text('profile = "hub"\nroot_dayz = 4\n')
        self.assertIn("root_dayz", self.polder("repo", "show", self.repo, status=1))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
