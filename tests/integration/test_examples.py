"""conf/examples: each one, with the files that it names, is a configuration that waxseal would run."""

import os
import re
import shutil
import tomllib

import pytest

from support.proxy import ROOT, environment, run, write_private

EXAMPLES = os.path.join(ROOT, "conf", "examples")
PLACES = ("/etc/waxseal", "/run/secrets")
SIDECAR = "kubernetes-sidecar.env"


def example(name, directory):
    """Its text, with the paths of its files in that directory."""
    with open(os.path.join(EXAMPLES, name), encoding="utf-8") as file:
        text = file.read()
    for place in PLACES:
        text = text.replace(f"{place}/", f"{directory}/")
    return text


def settings(text):
    """(key, value) of every setting of a TOML file, whichever table it is in."""
    for tables in tomllib.loads(text).values():
        for table in tables if isinstance(tables, list) else [tables]:
            yield from table.items()


def variables(text, more):
    """Those of an environment file; more: those too that it only suggests."""
    pattern = r"^(?:# )?(WAXSEAL_\w+)=(.*)$" if more else r"^(WAXSEAL_\w+)=(.*)$"
    return dict(re.findall(pattern, text, re.M))


def make_files(named, authority, directory):
    """What each key ending in _file is to find; how many."""
    leaf = authority.leaf(end=300)  # not so soon that there is a warning
    sources = {"certificate_file": leaf.chain, "key_file": leaf.key, "ca_file": authority.ca_file}
    wanted = {path: key.lower().removeprefix("waxseal_") for key, path in named if key.lower().endswith("_file")}
    for path, key in wanted.items():
        assert os.path.dirname(path) == directory, f"{path}: not one of {PLACES}"
        if key == "password_file":
            write_private(path, "secret\n")
        else:
            shutil.copy(sources[key], path)
            os.chmod(path, 0o600)
    return len(wanted)


def accepted(check, named, authority, directory):
    """Not before its files are there, of which each is missed, and then without a word."""
    before = check()
    count = make_files(named, authority, directory)
    assert before.returncode == 78 and before.stderr.count("the file cannot be read: No such file") == count > 0, before.stderr
    after = check()
    assert (after.returncode, after.stderr) == (0, "")


@pytest.mark.parametrize("name", sorted(name for name in os.listdir(EXAMPLES) if name != SIDECAR))
def test_file(authority, directory, name):
    path = os.path.join(directory, "waxseal.toml")
    text = example(name, directory)
    write_private(path, text)
    accepted(lambda: run("check", "--config", path), list(settings(text)), authority, directory)


@pytest.mark.parametrize("more", [False, True], ids=["as it is", "with what it suggests"])
def test_environment(authority, directory, more):
    named = variables(example(SIDECAR, directory), more)
    assert len(named) == (7 if more else 4)
    accepted(lambda: run("check", env=environment(**named), cwd=directory), named.items(), authority, directory)
