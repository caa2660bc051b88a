#!/usr/bin/python3
"""polderd and polder-hub as services of a real systemd, from what `cmake --install` puts in place:
their users, their limits, reload, the PIN as a credential, the end of one that hangs or is killed.

    systemd_test.py POLDER POLDERD BUILD_FOLDER [TEST...]
"""
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import tokens  # noqa: E402
from devices import MODEL, Device, children  # noqa: E402
from small_releases import wav  # noqa: E402

BUILD = pathlib.Path(sys.argv[3]).resolve()
MACHINE = pathlib.Path(__file__).with_name("systemd_machine.sh")
SPACES = ["--pid", "--fork", "--kill-child", "--mount", "--ipc", "--uts", "--net"]
STATE = "/var/lib/polderd"
SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
CONFIG = f"""device = "camera-17"
models = ["{MODEL}"]
repository = "/srv/repo"
root = "/etc/polderd/root.json"
[updates]
observe_s = 1
[identity]
key = "pkcs11:token=polder;object=camera?module-path={SOFTHSM}"
pin_file = "/run/credentials/polderd.service/pin"
[pipeline.{MODEL}]
microphone.path = "/srv/long.wav"
"""
# What an operator does, in the order of the guide.
PREPARE = """#!/bin/bash
set -eu
cmake --install {build} --prefix /usr >/dev/null
systemd-sysusers /usr/lib/sysusers.d/polderd.conf /usr/lib/sysusers.d/polder-hub.conf
cp -r {site}/repo {site}/long.wav /srv
chmod -R a+rX /srv
mkdir -p /etc/polderd /etc/systemd/system/polderd.service.d
cp {site}/root.json {site}/polderd.toml /etc/polderd
(umask 077 && echo {pin} >/etc/polderd/pin)
install -d -o polderd -g polderd -m 700 {state} {state}/tokens
echo 'directories.tokendir = {state}/tokens' >/etc/polderd/softhsm2.conf
runuser -u polderd -- env SOFTHSM2_CONF=/etc/polderd/softhsm2.conf softhsm2-util --init-token \\
  --free --label polder --so-pin 87654321 --pin {pin} >/dev/null
cat >/etc/systemd/system/polderd.service.d/test.conf <<'END'
[Service]
LoadCredential=pin:/etc/polderd/pin
Environment=SOFTHSM2_CONF=/etc/polderd/softhsm2.conf
WatchdogSec=10
END
"""


def why_not():
    """Why no systemd boots here, or nothing."""
    if os.geteuid() != 0:
        return "only root may make a machine"
    missing = (tokens.missing_for_token() +
               tokens.missing_programs("unshare", "nsenter", "ip", "systemctl", "runuser",
                                        "curl"))
    if missing:
        return f"not installed: {' '.join(missing)}"
    tried = subprocess.run(["unshare", *SPACES, "sh", "-c",
                            "mount --make-rprivate / && mount -t cgroup2 cgroup2 /sys/fs/cgroup"],
                           capture_output=True, text=True)
    return f"no name spaces here: {tried.stderr.strip()}" if tried.returncode else ""


class Service(Device):
    def setUp(self):
        super().setUp()
        self.release("1.0.0")
        (self.scratch / "long.wav").write_bytes(wav([16000] * (600 * 16000)))
        (self.scratch / "polderd.toml").write_text(CONFIG)
        prepare = self.scratch / "prepare"
        prepare.write_text(PREPARE.format(build=shlex.quote(str(BUILD)), pin=tokens.PIN,
                                          site=shlex.quote(str(self.scratch)), state=STATE))
        prepare.chmod(0o755)
        self.boot(prepare)

    def boot(self, prepare):
        folder = tempfile.mkdtemp(prefix="polder-systemd-")
        self.addCleanup(shutil.rmtree, folder)
        log = self.scratch / "boot.log"
        with log.open("wb") as output:
            machine = subprocess.Popen(["unshare", *SPACES, MACHINE, folder, prepare],
                                       stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        self.addCleanup(self.remove_group, pathlib.Path(folder).name)
        self.addCleanup(machine.wait)
        self.addCleanup(machine.kill)
        deadline = time.monotonic() + 120
        self.first = None
        while self.first is None or self.on("systemctl", "is-system-running",
                                            status=None).strip() not in ("running", "degraded"):
            self.assertIsNone(machine.poll(), log.read_text())
            self.assertLess(time.monotonic(), deadline, log.read_text())
            time.sleep(0.1)
            self.first = next((pid for pid, _ in children(machine.pid)), None)

    def remove_group(self, name):
        """Once its processes have gone, which the end of the first one ends."""
        groups = "/sys/fs/cgroup"
        subprocess.run(["unshare", "--mount", "sh", "-c",
                        f"mount --make-rprivate / && mount -t cgroup2 cgroup2 {groups} || exit 1\n"
                        f"for try in $(seq 100); do\n"
                        f"  test -d {groups}/{name} || exit 0\n"
                        f"  find {groups}/{name} -depth -type d -exec rmdir {{}} + && exit\n"
                        f"  sleep 0.1\n"
                        f"done\nexit 1"], check=True, capture_output=True)

    def on(self, *words, status=0, **environment):
        """What a command prints on the machine."""
        done = subprocess.run(["nsenter", "--target", str(self.first), "--all", "--", "env",
                               *(f"{name}={value}" for name, value in environment.items()),
                               *map(str, words)],
                              capture_output=True, text=True, timeout=120)
        if status is not None:
            self.assertEqual(done.returncode, status, done.stdout + done.stderr + self.journal())
        return done.stdout

    def as_service(self, *words, **options):
        return self.on("runuser", "-u", "polderd", "--", "env",
                       "SOFTHSM2_CONF=/etc/polderd/softhsm2.conf", *words, **options)

    def journal(self):
        return subprocess.run(["nsenter", "--target", str(self.first), "--all", "--", "journalctl",
                               "--no-pager", "--output=cat", "--unit=polderd"],
                              capture_output=True, text=True).stdout

    def until(self, ready, what):
        deadline = time.monotonic() + 90
        while not ready():
            self.assertLess(time.monotonic(), deadline, f"{what}\n{self.journal()}")
            time.sleep(0.2)

    def main(self):
        return int(self.on("systemctl", "show", "--value", "--property=MainPID", "polderd"))

    def status(self):
        return json.loads(self.on("polderd", "status", "--json", status=None) or "{}")

    def well(self):
        return self.status().get("live", {}).get("health", {}).get(MODEL) == "well"

    def write(self, path, text):
        subprocess.run(["nsenter", "--target", str(self.first), "--all", "--", "tee", path],
                       input=text, text=True, check=True, stdout=subprocess.DEVNULL)

    def test_a_service(self):
        self.as_service("polderd", "identity", "create", POLDER_PASSPHRASE=tokens.PIN)
        self.on("systemctl", "enable", "--now", "polderd")
        self.until(self.well, "its model runs")
        pid = self.main()

        with self.subTest("its user and its limits"):
            said = dict(line.split(":\t", 1) for line in
                        self.on("cat", f"/proc/{pid}/status").splitlines() if ":\t" in line)
            user = self.on("id", "-u", "polderd").strip()
            self.assertEqual(set(said["Uid"].split()), {user})
            self.assertEqual({said[name] for name in ("CapEff", "CapBnd", "CapAmb")}, {"0" * 16})
            self.assertEqual((said["NoNewPrivs"], said["Seccomp"]), ("1", "2"))
            self.on("systemd-analyze", "security", "--offline=no", "--threshold=25", "polderd")
            doctor = json.loads(self.as_service("polderd", "doctor", "--json", status=None))
            self.assertEqual([item for item in doctor if item["level"] == "wrong"], [])

        with self.subTest("the PIN is a credential, which only it may read"):
            self.assertEqual(self.on("stat", "-c", "%a", "/run/credentials/polderd.service/pin"),
                             "400\n")
            notes = self.on("cat", f"{STATE}/audit/log.checkpoints")
            self.assertGreater(notes.count("polderd/"), 0)
            self.assertIn("kept and signed", self.on(
                "polderd", "status", status=None) + json.dumps(doctor))

        with self.subTest("reload"):
            self.write("/etc/polderd/polderd.toml", CONFIG + "[reports]\nmegabytes = 4\n")
            self.on("systemctl", "reload", "polderd")
            self.until(lambda: self.status()["live"]["reports"]["max_bytes"] == 4 << 20, "reload")
            self.until(self.well, "it runs again")
            self.assertEqual(self.main(), pid)
            self.write("/etc/polderd/polderd.toml", CONFIG + "[report]\n")
            self.on("systemctl", "reload", "polderd")
            self.until(lambda: "not reloaded" in self.journal(), "a wrong file is refused")
            self.assertEqual(self.on("systemctl", "is-active", "polderd"), "active\n")
            self.assertEqual(self.main(), pid)
            self.write("/etc/polderd/polderd.toml", CONFIG)

        with self.subTest("one that is killed is started again"):
            self.on("kill", "-KILL", pid)
            self.until(lambda: self.main() not in (0, pid), "a new one")
            self.until(self.well, "it runs again")

        with self.subTest("one that hangs is ended and started again"):
            pid = self.main()
            self.on("kill", "-STOP", pid)
            self.until(lambda: self.main() not in (0, pid), "a new one")
            self.until(self.well, "it runs again")
            self.assertIn("watchdog", self.on("journalctl", "--no-pager", "--output=cat",
                                              "UNIT=polderd.service").lower())

        with self.subTest("stop ends its workers too"):
            self.on("systemctl", "stop", "polderd")
            self.assertEqual(self.on("pgrep", "-u", "polderd", status=None), "")

        with self.subTest("the hub"):
            self.hub()

    def hub(self):
        state = "/var/lib/polder-hub"
        self.on("systemctl", "enable", "--now", "polder-hub")
        said = self.on("journalctl", "--no-pager", "--output=cat", "--unit=polder-hub")
        self.assertNotIn("polder-person-", said)
        token = self.on("runuser", "-u", "polder-hub", "--", "polder-hub", "admin-token",
                        "--folder", state).strip()

        def ask(path):
            return json.loads(self.on(
                "curl", "-sS", "--retry", "5", "--retry-connrefused", "--cacert", f"{state}/ca.pem",
                "-H", f"Authorization: Bearer {token}", f"https://localhost:8443{path}"))
        self.assertEqual(ask("/v1/devices"), {"devices": []})
        pid = self.on("systemctl", "show", "--value", "--property=MainPID", "polder-hub").strip()
        said = dict(line.split(":\t", 1) for line in
                    self.on("cat", f"/proc/{pid}/status").splitlines() if ":\t" in line)
        user = self.on("id", "-u", "polder-hub").strip()
        self.assertEqual(set(said["Uid"].split()), {user})
        self.assertEqual({said[name] for name in ("CapEff", "CapBnd", "CapAmb")}, {"0" * 16})
        self.assertEqual((said["NoNewPrivs"], said["Seccomp"]), ("1", "2"))
        self.on("systemd-analyze", "security", "--offline=no", "--threshold=20", "polder-hub")
        # Killed, it is there again, and knows its people.
        self.on("kill", "-KILL", pid)
        self.assertEqual(ask("/v1/devices"), {"devices": []})
        self.on("systemctl", "stop", "polder-hub")
        self.assertEqual(self.on("systemctl", "is-failed", "polder-hub", status=None), "inactive\n")


if __name__ == "__main__":
    if why_not():
        print(f"skipped: {why_not()}")
        sys.exit(77)
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]])
