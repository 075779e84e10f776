"""`--test` says in words which of host, TLS, key, login, scope, company or service is wrong."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from kinetic_mailchimp.kit.errors import ConnectorError
from tap_epicor_kinetic.tap import TapEpicorKinetic


def check(config: dict[str, Any]) -> tuple[list[str], str]:
    """The lines, and what is wrong."""
    tap = TapEpicorKinetic(config=config, setup_mapper=False)
    lines: list[str] = []
    try:
        lines.extend(tap.check_connection())
    except ConnectorError as error:
        return lines, str(error)
    return lines, ""


@pytest.fixture
def config(start_epicor: Any) -> Any:
    """Makes a configuration for a simulated Kinetic with these switches."""

    def make(changes: dict[str, Any] | None = None, **switches: Any) -> dict[str, Any]:
        epicor = start_epicor(customers=20, unknown_requests=True, **switches)
        known = ("base_url", "api_key", "companies", "username", "password")
        return {**{name: epicor.hello[name] for name in known}, **(changes or {})}

    return make


def test_everything_is_well(config: Any, start_epicor: Any) -> None:
    given = config()
    lines, wrong = check(given)
    assert wrong == ""
    assert lines[-1] == "Everything that is configured can be read."
    for company in given["companies"]:
        assert any(line.startswith(f"Company {company}: parts (Erp.BO.PartSvc/Parts): ") for line in lines)
    assert all(line.endswith(" rows.") for line in lines[1:-1])
    assert not any(given["password"] in line or given["api_key"] in line for line in lines)


@pytest.mark.rule("R10")
@pytest.mark.parametrize(
    ("switches", "changes", "says"),
    [
        ({"api_key_valid": False}, {}, "`api_key`"),
        ({"password_valid": False}, {}, "`password`"),
        ({}, {"companies": ["EPIC06", "NOWHERE"]}, "Company NOWHERE"),
        ({}, {"companies": ["NOWHERE"]}, "`companies`"),
        ({"access_scope": ("Erp.BO.JobEntrySvc",)}, {}, "access scope"),
        (
            {"access_scope": ("Erp.BO.CustomerSvc",)},
            {"custom_streams": [{"name": "x", "path": "Erp.BO.CRMCallSvc/CRMCalls"}]},
            "Erp.BO.CRMCallSvc",
        ),
        ({"default_licenses": 0}, {"license_type": "none"}, "`license_type`"),
        (
            {},
            {"custom_streams": [{"name": "x", "path": "Erp.BO.PartSvc/Partz", "keys": ["A"]}]},
            "no service or set Partz",
        ),
        ({}, {"custom_streams": [{"name": "x", "baq": "Missing"}]}, "BAQ"),
        ({}, {"auth_method": "token_resource", "token_url": "http://127.0.0.1:9/"}, "`token_url`"),
    ],
)
def test_what_is_wrong_is_said(
    config: Any, switches: dict[str, Any], changes: dict[str, Any], says: str
) -> None:
    _, wrong = check(config(changes, **switches))
    assert says in wrong


def test_a_key_with_no_more_rights_than_it_needs(config: Any) -> None:
    given = config(access_scope=("Erp.BO.CustomerSvc",))
    lines, wrong = check(given)
    assert wrong == ""
    assert sum(line.endswith("no permission.") for line in lines) == 9 * len(given["companies"])
    assert "leave the other streams out" in lines[-1]


@pytest.mark.rule("R10")
def test_metadata_that_is_forbidden_is_the_last_thing_that_is_said(config: Any) -> None:
    lines, wrong = check(config(metadata_forbidden=True))
    assert wrong == ""
    assert "$metadata cannot" in lines[-1]
    assert "`api_key`" in lines[-1]


def test_an_instance_that_is_not_there(config: Any) -> None:
    given = config()
    _, wrong = check({**given, "base_url": given["base_url"].replace("/kinetic", "/other")})
    assert "Kinetic is not at this address" in wrong
    assert "`base_url`" in wrong


def test_a_host_that_does_not_answer() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/erp"
    _, wrong = check(
        {"base_url": address, "companies": ["A"], "api_key": "k", "username": "u", "password": "p"}
    )
    assert "the connection was refused, for no program listens there. Check `base_url` for host" in wrong
    assert "`base_url`" in wrong


class Kinetic(BaseHTTPRequestHandler):
    """Counts rows over TLS."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", "1")
        self.end_headers()
        self.wfile.write(b"7")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def self_signed(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The address of a server with a certificate of its own, and the file of that certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kinetic.example.com")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "kinetic.pem"
    pem.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server = HTTPServer(("127.0.0.1", 0), Kinetic)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}/erp", str(pem)
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_certificate_that_is_not_trusted_until_its_file_is_named(self_signed: tuple[str, str]) -> None:
    address, pem = self_signed
    config = {
        "base_url": address,
        "companies": ["A"],
        "api_key": "k",
        "username": "u",
        "password": "p",
        "customer_types": [],
        "inactive_customers": "flag",
    }
    assert "`ca_bundle`" in check(config)[1]
    tap = TapEpicorKinetic(config={**config, "ca_bundle": pem}, setup_mapper=False)
    assert tap.client.count("A", "Erp.BO.PartSvc/Parts") == 7
    tap.client.close()


@pytest.mark.rule("R10")
def test_the_scheme_does_not_fit_the_port(self_signed: tuple[str, str], config: Any) -> None:
    given = config()
    started = time.monotonic()
    _, plain = check({**given, "base_url": self_signed[0].replace("https://", "http://")})
    _, secure = check({**given, "base_url": given["base_url"].replace("http://", "https://")})
    assert "`base_url` for `https://`" in plain
    assert "does not speak TLS at this port" in secure
    assert "`base_url`: another port, or `http://`" in secure
    assert time.monotonic() - started < 10


@pytest.mark.rule("R10")
def test_a_bundle_without_a_certificate(config: Any, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("no certificate\n")
    _, wrong = check({**config(), "ca_bundle": str(tmp_path / "empty.pem")})
    assert "`ca_bundle` names a file without a certificate" in wrong


@pytest.mark.rule("R10")
@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"auth_method": "token_resource", "base_url": "BASE/elsewhere"}, "`base_url`"),
        ({"auth_method": "token_resource", "token_url": "BASE/elsewhere"}, "`token_url`"),
        ({"auth_method": "oauth2", "token_url": "BASE/elsewhere"}, "`token_url`"),
        ({"auth_method": "oauth2", "token_url": "http://127.0.0.1:1/token"}, "`token_url`"),
    ],
)
def test_a_wrong_address_of_tokens_names_the_setting_that_it_came_from(
    config: Any, changes: dict[str, str], named: str
) -> None:
    given = config()
    here = {name: value.replace("BASE", given["base_url"]) for name, value in changes.items()}
    _, wrong = check({**given, "client_id": "c", "client_secret": "s", **here})
    assert named in wrong
    assert ("`token_url`" in wrong) != ("`base_url`" in wrong)
