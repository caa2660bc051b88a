#!/usr/bin/python3
"""Real key stores for tests: a software TPM 2.0 (swtpm) behind the resource manager tpm2-abrmd on
a D-Bus of its own, and a PKCS#11 token of SoftHSM2. All state lies in a temporary folder and is
gone at the end; nothing of the machine's own tokens or bus is touched.

    tokens.py COMMAND...   runs COMMAND with both: tpm:HANDLE works, and
                           pkcs11:token=polder has PIN 5678
"""
import ctypes
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

PIN = "5678"
DEADLINE_S = 120
BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path={folder}/bus</listen>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow own="*"/>
<allow eavesdrop="true"/></policy></busconfig>
"""


def end_with_parent():
    """In a child: it ends when the test does, also when that is killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def missing_programs(*names):
    """Those that are not installed: why a test is skipped."""
    return [name for name in names if shutil.which(name) is None]


def missing_files(*patterns):
    return [pattern for pattern in patterns
            if not any(True for _ in pathlib.Path("/").glob(pattern.lstrip("/")))]


def missing_for_tpm():
    """What a TPM needs and is not installed."""
    return (missing_programs("swtpm", "tpm2-abrmd", "dbus-daemon", "dbus-send") +
            missing_files("/usr/lib/*/ossl-modules/tpm2.so", "/usr/lib/*/libtss2-tcti-tabrmd.so.0"))


def missing_for_token():
    """What a token needs and is not installed."""
    return (missing_programs("softhsm2-util") + missing_files("/usr/lib/softhsm/libsofthsm2.so",
                                                              "/usr/lib/*/p11-kit-proxy.so"))


class Tpm:
    """A TPM for the time of a `with`; `environment` leads to it."""

    def __enter__(self):
        self.processes = []
        self.scratch = tempfile.TemporaryDirectory(prefix="polder-tpm-")
        self.folder = pathlib.Path(self.scratch.name)
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        folder = self.folder
        state = folder / "state"
        state.mkdir()
        self.spawn("swtpm", "socket", "--tpm2", "--tpmstate", f"dir={state}",
                   "--server", f"type=unixio,path={folder}/tpm",
                   "--ctrl", f"type=unixio,path={folder}/tpm.ctrl",
                   "--flags", "not-need-init,startup-clear")
        self.wait(lambda: (folder / "tpm").exists() and (folder / "tpm.ctrl").exists(), "swtpm")
        (folder / "bus.conf").write_text(BUS_CONFIG.format(folder=folder))
        self.spawn("dbus-daemon", "--nofork", "--nopidfile", f"--config-file={folder}/bus.conf")
        self.wait((folder / "bus").exists, "dbus-daemon")
        self.environment = {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={folder}/bus",
                            "TPM2OPENSSL_TCTI": "tabrmd:bus_type=session",
                            "TPM2TOOLS_TCTI": "tabrmd:bus_type=session"}
        self.spawn("tpm2-abrmd", "--session", "--allow-root", f"--tcti=swtpm:path={folder}/tpm")
        self.wait(self.manager_answers, "tpm2-abrmd")

    def manager_answers(self):
        asked = subprocess.run(
            ["dbus-send", "--session", "--print-reply", "--dest=org.freedesktop.DBus",
             "/org/freedesktop/DBus", "org.freedesktop.DBus.NameHasOwner",
             "string:com.intel.tss2.Tabrmd"],
            env={**os.environ, **self.environment}, capture_output=True, text=True)
        return "boolean true" in asked.stdout

    def spawn(self, *command):
        log = open(self.folder / f"{command[0]}.log", "wb")
        environment = {**os.environ, **getattr(self, "environment", {})}
        self.processes.append(subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            env=environment, preexec_fn=end_with_parent))
        log.close()

    def wait(self, ready, name):
        """Until ready(); fails when the newest process ends, or takes longer than anything does."""
        deadline = time.monotonic() + DEADLINE_S
        while not ready():
            if self.processes[-1].poll() is not None or time.monotonic() > deadline:
                log = (self.folder / f"{name}.log").read_text(errors="replace")
                raise RuntimeError(f"{name} does not start:\n{log}")
            time.sleep(0.02)

    def stop(self):
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.scratch.cleanup()


class Token:
    """A SoftHSM2 token named "polder" for the time of a `with`."""

    def __enter__(self):
        self.scratch = tempfile.TemporaryDirectory(prefix="polder-token-")
        folder = pathlib.Path(self.scratch.name)
        (folder / "tokens").mkdir()
        config = folder / "softhsm2.conf"
        config.write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\n"
                          "log.level = ERROR\n")
        self.environment = {"SOFTHSM2_CONF": str(config)}
        self.add("polder")
        return self

    def __exit__(self, *_):
        self.scratch.cleanup()

    def util(self, *arguments):
        done = subprocess.run(["softhsm2-util", *arguments], capture_output=True, text=True,
                              env={**os.environ, **self.environment})
        if done.returncode != 0:
            raise RuntimeError(f"softhsm2-util {arguments}: {done.stdout}{done.stderr}")

    def add(self, label):
        self.util("--init-token", "--free", "--label", label, "--so-pin", "87654321", "--pin", PIN)

    def put(self, path, label, identifier):
        """Puts the private key of a PKCS#8 file on the token."""
        self.util("--import", str(path), "--token", "polder", "--label", label, "--id", identifier,
                  "--pin", PIN)


def main():
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    missing = missing_for_tpm() + missing_for_token()
    if missing:
        sys.exit(f"missing: {', '.join(missing)}; run scripts/setup test")
    with Tpm() as tpm, Token() as token:
        sys.exit(subprocess.run(sys.argv[1:], env={**os.environ, **tpm.environment,
                                                   **token.environment}).returncode)


if __name__ == "__main__":
    main()
