#!/usr/bin/python3
"""A web server on loopback that misbehaves in a way per path, for tests of the HTTP client.

    adversary.py [--tls CERTIFICATE KEY] [--client-ca CA] [--tls12]

Prints its port, serves until its standard input ends. Paths:

    /file/N[?etag]      N bytes, byte i is i % 251; ranges are honoured; keeps the connection
    /whole/N            the same, ignores ranges
    /cut/N/M            announces N bytes, ends after M
    /unframed/N         N bytes without a length
    /chunked/N          N bytes in chunks
    /chunked-cut/N      N bytes in chunks, ends without the last chunk
    /endless            chunks for ever           /endless-plain  bytes for ever, no length
    /slow               1 byte a second           /slow-head      its status line so
    /silent             accepts, says nothing     /close          ends at once
    /status/N           status N                  /retry/N/V      status N with Retry-After: V
    /redirect/N         N more redirects, then /file/10           /loop  to itself
    /to?URL             a redirect to URL
    /range/R/N          206, Content-Range: R, N bytes
    /garbage            no HTTP                   /long-line      a first line of 1 MB
    /flood              headers for ever          /long-header    one header for ever
    /extension          a chunk extension for ever
    /bad-chunk          a chunk length that is no number
    /two-lengths, /bad-length, /both, /gzip, /early-hints, /no-content, /not-modified
    /more/N/M           announces N bytes, sends M more after them
    /count              how many connections there were
    /resumed            whether TLS resumed a session
    /agent              the headers of the request
    /echo               POST: the body; how it came is in its headers
    /repository/MODE/M/N/blobs/sha256/..
                        the file of N bytes, ranges honoured; MODE: file; cut: each answer ends
                        after M bytes; flip: a bit of byte M is turned in the first answer that
                        has it; whole: no ranges; endless: bytes for ever after it; slow; redirect
    /drop-second        answers the first request of a connection, ends it at the second
"""
import argparse
import socket
import ssl
import sys
import threading
import time

HEAD = b"HTTP/1.1 200 OK\r\n"
connections = 0
flipped = set()


def pattern(first, size):
    """`size` bytes of the file whose byte i is i % 251, from `first`."""
    start = first % 251
    block = bytes(range(251))
    return (block * (size // 251 + 2))[start:start + size]


class Peer:
    """One connection: reads requests, answers them as their paths say."""

    def __init__(self, sock):
        self.sock = sock
        self.file = sock.makefile("rb")
        self.requests = 0

    def send(self, data):
        self.sock.sendall(data)

    def body(self, data, status=b"200 OK", extra=b""):
        head = b"HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n" % (status, len(data), extra)
        self.send(head + data)
        return True

    def request(self):
        """(method, path, headers, body), or None at the end."""
        line = self.file.readline().decode()
        if not line:
            return None
        method, path, _ = line.split()
        headers = {}
        while (line := self.file.readline().decode().strip()):
            name, value = line.split(":", 1)
            headers[name.lower()] = value.strip()
        return method, path, headers, self.file.read(int(headers.get("content-length", "0")))

    def serve(self):
        while (request := self.request()) is not None:
            self.requests += 1
            method, path, headers, data = request
            name, _, query = path[1:].partition("?")
            words = name.split("/")
            handler = getattr(self, "do_" + words[0].replace("-", "_"))
            self.headers, self.data, self.query, self.method = headers, data, query, method
            if not handler(*words[1:]):
                return

    # Each returns True when the connection goes on.
    def do_file(self, size):
        size = int(size)
        asked = self.headers.get("range")
        if not asked:
            return self.body(pattern(0, size))
        first, last = asked.removeprefix("bytes=").split("-")
        first, last = int(first), min(int(last or size - 1), size - 1)
        if first >= size:
            return self.body(b"", b"416 Range Not Satisfiable",
                             b"Content-Range: bytes */%d\r\n" % size)
        return self.body(pattern(first, last - first + 1), b"206 Partial Content",
                         b"Content-Range: bytes %d-%d/%d\r\n" % (first, last, size))

    def do_repository(self, mode, at, size, *_):
        at, size = int(at), int(size)
        if mode == "slow":
            return self.do_slow()
        if mode == "redirect":
            return self.do_redirect(0)
        asked = self.headers.get("range") if mode != "whole" else None
        first, last = (asked.removeprefix("bytes=").split("-") if asked else (0, size - 1))
        first, last = int(first), min(int(last or size - 1), size - 1)
        data = bytearray(pattern(first, last - first + 1))
        if mode == "flip" and first <= at <= last and (at, size) not in flipped:
            flipped.add((at, size))
            data[at - first] ^= 1
        status = b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes %d-%d/%d\r\n" % (
            first, last, size) if asked else HEAD
        if mode == "endless":
            self.send(HEAD + b"\r\n")
            while True:
                self.send(b"x" * 4096)
        self.send(status + b"Content-Length: %d\r\n\r\n" % len(data))
        self.send(data[:at] if mode == "cut" else data)
        return mode != "cut"

    def do_whole(self, size):
        return self.body(pattern(0, int(size)))

    def do_cut(self, size, sent):
        self.send(HEAD + b"Content-Length: %d\r\n\r\n" % int(size) + pattern(0, int(sent)))

    def chunks(self, data):
        self.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        for at in range(0, len(data), 1000):
            part = data[at:at + 1000]
            self.send(b"%x\r\n%s\r\n" % (len(part), part))

    def do_unframed(self, size):
        self.send(HEAD + b"\r\n" + pattern(0, int(size)))

    def do_chunked(self, size):
        self.chunks(pattern(0, int(size)))
        self.send(b"0\r\n\r\n")
        return True

    def do_chunked_cut(self, size):
        self.chunks(pattern(0, int(size)))

    def do_endless(self):
        self.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        while True:
            self.send(b"1000\r\n" + b"x" * 4096 + b"\r\n")

    def do_endless_plain(self):
        self.send(HEAD + b"\r\n")
        while True:
            self.send(b"x" * 4096)

    def drip(self, data):
        for at in range(len(data)):
            self.send(data[at:at + 1])
            time.sleep(1)

    def do_slow(self):
        self.send(HEAD + b"Content-Length: 1000\r\n\r\n")
        self.drip(b"x" * 1000)

    def do_slow_head(self):
        self.drip(HEAD + b"Content-Length: 0\r\n\r\n")

    def do_silent(self):
        time.sleep(600)

    def do_close(self):
        return False

    def do_status(self, status):
        return self.body(b"because", b"%d Whatever" % int(status))

    def do_retry(self, status, value):
        return self.body(b"", b"%d Later" % int(status),
                         b"Retry-After: %s\r\n" % value.replace("_", " ").encode())

    def do_redirect(self, left):
        to = f"/redirect/{int(left) - 1}" if int(left) > 0 else "/file/10"
        return self.body(b"moved", b"302 Found", b"Location: %s\r\n" % to.encode())

    def do_loop(self):
        return self.body(b"", b"302 Found", b"Location: /loop\r\n")

    def do_to(self):
        return self.body(b"", b"302 Found", b"Location: %s\r\n" % self.query.encode())

    def do_range(self, value, size):
        value = value.replace("_", " ").replace("!", "/")
        return self.body(pattern(0, int(size)), b"206 Partial Content",
                         b"Content-Range: %s\r\n" % value.encode())

    def do_garbage(self):
        self.send(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")

    def do_long_line(self):
        self.send(b"HTTP/1.1 200 " + b"x" * (1 << 20) + b"\r\n\r\n")

    def do_flood(self):
        self.send(HEAD)
        while True:
            self.send(b"X-A: b\r\n" * 512)

    def do_long_header(self):
        self.send(HEAD + b"X-A: ")
        while True:
            self.send(b"b" * 4096)

    def do_extension(self):
        self.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;")
        while True:
            self.send(b"b" * 4096)

    def do_bad_chunk(self):
        self.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\nhello\r\n")
        time.sleep(600)

    def do_two_lengths(self):
        self.send(HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!")

    def do_bad_length(self):
        self.send(HEAD + b"Content-Length: -1\r\n\r\nhello")

    def do_both(self):
        self.send(HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
                  b"5\r\nhello\r\n0\r\n\r\n")

    def do_gzip(self):
        return self.body(b"\x1f\x8b", extra=b"Content-Encoding: gzip\r\n")

    def do_early_hints(self):
        self.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        return self.body(b"hello")

    def do_no_content(self):
        self.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        return True

    def do_not_modified(self):
        self.send(b"HTTP/1.1 304 Not Modified\r\n\r\n")
        return True

    def do_more(self, size, more):
        self.send(HEAD + b"Content-Length: %d\r\n\r\n" % int(size) +
                  pattern(0, int(size) + int(more)))
        return True

    def do_count(self):
        return self.body(b"%d" % connections)

    def do_resumed(self):
        return self.body(str(self.sock.session_reused).encode())

    def do_echo(self):
        return self.body(self.data, extra=b"X-Method: %s\r\n" % self.method.encode())

    def do_agent(self):
        return self.body(repr(sorted(self.headers.items())).encode())

    def do_drop_second(self):
        if self.requests > 1:
            return False
        return self.body(b"first")


def shake_hands(sock, context):
    """The socket with TLS; None when the handshake fails. The client is told why: a socket that is
    closed while there is something to read resets the connection, and what was said is lost."""
    sock = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
    try:
        sock.do_handshake()
        return sock
    except ssl.SSLError:
        plain = socket.socket(fileno=sock.detach())
        plain.shutdown(socket.SHUT_WR)
        while plain.recv(4096):
            pass
        plain.close()
        return None


def serve(sock, context):
    try:
        if context:
            sock = shake_hands(sock, context)
        if sock:
            Peer(sock).serve()
    except (OSError, ValueError):
        pass  # the client has gone or speaks no HTTP, as some tests want
    finally:
        if sock:
            sock.close()


def accept(listener, context):
    global connections
    while True:
        sock, _ = listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connections += 1
        threading.Thread(target=serve, args=(sock, context), daemon=True).start()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tls", nargs=2)
    parser.add_argument("--client-ca")
    parser.add_argument("--tls12", action="store_true")
    options = parser.parse_args()
    context = None
    if options.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*options.tls)
        if options.client_ca:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(options.client_ca)
        if options.tls12:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(listener.getsockname()[1], flush=True)
    threading.Thread(target=accept, args=(listener, context), daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
