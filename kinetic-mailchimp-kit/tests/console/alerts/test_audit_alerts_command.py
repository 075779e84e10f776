"""`sync-audit alert`, over real HTTP on both sides: a receiver that is looked at, a channel that is told."""

from __future__ import annotations

import json
import logging
import os
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography.fernet import Fernet
from kinetic_mailchimp.audit import Action, AuditTrail, Decision, Direction
from kinetic_mailchimp.console.alerts import channels as channels_module
from kinetic_mailchimp.console.alerts.collect import collect_dead_letters, collect_runs, is_alive
from kinetic_mailchimp.console.alerts.jobs import collect_jobs
from kinetic_mailchimp.console.alerts.store import AlertStore
from kinetic_mailchimp.console.cli import main
from kinetic_mailchimp.kit.parsing.timestamps import utc_now
from kinetic_mailchimp.kit.redaction.masker import MASKER
from kinetic_mailchimp.kit.secrets.encryption import SecretBox
from kinetic_mailchimp.kit.secrets.keys import KEY_VARIABLE
from kinetic_mailchimp.kit.server.receiver_metrics import UNREADABLE_SIGNING_SECRETS

# One of apprise's many channels imports a module that Python 3.11 and 3.12 call outdated.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

Make = Callable[..., Decision]
Command = Callable[..., Result]
READY = '{"status": "ready", "problems": []}'
METRICS = """# HELP mailchimp_webhooks_inbox_unread Events that a reader has not emitted yet.
# TYPE mailchimp_webhooks_inbox_unread gauge
mailchimp_webhooks_inbox_unread {unread}
mailchimp_webhooks_inbox_oldest_unread_seconds {seconds}
"""


class Site:
    """A local HTTP server: answers what it is told to, and keeps what it is sent."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, str]] = {}
        self.received: list[dict[str, Any]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if site.answers.get(self.path, (404, ""))[0] == 200:
                    site.received.append(json.loads(body))  # before whoever sent it can look
                self._answer()

            def _answer(self) -> None:
                status, text = site.answers.get(self.path, (404, ""))
                self.send_response(status)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def titles(self) -> list[str]:
        return [message["title"] for message in self.received]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    opened = Site()
    opened.answers = {
        "/hook": (200, ""),
        "/readyz": (200, READY),
        "/metrics": (200, METRICS.format(unread=0, seconds=0.0)),
    }
    yield opened
    opened.close()


@pytest.fixture
def trail(sqlite_url: str) -> Iterator[AuditTrail]:
    with AuditTrail.open(sqlite_url, clock=lambda: utc_now() - timedelta(hours=3)) as opened:
        yield opened


@pytest.fixture
def alert(trail: AuditTrail, sqlite_url: str, site: Site, tmp_path: Path) -> Command:
    def run(*arguments: str, to: str | None = f"json://{site.address}/hook", **more: Any) -> Result:
        elsewhere = {"MELTANO_PROJECT_ROOT": str(tmp_path)}  # whose Meltano has run nothing
        environment = {"AUDIT_ALERT_URLS": to, **elsewhere, **more.pop("env", {})}
        return CliRunner(env=environment).invoke(
            main, ["--database", sqlite_url, "alert", *arguments], **more
        )

    return run


def fail_a_run(trail: AuditTrail, *made: Decision, plugin: str = "target-epicor-contacts") -> None:
    direction = Direction("Mailchimp", "Epicor")
    run = trail.start_run(plugin=plugin, version="0.1.0", direction=direction)
    run.read(len(made))
    run.record(made)
    run.finish("failed", "ada@example.com broke it.")


def succeed(trail: AuditTrail, *made: Decision, plugin: str = "target-epicor-contacts", **more: Any) -> None:
    direction = Direction("Mailchimp", "Epicor")
    run = trail.start_run(plugin=plugin, version="0.1.0", direction=direction, **more)
    run.read(len(made))
    run.record(made)
    run.finish()


def test_nothing_is_sent_where_nothing_is_wrong(alert: Command, trail: AuditTrail, site: Site) -> None:
    succeed(trail)
    outcome = alert("--receiver-url", f"http://{site.address}")
    assert (outcome.exit_code, outcome.stdout) == (0, "Nothing needs a person.\n")
    assert site.received == []


def test_what_only_meltano_knows(alert: Command, trail: AuditTrail, tmp_path: Path, site: Site) -> None:
    succeed(trail)
    (tmp_path / ".meltano").mkdir()
    with closing(sqlite3.connect(tmp_path / ".meltano" / "meltano.db")) as meltano:
        meltano.execute("CREATE TABLE runs (id INTEGER, job_name TEXT, state TEXT, ended_at TEXT)")
        meltano.executemany(
            "INSERT INTO runs VALUES (?, ?, ?, ?)",
            [
                (1, "prod:forward", "FAIL", "2026-03-01 08:00:00.000000"),
                (2, "prod:reverse", "FAIL", "2026-03-01 08:30:00.000000"),
                (3, "prod:reverse", "SUCCESS", "2026-03-01 09:00:00.000000"),
                (4, "dev:forward", "FAIL", "2026-03-01 09:00:00.000000"),
                (5, "prod:forward", "STATE_EDIT", None),
            ],
        )
        meltano.commit()
    outcome = alert(env={"MELTANO_ENVIRONMENT": "prod"})
    line, advice = outcome.stdout.splitlines()
    assert line.startswith("job_failed:prod:forward: The last `meltano run` of prod:forward failed: a tap, ")
    assert advice.startswith(
        "  What to do: Its target may have ended well with a part of the records. Run these"
    )
    assert "Since: 2026-03-01 08:00:00 UTC" in site.received[0]["message"]


def test_a_database_of_meltano_that_cannot_be_read_is_named(alert: Command, trail: AuditTrail) -> None:
    for url in ("no-url-of-a-database", "postgresql://user:first:second@host:third/database"):
        outcome = alert("--meltano-database", url)
        assert outcome.exit_code == 3
        assert "Meltano's database cannot be read" in outcome.stderr
        assert "third" not in outcome.output


def test_refused_deliveries_are_read_from_the_receiver(alert: Command, trail: AuditTrail, site: Site) -> None:
    succeed(trail)
    page = 'mailchimp_webhooks_refused_total{reason="wrong_signature"} 11.0\n'
    site.answers |= {"/readyz": (200, READY), "/metrics": (200, page)}
    assert alert("--receiver-url", f"http://{site.address}").exit_code == 1
    assert site.titles == ["Deliveries are refused"]


def test_a_failed_run_is_reported_once_and_its_recovery_too(
    alert: Command, trail: AuditTrail, site: Site
) -> None:
    fail_a_run(trail)
    fail_a_run(trail)
    assert [alert().exit_code, alert().exit_code] == [1, 1]
    (message,) = site.received
    assert message["title"] == "A run failed"
    assert "Run 2 of target-epicor-contacts failed. It is number 2 in a row.\nSince: 2" in message["message"]
    assert "What to do: `sync-audit run 2`" in message["message"]
    succeed(trail)
    assert alert().exit_code == 0
    assert site.titles == ["A run failed", "Over: A run failed"]


def test_a_run_whose_process_is_gone_was_killed(alert: Command, trail: AuditTrail, site: Site) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    run = trail.start_run(plugin="target-mailchimp", version="0.1.0")
    assert alert().exit_code == 0
    with trail.database.writing() as connection:
        connection.exec_driver_sql("UPDATE runs SET process = ?", (ended.pid,))
    assert alert().exit_code == 1
    assert "was killed" in site.received[0]["message"]
    run.finish()
    assert alert().exit_code == 0


def test_an_opt_out_that_epicor_does_not_know(
    alert: Command, trail: AuditTrail, site: Site, decision: Make
) -> None:
    letter = {"email": "ada@example.com"}
    succeed(trail, decision(1, Action.FAILED, consent="complaint", dead_letter=letter))
    assert alert("--opt-out-age", "4h").exit_code == 0
    assert alert().exit_code == 1
    assert "Epicor does not know of 1 opt-out that could" in site.received[0]["message"]


def test_failures_and_drift_above_their_limits(
    alert: Command, trail: AuditTrail, site: Site, decision: Make
) -> None:
    succeed(trail, decision(1, Action.FAILED), decision(2, Action.QUARANTINED), decision(3))
    found = [decision(number, Action.DRIFTED, reason="row_gone") for number in range(3)]
    succeed(trail, *found, plugin="target-mailchimp", pipeline="reconcile", dry_run=True)
    assert alert("--failures", "2", "--drift", "3").exit_code == 0
    assert alert("--failures", "2", "--accept", "row_gone").exit_code == 0
    assert alert("--failures", "2", env={"AUDIT_DRIFT_ACCEPT": "row_gone row_missing"}).exit_code == 0
    assert alert("--failures", "1", env={"AUDIT_ALERT_DRIFT": "2"}).exit_code == 1
    assert sorted(site.titles) == ["Epicor and Mailchimp differ", "Too many records failed"]


def test_dry_runs_do_not_count(alert: Command, trail: AuditTrail, decision: Make) -> None:
    succeed(trail, decision(1, Action.FAILED), dry_run=True)
    assert alert("--failures", "0").exit_code == 0


@pytest.mark.parametrize(
    ("path", "answer", "told"),
    [
        (
            "/readyz",
            (503, '{"problems": ["The disk of the inbox is full."]}'),
            "The disk of the inbox is full.",
        ),
        ("/readyz", (502, "<html>"), "It answers HTTP 502."),
        ("/metrics", (200, METRICS.format(unread=2, seconds=3.7e3)), "inbox: 2 events;"),
        (
            "/metrics",
            (200, f"{METRICS.format(unread=0, seconds=0)}{UNREADABLE_SIGNING_SECRETS} 2.0\n"),
            "2 of its signing secrets cannot be read",
        ),
    ],
)
def test_a_receiver_that_needs_a_person(
    alert: Command, site: Site, path: str, answer: tuple[int, str], told: str
) -> None:
    site.answers[path] = answer
    assert alert("--receiver-url", f"http://{site.address}/readyz").exit_code == 1
    assert told in site.received[0]["message"]
    assert len(site.received) == 1


def test_a_receiver_that_is_away(alert: Command, site: Site, caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with caplog.at_level(logging.WARNING):
            assert alert(env={"AUDIT_ALERT_RECEIVER_URL": url}).exit_code == 1
    assert "It cannot be reached." in site.received[0]["message"]
    assert "Check `--receiver-url` for host and port" in caplog.text
    assert "base_url" not in caplog.text


def test_the_job_that_broke_is_told_as_the_command_that_runs_it(tmp_path: Path) -> None:
    (tmp_path / "meltano.yml").write_text(
        "jobs:\n- {name: whole, tasks: [a:b, tap-one-whole m target-two]}\n"
        "- {name: forward, tasks: [tap-one m target-two]}\n"
        "- {name: in-a-set, tasks: [[c:d, tap-three m target-four]]}\n"
    )
    (tmp_path / ".meltano").mkdir()
    names = (
        "prod:tap-one-to-target-two",
        "tap-one-to-target-two:tenant",
        "prod:tap-one-to-target-three",
        "x",
        "tap-three-to-target-four",
    )
    with closing(sqlite3.connect(tmp_path / ".meltano" / "meltano.db")) as meltano:
        meltano.execute("CREATE TABLE runs (id INTEGER, job_name TEXT, state TEXT, ended_at TEXT)")
        meltano.executemany("INSERT INTO runs VALUES (?, ?, 'FAIL', NULL)", enumerate(names, 1))
        meltano.commit()

    jobs = collect_jobs("", {"MELTANO_PROJECT_ROOT": str(tmp_path)})

    assert jobs is not None
    assert [job.command for job in jobs] == [
        "meltano --environment=prod run forward",
        "meltano run forward",
        "",
        "",
        "meltano run in-a-set",
    ]


def test_a_receiver_whose_answer_has_no_end_keeps_no_alert_back(alert: Command, site: Site) -> None:
    site.answers["/readyz"] = (200, "x" * 100_000)
    env = {"AUDIT_ALERT_RECEIVER_URL": f"http://{site.address}", "CONNECTOR_MAX_RESPONSE_MIB": "0.01"}
    assert alert(env=env).exit_code == 1
    assert "its answer has no end" in site.received[0]["message"]


def test_the_webhooks_are_reported_by_their_own_command(alert: Command, site: Site) -> None:
    hooks = [
        {"list_id": "1a2b3c", "verdict": "looks_disabled", "last_event_at": "2026-02-27T08:00:00Z"},
        {"list_id": "4d5e6f", "verdict": "alive", "last_event_at": None},
    ]
    status = {"webhooks": hooks, "audiences_without_webhook": ["7a8b9c"]}
    assert alert("--webhook-status", "-", input=json.dumps(status)).exit_code == 1
    assert [message["message"].splitlines()[0] for message in site.received] == [
        "The webhook of audience 1a2b3c looks disabled: Mailchimp has newer events than it sent.",
        "The webhook of audience 7a8b9c is not there.",
    ]
    assert alert().exit_code == 0
    assert alert("--webhook-status", "-", input="Error: no key").exit_code == 1
    assert site.titles[2:] == ["The webhooks cannot be watched"]


def test_no_message_holds_personal_data(
    alert: Command, trail: AuditTrail, site: Site, decision: Make
) -> None:
    letter = {"email_address": "ada@example.com", "FNAME": "Ada", "payload": "the letter"}
    personal = {"detail": "Ada Lovelace refused.", "consent": "unsubscribed", "dead_letter": letter}
    fail_a_run(trail, decision(1, Action.FAILED, **personal))
    succeed(trail, decision(2, Action.DRIFTED, **personal), plugin="target-mailchimp", pipeline="reconcile")
    site.answers["/readyz"] = (503, '{"problems": ["No place for ada@example.com."]}')
    site.answers["/metrics"] = (200, METRICS.format(unread=2, seconds=9e9))
    outcome = alert("--failures", "0", "--receiver-url", f"http://{site.address}")
    told = outcome.output + json.dumps(site.received)
    assert len(site.received) == 8
    for secret in ("@", "example.com", "Ada", "Lovelace", "the letter", "person1", "EPIC06"):
        assert secret not in told
    assert not any("@" in known.what for known in AlertStore(trail.database).known().values())


def test_each_address_may_be_encrypted(
    alert: Command, trail: AuditTrail, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = Fernet.generate_key().decode()
    monkeypatch.setenv(KEY_VARIABLE, key)
    fail_a_run(trail)
    url = f"json://user:made-up-token@{site.address}/hook"
    assert alert(to=f"json://{site.address}/hook {SecretBox((key,)).encrypt(url)}").exit_code == 1
    assert site.titles == ["A run failed"] * 2
    assert MASKER.mask("made-up-token") == "********"


def test_several_addresses_may_be_encrypted_at_once(
    alert: Command, trail: AuditTrail, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = Fernet.generate_key().decode()
    monkeypatch.setenv(KEY_VARIABLE, key)
    fail_a_run(trail)
    both = f"json://{site.address}/hook\n json://{site.address}/hook?method=POST "
    assert alert(to=SecretBox((key,)).encrypt(both)).exit_code == 1
    assert site.titles == ["A run failed"] * 2


def test_a_url_that_cannot_be_decrypted_is_reported_with_its_variable(alert: Command) -> None:
    outcome = alert(to="enc:cut-off")
    assert outcome.exit_code == 2
    assert "AUDIT_ALERT_URLS" in outcome.stderr


def test_a_channel_that_fails_is_reported_without_its_url(
    alert: Command, trail: AuditTrail, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    fail_a_run(trail)
    site.answers["/hook"] = (500, "")
    outcome = alert(to=f"json://user:made-up-token@{site.address}/hook")
    assert outcome.exit_code == 3
    assert "A channel did not take a message: 1 (json)." in outcome.stderr
    assert "since nobody was reached: 1 message." in outcome.stderr
    assert "made-up" not in outcome.output + caplog.text
    site.answers["/hook"] = (200, "")
    assert alert().exit_code == 1
    assert site.titles == ["A run failed"]


def test_an_address_that_is_none(alert: Command, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    outcome = alert(to="nonsense://made-up-token")
    assert outcome.exit_code == 3
    assert "URL 1 of --to or AUDIT_ALERT_URLS (nonsense) is not a valid apprise URL." in outcome.stderr
    assert "made-up" not in outcome.output + caplog.text


def test_no_channel_is_a_configuration_error(alert: Command, trail: AuditTrail) -> None:
    fail_a_run(trail)
    outcome = alert(to=None)
    assert (outcome.exit_code, "AUDIT_ALERT_URLS" in outcome.stderr) == (3, True)
    looked = alert("--dry-run", to=None)
    assert (looked.exit_code, looked.stdout.startswith("run_failed:target-epicor-contacts: Run 1")) == (
        1,
        True,
    )
    assert AlertStore(trail.database).known() == {}


def test_a_missing_extra_is_named(alert: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels_module, "find_spec", lambda _name: None)
    outcome = alert()
    assert (outcome.exit_code, "kinetic-mailchimp-kit[alerts]" in outcome.stderr) == (3, True)


def test_only_runs_since_the_last_good_one_are_read(url: str, decision: Make) -> None:
    with AuditTrail.open(url) as trail:
        fail_a_run(trail)
        for _ in range(2):
            succeed(trail, decision(1, Action.FAILED), decision(2))
        fail_a_run(trail, plugin="target-mailchimp")
        fail_a_run(trail, decision(3, Action.QUARANTINED), decision(4, Action.FAILED, dead_letter={"x": 1}))
        runs = collect_runs(trail)
        assert [(run.id, run.status, run.failures) for run in runs] == [
            (5, "failed", 2),
            (4, "failed", 0),
            (3, "succeeded", 1),
        ]
        (letters,) = collect_dead_letters(trail)
        assert (letters.plugin, letters.waiting, letters.opt_outs, letters.oldest_opt_out) == (
            "target-epicor-contacts",
            1,
            0,
            None,
        )


def test_whose_process_is_there() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    here = socket.gethostname()
    assert is_alive(here, os.getpid()) is True
    assert is_alive(here, ended.pid) is False
    assert is_alive("elsewhere.example.com", os.getpid()) is None
