#!/usr/bin/python3
"""All traffic of the machine's loopback while a device runs, reports and is asked, packet by
packet: what it heard, and the names of its files, are in none of it. Takes the right to capture
packets (root, or CAP_NET_RAW); without it the test is left out, and says so.

    telemetry_packets_test.py POLDER POLDERD
"""
import os
import pathlib
import socket
import struct
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import telemetry_test as telemetry  # noqa: E402
from telemetry_device import MODEL, ReportingDevice  # noqa: E402

ALL_PROTOCOLS, OUTGOING, IPV4, IPV6, TCP = 3, 4, 0x800, 0x86DD, 6
SOL_PACKET, PACKET_STATISTICS, SO_RCVBUFFORCE = 263, 6, 33
BUFFER_BYTES = 64 << 20


def forms(token):
    """Those of what is written, and each of them backwards."""
    found = telemetry.forms(token)
    return found | telemetry.forms(token[::-1]) | {form[::-1] for form in found}


TOKENS = {"sound": telemetry.SOUND_TOKEN, "name": telemetry.NAME_TOKEN.encode(),
          "marker": b"marker" + os.urandom(8).hex().encode()}
FORMS = {name: forms(token) for name, token in TOKENS.items()}


class Capture:
    """Every packet of the loopback from now on. What TCP carries is put together by connection and
    direction, so that nothing is missed that two packets share."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS))
        self.socket.bind(("lo", 0))
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
        except PermissionError:  # what is dropped is seen all the same
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        self.socket.settimeout(0.05)
        self.streams, self.packets, self.over = {}, 0, False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                frame, (_, protocol, kind, _, _) = self.socket.recvfrom(1 << 17)
            except TimeoutError:
                if self.over:
                    return
                continue
            if kind == OUTGOING:  # the same packet comes in again
                continue
            self.packets += 1
            key, payload = self.parts(protocol, frame[14:])
            self.streams.setdefault(key, bytearray()).extend(payload)

    def parts(self, protocol, packet):
        """Of which connection, and what it carries; what is not TCP goes in whole."""
        if protocol == IPV4 and len(packet) > 20 and packet[9] == TCP:
            start, ends = (packet[0] & 15) * 4, packet[12:20]
            end = int.from_bytes(packet[2:4], "big") or len(packet)
        elif protocol == IPV6 and len(packet) > 40 and packet[6] == TCP:
            start, ends = 40, packet[8:40]
            end = 40 + int.from_bytes(packet[4:6], "big") if packet[4:6] != b"\0\0" else len(packet)
        else:
            return protocol, packet
        segment = packet[start:end]
        return (ends, segment[:4]), segment[(segment[12] >> 4) * 4:]

    def end(self):
        """All that it has seen; nothing may have been dropped."""
        self.over = True
        self.thread.join()
        counts = self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
        self.socket.close()
        self.dropped = struct.unpack("II", counts)[1]
        return [bytes(stream) for stream in self.streams.values()]


def found_in(streams):
    return sorted({name for name, all_forms in FORMS.items() for stream in streams
                   if any(form in stream for form in all_forms)})


class Packets(ReportingDevice):
    polder_path, polderd_path = telemetry.POLDER, telemetry.POLDERD
    maker_class = telemetry.CanaryMaker

    def capture(self):
        capture = Capture()
        self.addCleanup(setattr, capture, "over", True)
        return capture

    def test_no_packet_has_what_a_device_heard(self):
        capture = self.capture()
        self.release("1.0.0")
        self.start()
        self.wait_for("frames", lambda: self.value("polder_frames_total", unit=MODEL))
        # Its worker says by name which recording is none, and the device goes back.
        self.release("1.1.0", broken=f"{telemetry.NAME_TOKEN}.wav")
        self.wait_for("the roll-back", lambda: "polder.alarm.rolled_back" in self.logged())
        self.wait_for("metrics", lambda: self.sums().get("polder.frames", 0) > 0 and
                      self.sums().get("polder.worker.crashes", 0) > 0)
        self.assertIn(telemetry.NAME_TOKEN, (self.scratch / "log").read_text())
        bodies = [body for path, status, body in list(self.collector.bodies) if status == 200]
        pages = list(self.pages)
        streams = capture.end()
        self.assertEqual(capture.dropped, 0)
        self.assertEqual(found_in(streams), [])
        # It was all there: each report that the collector took, each page that was read.
        self.assertGreater(len(bodies), 0)
        for wanted in bodies + pages[:3]:
            self.assertTrue(any(wanted in stream for stream in streams), wanted[:100])
        print(f"{capture.packets} packets, {sum(map(len, streams))} bytes in "
              f"{len(streams)} streams", file=sys.stderr)

    def test_a_marker_is_found_in_each_form_however_it_is_cut(self):
        for form in FORMS["marker"]:
            capture = self.capture()
            with socket.socket() as listening:
                listening.bind(("127.0.0.1", 0))
                listening.listen()
                with socket.create_connection(listening.getsockname()) as out:
                    taken, _ = listening.accept()
                    out.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    with taken:
                        for part in (form[:len(form) // 2], form[len(form) // 2:]):
                            out.sendall(part)
                            taken.recv(len(part), socket.MSG_WAITALL)
            self.assertEqual(found_in(capture.end()), ["marker"], form)
        capture = self.capture()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.sendto(b"say: " + TOKENS["marker"], ("127.0.0.1", 9))
        self.assertEqual(found_in(capture.end()), ["marker"])


if __name__ == "__main__":
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()
    except PermissionError:
        print("skipped: telemetry_packets: only root, or who has CAP_NET_RAW, captures packets")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1], verbosity=2)
