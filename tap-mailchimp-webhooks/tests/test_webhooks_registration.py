from __future__ import annotations

import hmac
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import MappingProxyType
from typing import Any

import click
import pytest
import requests
from click.testing import CliRunner, Result
from kinetic_mailchimp.kit.errors import AmbiguousWriteError, ConfigurationError
from kinetic_mailchimp.kit.settings.from_text import names_in
from kinetic_mailchimp.mailchimp import MailchimpClient
from simulators.mailchimp.testing import RunningMailchimp, WebhookSink
from tap_mailchimp_webhooks.catch_up.missed_events import from_catch_up
from tap_mailchimp_webhooks.cli import main as cli
from tap_mailchimp_webhooks.events.delivery import FORM, from_delivery
from tap_mailchimp_webhooks.events.event import CATCH_UP, CONTACT_EVENTS
from tap_mailchimp_webhooks.inbox.statistics import DeliveryCounts
from tap_mailchimp_webhooks.inbox.store import Inbox
from tap_mailchimp_webhooks.webhooks.health import counted_days, verdict
from tap_mailchimp_webhooks.webhooks.path_secret import PathSecrets
from tap_mailchimp_webhooks.webhooks.probe import probe
from tap_mailchimp_webhooks.webhooks.register import Registrar
from tap_mailchimp_webhooks.webhooks.registry import WebhookRegistry
from tap_mailchimp_webhooks.webhooks.urls import mask_url, public_url

SECRET = "a-path-secret-of-the-tests"


@pytest.fixture
def command(mailchimp: RunningMailchimp, sqlite_url: str) -> Callable[..., Result]:
    """Runs `mailchimp-webhooks` in this process, set up by variables."""
    environment = {
        "MAILCHIMP_WEBHOOKS_SECRET": SECRET,
        "MAILCHIMP_WEBHOOKS_INBOX_DATABASE_URL": sqlite_url,
        "MAILCHIMP_WEBHOOKS_LIST_IDS": mailchimp.list_id,
        "MAILCHIMP_API_KEY": mailchimp.api_key,
        "MAILCHIMP_BASE_URL": mailchimp.base_url,
    }

    def run(*arguments: str, env: Mapping[str, str | None] = MappingProxyType({})) -> Result:
        return CliRunner(env={**environment, **env}).invoke(cli.commands, arguments)

    return run


def hooks(mailchimp: RunningMailchimp) -> list[Any]:
    return [hook for hook in mailchimp.control.webhooks() if hook["list_id"] == mailchimp.list_id]


def test_registers_once_with_everything_written_out(
    command: Callable[..., Result],
    mailchimp: RunningMailchimp,
    client: MailchimpClient,
    start_receiver: Callable[..., str],
) -> None:
    url = start_receiver()

    first = command("register", "--url", url, "--json")
    second = command("register", "--url", f"{url}/", "--json")

    (hook,) = client.get(f"lists/{mailchimp.list_id}/webhooks")["webhooks"]
    assert hook["url"] == f"{url}/webhooks/mailchimp/{SECRET}"
    assert set(hook["events"]) >= {"subscribe", "unsubscribe", "profile", "cleaned", "upemail", "campaign"}
    assert hook["sources"] == {"user": True, "admin": True, "api": False}
    actions = [json.loads(result.output)[0]["action"] for result in (first, second)]
    assert actions == ["created", "confirmed"]
    assert SECRET not in first.output + second.output


def test_a_signed_delivery_reaches_the_inbox(
    command: Callable[..., Result],
    mailchimp: RunningMailchimp,
    start_receiver: Callable[..., str],
    inbox: Inbox,
) -> None:
    command("register", "--url", start_receiver())
    mailchimp.control.subscribe("ada@example.com")
    mailchimp.control.unsubscribe("ada@example.com")
    mailchimp.control.flush_webhooks(hurry=True)

    assert [event.type for event in inbox.read(CONTACT_EVENTS, after=0)] == ["subscribe", "unsubscribe"]
    assert {delivery["state"] for delivery in mailchimp.control.deliveries()} == {"delivered"}


def test_updates_a_webhook_that_reports_too_little_or_too_much(
    command: Callable[..., Result],
    mailchimp: RunningMailchimp,
    client: MailchimpClient,
    start_receiver: Callable[..., str],
) -> None:
    url = start_receiver()
    command("register", "--url", url)
    (hook,) = hooks(mailchimp)
    change = {"events": {"unsubscribe": False}, "sources": {"user": True, "admin": True, "api": True}}
    client.update_webhook(mailchimp.list_id, hook["id"], change)
    assert "incomplete" in command("status").output

    assert "updated" in command("register", "--url", url).output

    (mended,) = client.get(f"lists/{mailchimp.list_id}/webhooks")["webhooks"]
    assert mended["events"]["unsubscribe"]
    assert not mended["sources"]["api"]


def test_replaces_a_webhook_whose_signing_secret_is_lost(
    command: Callable[..., Result],
    mailchimp: RunningMailchimp,
    client: MailchimpClient,
    start_receiver: Callable[..., str],
    inbox: Inbox,
) -> None:
    url = start_receiver()
    client.create_webhook(
        mailchimp.list_id, {"url": public_url(url, SECRET), "events": {}, "sources": {"user": True}}
    )

    assert "replaced" in command("register", "--url", url).output

    mailchimp.control.subscribe("ada@example.com")
    mailchimp.control.flush_webhooks(hurry=True)
    assert inbox.last_sequence() == 1


def test_takes_a_webhook_that_was_made_before_mailchimp_signed(
    command: Callable[..., Result],
    mailchimp: RunningMailchimp,
    client: MailchimpClient,
    start_receiver: Callable[..., str],
    inbox: Inbox,
) -> None:
    url = start_receiver()
    mailchimp.control.switch(sign_new_webhooks=False)
    client.create_webhook(mailchimp.list_id, {"url": public_url(url, SECRET)})

    assert "updated" in command("register", "--url", url).output

    mailchimp.control.subscribe("ada@example.com")
    mailchimp.control.flush_webhooks(hurry=True)
    assert inbox.last_sequence() == 1


def test_looks_before_it_repeats_a_registration_whose_answer_was_lost(
    command: Callable[..., Result],
    mailchimp: RunningMailchimp,
    start_receiver: Callable[..., str],
    inbox: Inbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    create = MailchimpClient.create_webhook
    lost: list[Any] = []

    def lossy(self: MailchimpClient, list_id: str, webhook: Any) -> Any:
        made = create(self, list_id, webhook)
        if not lost:
            lost.append(made)
            raise AmbiguousWriteError("The connection broke.")
        return made

    monkeypatch.setattr(MailchimpClient, "create_webhook", lossy)

    assert "created" in command("register", "--url", start_receiver()).output
    assert len(hooks(mailchimp)) == 1
    mailchimp.control.subscribe("ada@example.com")
    mailchimp.control.flush_webhooks(hurry=True)
    assert inbox.last_sequence() == 1


def test_removes_its_own_webhooks_alone(
    command: Callable[..., Result],
    mailchimp: RunningMailchimp,
    client: MailchimpClient,
    start_receiver: Callable[..., str],
    webhook_sink: WebhookSink,
) -> None:
    url = start_receiver()
    client.create_webhook(mailchimp.list_id, {"url": webhook_sink.url})
    command("register", "--url", url)
    assert len(hooks(mailchimp)) == 2

    assert "deleted" in command("unregister", "--url", url).output
    assert "nothing to do" in command("unregister", "--url", url).output

    assert [hook["url"] for hook in hooks(mailchimp)] == [webhook_sink.url]


def test_registers_in_all_audiences_where_none_is_named(
    mailchimp: RunningMailchimp, start_receiver: Callable[..., str], sqlite_url: str
) -> None:
    result = CliRunner().invoke(
        cli.commands,
        [
            *("register", "--json", "--secret", SECRET, "--inbox-database-url", sqlite_url),
            *("--url", start_receiver(), "--api-key", mailchimp.api_key, "--base-url", mailchimp.base_url),
        ],
    )

    assert {one["list_id"] for one in json.loads(result.output)} == set(mailchimp.lists.values())


def test_checks_first_that_the_url_answers(
    command: Callable[..., Result], mailchimp: RunningMailchimp, webhook_sink: WebhookSink
) -> None:
    webhook_sink.respond_to_get = lambda _: 403

    result = command("register", "--url", webhook_sink.url)

    assert result.exit_code == 1
    assert "firewall" in result.stderr
    assert hooks(mailchimp) == []
    assert mailchimp.control.request_counts() == {}


@pytest.mark.rule("R10")
@pytest.mark.parametrize(
    ("status", "says"),
    [
        (301, "redirects"),
        (401, "login"),
        (404, "MAILCHIMP_WEBHOOKS_SECRET"),
        (410, "must be 200"),
        (502, "mailchimp-webhooks serve"),
    ],
)
def test_a_failed_probe_names_the_cause(status: int, says: str) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever).start()
        try:
            with pytest.raises(ConfigurationError, match=says):
                probe(f"http://127.0.0.1:{server.server_port}/")
        finally:
            server.shutdown()


@pytest.mark.parametrize(
    ("endless", "says"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 25_000_000, ""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000_000, "no connection"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 4_000_000, "no connection"),
    ],
    ids=["body", "continue", "headers"],
)
def test_a_probe_reads_no_answer_without_an_end(endless: bytes, says: str) -> None:
    left: list[int] = []

    def answer() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65_536)
            try:
                connection.sendall(endless)
            except ConnectionError:
                left.append(1)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=answer)
        thread.start()
        with pytest.raises(ConfigurationError, match=says) if says else nullcontext():
            probe(f"http://127.0.0.1:{listening.getsockname()[1]}/")
        thread.join()
    assert left


def test_a_probe_of_a_closed_port_names_the_cause() -> None:
    with pytest.raises(ConfigurationError, match="no connection"):
        probe("http://127.0.0.1:1/")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://hooks.example.com", "https://hooks.example.com/webhooks/mailchimp/s"),
        ("https://hooks.example.com/", "https://hooks.example.com/webhooks/mailchimp/s"),
        ("https://example.com/prefix/", "https://example.com/prefix/webhooks/mailchimp/s"),
        ("https://example.com/webhooks/mailchimp/", "https://example.com/webhooks/mailchimp/s"),
        ("https://example.com/p/webhooks/mailchimp/old", "https://example.com/p/webhooks/mailchimp/s"),
    ],
)
def test_the_url_to_register_is_the_public_one_and_the_secret_path(url: str, expected: str) -> None:
    assert public_url(url, "s") == expected
    assert mask_url(expected).endswith("/webhooks/mailchimp/********")


@pytest.mark.parametrize(
    ("url", "warns"),
    [
        ("http://hooks.example.com", True),
        ("https://hooks.example.com", False),
        ("http://127.0.0.1:8080", False),
    ],
)
def test_a_public_url_in_clear_is_warned_about(
    caplog: pytest.LogCaptureFixture, url: str, warns: bool
) -> None:
    public_url(url, "s")
    assert ("travel in clear" in caplog.text) is warns


@pytest.mark.rule("R9")
@pytest.mark.parametrize(
    ("url", "told"),
    [
        (
            "https://hooks.example.com/webhooks/mailchimp/s",
            "https://hooks.example.com/webhooks/mailchimp/********",
        ),
        (
            "https://u:p@example.com/x/webhooks/mailchimp/s",
            "https://example.com/x/webhooks/mailchimp/********",
        ),
        ("https://example.org:8443/catch/a-key?token=b#c", "https://example.org:8443/********"),
        ("https://example.org/", "https://example.org/"),
        ("https://example.org", "https://example.org"),
        ("https://[of-another", "********"),
        ("https://example.org\x9bJ/", "https://example.org\ufffdJ/"),
    ],
)
def test_a_url_is_shown_without_any_part_that_may_be_secret(url: str, told: str) -> None:
    assert mask_url(url) == told


@pytest.mark.parametrize("url", ["", "hooks.example.com", "ftp://example.com", "https://example.com/?a=b"])
def test_a_text_that_is_not_a_receivers_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="--url"):
        public_url(url, "s")


NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


def _ago(**parts: float) -> str:
    return (NOW - timedelta(**parts)).isoformat(timespec="seconds")


@pytest.mark.parametrize(
    ("arrived", "signs", "expected"),
    [
        (DeliveryCounts(_ago(hours=1), 5, 0, None), {}, "alive"),
        (DeliveryCounts(_ago(days=30), 0, 0, None), {}, "quiet"),
        (DeliveryCounts(None, 0, 0, None), {}, "quiet"),
        (DeliveryCounts(_ago(hours=1), 5, 0, None), {"complete": False}, "incomplete"),
        (DeliveryCounts(_ago(days=2), 5, 3, _ago(days=1)), {}, "looks_disabled"),
        (DeliveryCounts(_ago(days=1), 5, 3, _ago(days=2)), {}, "alive"),
        (DeliveryCounts(_ago(days=2), 5, 1, _ago(minutes=30)), {}, "alive"),
        (DeliveryCounts(None, 0, 9, _ago(days=3)), {"registered_at": _ago(days=1)}, "quiet"),
        (DeliveryCounts(_ago(days=3), 5, 0, None), {"counted_days": 1}, "looks_disabled"),
    ],
)
def test_judges_a_webhook_by_what_arrived_and_what_was_missed(
    arrived: DeliveryCounts, signs: dict[str, Any], expected: str
) -> None:
    assert verdict(arrived, NOW, **{"complete": True, **signs}) == expected


def test_counts_days_on_which_mailchimp_counted_people_after_the_last_delivery() -> None:
    activity = [
        {"day": "2026-03-10", "subs": 9, "unsubs": 9},
        {"day": "2026-03-09", "subs": 0, "unsubs": 2},
        {"day": "2026-03-08", "subs": 0, "unsubs": 0, "other_removes": 4},
        {"day": "2026-03-07", "subs": 1, "unsubs": 0},
        {"day": "2026-02-01", "subs": 5, "unsubs": 5},
    ]

    assert counted_days(activity, _ago(days=5), None, NOW) == 2
    assert counted_days(activity, _ago(days=2), None, NOW) == 1
    assert counted_days(activity, _ago(hours=1), None, NOW) == 0
    assert counted_days(activity, None, _ago(days=2), NOW) == 1
    assert counted_days(activity, None, None, NOW) == 0


def test_status_ends_with_2_when_a_webhook_looks_disabled(
    command: Callable[..., Result],
    mailchimp: RunningMailchimp,
    start_receiver: Callable[..., str],
    inbox: Inbox,
) -> None:
    assert command("status").exit_code == 2
    command("register", "--url", start_receiver())
    assert command("status").exit_code == 0
    moment = datetime.now(UTC) + timedelta(seconds=2)
    missed = from_catch_up(
        "unsubscribe", {"email": "ada@example.com", "list_id": mailchimp.list_id}, moment, moment
    )
    inbox.store([missed])

    # A delivery that may still be repeated is no sign yet.
    assert json.loads(command("status", "--json").output)["webhooks"][0]["missed_last_7_days"] == 1
    assert missed.origin == CATCH_UP


@pytest.mark.rule("R9")
def test_status_lists_what_was_not_understood_without_addresses(
    command: Callable[..., Result], start_receiver: Callable[..., str], inbox: Inbox
) -> None:
    command("register", "--url", start_receiver())
    now = datetime.now(UTC)
    old = from_delivery(b"type=new_thing&data[email]=old@example.com", FORM, now - timedelta(days=8))
    inbox.store([old])
    assert command("status").exit_code == 0

    inbox.store(
        [
            from_delivery(b"type=new_thing&data[email]=ada@example.com", FORM, now),
            from_delivery(b"type=bob@example.com&data[x]=1", FORM, now),
        ]
    )

    text, document = command("status"), json.loads(command("status", "--json").output)
    assert text.exit_code == 2
    assert "2 deliveries" in text.output
    assert "unknown_type  new_thing" in text.output
    assert "@example.com" not in text.output
    assert document["quarantined_last_7_days"] == 2
    assert [(one["note"], one["type"]) for one in document["quarantined"]] == [
        ("unknown_type", "new_thing"),
        ("unknown_type", ""),
    ]


def test_status_raises_no_alarm_for_a_delivery_that_names_nobody(
    command: Callable[..., Result],
    mailchimp: RunningMailchimp,
    start_receiver: Callable[..., str],
    inbox: Inbox,
) -> None:
    command("register", "--url", start_receiver())
    sms = b"type=sms_unsubscribe&data[list_id]=1a2b3c4d5e&data[sms_phone_number]=%2B15550000001"
    now = datetime.now(UTC)
    bare = b"type=profile&data[email]=&data[list_id]=1a2b3c4d5e"
    inbox.store([from_delivery(body, FORM, now) for body in (b"", b"test=1", sms, bare)])

    assert command("status").exit_code == 0
    assert json.loads(command("status", "--json").output)["quarantined_last_7_days"] == 4
    # What judges a webhook beside its deliveries may be missing.
    refusal = {"kind": "answer", "status": 403, "text": '{"title": "No", "detail": "No."}'}
    mailchimp.control.set_faults([{"match": {"path": "/activity$"}, "effect": refusal}])
    assert command("status").exit_code == 0

    numbered = b"type=unsubscribe&data[id]=8a25ff1d98&data[list_id]=1a2b3c4d5e"
    inbox.store([from_delivery(numbered, FORM, now)])
    assert command("status").exit_code == 2


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_the_list_shows_the_first_sentence_of_a_commands_help(name: str) -> None:
    found = cli.commands.get_command(click.Context(cli.commands), name)
    assert found is not None
    assert found.get_short_help_str(limit=1_000) == cli.COMMANDS[name].summary


def test_the_list_of_commands_appears_without_the_database_layer() -> None:
    program = (
        "import sys\n"
        "from tap_mailchimp_webhooks.cli.main import main\n"
        "sys.argv = ['mailchimp-webhooks', '--help']\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    print({'sqlalchemy', 'requests'} & {*sys.modules}, file=sys.stderr)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "rotate-secret" in ended.stdout
    assert ended.stderr.splitlines()[-1] == "set()"


def test_an_error_of_the_command_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["mailchimp-webhooks", "serve", "--secret", "changeme"])

    with pytest.raises(SystemExit) as stop:
        cli.main()

    assert stop.value.code == 1
    assert capsys.readouterr().err.startswith("mailchimp-webhooks: The path secret is shorter")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "says"),
    [(None, "The path secret is shorter"), ("placeholder-of-this", "The path secret is a plac")],
)
def test_reads_the_env_file_of_the_folder_unless_the_process_was_given_the_variable(
    given: str | None,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    variable = "MAILCHIMP_WEBHOOKS_SECRET"
    monkeypatch.setenv(variable, given or "to be put back")
    if given is None:
        monkeypatch.delenv(variable)
    monkeypatch.delenv("CONNECTOR_ENV_FILE")  # which keeps all other tests from such a file
    (tmp_path / ".env").write_text(f"{variable}=changeme\n")
    (tmp_path / ".env").chmod(0o644)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["mailchimp-webhooks", "serve"])

    with pytest.raises(SystemExit):
        cli.main()

    assert capsys.readouterr().err.startswith(f"mailchimp-webhooks: {says}")
    assert f"Others can read {tmp_path / '.env'}" in caplog.text


@pytest.mark.rule("R10")
@pytest.mark.parametrize("name", ["register", "unregister", "status", "catch-up"])
def test_an_audience_that_is_not_there_is_told_with_where_it_was_named(
    name: str,
    command: Callable[..., Result],
    mailchimp: RunningMailchimp,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CONNECTOR_ENV_FILE", str(tmp_path / ".env"))
    (tmp_path / ".env").write_text("MAILCHIMP_LIST_IDS=abc\n")
    monkeypatch.setenv("MAILCHIMP_LIST_IDS", "")  # the file puts it into the environment; undone at the end
    url = ["--url", "https://hooks.example.com"] if name in {"register", "unregister"} else []
    url += ["--no-probe"] if name == "register" else []

    def told(*options: str, **variables: str | None) -> str:
        monkeypatch.delenv("MAILCHIMP_LIST_IDS", raising=False)
        for variable, value in variables.items():
            monkeypatch.setenv(variable, value) if value else monkeypatch.delenv(variable, raising=False)
        result = command(name, *url, *options, env={"MAILCHIMP_WEBHOOKS_LIST_IDS": None})
        assert result.exit_code == 1
        return result.output

    there = "The account has: Customers ("
    assert f"`list_ids`: the account has no audience 'abc'. Use an id. {there}" in told()
    assert told().endswith(f"`list_ids` comes from MAILCHIMP_LIST_IDS in {tmp_path / '.env'}.\n")
    assert told(MAILCHIMP_LIST_IDS="def").endswith("comes from MAILCHIMP_LIST_IDS in the environment.\n")
    assert told("--list-id", "ghi").endswith("`list_ids` comes from --list-id.\n")
    by_name = told("--list-id", "customers")
    assert f"takes ids of audiences, and 'customers' is a name. Write {mailchimp.list_id} in" in by_name


def test_credentials_that_are_missing_are_told_with_where_they_belong(
    command: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONNECTOR_ENV_FILE", str(tmp_path / ".env"))

    result = command("status", env={"MAILCHIMP_API_KEY": None})

    place = f"{tmp_path / '.env'} as MAILCHIMP_API_KEY and MAILCHIMP_ACCESS_TOKEN"
    assert result.output.endswith(f"`api_key` and `access_token` belong in {place}.\n")


@pytest.mark.rule("R10")
@pytest.mark.parametrize(
    ("host", "says"),
    [
        (
            "127.0.0.1",
            "is taken: another program listens there, or this one already. Stop it, or name another",
        ),
        ("192.0.2.1", "192.0.2.1 is not an address of this machine to listen on."),
    ],
)
def test_a_place_where_the_receiver_cannot_listen_is_told_with_the_option(
    command: Callable[..., Result], host: str, says: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = command("serve", "--host", host, "--port", port, "--behind-proxy")

    assert result.exit_code == 1
    assert says in result.output
    assert f"MAILCHIMP_WEBHOOKS_{'PORT' if host == '127.0.0.1' else 'HOST'}" in result.output
    assert result.output.startswith("mailchimp-webhooks: ")


@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_a_certificate_that_cannot_be_read_is_told_with_its_options(
    command: Callable[..., Result], tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "certificate.pem"
    if content:
        file.write_text(content)

    result = command("serve", "--port", "0", "--tls-certificate", str(file), "--tls-key", str(file))

    assert result.exit_code == 1
    assert result.output.startswith("mailchimp-webhooks: `tls_certificate` and `tls_key` cannot be used: ")
    assert "`tls_key` comes from --tls-key." in result.output


def test_a_command_that_is_misspelled_is_guessed(command: Callable[..., Result]) -> None:
    assert "No such command 'statsu'. Is status meant?" in command("statsu").output


@pytest.mark.parametrize("name", ["register", "unregister", "status", "catch-up"])
def test_an_empty_audience_does_not_stand_for_all(
    name: str, command: Callable[..., Result], mailchimp: RunningMailchimp
) -> None:
    url = ("--url", "https://hooks.example.com") if name.endswith("register") else ()

    result = command(name, *url, "--list-id", mailchimp.list_id, "--list-id", "")

    assert result.exit_code == 2
    assert "is empty; name an audience" in result.output
    assert hooks(mailchimp) == []


@pytest.mark.parametrize(
    "texts", [("a", "b"), ("a,b",), ("a, b",), ('["a",', '"b"]'), ("a b", ""), ("['a', 'b']",)]
)
def test_reads_names_after_commas_blanks_and_in_json_lists(texts: tuple[str, ...]) -> None:
    assert names_in(texts) == ("a", "b")
    assert names_in(()) == ()


def test_accepts_the_secrets_that_it_makes(command: Callable[..., Result]) -> None:
    first, second = command("secret").output.strip(), command("secret").output.strip()

    assert first != second
    assert PathSecrets.parse(f"{first}, {second}").values == (first, second)


def test_catches_up_on_a_schedule_of_its_own(
    command: Callable[..., Result], mailchimp: RunningMailchimp, inbox: Inbox
) -> None:
    mailchimp.control.subscribe("ada@example.com")
    mailchimp.control.unsubscribe("ada@example.com")

    assert command("catch-up").output == "1 events were missing.\n"
    assert command("catch-up").output == "0 events were missing.\n"


@pytest.mark.rule("R2")
def test_the_path_secret_is_changed_without_losing_a_delivery(
    command: Callable[..., Result],
    mailchimp: RunningMailchimp,
    start_receiver: Callable[..., str],
    inbox: Inbox,
    client: MailchimpClient,
) -> None:
    new = "the-new-path-secret-of-it"
    assert command("register", "--url", start_receiver()).exit_code == 0  # of another receiver: it stays
    url = start_receiver(secret=PathSecrets((new, SECRET)))
    both = ("--url", url, "--secret", f"{new},{SECRET}")
    body = b"type=unsubscribe&data[email]=ada@example.com&data[list_id]=" + mailchimp.list_id.encode()

    refused = command("rotate-secret", "--url", url)
    assert refused.exit_code == 1
    command("register", "--url", url, "--secret", SECRET)
    rotated = command("rotate-secret", *both, "--json")

    assert rotated.exit_code == 0, rotated.output
    actions = [one["action"] for one in json.loads(rotated.output)]
    assert actions == ["created", "deleted"]
    assert new in {hook["url"].rpartition("/")[2] for hook in hooks(mailchimp)}
    # Mailchimp repeats what it had signed with the secret of the webhook that is gone.
    known = WebhookRegistry(inbox.database, inbox.encryption, (new, SECRET))
    assert len(known.signing_secrets().readable) == 3
    at = f"{datetime.now(UTC).timestamp():.0f}"
    for number, secret in enumerate(known.signing_secrets().readable):
        told = body + str(number).encode()
        digest = hmac.new(secret.encode(), f"{at}.".encode() + told, "sha256").hexdigest()
        signed = {"X-Mailchimp-Signature": f"t={at},v1={digest}", "Content-Type": FORM}
        answer = requests.post(public_url(url, SECRET), data=told, headers=signed, timeout=60)
        assert answer.text == "stored"

    later = Registrar(client, known, lambda: datetime.now(UTC) + timedelta(hours=3))
    assert [one.action for one in later.rotate(mailchimp.list_id, public_url(url, new))] == ["confirmed"]
    assert len(known.signing_secrets().readable) == len(hooks(mailchimp)) == 2


def test_what_names_nobody_is_no_alarm(
    command: Callable[..., Result],
    mailchimp: RunningMailchimp,
    start_receiver: Callable[..., str],
    inbox: Inbox,
) -> None:
    mailchimp.control.switch(validator_posts=True, sms_events=True)
    command("register", "--url", start_receiver())
    mailchimp.control.subscribe("ada@example.com")
    mailchimp.control.unsubscribe("ada@example.com")
    mailchimp.control.flush_webhooks(hurry=True)

    assert [event.type for event in inbox.read(CONTACT_EVENTS, after=0)] == ["subscribe", "unsubscribe"]
    status = command("status")
    assert status.exit_code == 0
    assert "unknown_type  sms_unsubscribe" in status.output
