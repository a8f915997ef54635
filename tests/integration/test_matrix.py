"""Any security in, any security out: real clients through the proxy to real servers. The table is printed at the end.

See support/matrix.py for which cells there are, and what is left out for which reason. WAXSEAL_MATRIX=all runs every one.
"""

import itertools
import os

import pytest

from support import clients, matrix, oauth, proxy
from support.mailbox import body_hash
from support.messages import message
from support.servers import BY_TOKEN, PASSWORD, USER

CELLS = matrix.cells_to_run()
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
    if configuration.auth_out not in BY_TOKEN:
        return {"auth": configuration.auth_out}
    token_file = os.path.join(directory, "token")
    proxy.write_private(token_file, oauth.token(USER) + "\n")
    return {"auth": configuration.auth_out, "password_file": None, "token_file": token_file}


def user_tables(configuration, directory):
    if configuration.auth != "local":
        return {}
    name, password = USERS["local"]
    password_file = os.path.join(directory, "printer")
    proxy.write_private(password_file, password + "\n")
    return {"user": [{"name": name, "password_file": password_file}]}


def check_refuses(configuration, directory, tables):
    """Whether the configuration is refused for giving a device's password to a mechanism that takes a token."""
    path = os.path.join(directory, "checked.toml")
    proxy.write_private(path, proxy.to_toml(tables))
    done = proxy.run("check", "-c", path)
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if ": warning: " not in line]
        assert done.returncode == 78 and len(errors) == 1, done.stderr
        assert "passthrough" in errors[0] and f'"{configuration.auth_out}"' in errors[0], done.stderr
    return done.returncode != 0


@pytest.fixture(scope="module")
def relays(workspace, endpoint, certificate):
    """relays(configuration): a proxy with it, which runs until another is asked for; None when check refuses it."""
    numbers = itertools.count()
    latest = {}

    def start(configuration):
        upstream = endpoint(configuration.upstream)
        directory = os.path.join(workspace, f"matrix-{next(numbers)}")
        os.makedirs(directory)
        tables = {
            "listen": [proxy.DEVICE | listen_table(configuration, certificate)],
            "upstream": [proxy.upstream_table(directory, upstream, **upstream_changes(configuration, directory))],
        } | user_tables(configuration, directory)
        if matrix.refused(configuration) and check_refuses(configuration, directory, tables):
            return None
        relay = proxy.Waxseal(directory, tables)
        relay.mailbox = upstream.mailbox
        return relay

    def stop():
        while latest:
            _, relay = latest.popitem()
            if relay:
                relay.discard()

    def find(configuration):
        if configuration not in latest:
            stop()
            latest[configuration] = start(configuration)
        return latest[configuration]

    yield find
    stop()


def test_every_pair_that_there_can_be_is_there():
    wanted = set().union(*(cell.pairs for cell in matrix.all_cells()))
    assert set().union(*(cell.pairs for cell in CELLS)) == wanted
    # All values of all axes, so that a mistake in CANNOT does not take one away.
    values = [set(axis) for axis in zip(*(cell.values for cell in CELLS))]
    assert [len(axis) for axis in values] == [7, 5, 9, 7, 6]


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_cell(relays, authority, directory, token, cell):
    matrix.SEEN[cell] = "FAILED"
    relay = relays(cell.configuration)
    if relay is None:
        matrix.SEEN[cell] = "refused (check)"
        return
    before = len(relay.events("session_end"))
    name, password = USERS[cell.configuration.auth]
    job = clients.Job(directory, relay.port, authority.ca_file, cell.way, message(token, matrix.BODY),
                      cell.mechanism, name, password)
    send = clients.CLIENTS[cell.client]
    if matrix.refused(cell.configuration):
        with pytest.raises(clients.Refused):
            send(job)
        refusal_says_so(relay.wait_event("session_end", count=before + 1), relay)
        assert relay.mailbox.find(token) == []
        matrix.SEEN[cell] = "refused"
    else:
        send(job)
        mails = relay.mailbox.wait(token)
        assert [mail.hash for mail in mails] == [body_hash(matrix.BODY)]
        session_says_so(relay.wait_event("session_end", count=before + 1), cell)
        matrix.SEEN[cell] = "delivered"


def refusal_says_so(end, relay):
    """For now, and because of the login: a device must not take it for a wrong password."""
    refusals = [entry["reply"][:9] for entry in relay.events("login_failed", session=end["session"])]
    assert set(refusals) == {"454 4.7.0"}, end
    assert end["transactions"] == []


def session_says_so(end, cell):
    assert [transaction["outcome"] for transaction in end["transactions"]] == ["accepted"]
    assert (end["downstream_tls"] == "none") == (cell.way == "clear"), end
    assert end["upstream_tls"] == "TLSv1.3"
    assert end["mechanism"].lower() == cell.configuration.auth_out
    assert end["account"] == USER
