#!/usr/bin/python3
"""A hub whose database, keys and TLS key were stolen is replaced, and no device is visited: the
drill of docs/guide/hub-recovery.md, with the real programs.

    hub_drill_test.py POLDER_HUB POLDERD POLDER
"""
import json
import pathlib
import re
import shutil
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

    def key_id(self, public):
        return json.loads(self.polder("keys", "show", public, "--json"))["keyid"]

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

        # Two of three who sign root say who the hub is from now on.
        online = self.hub.folder / "hub-online.pub.pem"
        self.polder("repo", "rotate", self.repo, "timestamp", "snapshot", "--add", online,
                    "--remove", online_id)
        self.polder("repo", "trust-hub", self.repo, "--ca", self.hub.ca())
        self.polder("repo", "rotate", self.repo, "assignments", "--add", online, "--remove",
                    online_id, "--key", "targets.pem")
        for key in ("root-1.pem", "root-2.pem"):
            self.polder("repo", "sign", self.repo, "--key", key)
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

    def test_rekey_wants_a_hub_that_does_not_serve(self):
        said = self.polder_hub("rekey", "--folder", self.hub.folder, status=1)
        self.assertIn("one hub serves a folder", said)
        said = self.polder_hub("rekey", "--folder", self.scratch / "none", status=1)
        self.assertIn("none", said)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[4:])
