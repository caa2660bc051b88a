"""Tokens in what a device hears and in what its files are called, and whether they are in what
leaves it."""
import base64
import os
import struct

from small_releases import Maker, wav

# Of samples, 16 bits each; of the name of a file.
SOUND_TOKEN = os.urandom(16)
NAME_TOKEN = "canary" + os.urandom(8).hex()


def forms(token):
    """How a token may look in bytes that somebody lets out: as it is, hex, base64 wherever it
    begins, samples as floats."""
    found = {token, token.hex().encode(), token.hex().upper().encode()}
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + token)
        found.add(encoded[-(-shift * 8 // 6):len(encoded) - 4])
    samples = struct.unpack(f"<{len(token) // 2}h", token)
    for scale in (32768, 32767, 1):
        found.add(struct.pack(f"<{len(samples)}f", *(s / scale for s in samples)))
    for separator in (", ", ","):
        found.add(separator.join(map(str, samples)).encode())
    return found


def leaks(data):
    """The tokens that are in the data, in any form."""
    named = [("sound", SOUND_TOKEN), ("name", NAME_TOKEN.encode())]
    return [name for name, token in named if any(form in data for form in forms(token))]


class CanaryMaker(Maker):
    """Its sound is the token over and over."""

    def blob(self, blobs, data):
        if data[:4] == b"RIFF":
            data = wav(struct.unpack("<8h", SOUND_TOKEN) * 2000)
        return super().blob(blobs, data)
