"""One accepted connection of a scripted upstream: clear or TLS, every octet recorded, ended in any way one likes."""

import socket
import ssl
import struct


class Ended(Exception):
    """The proxy ended the connection; how: "close_notify", "truncated" (TLS without it), "fin" or "reset"."""

    def __init__(self, how):
        super().__init__(how)
        self.how = how


class Wire:
    def __init__(self, sock, context):
        self._socket = sock
        self._context = context
        self._socket.settimeout(60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._engine = None
        self._unread = b""  # decrypted or clear octets not yet taken by read_line() or read()
        self.clear = bytearray()  # every octet that came outside of TLS
        self.inside = bytearray()  # every octet that came inside

    @property
    def tls(self):
        return self._engine.version() if self._engine else None

    @property
    def unread(self):
        return self._unread

    # TLS

    def start_tls(self):
        """The handshake, in the server's role. What came in clear and was not read yet is kept apart."""
        self._from, self._to = ssl.MemoryBIO(), ssl.MemoryBIO()
        engine = self._context.wrap_bio(self._from, self._to, server_side=True)
        while True:
            try:
                engine.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._flush()
                self._feed()
            except ssl.SSLError:
                self._flush()  # the alert
                raise
        self._engine = engine
        self._flush()

    def _flush(self):
        octets = self._to.read()
        if octets:
            self._raw_send(octets)

    def _feed(self):
        octets = self._raw_receive()
        if octets:
            self._from.write(octets)
        else:
            self._from.write_eof()

    def _raw_send(self, octets):
        try:
            self._socket.sendall(octets)
        except (ConnectionResetError, BrokenPipeError):
            raise Ended("reset") from None

    def _raw_receive(self):
        try:
            return self._socket.recv(65536)
        except ConnectionResetError:
            raise Ended("reset") from None

    # Octets

    def send(self, octets):
        if self._engine is None:
            self._raw_send(octets)
            return
        for at in range(0, len(octets), 16384):
            self._engine.write(octets[at : at + 16384])
            self._flush()

    def send_clear(self, octets):
        """Outside of TLS whatever the state is: what an attacker on the path can do."""
        self._raw_send(octets)

    def _receive(self):
        """At least one more octet, or Ended."""
        if self._engine is None:
            octets = self._raw_receive()
            if not octets:
                raise Ended("fin")
            self.clear += octets
            return octets
        while True:
            try:
                octets = self._engine.read(65536)
            except ssl.SSLWantReadError:
                self._feed()
                continue
            except ssl.SSLZeroReturnError:
                raise Ended("close_notify") from None
            except ssl.SSLError as error:
                raise Ended("truncated" if "EOF" in str(error) else f"TLS: {error}") from None
            if not octets:
                raise Ended("close_notify")
            self.inside += octets
            return octets

    def read(self):
        octets, self._unread = self._unread or self._receive(), b""
        return octets

    def read_line(self):
        while b"\n" not in self._unread:
            self._unread += self._receive()
        line, _, self._unread = self._unread.partition(b"\n")
        return line + b"\n"

    def push_back(self, octets):
        self._unread = octets + self._unread

    def expect_end(self, timeout=60):
        """Reads on until the proxy ends the connection; how it did."""
        try:
            self._socket.settimeout(timeout)
            while True:
                self._receive()
        except Ended as end:
            return end.how
        except OSError:
            return "still open"

    # Endings

    def finish(self):
        """close_notify where there is TLS, then FIN: an orderly end."""
        if self._engine is not None:
            try:
                self._engine.unwrap()
            except ssl.SSLError:
                pass
            try:
                self._flush()
            except Ended:
                pass
        self.drop()

    def drop(self):
        """FIN, without close_notify: inside TLS this is a truncation. What the proxy still says is taken in."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def reset(self):
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def abandon(self):
        """From another thread than the one that reads."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()

    def close(self):
        self._socket.close()
