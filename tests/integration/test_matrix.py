"""Any security in, any security out: real clients through the proxy to real servers. The table is printed at the end.

See support/matrix.py for which cells there are, and what is left out for which reason.
"""

import os

import pytest

from support import clients, matrix, oauth, proxy
from support.mailbox import body_hash
from support.messages import message
from support.servers import PASSWORD, USER

CELLS = matrix.chosen_cells()
USERS = {  # what a device knows, by what the listener asks
    "none": (None, None),
    "any": ("whoever", "whatever"),
    "local": ("printer-2nd-floor", "p\\w of the = printer"),
    "passthrough": (USER, PASSWORD),
}


def listen_table(configuration, certificate):
    table = {"tls": configuration.tls, "auth": configuration.auth}
    if configuration.tls != "none":
        table |= {"certificate_file": certificate.chain, "key_file": certificate.key}
    return table


def upstream_changes(configuration, directory):
    if configuration.auth == "passthrough":
        return {"auth": configuration.auth_out, "username": None, "password_file": None}
    if configuration.auth_out != "xoauth2":
        return {"auth": configuration.auth_out}
    token_file = os.path.join(directory, "token")
    proxy.write_private(token_file, oauth.token(USER) + "\n")
    return {"auth": "xoauth2", "password_file": None, "token_file": token_file}


def user_tables(configuration, directory):
    if configuration.auth != "local":
        return {}
    name, password = USERS["local"]
    password_file = os.path.join(directory, "printer")
    proxy.write_private(password_file, password + "\n")
    return {"user": [{"name": name, "password_file": password_file}]}


@pytest.fixture(scope="module")
def relays(workspace, endpoint, certificate):
    """relays(configuration): a proxy with it, started when it is first asked for."""
    running = {}

    def start(configuration):
        upstream = endpoint(configuration.upstream)
        directory = os.path.join(workspace, f"matrix-{len(running)}")
        os.makedirs(directory)
        tables = {
            "listen": [listen_table(configuration, certificate)],
            "upstream": [proxy.upstream_table(directory, upstream, **upstream_changes(configuration, directory))],
        } | user_tables(configuration, directory)
        relay = proxy.Waxseal(directory, tables)
        relay.mailbox = upstream.mailbox
        return relay

    def find(configuration):
        if configuration not in running:
            running[configuration] = start(configuration)
        return running[configuration]

    yield find
    for relay in running.values():
        relay.discard()


def test_every_pair_that_there_can_be_is_there():
    wanted = set().union(*(cell.pairs for cell in matrix.all_cells()))
    assert set().union(*(cell.pairs for cell in CELLS)) == wanted
    # All values of all axes, so that a mistake in CANNOT does not take one away.
    values = [set(axis) for axis in zip(*(cell.values for cell in CELLS))]
    assert [len(axis) for axis in values] == [7, 5, 9, 5, 5]


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_cell(relays, authority, directory, token, cell):
    relay = relays(cell.configuration)
    before = len(relay.events("session_end"))
    name, password = USERS[cell.configuration.auth]
    job = clients.Job(directory, relay.port, authority.ca_file, cell.way, message(token, matrix.BODY),
                      cell.mechanism, name, password)
    matrix.SEEN[cell] = "FAILED"
    send = clients.CLIENTS[cell.client]
    if cell.refused:
        with pytest.raises(clients.Refused):
            send(job)
        relay.wait_event("session_end", count=before + 1)
        assert relay.mailbox.find(token) == []
        matrix.SEEN[cell] = "refused"
    else:
        send(job)
        mails = relay.mailbox.wait(token)
        assert [mail.hash for mail in mails] == [body_hash(matrix.BODY)]
        session_says_so(relay.wait_event("session_end", count=before + 1), cell)
        matrix.SEEN[cell] = "delivered"


def session_says_so(end, cell):
    assert [transaction["outcome"] for transaction in end["transactions"]] == ["accepted"]
    assert (end["downstream_tls"] == "none") == (cell.way == "clear"), end
    assert end["upstream_tls"] == "TLSv1.3"
    assert end["mechanism"].lower() == cell.configuration.auth_out
    assert end["account"] == USER
