"""Access tokens, as an authorisation server would issue them: a JSON Web Token signed with HS256 (RFC 7519, RFC 7515)."""

import base64
import functools
import hashlib
import hmac
import json
import os
import time

SECRET = os.urandom(32)


def _text(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


@functools.cache
def token(account, seconds=86400, secret=SECRET, padding=0):
    """For that account, valid for so long; for a negative time, expired. The same one whenever it is asked for.
    padding: octets of a claim that makes it long."""
    now = int(time.time())
    head = {"typ": "JWT", "alg": "HS256"}
    claims = {"sub": account, "iat": now - 7200, "nbf": now - 7200, "exp": now + seconds}
    if padding:
        claims["padding"] = "x" * padding
    signed = ".".join(_text(json.dumps(part).encode()) for part in (head, claims))
    return f"{signed}.{_text(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def store_key(directory):
    """Where Dovecot's dictionary of keys has it: client, algorithm, key; no name is "default"."""
    folder = os.path.join(directory, "default", "HS256")
    os.makedirs(folder)
    with open(os.path.join(folder, "default"), "wb") as file:
        file.write(base64.b64encode(SECRET))
