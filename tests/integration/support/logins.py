"""The server's side of the logins that a scripted upstream knows.

Each takes the peer and the initial response (b"": there was none), asks for what it lacks, leaves in peer.credentials what it
was told, and says whether that was right.
"""

import base64
import json
import re

from . import sasl
from .servers import PASSWORD, USER

XOAUTH2 = r"user=([^\x01]+)\x01auth=Bearer ([^\x01]+)\x01\x01"
OAUTHBEARER = r"n,a=([^,]+),\x01(?:host=[^\x01]+\x01)?(?:port=\d+\x01)?auth=Bearer ([^\x01]+)\x01\x01"
SALT, ITERATIONS = b"0123456789abcdef", 4096


class Cancelled(Exception):
    """The client answered a challenge with "*"."""


def _plain(peer, response):
    octets = base64.b64decode(response or peer.ask(b""))
    peer.credentials = tuple(part.decode() for part in octets.split(b"\0")[1:])
    return peer.credentials == (USER, PASSWORD)


def _login(peer, response):
    user = base64.b64decode(response or peer.ask(b"Username:")).decode()
    peer.credentials = (user, base64.b64decode(peer.ask(b"Password:")).decode())
    return peer.credentials == (USER, PASSWORD)


def _by_token(form):
    def login(peer, response):
        """peer.farewell: what the client says to the challenge that refuses its token."""
        told = re.fullmatch(form, base64.b64decode(response or peer.ask(b"")).decode())
        peer.credentials = told.groups()
        name, token = peer.credentials
        if name == USER and token in peer.upstream.tokens:
            return True
        peer.farewell = peer.ask(peer.upstream.action("challenge") or json.dumps({"status": "invalid_token"}).encode())
        return False

    return login


def _external(peer, response):
    """A context that requires a certificate has seen to the rest."""
    answer = response or peer.ask(b"")
    peer.credentials = ("" if answer == b"=" else base64.b64decode(answer).decode(),)
    return peer.credentials[0] in ("", USER)


def _scram_sha_256(peer, response):
    """The step "signature" replaces the server's last message; b"": it is not sent."""
    first = base64.b64decode(response or peer.ask(b"")).decode().split(",", 2)[2]
    name, nonce = re.fullmatch(r"n=([^,]+),r=([^,]+)", first).groups()
    challenge = f"r={nonce}server,s={base64.b64encode(SALT).decode()},i={ITERATIONS}"
    final, _, proof = base64.b64decode(peer.ask(challenge.encode())).decode().rpartition(",p=")
    wanted, signature = sasl.scram_proofs(PASSWORD, SALT, ITERATIONS, f"{first},{challenge},{final}")
    peer.credentials = (name, proof)
    said = peer.upstream.action("signature")
    if proof == wanted and said != b"":
        peer.ask(said or b"v=" + signature.encode())
    return proof == wanted and name == USER


LOGINS = {
    b"PLAIN": _plain,
    b"LOGIN": _login,
    b"XOAUTH2": _by_token(XOAUTH2),
    b"OAUTHBEARER": _by_token(OAUTHBEARER),
    b"EXTERNAL": _external,
    b"SCRAM-SHA-256": _scram_sha_256,
}
