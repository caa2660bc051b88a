#!/usr/bin/python3
"""A device and its hub, the real programs: it enrols by a token, tells the hub once what it
reports, renews its certificate, says what is wrong and what to do, and outlasts a hub that is
killed. What its hub holds is searched for what the device has heard.

    link_test.py POLDER POLDERD POLDER_HUB
"""
import json
import os
import pathlib
import platform
import sqlite3
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import devices  # noqa: E402
import hubs  # noqa: E402
import tokens  # noqa: E402
from leaks import NAME_TOKEN, CanaryMaker, forms, leaks  # noqa: E402

HUB = pathlib.Path(sys.argv[3]).resolve()
DEADLINE_S = 100


class Link(devices.Device):
    hub_options = ("--poll-s", 1)

    def setUp(self):
        super().setUp()
        self.hub = hubs.Hub(HUB, self.scratch / "hub", *self.hub_options)
        self.addCleanup(self.hub.kill)
        self.hub.start()
        self.token_file = self.scratch / "token"
        self.enrol_with()

    def enrol_with(self, more="", **hub):
        settings = {"url": self.hub.url(), "token_file": self.token_file, "ca_file": self.hub.ca(),
                    **hub}
        lines = "".join(f'{key} = "{value}"\n' for key, value in settings.items())
        self.configure(more=f"[hub]\n{lines}[reports]\nevery_s = 1\n{more}")
        config = self.scratch / "polderd.toml"
        config.write_text(config.read_text().replace("[updates]\n",
                                                     "[updates]\ncheck_every_s = 2\n"))

    def put_token(self, token):
        self.token_file.touch(mode=0o600)
        self.token_file.write_text(token + "\n")

    def status(self):
        return json.loads(self.agent("status", "--json"))["hub"]

    def wait_for(self, what, condition):
        end = time.monotonic() + DEADLINE_S
        while not (found := condition()):
            if time.monotonic() > end:
                self.fail(f"{what}: not within {DEADLINE_S} s: {self.status()}\n" +
                          (self.scratch / "log").read_text()[-2000:])
            time.sleep(0.1)
        return found

    def run_device(self):
        with open(self.scratch / "log", "ab") as log:
            process = subprocess.Popen(
                [devices.POLDERD, "run", "--config", self.scratch / "polderd.toml"], stdout=log,
                stderr=log, env={"PATH": os.environ["PATH"]})
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def end_device(self, process):
        process.terminate()
        process.wait(timeout=60)

    def enrolled(self):
        self.wait_for("enrolment", lambda: self.status()["state"] == "enrolled" and
                      self.status()["checked_in_s"])

    def device_at_hub(self):
        return self.hub.get("/v1/devices/camera-17")

    def no_secrets(self, *secrets):
        said = (self.scratch / "log").read_text() + self.hub.log.read_text() + \
            self.agent("status") + self.agent("status", "--json")
        for secret in secrets:
            self.assertNotIn(secret, said)
            self.assertNotIn(secret.rsplit("-", 1)[1], said)

    # --- Tests -----------------------------------------------------------------------------------

    def test_a_device_enrols_and_tells_what_it_does_once(self):
        self.release("1.0.0")
        token = self.hub.enrolment_token()
        self.put_token(token)
        process = self.run_device()
        self.enrolled()
        self.assertFalse(self.token_file.exists())
        certificate = self.device / "hub" / "certificate.pem"
        done = subprocess.run(["openssl", "verify", "-x509_strict", "-purpose", "sslclient",
                               "-CAfile", self.hub.ca(), certificate], capture_output=True,
                              text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        known = self.wait_for("a unit that is well", lambda: next(
            (unit for unit in self.device_at_hub()["units"]
             if unit["version"] == "1.0.0" and unit["health"] == "well" and unit["frames"]), None))
        self.assertEqual(known["name"], devices.MODEL)
        self.wait_for("windows", lambda: len(self.hub.get(
            "/v1/devices/camera-17/metrics")["windows"]) >= 3)
        fleet = self.hub.get("/v1/fleet")
        self.assertEqual((fleet["devices"], fleet["seen_lately"]), (1, 1))
        # The hub is killed and comes back; what was written meanwhile arrives, and all of it once.
        self.hub.kill()
        time.sleep(3)
        self.wait_for("a hub that is away",
                      lambda: self.status()["state"] == "away" and self.status()["advice"])
        self.assertEqual(self.running(), "1.0.0")
        self.hub.start()
        before = time.time()
        self.wait_for("the hub again", lambda: self.status()["checked_in_s"] >= before)
        self.wait_for("what was written meanwhile", lambda: len(self.hub.get(
            "/v1/devices/camera-17/metrics")["windows"]) >= 8)
        self.end_device(process)
        self.counted_once()
        self.no_secrets(token)

    def test_the_hub_knows_what_a_device_is(self):
        self.put_token(self.hub.enrolment_token())
        process = self.run_device()
        self.enrolled()
        machine = self.wait_for("what it is", lambda: self.device_at_hub()["machine"])
        self.assertEqual((machine["architecture"], machine["kernel"], machine["cpus"]),
                         (platform.machine(), platform.release(), os.cpu_count()))
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        self.assertEqual(machine["memory_bytes"], memory)
        self.assertEqual(machine["system"], platform.freedesktop_os_release()["PRETTY_NAME"])
        self.assertEqual((machine["targets"][-1], machine["backends"]), ("generic", ["native"]))
        self.assertGreater(machine["operators"]["count"], 50)
        said = json.dumps(machine)
        for private in (platform.node(), pathlib.Path("/etc/machine-id").read_text().strip()):
            self.assertNotIn(private, said)
        found = self.hub.get("/v1/devices?target=generic")["devices"]
        self.assertEqual([device["id"] for device in found], ["camera-17"])
        self.assertEqual(self.hub.get("/v1/devices?target=none")["devices"], [])
        # A hub that has lost it asks for it; the device was not started again.
        with sqlite3.connect(self.hub.folder / "hub.db", timeout=60) as database:
            database.execute("DELETE FROM device_machine")
        self.assertEqual(self.wait_for("what it is, once more",
                                       lambda: self.device_at_hub()["machine"])["cpu"],
                         machine["cpu"])
        self.end_device(process)

    def test_what_a_device_has_heard_stays_there(self):
        self.maker = CanaryMaker(devices.POLDER, self.scratch, self.repo)
        self.release("1.0.0")
        self.put_token(self.hub.enrolment_token())
        self.run_device()
        self.enrolled()
        self.wait_for("a unit that is well", lambda: self.device_at_hub()["units"]
                      and self.device_at_hub()["units"][0]["health"] == "well")
        self.release("1.1.0", broken=f"{NAME_TOKEN}.wav")
        self.wait_for("an alarm", lambda: {"rolled_back", "update_failed"} & {
            alarm["what"] for alarm in self.device_at_hub()["alarms"]})
        self.hub.end()
        held = b"".join(path.read_bytes() for path in self.hub.folder.glob("hub.db*"))
        held += self.hub.log.read_bytes()
        self.assertIn(b"1.1.0", held)
        self.assertEqual(leaks(held), [])
        for form in forms(NAME_TOKEN.encode()):
            self.assertNotEqual(leaks(held[:3000] + form + held[3000:]), [])

    def counted_once(self):
        """Frames in windows are those of the unit, no window overlaps another, no report lacks."""
        frames = self.device_at_hub()["units"][0]["frames"]
        with sqlite3.connect(self.hub.folder / "hub.db") as database:
            rows = database.execute("SELECT time_s, window_ms, frames FROM metric_window WHERE "
                                    "version = '1.0.0' ORDER BY time_s").fetchall()
            taken = [row[0] for row in database.execute(
                "SELECT sequence FROM report_taken ORDER BY sequence")]
        self.assertEqual(taken, list(range(1, len(taken) + 1)))
        self.assertEqual(sum(row[2] for row in rows), frames)
        for (end, _, _), (next_end, window_ms, _) in zip(rows, rows[1:]):
            self.assertGreaterEqual(next_end - window_ms // 1000, end, rows)

    def test_enrolling_by_hand_says_what_is_wrong(self):
        def refused():
            done = subprocess.run([devices.POLDERD, "enrol", "--config",
                                   self.scratch / "polderd.toml"], capture_output=True, text=True,
                                  timeout=100)
            self.assertEqual(done.returncode, 1, done.stdout)
            return done.stderr
        self.assertIn("polder fleet enrolment-token camera-17", refused())
        self.put_token("polder-enrol-0000000000000000-" + "0" * 64)
        self.assertIn("is none of this hub's", refused())
        self.put_token(self.hub.enrolment_token(device="camera-18"))
        self.assertIn("another device", refused())
        self.token_file.chmod(0o644)
        self.assertIn("chmod", refused())
        self.token_file.unlink()
        self.put_token(self.hub.enrolment_token())
        other = self.scratch / "other.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=x", "-keyout",
                        self.scratch / "other.key", "-out", other], check=True,
                       capture_output=True)
        self.enrol_with(ca_file=other)
        self.assertIn("fingerprint", refused())
        self.enrol_with(ca_file=self.scratch / "none.pem")
        self.assertIn("none.pem", refused())
        self.enrol_with(url=f"https://127.0.0.1:{self.hub.port}", ca_file=self.hub.ca())
        said = self.agent("enrol")
        self.assertIn("camera-17 is enrolled with https://127.0.0.1", said)
        # Again: it is, and needs no token.
        self.assertFalse(self.token_file.exists())
        said = json.loads(self.agent("enrol", "--json"))
        self.assertEqual(said["device"], "camera-17")
        self.assertIn("enrolled", self.agent("status"))
        self.assertIn("hub: enrolled", self.agent("doctor", status=None))
        # One of the same name, with another key.
        self.put_token(self.hub.enrolment_token())
        for path in (self.device / "identity").iterdir():
            path.unlink()
        self.assertIn("another one has this name", refused())
        self.put_token(self.hub.enrolment_token(device="camera-17"))
        self.assertIn("is enrolled", self.agent("enrol"))

    def test_a_revoked_device_says_so_and_enrols_anew(self):
        token = self.hub.enrolment_token()
        self.put_token(token)
        self.run_device()
        self.enrolled()
        self.assertEqual(self.hub.ask("POST", "/v1/devices/camera-17/revoke")[0], 204)
        self.wait_for("a refusal", lambda: "another token" in self.agent("status"))
        self.assertEqual(self.status()["state"], "refused")
        self.assertIn("revoked", self.status()["trouble"])
        self.assertIn("revoked", self.agent("doctor", status=1))
        # The one that was used is of no use.
        self.put_token(token)
        self.wait_for("a refused token", lambda: "has been used" in self.status()["trouble"])
        self.put_token(self.hub.enrolment_token(device="camera-17"))
        self.wait_for("enrolment", lambda: self.status()["state"] == "enrolled" and
                      not self.status()["trouble"])

    def test_enrol_lets_a_revoked_device_in_again(self):
        self.put_token(self.hub.enrolment_token())
        self.agent("enrol")
        self.assertEqual(self.hub.ask("POST", "/v1/devices/camera-17/revoke")[0], 204)
        self.agent("enrol", status=1)
        self.put_token(self.hub.enrolment_token(device="camera-17"))
        self.assertIn("is enrolled", self.agent("enrol"))


class Keys(Link):
    """That never leave a token or a TPM: they sign the handshakes."""

    def enrols_with(self, store, key):
        self.environment = self.enterContext(store).environment
        pin = self.scratch / "pin"
        pin.touch(mode=0o600)
        pin.write_text(tokens.PIN)
        self.enrol_with(more=f'[identity]\nkey = "{key}"\npin_file = "{pin}"\n')
        self.put_token(self.hub.enrolment_token())
        self.agent("identity", "create")
        self.assertIn("is enrolled", self.agent("enrol"))
        self.assertIsNotNone(self.device_at_hub()["seen"])

    def test_on_a_token(self):
        self.enrols_with(tokens.Token(), "pkcs11:token=polder;object=camera-17")

    def test_in_a_tpm(self):
        self.enrols_with(tokens.Tpm(), "tpm:0x81000002")

    # What the class above has is tried there.
    test_a_device_enrols_and_tells_what_it_does_once = None
    test_what_a_device_has_heard_stays_there = None
    test_enrolling_by_hand_says_what_is_wrong = None
    test_a_revoked_device_says_so_and_enrols_anew = None
    test_enrol_lets_a_revoked_device_in_again = None


class ShortLives(Link):
    hub_options = ("--poll-s", 1, "--certificate-s", 24)

    def test_certificates_are_renewed(self):
        self.put_token(self.hub.enrolment_token())
        self.run_device()
        self.enrolled()
        first = (self.device / "hub" / "certificate.pem").read_bytes()
        until = self.status()["certificate_until_s"]
        self.wait_for("a renewal", lambda: self.status()["certificate_until_s"] > until)
        self.assertNotEqual((self.device / "hub" / "certificate.pem").read_bytes(), first)
        # The one before ends; the link does not.
        self.wait_for("the end of the first", lambda: time.time() > until)
        now = time.time()
        self.wait_for("a check-in", lambda: self.status()["checked_in_s"] >= now)
        self.assertEqual(self.status()["trouble"], "")
        self.assertIsNone(self.device_at_hub()["duplicate"])

    def test_one_that_was_away_too_long_says_so(self):
        self.put_token(self.hub.enrolment_token())
        process = self.run_device()
        self.enrolled()
        until = self.status()["certificate_until_s"]
        self.end_device(process)
        self.wait_for("its end", lambda: time.time() > until)
        self.assertIn("has expired", self.agent("doctor", status=1))
        self.run_device()
        self.wait_for("a refusal", lambda: self.status()["state"] == "refused")
        self.assertIn("expired", self.status()["trouble"])
        self.put_token(self.hub.enrolment_token(device="camera-17"))
        self.wait_for("enrolment", lambda: self.status()["state"] == "enrolled")

    # What the class above has is tried there.
    test_a_device_enrols_and_tells_what_it_does_once = None
    test_what_a_device_has_heard_stays_there = None
    test_enrolling_by_hand_says_what_is_wrong = None
    test_a_revoked_device_says_so_and_enrols_anew = None
    test_enrol_lets_a_revoked_device_in_again = None


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
