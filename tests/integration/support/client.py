"""A downstream client under full control: sends any octets, reads replies strictly."""

import socket
import struct
import time

from .certificates import NAME


class Reply:
    def __init__(self, raw):
        self.raw = raw
        lines = raw.decode("ascii").split("\r\n")
        assert lines.pop() == "", f"reply does not end in CRLF: {raw!r}"
        self.code = int(lines[0][:3])
        assert all(line.startswith(f"{self.code}-") for line in lines[:-1]), raw
        assert lines[-1][:4] in (f"{self.code} ", f"{self.code}"), raw
        self.lines = [line[4:] for line in lines]
        first = self.lines[0].split(" ")[0]
        self.enhanced = first if first.count(".") == 2 and first.replace(".", "").isdigit() else None

    @property
    def status(self):
        """What tests compare: "451 4.7.5"."""
        return f"{self.code} {self.enhanced}" if self.enhanced else str(self.code)

    @property
    def text(self):
        return " ".join(self.lines)

    def __repr__(self):
        return f"<{self.raw!r}>"


class ConnectionEnded(AssertionError):
    pass


class Client:
    """tls: a context of Python's, where TLS comes first. source: our own address. first: what comes before all else, such as
    a PROXY header."""

    def __init__(self, port, host="127.0.0.1", timeout=20, greeting=True, tls=None, server_name=NAME, source=None, first=b""):
        self.socket = socket.create_connection((host, port), timeout, (source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._input = b""
        self.send(first)
        if tls:
            self.handshake(tls, server_name)
        if greeting:
            self.greeting = self.reply()
            assert self.greeting.code == 220, self.greeting

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def handshake(self, context, server_name=NAME):
        self.socket = context.wrap_socket(self.socket, server_hostname=server_name)

    def starttls(self, context, server_name=NAME):
        reply = self.command("STARTTLS")
        assert reply.status == "220 2.0.0", reply
        assert self._input == b"", f"said in clear behind the 220: {self._input!r}"
        self.handshake(context, server_name)

    def send(self, octets):
        self.socket.sendall(octets)

    def send_slowly(self, pieces, pause=0.01):
        """Each piece in a segment of its own."""
        for piece in pieces:
            self.socket.sendall(piece)
            time.sleep(pause)

    def _line(self):
        while b"\n" not in self._input:
            octets = self.socket.recv(65536)
            if not octets:
                raise ConnectionEnded(f"connection ended; unfinished: {self._input!r}")
            self._input += octets
        line, _, self._input = self._input.partition(b"\n")
        return line + b"\n"

    def reply(self):
        raw = self._line()
        while raw.split(b"\r\n")[-2][3:4] == b"-":
            raw += self._line()
        return Reply(raw)

    def replies(self, count):
        return [self.reply() for _ in range(count)]

    def command(self, line):
        self.send((line if isinstance(line, bytes) else line.encode()) + b"\r\n")
        return self.reply()

    def ehlo(self, name="device.example"):
        reply = self.command(f"EHLO {name}")
        assert reply.code == 250, reply
        return reply

    def offers(self):
        """EHLO's keywords with their arguments."""
        lines = self.ehlo().lines[1:]
        return {line.split(" ")[0]: line.partition(" ")[2] for line in lines}

    def silent(self, seconds=0.3):
        """True when the connection stays open and says nothing for so long."""
        self.socket.settimeout(seconds)
        try:
            self._input += (octets := self.socket.recv(65536))
        except TimeoutError:
            octets = None
        finally:
            self.socket.settimeout(20)
        return octets is None and not self._input

    def until_closed(self, timeout=20):
        """All that still arrives, up to the end of the connection; RST counts as an end."""
        self.socket.settimeout(timeout)
        while True:
            try:
                octets = self.socket.recv(65536)
            except ConnectionResetError:
                octets = b""
            if not octets:
                rest, self._input = self._input, b""
                return rest
            self._input += octets

    def closed(self, timeout=20):
        """True when the proxy ends the connection without a further word."""
        return self.until_closed(timeout) == b""

    def transaction(self, content, sender="device@example.test", recipients=("inbox@example.test",), mail_parameters=""):
        """One message; the first reply that refuses, or the one after the end of data. content: as on the wire, with
        dots stuffed and without the end mark."""
        reply = self.command(f"MAIL FROM:<{sender}>{mail_parameters}")
        if reply.code != 250:
            return reply
        for recipient in recipients:
            reply = self.command(f"RCPT TO:<{recipient}>")
            if reply.code != 250:
                return reply
        reply = self.command("DATA")
        if reply.code != 354:
            return reply
        return self.finish(content)

    def finish(self, content):
        self.send(content + (b"" if content.endswith(b"\r\n") or not content else b"\r\n") + b".\r\n")
        return self.reply()

    def open_data(self, sender="device@example.test", recipients=("inbox@example.test",)):
        """MAIL, RCPT and DATA, all taken: the next octets are content."""
        for line, code in [(f"MAIL FROM:<{sender}>", 250), *((f"RCPT TO:<{r}>", 250) for r in recipients), ("DATA", 354)]:
            reply = self.command(line)
            assert reply.code == code, (line, reply)

    def quit(self):
        reply = self.command("QUIT")
        assert reply.status == "221 2.0.0", reply
        assert self.closed()

    def close(self):
        self.socket.close()

    def reset(self):
        """Ends with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
