#!/usr/bin/python3
"""Values that are wrong before any file is read are wrong usage: status 2, and the option's name.

    usage_test.py POLDER [TEST...]
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

POLDER = pathlib.Path(sys.argv[1]).resolve()
ABSENT = "/nonexistent/model"  # never looked at
NUMBERS = ["", "abc", "0", "-1", "1.5", "1 ", "99999999999999999999"]
EXTENTS = ["", "foo", "=1", "x=", "x=a", "x=1,", "x=1.5", "x=99999999999999999999"]

THRESHOLDS = ["", "abc", "0", "-1", "1.5", "257"]

# The wrong values of each option, whatever the command or of one; none where any text may be right.
WRONG = {
    "--threads": NUMBERS + ["257"],
    "play --threads": NUMBERS + ["65"],
    "--min-ms": NUMBERS + ["600001"],
    "--max-iterations": NUMBERS,
    "--passphrase-fd": ["", "abc", "-1", "1.5", "65536"],
    "--from": ["", "abc", "-1", "nan", "inf", "1e7"],
    "--target": ["", "foo", "x86-64-v2", "arm"],
    "--without": ["", "foo", "fold,simplify"],
    "--shape": EXTENTS,
    "--bound": EXTENTS,
    "--bind": ["", "foo", "=1", "x=", "x=a", "x=1,", "x=1,b"],
    "--fit": ["", "foo"],
    "--size": ["", "foo", "1", "1,", "0,1", "1,0", "1,2,3", "1x2", "16385,1", "-1,1"],
    "--rate": NUMBERS + ["768001"],
    "--colours": ["", "foo"],
    "--mean": ["", "foo", "1,2", "1,2,3,4", "1,,2", "nan"],
    "--scale": ["", "foo", "1,2", "1,2,3,4", "1,,2", "inf"],
    "--footprint": ["", "foo"],
    "--set": ["", "foo", "a.b", "a=b", ".b=c"],
    "--type": ["", "foo", "ed448"],
    "--pkcs11": ["", "foo"],
    "--input": [], "--output": [], "--output-dir": [], "--out": [], "--html": [], "--trace": [],
    "--tpm": [], "--key": [], "--root-key": [], "--targets-key": [], "--snapshot-key": [],
    "--timestamp-key": [], "--role-key": [], "--role": [], "--path": [], "--root": [], "--add": [],
    "--remove": [], "repo add --target": [], "--names": [],
    "--signature": [], "--public-key": [], "--earlier": [], "--actor": [], "--act": [],
    "--object": [], "--detail": [], "--origin": [], "--since": [], "--checkpoint": [], "--to": [],
    "--add-recipient": [], "--audit-log": [], "--baselines": [],
    "--segment": ["", "abc", "-1", "0", "1.5", "99999999999999999999"],
    "--entry": ["", "abc", "-1", "1.5", "99999999999999999999"],
    "--last": ["", "abc", "-1", "0", "1000001"],
    "--threshold": THRESHOLDS, "--root-threshold": THRESHOLDS, "--targets-threshold": THRESHOLDS,
    "--profile": ["", "foo"],
    "--retry": ["", "abc", "-1", "1.5", "99999999999999999999"],
    "--hub": [], "--ca": [], "--token-file": [], "--other-version": [],
    "--repo": [],
    "--query": ["", "site"], "--group": [], "--strata": [],
    "--stages": ["", "many", "0", "1,", "shadow", "101%", "shadow x%"],
    "--least-minutes": ["", "abc", "-1", "nan"],
    "--measures": ["", "speed", "errors,"],
    "--look-s": NUMBERS + ["3601"],
    "--history-looks": ["", "abc", "-1", "1.5", "10001"],
    "--window": ["", "night", "22:00", "mond 01:00-05:00", "mon-frid 01:00-05:00", "mon- 1:00-5:00",
                 "mon,, 01:00-05:00"],
    "--phase": ["", "over"], "--model": [], "--unit": [],
    "fleet metrics --from": ["", "today"], "fleet metrics --to": ["", "2026-11-28"],
    "--health": ["", "ill"], "--version": ["", "people", "=1.2.0", "people="],
    "--unseen": ["", "1", "d", "0d", "1.5h", "1w"], "--revoked": ["", "yes"],
    "fleet devices --target": ["", "arm65"],
    "--valid-days": NUMBERS + ["3651"], "--valid-hours": NUMBERS + ["721"],
    "--limit": NUMBERS + ["1001"],
    "--reason": ["", " "],
    "--not-before": ["", "tomorrow", "2030-01-01", "2030-01-01T00:00:00"],
}


def polder(*words, **environment):
    return subprocess.run([POLDER, *words], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, env=os.environ | environment)


def commands():
    """Each command with the options that take a value, and how many arguments it wants."""
    cases = re.findall(r'^    "(.+)"\) words=', polder("completion", "bash").stdout, re.M)
    for name in cases:
        text = polder(*name.split(), "--help").stdout
        options = re.findall(r"^  (?:-o, )?(--[a-z0-9-]+) \S", text, re.M)
        usage = text.split("\n")[0].removeprefix(f"usage: polder {name}").replace("[OPTIONS]", "")
        yield name.split(), options, len(re.findall(r"(?<!\[)\b[A-Z]\S*", usage))


class Usage(unittest.TestCase):
    def test_an_argument_that_is_a_word_is_one_of_those_that_there_are(self):
        done = polder("hub", "add-token", "anna", "king")
        self.expect_usage(done, "ROLE: viewer, operator, releaser or admin expected, 'king' given")

    def expect_usage(self, done, option):
        self.assertEqual((done.returncode, done.stdout), (2, ""), done)
        self.assertIn(f"{option}", done.stderr)
        self.assertIn("--help' shows how to use it", done.stderr)

    def test_wrong_values(self):
        found = set()
        for words, options, count in commands():
            for option in options:
                own = f"{' '.join(words)} {option}"
                entry = own if own in WRONG else option
                found.add(entry)
                self.assertIn(entry, WRONG, "say here which values of it are wrong")
                for value in WRONG[entry]:
                    with self.subTest(command=words, option=option, value=value):
                        self.expect_usage(polder(*words, *[ABSENT] * count, option, value), option)
        self.assertEqual(set(WRONG) - found, set(), "options that no command has")

    def test_values_of_the_environment(self):
        self.expect_usage(polder("run", ABSENT, POLDER_THREADS="0"), "--threads")
        self.expect_usage(polder("inspect", ABSENT, POLDER_TARGET="foo"), "--target")

    def test_switches_of_the_environment(self):
        done = polder("inspect", ABSENT, POLDER_JSON="1")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(json.loads(done.stdout)["error"]["code"], "not_found")
        for off in "0", "false", "":
            self.assertEqual(polder("inspect", ABSENT, POLDER_JSON=off).stdout, "")
        self.expect_usage(polder("inspect", ABSENT, POLDER_JSON="yes"), "POLDER_JSON")

    def test_what_acts_or_is_trusted_is_typed(self):
        with tempfile.TemporaryDirectory() as folder:
            key = pathlib.Path(folder) / "key.pem"
            done = polder("keys", "create", "--output", key, POLDER_NO_PASSPHRASE="1")
            self.assertEqual((done.returncode, key.exists()), (1, False), done)
            publics = []
            for name in ("root", "targets", "online"):
                key = pathlib.Path(folder) / f"{name}.pem"
                publics.append(pathlib.Path(folder) / f"{name}.pub.pem")
                for words in (["keys", "create", "--output", key, "--no-passphrase"],
                              ["keys", "public", key, "--output", publics[-1]]):
                    self.assertEqual(polder(*words).returncode, 0)
            words = ["repo", "init", pathlib.Path(folder) / "repo"]
            for role, public in zip(("root", "targets", "timestamp"), publics):
                words += [f"--{role}-key", public]
            # One key is not two, and no variable makes it enough.
            self.assertEqual(polder(*words, POLDER_ROOT_THRESHOLD="1").returncode, 1)
            self.assertEqual(polder(*words, "--root-threshold", "1").returncode, 0)
        text = polder("play", POLDER_REFERENCE="true")
        self.assertEqual((text.returncode, text.stdout), (2, ""))
        # One that is wrong is not even looked at.
        done = polder("repo", "rotate", ABSENT, "root", POLDER_THRESHOLD="many")
        self.assertNotIn("THRESHOLD", done.stderr.upper())

    def test_wrong_usage_is_json_too(self):
        for words, told in ((("run", ABSENT, "--threads", "0", "--json"), "--threads"),
                            (("run", "--json"), "0 of 1 arguments"),
                            (("run", "--json", ABSENT, "--nosuch"), "--nosuch"),
                            (("play", "--json"), "which pipeline"),
                            (("nosuch", "--json"), "nosuch"),
                            (("keys", "nosuch", "--json"), "nosuch")):
            done = polder(*words)
            self.assertEqual(done.returncode, 2, done)
            error = json.loads(done.stdout)["error"]
            self.assertEqual(error["code"], "invalid")
            self.assertIn(told, error["message"])
            self.assertIn(told, done.stderr)
        done = polder("nosuch", POLDER_JSON="1")
        self.assertEqual(json.loads(done.stdout)["error"]["code"], "invalid")
        self.assertEqual(polder("run", ABSENT, "--nosuch", "--", "--json").stdout, "")

    def test_what_files_decide_is_a_failure(self):
        done = polder("run", ABSENT, "--threads", "256", "--fit", "crop", "--mean", "1,2,3",
                      "--shape", "x=1,-1", "--bound", "n=4", "--bind", "y=2.5", "--from", "1.5",
                      "--without", "fold", "--target", "generic")
        self.assertEqual(done.returncode, 1, done)
        self.assertIn(ABSENT, done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
