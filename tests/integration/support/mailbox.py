"""Maildirs that the real servers deliver to, read as they fill."""

import hashlib
import os

from .net import wait_until


def body_hash(body):
    """Of a body whatever its line ends are: mailboxes keep LF, the wire has CRLF."""
    return hashlib.sha256(body.replace(b"\r\n", b"\n")).hexdigest()


class Mail:
    def __init__(self, octets):
        self.octets = octets
        head, _, self.body = octets.replace(b"\r\n", b"\n").partition(b"\n\n")
        self.head = head + b"\n"

    @property
    def hash(self):
        return body_hash(self.body)

    def header(self, name):
        """The first header of that name, unfolded; None when there is none."""
        lines = self.head.decode("utf-8", "replace").replace("\n ", " ").replace("\n\t", " ").split("\n")
        for line in lines:
            key, colon, value = line.partition(":")
            if colon and key.lower() == name.lower():
                return value.strip()
        return None


class Mailbox:
    """A Maildir. Every test tells its messages from the others' by a token in the header."""

    def __init__(self, directory):
        self.directory = directory
        self._seen = {}

    def mails(self):
        new = os.path.join(self.directory, "new")
        for name in sorted(os.listdir(new)) if os.path.isdir(new) else []:
            if name not in self._seen:
                with open(os.path.join(new, name), "rb") as file:
                    self._seen[name] = Mail(file.read())
        return list(self._seen.values())

    def find(self, token):
        token = token.encode()
        return [mail for mail in self.mails() if token in mail.head]

    def wait(self, token, count=1, timeout=30):
        """The mails with that token, once there are at least so many; the caller asserts that there are no more."""
        return wait_until(lambda: found if len(found := self.find(token)) >= count else None, timeout,
                          f"{count} message(s) with {token} in {self.directory}, there are {len(self.find(token))}")
