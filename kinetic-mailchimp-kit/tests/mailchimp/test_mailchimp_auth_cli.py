from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from cryptography.fernet import Fernet
from kinetic_mailchimp.kit.errors import ConfigurationError, CredentialsError, TransientError
from kinetic_mailchimp.kit.http.call import Answer, Request
from kinetic_mailchimp.kit.secrets.encryption import SecretBox
from kinetic_mailchimp.mailchimp import MailchimpClient, MailchimpSettings
from kinetic_mailchimp.mailchimp.oauth import Callback, OAuthApplication, _classify_token, exchange_code
from simulators.mailchimp.testing import RunningMailchimp, StartMailchimp

KEY = Fernet.generate_key().decode()
Authorize = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def authorize() -> Iterator[Authorize]:
    started: list[subprocess.Popen[str]] = []

    def start(mailchimp: RunningMailchimp, *options: str, key: str | None = KEY) -> subprocess.Popen[str]:
        hello = mailchimp.hello
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("CONNECTOR_SECRET")
        } | {
            "MAILCHIMP_CLIENT_ID": hello["client_id"],
            "MAILCHIMP_CLIENT_SECRET": hello["client_secret"],
            **({"CONNECTOR_SECRET_KEY": key} if key else {}),
        }
        command = [
            sys.executable,
            "-c",
            "from kinetic_mailchimp.mailchimp.auth_cli import main; main()",
            "authorize",
            "--no-browser",
            "--redirect-uri=http://127.0.0.1:0/mailchimp",
            f"--authorize-url={hello['authorize_url']}",
            f"--token-url={hello['token_url']}",
            f"--metadata-url={hello['metadata_url']}",
            *options,
        ]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def agree(process: subprocess.Popen[str], more: str = "") -> requests.Response:
    """Do what a person in a browser does: open the address, and follow where Mailchimp sends them."""
    assert process.stderr is not None
    assert process.stderr.readline() == "Agree here:\n"
    with requests.Session() as session:
        session.trust_env = False
        return session.get(process.stderr.readline().strip() + more, timeout=120)


def test_the_token_is_printed_encrypted_with_the_address_of_the_account(
    start_mailchimp: StartMailchimp, authorize: Authorize
) -> None:
    mailchimp = start_mailchimp()
    process = authorize(mailchimp)
    assert agree(process).status_code == 200
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    kept = dict(line.split("=", 1) for line in out.splitlines())
    assert kept["MAILCHIMP_BASE_URL"] == mailchimp.base_url
    token = SecretBox((KEY,)).decrypt(kept["MAILCHIMP_ACCESS_TOKEN"])
    assert token not in out + err
    client = MailchimpClient(
        MailchimpSettings.from_config({"access_token": token, "base_url": mailchimp.base_url})
    )
    assert client.get("ping")["health_status"] == "Everything's Chimpy!"


def test_the_token_is_stored_beside_other_settings(
    start_mailchimp: StartMailchimp, authorize: Authorize, tmp_path: Path
) -> None:
    kept, file = tmp_path / "kept.env", tmp_path / ".env"
    kept.write_text("OTHER=kept\nMAILCHIMP_ACCESS_TOKEN=old\n")
    file.symlink_to(kept)
    process = authorize(start_mailchimp(), f"--env-file={file}")
    agree(process)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert out == ""
    assert file.is_symlink()
    text = kept.read_text()
    assert "OTHER=kept" in text
    assert re.search(r"^MAILCHIMP_ACCESS_TOKEN=enc:", text, re.MULTILINE)
    assert "old" not in text


def test_a_new_file_is_for_its_owner_alone(
    start_mailchimp: StartMailchimp, authorize: Authorize, tmp_path: Path
) -> None:
    process = authorize(start_mailchimp(), f"--env-file={tmp_path / 'new.env'}")
    agree(process)
    process.communicate(timeout=120)
    assert (tmp_path / "new.env").stat().st_mode & 0o077 == 0


def test_without_a_key_nobody_is_asked_to_agree(
    start_mailchimp: StartMailchimp, authorize: Authorize
) -> None:
    process = authorize(start_mailchimp(), key=None)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "CONNECTOR_SECRET_KEY" in err
    assert "Agree here" not in out + err


def test_a_person_who_refuses_is_reported(start_mailchimp: StartMailchimp, authorize: Authorize) -> None:
    process = authorize(start_mailchimp())
    agree(process, "&deny=1")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "access_denied" in err


def test_an_answer_with_another_state_decides_nothing() -> None:
    callback = Callback("http://127.0.0.1:0/back", "the-state")
    status, _ = callback._take("/back?code=stolen&state=made-up")
    assert status == 400
    status, _ = callback._take("/back?code=real&state=the-state")
    assert status == 200
    assert callback.wait(1) == "real"


def test_a_client_that_says_nothing_keeps_no_answer_out() -> None:
    callback = Callback("http://127.0.0.1:0/back", "the-state")
    port = urlsplit(callback.redirect_uri).port
    with socket.create_connection(("127.0.0.1", port)), ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(callback.wait, 60)
        assert requests.get(f"http://127.0.0.1:{port}//[", timeout=60).status_code in {400, 404}
        requests.get(f"{callback.redirect_uri}?code=real&state=the-state", timeout=60)
        assert waiting.result(60) == "real"
    assert callback._take("//[")[0] == 400


def test_waiting_has_an_end() -> None:
    moments = iter([0.0, 0.0, 10.0])
    callback = Callback("http://127.0.0.1:0/back", "the-state", clock=lambda: next(moments))
    with pytest.raises(TransientError, match="in time"):
        callback.wait(5)


@pytest.mark.parametrize(
    "url", ["https://example.com/back", "http://[", "http://127.0.0.1:99999/", "http://127.0.0.1:x/"]
)
def test_the_redirect_address_is_on_this_machine(url: str) -> None:
    with pytest.raises(ConfigurationError, match="redirect-uri"):
        Callback(url, "the-state")


def test_the_system_may_choose_the_port() -> None:
    waiting = [Callback("http://127.0.0.1:0/back", "the-state") for _ in range(2)]
    ports = {urlsplit(callback.redirect_uri).port for callback in waiting}
    for callback in waiting:
        with pytest.raises(TransientError):
            callback.wait(0)
    assert len(ports) == 2
    assert 80 not in ports


def test_a_wrong_client_secret_is_named(start_mailchimp: StartMailchimp) -> None:
    hello = start_mailchimp().hello
    application = OAuthApplication(hello["client_id"], "made-up", token_url=hello["token_url"])
    with pytest.raises(CredentialsError, match="client secret is wrong"):
        exchange_code(application, "a-code")


def test_a_used_code_is_named(start_mailchimp: StartMailchimp) -> None:
    hello = start_mailchimp().hello
    application = OAuthApplication(hello["client_id"], hello["client_secret"], token_url=hello["token_url"])
    with pytest.raises(CredentialsError, match="used already"):
        exchange_code(application, "a-code")


def test_a_revoked_token_is_said_in_words(start_mailchimp: StartMailchimp) -> None:
    mailchimp = start_mailchimp()
    settings = MailchimpSettings(access_token="revoked", metadata_url=mailchimp.hello["metadata_url"])
    with pytest.raises(CredentialsError, match="access_token"):
        MailchimpClient(settings).get("ping")


@pytest.mark.parametrize("body", [b'["x"]', b'"access_token"', b'{"access_token": ["x"]}', b"[" * 200_000])
def test_an_answer_that_holds_no_token_is_an_error_in_words(body: bytes) -> None:
    answer = Answer(200, {"Content-Type": "application/json"}, body)
    error = _classify_token(Request("POST", "https://login.example.com/token"), answer)
    assert isinstance(error, CredentialsError)
    assert "gives no token" in str(error)
