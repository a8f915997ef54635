"""Mechanisms, most of which smtplib does not have, as the authobject of smtplib.SMTP.auth(): called with None, then with each
challenge."""

import base64
import hashlib
import hmac
import os


def scram_sha_256(username, password):
    """RFC 5802, RFC 7677; without channel binding. Raises when the server does not prove that it knows the password."""
    nonce = base64.b64encode(os.urandom(18)).decode()
    name = username.replace("=", "=3D").replace(",", "=2C")
    first = f"n={name},r={nonce}"
    expected = []

    def step(challenge=None):
        if challenge is None:
            return "n,," + first
        fields = dict(part.split("=", 1) for part in challenge.decode().split(","))
        if expected:
            assert fields["v"] == expected[0], "the server does not know the password"
            return ""
        assert fields["r"].startswith(nonce)
        final = f"c=biws,r={fields['r']}"
        proof, signature = scram_proofs(password, base64.b64decode(fields["s"]), int(fields["i"]),
                                        f"{first},{challenge.decode()},{final}")
        expected.append(signature)
        return f"{final},p={proof}"

    return step


def scram_proofs(password, salt, iterations, messages):
    """RFC 5802 3: ClientProof and ServerSignature, each in base64."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    key = _mac(salted, b"Client Key")
    proof = bytes(a ^ b for a, b in zip(key, _mac(hashlib.sha256(key).digest(), messages.encode())))
    signature = _mac(_mac(salted, b"Server Key"), messages.encode())
    return base64.b64encode(proof).decode(), base64.b64encode(signature).decode()


def cram_md5(username, password):
    """RFC 2195: the server has the first word."""
    return lambda challenge=None: challenge and f"{username} {hmac.new(password.encode(), challenge, 'md5').hexdigest()}"


def _mac(key, text):
    return hmac.new(key, text, hashlib.sha256).digest()


def xoauth2(username, token):
    """An error comes as a challenge, which an empty response answers."""
    return lambda challenge=None: "" if challenge is not None else f"user={username}\1auth=Bearer {token}\1\1"


def oauthbearer(username, token):
    """RFC 7628."""
    return lambda challenge=None: "\1" if challenge is not None else f"n,a={username},\1auth=Bearer {token}\1\1"


def plain(username, password):
    return lambda challenge=None: f"\0{username}\0{password}"
