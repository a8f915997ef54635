"""Messages to send, and ways to look at what arrived."""

import re


def message(token, body=b"Hello.\r\n", sender="device@example.test"):
    """Head and body as octets, CRLF line ends; the token goes into the subject."""
    head = f"From: <{sender}>\r\nTo: <inbox@example.test>\r\nSubject: {token}\r\nMessage-ID: <{token}@example.test>\r\n\r\n"
    return head.encode() + body


def stuff(content):
    """As on the wire, without the end mark."""
    return re.sub(rb"(?m)^\.", b"..", content)


def big_body(octets, dots=True):
    """So many octets in lines of different lengths, some of which begin with dots."""
    lines, size, number = [], 0, 0
    while size < octets:
        mark = b"." * (number % 4) if dots else b""
        line = mark + b"%08d " % number + b"x" * (number * 37 % 900) + b"\r\n"
        lines.append(line)
        size += len(line)
        number += 1
    return b"".join(lines)


# Servers that take more than CRLF for the end of a line. Each turns what it got into what it would see.
LENIENT = {
    "strict": lambda octets: octets,
    "LF ends a line": lambda octets: re.sub(rb"\r?\n", b"\r\n", octets),
    "CR ends a line": lambda octets: re.sub(rb"\r\n|\r|\n", b"\r\n", octets),
    "NUL is dropped": lambda octets: octets.replace(b"\0", b""),
    "extra CR is dropped": lambda octets: re.sub(rb"\r+\n", b"\r\n", octets),
    "NUL and CR are dropped": lambda octets: re.sub(rb"\r*\n", b"\r\n", octets.replace(b"\0", b"")),
}


def messages_seen(octets):
    """How many messages each kind of server would find in what one connection brought, from EHLO to QUIT."""
    return {name: _count(view(octets)) for name, view in LENIENT.items()}


def _count(octets):
    count, rest = 0, octets
    while True:
        start = re.search(rb"(?im)^DATA\r\n", rest)
        if not start:
            return count
        rest = rest[start.end() :]
        end = re.search(rb"(?:\A|\r\n)\.\r\n", rest)
        if not end:
            return count
        count += 1
        rest = rest[end.end() :]
