#!/usr/bin/python3
"""Keys of a device that want a PIN: on a token (SoftHSM2) and in a TPM (swtpm), which count the
wrong ones. A wrong one costs one try of each key, however often polderd, its workers and doctor
look.

    device_pin_test.py POLDER POLDERD [TEST...]
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import tokens  # noqa: E402
from devices import Device, MODEL, POLDERD  # noqa: E402

SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
# In processes of their own: a module remembers what it has seen.
WRONG_PIN_WAS_TRIED = f"""
import ctypes
token = ctypes.CDLL("{SOFTHSM}")
slots, count, info = (ctypes.c_ulong * 8)(), ctypes.c_ulong(8), ctypes.create_string_buffer(512)
assert token.C_Initialize(None) == 0
assert token.C_GetSlotList(1, slots, ctypes.byref(count)) == 0
for slot in slots[:count.value]:
    assert token.C_GetTokenInfo(ctypes.c_ulong(slot), info) == 0
    if info.raw.startswith(b"polder "):
        print(bool(ctypes.c_ulong.from_buffer(info, 96).value & 0x10000))  # CKF_USER_PIN_COUNT_LOW
"""
WRONG_TRIES = """
import ctypes
context, tcti, found = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.POINTER(ctypes.c_uint32)()
more = ctypes.c_uint8()
loader, tpm = ctypes.CDLL("libtss2-tctildr.so.0"), ctypes.CDLL("libtss2-esys.so.0")
assert loader.Tss2_TctiLdr_Initialize(b"tabrmd:bus_type=session", ctypes.byref(tcti)) == 0
assert tpm.Esys_Initialize(ctypes.byref(context), tcti, None) == 0
none, properties, lockout_counter = 0xfff, 6, 0x20e
assert tpm.Esys_GetCapability(context, none, none, none, properties, lockout_counter, 1,
                              ctypes.byref(more), ctypes.byref(found)) == 0
assert (found[1], found[2]) == (1, lockout_counter)
print(found[3])
"""


class Pins(Device):
    def pin(self, text):
        path = self.scratch / "pin"
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(text + "\n")

    def configure_keys(self, key, decryption_key=""):
        self.pin(tokens.PIN)
        self.configure(more=f'[identity]\nkey = "{key}"\ndecryption_key = "{decryption_key}"\n'
                            f'pin_file = "{self.scratch}/pin"\n')

    def service(self):
        """`polderd run`, which may first have something to say of its keys."""
        process = subprocess.Popen([POLDERD, "run", "--config", self.scratch / "polderd.toml"],
                                   stderr=subprocess.PIPE, text=True,
                                   env={**os.environ, **self.environment})
        for after in (process.stderr.close, process.wait, process.kill):
            self.addCleanup(after)
        self.assertTrue(any("camera-17 runs" in line for line in process.stderr))
        return process

    def asked(self, program):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                              env={**os.environ, **self.environment}, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def health(self):
        return json.loads(self.agent("status", "--json"))["live"]["health"].get(MODEL, "")

    def until(self, ready, what):
        deadline = time.monotonic() + 60
        while not ready():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.2)

    def doctor(self, status):
        return self.agent("doctor", status=status)

    def signatures(self):
        notes = self.device / "audit" / "log.checkpoints"
        return notes.read_text().count("polderd/") if notes.exists() else 0


@unittest.skipIf(tokens.missing_for_token(), f"not installed: {tokens.missing_for_token()}")
class TokenPins(Pins):
    def setUp(self):
        super().setUp()
        self.token = tokens.Token()
        self.enterContext(self.token)
        self.environment = self.token.environment
        self.configure_keys(f"pkcs11:token=polder;object=camera?module-path={SOFTHSM}")

    def was_tried(self):
        return self.asked(WRONG_PIN_WAS_TRIED) == "True"

    def login(self):
        """As its owner: from now on the token knows of no wrong PIN."""
        self.polder("keys", "create", "--output", self.scratch / "any.pem", "--no-passphrase")
        self.token.put(self.scratch / "any.pem", f"any-{self.id()}", "77")
        self.assertFalse(self.was_tried())

    def test_the_audit_log_is_signed(self):
        self.agent("identity", "create")
        signed = self.signatures()
        self.assertGreater(signed, 0)
        # Nobody has asked for the token's PIN on the file beside it.
        self.assertNotIn("ENCRYPTED", (self.device / "identity/decryption.pem").read_text())
        self.release("1.0.0")
        self.install()
        self.assertGreater(self.signatures(), signed)
        self.assertIn("kept and signed", self.doctor(0))

    def test_no_key_is_made_with_a_pin_that_was_refused(self):
        self.pin("0000")
        self.assertIn("wrong PIN", self.agent("identity", "create", "--json", status=1))
        self.assertTrue(self.was_tried())
        self.login()
        self.pin("0000")
        self.assertIn("was refused", self.agent("identity", "create", "--json", status=1))
        self.assertFalse(self.was_tried())
        self.pin(tokens.PIN)
        self.agent("identity", "create")
        self.assertIn("camera-17", self.agent("identity", "show"))

    def test_a_wrong_pin_is_tried_once(self):
        self.agent("identity", "create")
        self.release("1.0.0")
        self.install()
        self.pin("0000")
        first = self.service()
        self.assertTrue(self.was_tried())
        self.login()
        self.pin("0000")  # a new file, as a credential is at each start
        for words in ("show", "csr"):
            self.assertIn("was refused", self.agent("identity", words, "--json", status=1))
        for word in ("identity", "audit log"):
            self.assertIn(word, [line for line in self.doctor(1).splitlines()
                                 if "was refused" in line and word in line][0])
        first.kill()
        first.wait()
        second = self.service()
        second.send_signal(signal.SIGHUP)  # a start in place
        self.assertTrue(any("camera-17 runs" in line for line in second.stderr))
        self.doctor(1)
        self.assertFalse(self.was_tried())
        self.pin(tokens.PIN)
        signed = self.signatures()
        self.release("1.1.0")
        second.send_signal(signal.SIGHUP)
        self.until(lambda: self.signatures() > signed, "what was installed is signed")
        self.until(lambda: "kept and signed" in self.agent("doctor", status=None), "all is well")


@unittest.skipIf(tokens.missing_for_tpm(), f"not installed: {tokens.missing_for_tpm()}")
class TpmPins(Pins):
    def test_a_wrong_pin_is_tried_once_by_each_key(self):
        tpm = self.enterContext(tokens.Tpm())
        self.environment = tpm.environment
        self.configure_keys("tpm:0x81000002?pass", "tpm:0x81000003?pass")
        self.identify()
        content = self.seal("mean", "1.0.0")
        self.release("1.0.0", sealed=content)
        self.install()
        self.assertEqual(self.running(), "1.0.0")
        self.assertGreater(self.signatures(), 0)
        self.assertEqual(self.asked(WRONG_TRIES), "0")
        self.pin("0000")
        for start in range(2):
            agent = self.service()
            self.until(lambda: "was refused" in self.health(), "the worker has no key")
            time.sleep(3)  # it is tried again and again to start it
            self.doctor(1)
            # The worker's key; what is signed is something that happened, and may not be there.
            self.assertIn(self.asked(WRONG_TRIES), ("1", "2"))
            agent.kill()
            agent.wait()
        self.pin(tokens.PIN)
        self.service()
        self.until_well()
        self.assertIn(self.asked(WRONG_TRIES), ("1", "2"))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
