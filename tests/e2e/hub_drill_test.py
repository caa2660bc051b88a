#!/usr/bin/python3
"""A hub whose database, keys and TLS key were stolen is replaced, and no device is visited: the
drill of docs/guide/hub-recovery.md, with the real programs.

    hub_drill_test.py POLDER_HUB POLDERD POLDER
"""
import hashlib
import json
import pathlib
import re
import shutil
import sqlite3
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import fleets  # noqa: E402
import hubs  # noqa: E402


class Drill(fleets.Fleet):
    def rekey(self, folder):
        said = self.polder_hub("rekey", "--folder", folder)
        return re.search(r"admin +(polder-person-\S+)", said).group(1)

    def name_the_hub(self, online_id):
        """Two of three who sign root say who the hub is from now on."""
        online = self.hub.folder / "hub-online.pub.pem"
        self.polder("repo", "rotate", self.repo, "timestamp", "snapshot", "--add", online,
                    "--remove", online_id)
        self.polder("repo", "trust-hub", self.repo, "--ca", self.hub.ca())
        self.polder("repo", "rotate", self.repo, "assignments", "--add", online, "--remove",
                    online_id, "--key", self.targets_key)
        self.sign("root-1", "root-2")

    def forge(self, folder, name):
        """What a thief makes with the stolen authority: a device's certificate, with its key."""
        key, csr, made = (self.scratch / f"forged.{kind}" for kind in ("key", "csr", "pem"))
        subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-subj",
                        f"/CN={name}", "-out", csr], check=True, capture_output=True)
        subprocess.run(["openssl", "x509", "-req", "-in", csr, "-CA", folder / "ca.pem", "-CAkey",
                        folder / "ca-key.pem", "-days", "9", "-out", made], check=True,
                       capture_output=True)
        return made, key

    def test_no_device_is_visited(self):
        self.release("1.0.0")
        devices = [self.device(name) for name in ("cam-1", "cam-2")]
        self.roll_out("1.0.0")
        self.all_run("1.0.0")
        self.rolled_out()
        old_ca, old_token = self.hub.ca().read_text(), self.hub.token
        online_id = self.key_id(self.hub.folder / "hub-online.pub.pem")

        # Somebody has all of it. The hub is ended, and begins anew with other keys.
        self.hub.end()
        stolen = self.scratch / "stolen"
        shutil.copytree(self.hub.folder, stolen)
        self.hub.token = self.rekey(self.hub.folder)
        self.hub.start()
        self.assertNotEqual(self.hub.ca().read_text(), old_ca)
        new_token, self.hub.token = self.hub.token, old_token
        self.assertEqual(self.hub.ask("GET", "/v1/devices")[0], 401)
        self.hub.token = new_token
        self.make_people()
        # Devices do not take it for their hub: nobody whom they trust has said so.
        self.wait_for("a stranger", lambda: devices[0].hub()["state"] == "away" and
                      "certificate" in devices[0].hub()["trouble"])
        self.assertIn("fingerprint", devices[0].hub()["advice"])
        self.assertEqual(devices[0].running(), "1.0.0")
        # Nor does the hub take what the thief makes of the old authority, by whatever name.
        forged = self.forge(stolen, "cam-1")
        for method, target, body in (("GET", "/v1/self", None), ("POST", "/v1/renew", {"csr": ""})):
            self.assertEqual(self.hub.ask(method, target, body, device=forged)[0], 401)

        self.name_the_hub(online_id)
        before = [device.certificate().read_text() for device in devices]
        self.push()

        # They follow by themselves: to the hub, and with another certificate.
        since = time.time()
        for device, old in zip(devices, before):
            self.wait_for(f"{device.name} is back", lambda: device.hub()["state"] == "enrolled" and
                          device.hub()["checked_in_s"] >= since)
            self.assertNotEqual(device.certificate().read_text(), old)
            subprocess.run(["openssl", "verify", "-x509_strict", "-purpose", "sslclient",
                            "-CAfile", self.hub.ca(), device.certificate()], check=True,
                           capture_output=True)
        self.assertEqual(len(self.hub.get("/v1/devices")["devices"]), 2)
        # And take what is released from now on.
        self.release("1.1.0")
        self.roll_out("1.1.0")
        self.all_run("1.1.0")
        self.assertIn("hub_rekeyed", self.acts())

        # What the thief still has is worth nothing: not as a server, not as who chooses.
        self.hub.end()
        thief = hubs.Hub(fleets.HUB, stolen, *self.hub_options)
        thief.token, thief.port = old_token, self.hub.port
        self.addCleanup(thief.kill)
        thief.start()
        for device in devices:
            self.wait_for(f"{device.name} knows the thief", lambda: device.hub()["state"] == "away"
                          and "certificate" in device.hub()["trouble"])
            self.assertIn("trust-hub", device.hub()["advice"])
            self.assertEqual(device.running(), "1.1.0")
        thief.end()
        self.hub.start()
        since = time.time()
        for device in devices:
            self.wait_for(f"{device.name} goes on", lambda: device.hub()["checked_in_s"] >= since)
            self.assertEqual(device.running(), "1.1.0")

    # --- Before that: all that the thief has is good still ----------------------------------------

    def ask_stolen(self, folder, sql, *values):
        with sqlite3.connect(folder / "hub.db", timeout=60) as database:
            rows = database.execute(sql, values).fetchall()
        database.close()
        return rows

    def assign(self, folder, version, is_released):
        """As a rollout would: the thief writes the database, and the hub signs."""
        if not is_released:
            self.ask_stolen(folder, "INSERT INTO model_release (model, version, manifest, state, "
                            "added_s, added_by, publication, is_runtime, details) VALUES (?, ?, "
                            "'', 'published', 0, '', '', 0, '{}')", fleets.MODEL, version)
        for device in self.devices:
            self.ask_stolen(folder, "INSERT INTO wanted (device, model, version, shadow, retry, "
                            "changed) VALUES (?, ?, ?, 0, 0, (SELECT MAX(changed) + 1 FROM wanted))"
                            " ON CONFLICT (device, model) DO UPDATE SET version = excluded.version,"
                            " changed = excluded.changed", device.name, fleets.MODEL, version)

    def forge_targets(self, folder):
        """Another version of targets, with a release of the thief's, by the key that is there;
        snapshot and timestamp as they are to be."""
        metadata, key = folder / "repository" / "metadata", folder / "online-key.pem"
        online = self.key_id(folder / "hub-online.pub.pem")

        def publish(role, version, change):
            path = max(metadata.glob(f"*.{role}.json"), key=lambda one: int(one.name.split(".")[0]),
                       default=metadata / f"{role}.json")
            signed = json.loads(path.read_text())["signed"]
            signed["version"] += 1
            change(signed)
            bytes_ = json.dumps(signed, sort_keys=True, separators=(",", ":")).encode()
            signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=bytes_,
                                       capture_output=True, check=True).stdout.hex()
            name = f"{signed['version']}.{role}.json" if version else f"{role}.json"
            (metadata / name).write_text(json.dumps(
                {"signatures": [{"keyid": online, "sig": signature}], "signed": signed}))
            return signed["version"], (metadata / name).read_bytes()

        def meta(file, made):
            version, content = made
            return lambda signed: signed["meta"].__setitem__(file, {
                "version": version, "length": len(content),
                "hashes": {"sha256": hashlib.sha256(content).hexdigest()}})
        evil = {"length": 2, "hashes": {"sha256": hashlib.sha256(b"{}").hexdigest()}}
        targets = publish("targets", True, lambda signed: signed["targets"].__setitem__(
            f"{fleets.MODEL}/9.9.9/manifest.json", evil))
        snapshot = publish("snapshot", True, meta("targets.json", targets))
        publish("timestamp", False, meta("snapshot.json", snapshot))

    def installed(self):
        """What devices have put on record of releases, and what they run."""
        acts = []
        for device in self.devices:
            for path in sorted((device.folder / "audit").glob("log*")):
                acts += re.findall(r'"act":"(update_installed|update_rolled_back)"',
                                   path.read_text())
        return acts, [device.running() for device in self.devices]

    def test_before_it_is_ended_the_thief_installs_nothing(self):
        for version in "1.0.0", "1.1.0":
            self.release(version)
        for name in ("cam-1", "cam-2"):
            self.device(name)
        self.polder("repo", "floor", self.repo, fleets.MODEL, "1.1.0", "--key", self.targets_key)
        self.push()
        self.roll_out("1.1.0")
        self.all_run("1.1.0")
        self.rolled_out()
        before = self.installed()
        self.assertTrue(before[0], "what they installed is on record")
        self.hub.end()
        stolen = self.scratch / "stolen"
        shutil.copytree(self.hub.folder, stolen)
        thief = hubs.Hub(fleets.HUB, stolen, *self.hub_options)
        thief.token, thief.port = self.hub.token, self.hub.port
        self.addCleanup(thief.kill)
        thief.start()

        def version():
            return thief.get("/v1/repository")["version"]

        def all_have(number):
            return len(self.ask_stolen(stolen, "SELECT 1 FROM device_link WHERE repository >= ?",
                                       number)) == len(self.devices)

        def refused(words):
            """Each device has said why not."""
            return len(self.ask_stolen(stolen, "SELECT DISTINCT device FROM alarm WHERE text LIKE "
                                       "?", f"%{words}%")) == len(self.devices)
        # Nobody has signed it; it is below the floor. The hub's own key says that each has it.
        for bad, is_released, words in (("9.9.9", False, "no role that is trusted for it lists it"),
                                        ("1.0.0", True, "below the floor 1.1.0")):
            old = version()
            self.assign(stolen, bad, is_released)
            self.wait_for(f"{bad} is assigned", lambda: version() > old)
            self.wait_for(f"{bad} is heard of", lambda: all_have(version()))
            self.wait_for(f"{bad} is refused", lambda: refused(words))
            self.assertEqual(self.installed(), before)
        # A list of releases by that key is none.
        thief.end()
        self.forge_targets(stolen)
        thief.start()
        self.wait_for("a forged list is refused",
                      lambda: refused("signatures of 1 of its role's 1 keys expected, 0 found"))
        self.assertEqual(self.installed(), before, "installs: 0")

    def test_a_backup_of_before_the_break_in(self):
        """In the order of the guide: restored, what was published since, and then other keys."""
        self.release("1.0.0")
        first = self.device("cam-1")
        self.roll_out("1.0.0")
        self.all_run("1.0.0")
        self.rolled_out()
        online_id = self.key_id(self.hub.folder / "hub-online.pub.pem")
        backup, passphrase = self.scratch / "backup", self.scratch / "passphrase"
        passphrase.write_text("correct horse battery staple\n")
        passphrase.chmod(0o600)
        self.polder_hub("backup", backup, "--folder", self.hub.folder, "--passphrase-file",
                        passphrase)
        # Since then: a device, a release that runs, a root.
        late = self.device("cam-2")
        self.release("1.1.0")
        self.roll_out("1.1.0")
        self.all_run("1.1.0")
        self.polder("repo", "renew", self.repo, "root")
        self.sign("root-1", "root-3")
        self.push()
        self.hub.end()
        shutil.rmtree(self.hub.folder)
        self.polder_hub("restore", backup, "--folder", self.hub.folder, "--passphrase-file",
                        passphrase)
        # Where no device comes: by the stolen keys, for people alone.
        port, self.hub.port = self.hub.port, 0
        self.hub.start()
        self.assertEqual(self.push_again(), 1)
        self.hub.end()
        self.hub.port = port
        self.hub.token = self.rekey(self.hub.folder)
        self.hub.start()
        self.make_people()
        self.name_the_hub(online_id)
        self.push()
        # Who was on record then follows by itself, and keeps what runs.
        since = time.time()
        self.wait_for("cam-1 is back", lambda: first.hub()["state"] == "enrolled" and
                      first.hub()["checked_in_s"] >= since)
        self.assertEqual(first.running(), "1.1.0")
        # Who came since has a certificate of an authority that is gone, and is nobody's.
        self.wait_for("cam-2 is refused", lambda: late.hub()["state"] != "enrolled")
        late.kill()
        late.put_token(self.hub.enrolment_token())
        late.run()
        self.wait_for("cam-2 is back", lambda: late.hub()["state"] == "enrolled" and
                      late.hub()["checked_in_s"] >= since)
        self.release("1.2.0")
        self.roll_out("1.2.0")
        self.all_run("1.2.0")
        # Each log says where the one before ended, and both are there.
        former = list((self.hub.folder / "former").glob("*/audit.log"))
        self.assertEqual(len(former), 2)
        ends = {json.loads(path.read_text().splitlines()[0])["object"] for path in former}
        begin = json.loads((self.hub.folder / "audit.log").read_text().splitlines()[0])
        self.assertTrue(any(end in json.dumps(begin["details"]) for end in ends), begin)

    def test_one_file_names_one_authority(self):
        ca, odd = self.hub.ca().read_text(), self.scratch / "odd.pem"
        for text, said in ((2 * ca, "more than one"), (ca[:len(ca) // 2], "certificate"),
                           ("", "certificate"), (ca + " " * (1 << 20), "odd.pem")):
            odd.write_text(text)
            self.assertIn(said, self.polder("repo", "trust-hub", self.repo, "--ca", odd,
                                            status=1))
        # What stands around it is left out.
        odd.write_text("a note\n" + ca + "\n")
        self.polder("repo", "trust-hub", self.repo, "--ca", odd)
        root = json.loads((self.repo / "staged" / "root.json").read_text())
        self.assertEqual(root["signed"]["x-polder-hub-authorities"], [ca])

    def test_rekey_wants_a_hub_that_does_not_serve(self):
        said = self.polder_hub("rekey", "--folder", self.hub.folder, status=1)
        self.assertIn("one hub serves a folder", said)
        said = self.polder_hub("rekey", "--folder", self.scratch / "none", status=1)
        self.assertIn("none", said)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[4:])
