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
    def __init__(self, name):
        self.name = name
        with open(os.path.join(DIRECTORY, name + ".dlg"), encoding="utf-8") as file:
            text = file.read()
        self.lines = [line for line in text.partition("upstream got:")[0].split("\n") if re.match(r"c |set ", line)]

    @property
    def settings(self):
        return dict(line.split(" ", 2)[1:] for line in self.lines if line.startswith("set "))

    def play(self, client):
        """`client` has not read its greeting. Returns the last reply."""
        reply = None
        for line in self.lines:
            verb, text = line[:4], line[5:]
            if verb == "c ->":
                client.send(_octets(text) + b"\r\n")
            elif verb == "c =>":
                client.send(_octets(text))
            elif verb == "c *>":
                count, _, each = text.partition(" ")
                client.send((_octets(each) + b"\r\n") * int(count))
            elif verb in ("c <~", "c <-") and text != "close":
                reply = client.reply()
                wanted = text[:3] if verb == "c <-" else text
                assert re.match(wanted, reply.text if verb == "c <~x" else f"{reply.status} {reply.text}") or re.match(
                    wanted[:3], str(reply.code)), (self.name, line, reply)
            elif line == "c close":
                client.close()
        return reply
