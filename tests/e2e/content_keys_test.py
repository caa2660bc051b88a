#!/usr/bin/python3
"""No content key is in the memory of a device that runs a sealed model: neither the agent's nor its
worker's, read by root. A key is known by the id that it gives its file.

    content_keys_test.py POLDER POLDERD [TEST...]
"""
import hmac
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from devices import MODEL, Device, children  # noqa: E402
from small_releases import wav  # noqa: E402

KEY_BYTES = 32


def file_id(key):
    """HKDF-SHA-256 (trust/sealed_file.h)."""
    secret = hmac.digest(bytes(32), key, "sha256")
    return hmac.digest(secret, b"polder sealed file 1: file id\x01", "sha256")


def has_key(data, wanted):
    for at in range(0, len(data) - KEY_BYTES + 1, 4):
        key = data[at:at + KEY_BYTES]
        # Fewer of 32 are different by chance in one case of 100,000.
        if len(set(key)) >= 22 and file_id(key) == wanted:
            return True
    return False


def memory(pid):
    """What a process can write, piece by piece; nothing where that is refused."""
    maps = pathlib.Path(f"/proc/{pid}/maps").read_text()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as file:
        for begin, end in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) rw", maps, re.MULTILINE):
            file.seek(int(begin, 16))
            yield file.read(int(end, 16) - int(begin, 16))


class ContentKeys(Device):
    def test_no_memory_has_one(self):
        # It would be found: the id of a known key is that of SealedFile.TheIdOfAKnownKey.
        known = bytes(range(KEY_BYTES))
        self.assertTrue(has_key(b"abcd" + known, file_id(known)))
        self.assertEqual(file_id(known).hex(),
                         "e1bdda06c8e7fbe5d0ed45208e9c027840a9dae3f330157f60b4b87a23d8127a")
        recording = self.scratch / "long.wav"
        recording.write_bytes(wav([16000] * (120 * 16000)))
        self.configure(more=f'[pipeline.{MODEL}]\nmicrophone.path = "{recording}"\n')
        self.identify()
        content = self.seal("mean", "1.0.0")
        self.release("1.0.0", sealed=content)
        self.install()
        agent = self.service()
        self.until_well()
        (worker, _), = children(agent.pid)
        for pid in (agent.pid, worker):
            try:
                for data in memory(pid):
                    self.assertFalse(has_key(data, content[32:64]))
            except PermissionError:
                pass  # others than root are refused, which is as good


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
