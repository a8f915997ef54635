"""sslscan and testssl.sh on the listeners: what others would say of our TLS."""

import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

from support.proxy import DEVICE

KINDS = {"ECDSA": "ec", "RSA": "rsa2048"}
NO_LIMITS = {"limits": {"max_errors": 10000, "max_sessions_per_client": 500}}
SCANS = [(tls, way, kind, legacy) for tls, way in (("implicit", "implicit"), ("starttls", "starttls"), ("auto", "implicit"))
         for kind in KINDS for legacy in (False, True)]
SCANS.append(("auto", "starttls", "RSA", False))  # one: it holds back the greeting of each of a hundred connections
WEAK = re.compile(r"NULL|EXP|RC4|RC2|DES|MD5|anon|ADH|AECDH|SEED|IDEA|CAMELLIA|ARIA|CCM8|CCM_8")


@pytest.fixture
def listener(tls_listener, authority):
    def make(tls, kind, **listen):
        return tls_listener(tls, own=authority.leaf(key=KINDS[kind]), tables=NO_LIMITS, **DEVICE, **listen)

    return make


def sslscan(proxy, way):
    starttls = ["--starttls-smtp"] if way == "starttls" else []
    done = subprocess.run(["sslscan", "--xml=-", "--no-colour", *starttls, f"127.0.0.1:{proxy.port}"],
                          capture_output=True, text=True, timeout=120, check=True, stdin=subprocess.DEVNULL)
    test = ElementTree.fromstring(done.stdout[done.stdout.index("<?xml"):]).find("ssltest")
    assert test is not None, done.stdout
    return test


@pytest.mark.parametrize("tls, way, kind, legacy", SCANS, ids=lambda value: {True: "legacy_tls", False: "modern"}.get(value, value))
def test_sslscan(listener, tls, way, kind, legacy):
    scan = sslscan(listener(tls, kind, legacy_tls=legacy), way)
    enabled = {f"{one.get('type')} {one.get('version')}" for one in scan.findall("protocol") if one.get("enabled") == "1"}
    assert enabled == {"tls 1.2", "tls 1.3"}
    assert scan.find("renegotiation").get("supported") == "0"
    compression = scan.find("compression")  # absent when sslscan's own library has none
    assert compression is None or compression.get("supported") == "0"
    assert all(one.get("vulnerable") == "0" for one in scan.findall("heartbleed"))
    suites = {one.get("cipher"): one for one in scan.findall("cipher")}
    assert len(suites) >= 4 and any(name.startswith(f"ECDHE-{kind}-") for name in suites), list(suites)
    for name, one in suites.items():
        assert not WEAK.search(name) and int(one.get("bits")) >= 128, name
        assert one.get("sslversion") in ("TLSv1.2", "TLSv1.3")
        if not legacy:
            modern = name.startswith("TLS_") or (name.startswith("ECDHE-") and ("GCM" in name or "CHACHA20" in name or "CCM" in name))
            assert modern, name


def run_testssl(proxy, way, directory, *checks):
    report = f"{directory}/testssl.json"
    program = shutil.which("testssl.sh") or shutil.which("testssl")
    starttls = ["--starttls", "smtp"] if way == "starttls" else []
    subprocess.run([program, "--quiet", "--color", "0", "--warnings", "batch", "--nodns", "none",
                    "--openssl", shutil.which("openssl"), "--jsonfile", report, *starttls, *checks, f"127.0.0.1:{proxy.port}"],
                   capture_output=True, text=True, timeout=300, check=False, stdin=subprocess.DEVNULL)
    with open(report, encoding="utf-8") as file:
        return {entry["id"]: entry for entry in json.load(file)}


BAD = ("LOW", "MEDIUM", "HIGH", "CRITICAL", "FATAL")


@pytest.mark.slow
@pytest.mark.parametrize("tls, way, kind", [("implicit", "implicit", "ECDSA"), ("starttls", "starttls", "RSA"), ("auto", "implicit", "RSA")])
def test_testssl(listener, directory, tls, way, kind):
    """Versions, kinds of suites, and the weaknesses that have names. STARTTLS injection: test_downstream_tls.py."""
    found = run_testssl(listener(tls, kind), way, directory, "--protocols", "--std", "--vulnerable")
    problems = {name: entry["finding"] for name, entry in found.items() if entry["severity"] in BAD}
    assert problems == {}
    for name in ("SSLv2", "SSLv3", "TLS1", "TLS1_1"):
        assert "not offered" in found[name]["finding"], found[name]
    for name in ("TLS1_2", "TLS1_3"):
        assert found[name]["finding"].startswith("offered"), found[name]
    assert "not vulnerable" in found["secure_client_renego"]["finding"]
