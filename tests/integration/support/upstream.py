"""A scripted upstream: a correct little submission server, except at the steps that a test replaces.

    with ScriptedUpstream(certificate, "starttls", {"mail": b"421 4.3.2 going down", "end": stall}) as upstream: ...

Steps, in their order: handshake (before TLS begins, whichever way), greeting, ehlo (in clear), starttls, ehlo_tls, xclient,
auth (the verdict), mail, rcpt, data, body (the first octets of the content have come), chunk (BDAT that is not the last), end (the
end of data), rset, noop, quit.
Within a login (logins.py): challenge (what refuses a token), signature (the last message of SCRAM); octets, or one for each time.
An action is octets (a reply; CRLF is added), a function of the Peer (may return a reply, may end the connection),
or a list: one action for each time, None being the normal course.
"""

import base64
import socket
import ssl
import threading

from .certificates import NAME
from .logins import LOGINS, Cancelled
from .net import wait_until
from .servers import PASSWORD, USER
from .wire import Ended, Wire

OFFER = ("PIPELINING", "SIZE 104857600", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES")
CHUNKING = (*OFFER, "CHUNKING")


class Over(Exception):
    """The script has ended this connection."""


class Message:
    """wire: its octets as they came, without the end mark or, in chunks, without the commands."""

    def __init__(self, mail, recipients, wire, chunked=False):
        self.mail, self.recipients, self.wire, self.chunked = mail, recipients, wire, chunked

    @property
    def content(self):
        """Un-stuffed, without the end mark."""
        if self.chunked:
            return self.wire
        lines = self.wire.split(b"\r\n")
        return b"\r\n".join(line[1:] if line.startswith(b".") else line for line in lines)


class Peer:
    """One connection from the proxy."""

    def __init__(self, upstream, wire, number):
        self.upstream, self.wire, self.number = upstream, wire, number
        self.commands = []  # (line, was inside TLS)
        self.credentials = None
        self.farewell = None  # what the client said when its token was refused
        self.messages = []
        self.body = b""  # of the message under way, as on the wire
        self.ended = None
        self.handshake_error = None
        self.authenticated = False
        self.resting = False  # waits for a command, and no transaction is open
        self._mail, self._recipients = None, []
        self._chunks, self._refused = None, False  # of the message under way; one of them was not taken

    def lines(self, verb):
        return [line for line, _ in self.commands if line.upper().startswith(verb.encode())]

    @property
    def in_transaction(self):
        """From MAIL to just before the reply to the end of data."""
        return self._mail is not None and not self.ended

    # The dialog

    def run(self):
        try:
            if self.upstream.tls == "implicit":
                self._handshake()
            self._act("greeting", b"220 " + NAME.encode() + b" ESMTP scripted")
            while True:
                self.resting = self.authenticated and self._mail is None
                line = self.wire.read_line()
                self.resting = False
                self._command(line)
        except Ended as end:
            self.ended = end.how
        except ssl.SSLError as error:
            self.handshake_error = str(error)
            self.ended = self.wire.expect_end(10)
        except Over:
            pass
        except OSError as error:
            self.ended = self.ended or f"{error}"
        finally:
            self.ended = self.ended or "by script"
            self.wire.close()

    def _handshake(self):
        self._act("handshake")
        self.wire.start_tls()

    def _act(self, step, normal=None):
        """The action of the script for this step, or the normal reply. True when the normal course was taken."""
        action = self.upstream.action(step)
        reply = normal if action is None else action(self) if callable(action) else action
        if reply is not None:
            self.wire.send(reply + b"\r\n")
        return action is None

    def _command(self, line):
        self.commands.append((line, self.wire.tls is not None))
        verb, _, argument = line.strip().partition(b" ")
        handler = getattr(self, "_on_" + verb.decode("ascii", "replace").lower(), None)
        if handler is None:
            self.wire.send(b"500 5.5.2 what?\r\n")
        else:
            handler(argument)

    def _on_ehlo(self, _argument):
        offers = list(self.upstream.offer)
        if self.wire.tls:
            offers.append("AUTH " + " ".join(self.upstream.mechanisms))
        elif self.upstream.tls == "starttls":
            offers.append("STARTTLS")
        lines = [NAME, *offers]
        reply = "\r\n".join(f"250{'-' if i < len(lines) else ' '}{line}" for i, line in enumerate(lines, 1))
        self._act("ehlo_tls" if self.wire.tls else "ehlo", reply.encode())

    def _on_starttls(self, _argument):
        if self._act("starttls", b"220 2.0.0 go ahead"):
            self._handshake()

    def _on_auth(self, argument):
        mechanism, _, response = argument.partition(b" ")
        if not self.wire.tls:
            self.wire.send(b"538 5.7.11 not in clear\r\n")
            return
        if mechanism not in LOGINS:
            self.wire.send(b"504 5.5.4 no such mechanism\r\n")
            return
        try:
            self.authenticated = LOGINS[mechanism](self, response)
            verdict = b"235 2.7.0 welcome" if self.authenticated else b"535 5.7.8 wrong"
        except Cancelled:
            verdict = b"501 5.7.0 cancelled"
        self._act("auth", verdict)

    def ask(self, challenge):
        """The answer to it, in base64 as it came."""
        self.wire.send(b"334 " + base64.b64encode(challenge) + b"\r\n")
        answer = self.wire.read_line().strip()
        if answer == b"*":
            raise Cancelled
        return answer

    def _on_xclient(self, _argument):
        """All begins anew, but for TLS."""
        if not any(line.startswith("XCLIENT") for line in self.upstream.offer):
            self.wire.send(b"502 5.5.1 not offered\r\n")
        elif self._act("xclient", b"220 " + NAME.encode() + b" ESMTP scripted"):
            self.authenticated, self._mail = False, None

    def _on_mail(self, argument):
        if not self.authenticated:
            self.wire.send(b"530 5.7.0 authenticate first\r\n")
        elif self._mail is not None:
            self.wire.send(b"503 5.5.1 nested MAIL\r\n")
        elif self._act("mail", b"250 2.1.0 sender ok"):
            self._mail, self._recipients = argument, []
            self._chunks, self._refused = None, False

    def _on_rcpt(self, argument):
        if self._mail is None:
            self.wire.send(b"503 5.5.1 need MAIL\r\n")
        elif self._act("rcpt", b"250 2.1.5 recipient ok"):
            self._recipients.append(argument)

    def _on_data(self, _argument):
        if not self._recipients:
            self.wire.send(b"554 5.5.1 no valid recipients\r\n")
        elif self._act("data", b"354 go on"):
            self._content()

    def _content(self):
        body = bytearray(b"\r\n")  # so that an end mark on the first line is found like any other
        self.body = body
        searched, told = 0, False
        while (end := body.find(b"\r\n.\r\n", searched)) < 0:
            searched = max(0, len(body) - 4)
            body += self.wire.read()
            if not told:
                told = True
                self._act("body")
        rest = bytes(body[end + 5 :])
        self.wire.push_back(rest)
        message = Message(self._mail, self._recipients, bytes(body[2 : end + 2]) if end else b"")
        self._over()
        self.messages.append(message)
        self._act("end", b"250 2.0.0 queued as %d" % len(self.messages))

    def _on_bdat(self, argument):
        """RFC 3030 2: the octets have to be taken in whatever the reply; after a chunk that was refused all others are."""
        size, _, last = argument.strip().partition(b" ")
        begun = self._chunks is not None
        self._chunks = self._chunks or bytearray()
        self.body = self._chunks
        missing = int(size)
        while missing:
            octets = self.wire.read()
            self.wire.push_back(octets[missing:])
            self._chunks += octets[:missing]
            missing -= min(missing, len(octets))
        if not self._recipients or self._refused:
            self.wire.send(b"503 5.5.1 no chunk is expected\r\n")
            return
        if not begun:
            self._act("body")
        if not last:
            self._refused = not self._act("chunk", b"250 2.0.0 chunk taken")
            return
        message = Message(self._mail, self._recipients, bytes(self._chunks), chunked=True)
        self._over()
        self.messages.append(message)
        self._act("end", b"250 2.0.0 queued as %d" % len(self.messages))

    def _on_rset(self, _argument):
        self._over()
        self._act("rset", b"250 2.0.0 forgotten")

    def _over(self):
        self.body, self._chunks = b"", None
        self._mail, self._recipients = None, []

    def _on_noop(self, _argument):
        self._act("noop", b"250 2.0.0 ok")

    def _on_quit(self, _argument):
        if self._act("quit", b"221 2.0.0 bye"):
            self.wire.finish()
            self.ended = "quit"
            raise Over


class ScriptedUpstream:
    def __init__(self, certificate, tls="implicit", script=None, context=None, offer=OFFER, mechanisms=("PLAIN", "LOGIN"),
                 ca_file=None, host="127.0.0.1", tokens=()):
        self.tls, self.offer, self.mechanisms, self.tokens = tls, offer, mechanisms, tokens
        self.host, self.server_name, self.ca_file = host, NAME, ca_file
        self.username, self.password = USER, PASSWORD
        self.script = {} if script is None else script
        self.peers = []
        self.context = context or certificate.server_context()
        self._times = {}
        self._lock = threading.Lock()
        self._listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=512)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            self._listener.shutdown(socket.SHUT_RDWR)  # or the accept() under way would take one more
        except OSError:
            pass
        self._listener.close()
        for peer in self.peers:
            peer.wire.abandon()

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            peer = Peer(self, Wire(sock, self.context), len(self.peers))
            self.peers.append(peer)
            threading.Thread(target=peer.run, daemon=True).start()

    def action(self, step):
        action = self.script.get(step)
        if isinstance(action, (list, tuple)):
            with self._lock:
                time = self._times[step] = self._times.get(step, -1) + 1
            action = action[time] if time < len(action) else None
        return action

    # What tests ask afterwards

    @property
    def messages(self):
        return [message for peer in self.peers for message in peer.messages]

    def commands(self, verb):
        return [line for peer in self.peers for line in peer.lines(verb)]

    @property
    def in_clear(self):
        """Every octet that any connection brought outside of TLS, client hellos not included."""
        return b"".join(bytes(peer.wire.clear) for peer in self.peers)

    @property
    def in_tls(self):
        return b"".join(bytes(peer.wire.inside) for peer in self.peers)

    def wait_peer(self, condition, timeout=20, what="a connection as expected"):
        return wait_until(lambda: next((peer for peer in self.peers if condition(peer)), None), timeout, what)

    def wait_settled(self, timeout=20):
        """Until every connection has ended or is between two transactions, as those are that the proxy keeps ready."""
        wait_until(lambda: all(peer.ended or peer.resting for peer in self.peers), timeout, "every upstream connection to settle")

    def wait_ended(self, timeout=20):
        wait_until(lambda: all(peer.ended for peer in self.peers), timeout, "every upstream connection to end")


# Actions


def stall(peer):
    """Says nothing more; takes in what still comes, until the proxy goes."""
    peer.ended = peer.wire.expect_end()
    raise Over


def drop(peer):
    """FIN without close_notify."""
    peer.wire.drop()
    peer.ended = peer.wire.expect_end(10)
    raise Over


def finish(peer):
    """close_notify and FIN."""
    peer.wire.finish()
    peer.ended = peer.wire.expect_end(10)
    raise Over


def reset(peer):
    """RST."""
    peer.wire.reset()
    raise Over


def says(reply, then):
    """A reply, then an ending."""

    def action(peer):
        peer.wire.send(reply + b"\r\n")
        return then(peer)

    return action
