"""Plays the device's part of a dialog script (tests/dialogs/*.dlg) over a real connection."""

import os
import re

DIRECTORY = os.path.join(os.path.dirname(__file__), "..", "..", "dialogs")


def _octets(text):
    """The escapes of dialog scripts: \\r \\n \\t \\0 \\xHH \\\\."""
    plain = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}
    result, rest = b"", text
    while rest:
        if rest[0] != "\\":
            result, rest = result + rest[0].encode(), rest[1:]
        elif rest[1] == "x":
            result, rest = result + bytes([int(rest[2:4], 16)]), rest[4:]
        else:
            result, rest = result + plain[rest[1]], rest[2:]
    return result


class Dialog:
    """One script. `row`: of the list of what devices do; nothing for other dialogs."""

    def __init__(self, name):
        self.name = name
        with open(os.path.join(DIRECTORY, name + ".dlg"), encoding="utf-8") as file:
            text = file.read()
        head, _, self.upstream_got = text.partition("upstream got:")
        row = re.match(r"# Row (\d+),", head)
        self.row = row and int(row[1])
        self.lines = [line for line in head.split("\n") if line and not line.startswith("#")]

    @property
    def plain(self):
        """Needs nothing of its listener or its upstream, and ends in an accepted message."""
        accepted = any(re.match(r"c <[~-] 250 2\.0\.0 .*queued", line) for line in self.lines)
        return accepted and not any(re.match(r"set (?!kind device$)|u |c (tls|gone|connect)|wait ", line) for line in self.lines)

    def play(self, client):
        """`client` has not read its greeting."""
        for line in self.lines:
            verb, text = line[:4], line[5:]
            if verb == "c ->":
                client.send(_octets(text) + b"\r\n")
            elif verb == "c =>":
                client.send(_octets(text))
            elif verb == "c *>":
                count, _, each = text.partition(" ")
                client.send((_octets(each) + b"\r\n") * int(count))
            elif verb == "c <~" or (verb == "c <-" and text != "close" and text[3:4] != "-"):
                reply = client.reply()
                assert str(reply.code) == text[:3], (self.name, line, reply)
            elif line == "c close":
                client.close()


def names():
    return sorted(entry[:-4] for entry in os.listdir(DIRECTORY) if entry.endswith(".dlg"))
