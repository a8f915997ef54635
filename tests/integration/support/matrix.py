"""Every way in with every way out: the axes, the cells, what was seen, and the table of it.

A cell is one client at one configuration. Every value of an axis meets every value of every other axis at least once
(pairwise), except where no cell has both; CANNOT says why. A configuration that was chosen is met by every client that can.
With WAXSEAL_MATRIX=all it is the full product.
"""

import collections
import itertools
import os

from .servers import BY_TOKEN

BODY = b"Scanned page.\r\n.a dot\r\n..\r\n\r\nend\r\n"

WAYS = {  # how a client may use a listener of that tls
    "none": ("clear",),
    "starttls": ("clear", "starttls"),
    "implicit": ("implicit",),
    "auto": ("clear", "starttls", "implicit"),
}
CLIENTS = ("swaks", "curl", "smtplib", "msmtp", "s_client")
MECHANISMS = {
    "none": (None,),
    "any": ("PLAIN", "LOGIN"),
    "local": ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"),
    "passthrough": ("PLAIN", "LOGIN"),  # the others do not yield the password
}
UPSTREAMS = ("postfix-smtps", "postfix-starttls", "postfix-mx", "dovecot-implicit", "dovecot-starttls", "exim-implicit", "exim-starttls")
AUTH_OUT = ("plain", "login", "cram-md5", "scram-sha-256", "xoauth2", "oauthbearer")

CANNOT = {  # what is left out, because a program cannot do it; all else is tried
    "CRAM-MD5": {"s_client": "its digest is not typed by hand"},
    "SCRAM-SHA-256": {
        "swaks": "does not know it",
        "curl": "only when built with libgsasl, as Debian's is not",
        "s_client": "its proof is not typed by hand",
    },
    "clear": {"s_client": "speaks nothing but TLS"},
    "exim": {"scram-sha-256": "Debian's exim4-daemon-light has no authenticator for it"},
}

Configuration = collections.namedtuple("Configuration", "tls auth upstream auth_out")


class Cell(collections.namedtuple("Cell", "configuration way client mechanism")):
    @property
    def values(self):
        """One for each axis; a mechanism is one only together with what it is for."""
        tls, auth, upstream, auth_out = self.configuration
        return ((tls, self.way), self.client, (auth, self.mechanism), upstream, auth_out)

    @property
    def pairs(self):
        """Those that it shows; one that is refused shows nothing but that."""
        values = list(enumerate(self.values))
        return set(itertools.combinations([values[2], values[4]] if refused(self.configuration) else values, 2))

    def __str__(self):
        tls, auth, upstream, auth_out = self.configuration
        return f"{tls}.{self.way}-{self.client}-{auth}.{self.mechanism or 'no'}-{upstream}-{auth_out}"


def refused(configuration):
    """The documented refusal: what a device gives as its password is no token (waxseal.toml(5), auth)."""
    return configuration.auth == "passthrough" and configuration.auth_out in BY_TOKEN


def possible(cell):
    server = cell.configuration.upstream.split("-")[0]
    return (cell.client not in CANNOT.get(cell.mechanism, ())
            and cell.client not in CANNOT.get(cell.way, ())
            and cell.configuration.auth_out not in CANNOT.get(server, ()))


def cells_to_run():
    """In the order of their configurations, so that the proxy of one has done its duty when the next begins."""
    return sorted({"sample": chosen_cells, "all": all_cells}[os.environ.get("WAXSEAL_MATRIX") or "sample"]())


def all_cells():
    cells = (Cell(configuration, way, client, mechanism)
             for configuration in itertools.starmap(Configuration, itertools.product(WAYS, MECHANISMS, UPSTREAMS, AUTH_OUT))
             for way in WAYS[configuration.tls]
             for client in CLIENTS
             for mechanism in MECHANISMS[configuration.auth])
    return [cell for cell in cells if possible(cell)]


def chosen_cells():
    """Greedily, always the configuration of the cell with the most pairs that were not there yet; of it, for each client,
    the cell with the most. Of equals the one whose values were chosen less often."""
    rest = [(cell, cell.pairs) for cell in all_cells()]
    missing = set().union(*(pairs for _, pairs in rest))
    cells, often = [], collections.Counter()

    def worth(one):
        cell, pairs = one
        return len(pairs & missing), -sum(often[value] for value in enumerate(cell.values))

    while missing:
        chosen = max(rest, key=worth)[0].configuration
        of_it = [one for one in rest if one[0].configuration == chosen]
        rest = [one for one in rest if one[0].configuration != chosen]
        for client in CLIENTS:
            can = [one for one in of_it if one[0].client == client]
            if can:
                cell, pairs = max(can, key=worth)
                missing -= pairs
                often.update(enumerate(cell.values))
                cells.append(cell)
    return cells


SEEN = {}  # cell: what became of it


def table():
    """Lines of text: what was seen, one line a configuration and way in, one column a client."""
    rows = {}
    for cell, outcome in SEEN.items():
        how = f"{outcome}{f' {cell.mechanism}' if cell.mechanism else ''}"
        rows.setdefault((*cell.configuration, cell.way), {}).setdefault(cell.client, []).append(how)
    titles = ("tls", "auth", "upstream", "auth out", "used in")
    lines = [[*titles, *CLIENTS]]
    for key, row in sorted(rows.items()):
        lines.append([*key, *(", ".join(row.get(client, ("",))) for client in CLIENTS)])
    widths = [max(map(len, column)) for column in zip(*lines)]
    yield from ("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip() for line in lines)
    counts = collections.Counter(SEEN.values())
    yield ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
    yield f"{len(SEEN)} of {len(all_cells())} cells were run"
    yield from (f"left out: {one} with {other}: {why}" for other, reasons in CANNOT.items() for one, why in reasons.items())
