"""What the pages do beside showing: they start replays, watch the receiver, and are a command."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner
from kinetic_mailchimp.audit import Action, AuditTrail, Decision
from kinetic_mailchimp.audit.dead_letters.closing import EntryId, close, find_open
from kinetic_mailchimp.console.cli import main
from kinetic_mailchimp.console.pages import receiver_watch
from kinetic_mailchimp.console.pages.receiver_watch import ReceiverWatch

Open = Callable[..., Any]
Wait = Callable[..., None]
TARGET = """
import json, sys, time
from pathlib import Path
from kinetic_mailchimp.audit import Action, AuditTrail, Decision
url, gate = sys.argv[1:3]
records = [m["record"] for m in map(json.loads, sys.stdin) if m["type"] == "RECORD"]
while gate and not Path(gate).exists():
    time.sleep(0.01)
with AuditTrail.open(url) as trail:
    run = trail.start_run(plugin="target-mailchimp", version="0", pipeline="replay")
    run.read(len(records))
    run.record([Decision(stream="s", action=Action.UPDATED, reason="r", subject=r["email"]) for r in records])
    run.finish()
"""


@pytest.fixture
def waiting(sqlite_trail: AuditTrail, record_run: Callable[..., int]) -> AuditTrail:
    def letter(number: int) -> Decision:
        email = f"p{number}@example.com"
        return Decision(
            stream="s", action=Action.FAILED, reason="r", subject=email, dead_letter={"email": email}
        )

    record_run(sqlite_trail, "target-mailchimp", [letter(1), letter(2)])
    record_run(sqlite_trail, "target-epicor-contacts", [letter(3)])
    return sqlite_trail


@pytest.fixture
def target(tmp_path: Path, sqlite_url: str) -> Callable[..., str]:
    """The command of a target that writes everything, once the file `gate` is there."""
    script = tmp_path / "target.py"
    script.write_text(TARGET)

    def command(gate: str = "") -> str:
        return shlex.join([sys.executable, str(script), sqlite_url, gate])

    return command


def replay(reader: Any, plugin: str = "target-mailchimp") -> requests.Response:
    answer: requests.Response = reader.post(
        "/failures/replay", {"plugin": plugin, "form_token": reader.form_token}
    )
    return answer


def test_a_closed_dead_letter_is_shown_and_no_longer_waits(
    waiting: AuditTrail, record_run: Callable[..., int], logged_in: Open
) -> None:
    email = "p4@example.com"
    told: dict[str, Any] = {"stream": "s", "reason": "r", "subject": email, "consent": "unsubscribed"}
    lost = Decision(action=Action.FAILED, dead_letter={"email": email}, **told)
    run_id = record_run(waiting, "target-epicor-contacts", [lost])
    reader = logged_in(waiting)
    assert "its dead letter waits" in reader.get("/consent").text
    assert "correct or close" in reader.get("/failures").text
    letters = find_open(waiting, [EntryId(run_id, 1)])
    close(waiting, letters, because="<The person> left.", closed_by="night-shift")
    assert email not in reader.get("/failures").text
    for page in (reader.look_up(email), reader.get(f"/runs/{run_id}")):
        assert 'dead letter <span class="word warn">closed</span>' in page.text
        assert "Closed by night-shift: &lt;The person&gt; left." in page.text
    assert "could not be written: its dead letter was closed by hand" in reader.get("/consent").text


def test_a_button_replays_what_waits(
    waiting: AuditTrail, logged_in: Open, target: Callable[..., str], wait: Wait
) -> None:
    reader = logged_in(waiting, replay_commands={"target-mailchimp": target()})
    page = reader.get("/failures").text
    assert "Replay 2" in page
    assert "sync-audit replay --plugin target-epicor-contacts" in page
    assert replay(reader).headers["location"] == "/failures?plugin=target-mailchimp"
    wait(lambda: "2 dead letters dispatched; 2 resolved." in reader.get("/failures").text)
    after = reader.get("/failures").text
    assert "Replay 2" not in after
    assert "p3@example.com" in after
    assert "p1@example.com" not in after


def test_one_replay_at_a_time(
    waiting: AuditTrail, logged_in: Open, target: Callable[..., str], wait: Wait, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    reader = logged_in(waiting, replay_commands={"target-mailchimp": target(str(gate))})
    assert replay(reader).status_code == 303
    page = reader.get("/failures").text
    assert "A replay into target-mailchimp is at work" in page
    assert '<meta http-equiv="refresh" content="5">' in page
    assert replay(reader).status_code == 409
    gate.touch()
    wait(lambda: "2 resolved." in reader.get("/failures").text)
    assert 'http-equiv="refresh"' not in reader.get("/failures").text


@pytest.mark.parametrize("plugin", ["target-epicor-contacts", "", "true; reboot"])
def test_a_target_without_a_command_is_not_started(
    waiting: AuditTrail, logged_in: Open, target: Callable[..., str], plugin: str
) -> None:
    reader = logged_in(waiting, replay_commands={"target-mailchimp": target()})
    assert replay(reader, plugin).status_code == 409


def test_a_replay_that_cannot_start_says_why(waiting: AuditTrail, logged_in: Open, wait: Wait) -> None:
    reader = logged_in(waiting, replay_commands={"target-mailchimp": "no-such-program"})
    replay(reader)
    wait(lambda: "cannot be started" in reader.get("/failures").text)
    assert "Replay 2" in reader.get("/failures").text


@pytest.fixture
def receiver() -> Iterator[Any]:
    """A receiver that answers what `answer` and `metrics` say."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers = {"/readyz": server.answer, "/metrics": server.metrics}
            status, body = answers.get(self.path, (404, b""))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.answer, server.metrics = (200, b'{"status": "ready", "problems": []}'), (404, b"")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("answer", "is_well", "told"),
    [
        ((200, b'{"status": "ready", "problems": []}'), True, ()),
        ((503, b'{"status": "not ready", "problems": ["The disk is full."]}'), False, ("The disk is full.",)),
        ((503, b"<h1>Bad gateway</h1>"), False, ("It answers HTTP 503.",)),
        ((200, b"[1]"), True, ()),
        ((503, b'{"problems": [[["x"]], 1]}'), False, ("It answers HTTP 503.",)),
        ((503, b'{"problems": ["\\u001b[2J"]}'), False, ("\ufffd[2J",)),
        ((500, b""), False, ("It answers HTTP 500.",)),
    ],
)
def test_the_receiver_is_understood(
    receiver: Any, clock: Any, answer: tuple[int, bytes], is_well: bool, told: tuple[str, ...]
) -> None:
    receiver.answer = answer
    for path in ("", "/", "/readyz"):
        watch = ReceiverWatch(f"http://127.0.0.1:{receiver.server_port}{path}", clock)
        watch.ask()
        assert (watch.health.is_well, watch.health.problems) == (is_well, told)
        assert watch.health.asked_at == clock.now


def test_a_long_problem_is_cut(receiver: Any, clock: Any) -> None:
    receiver.answer = (503, b'{"problems": ["%s"]}' % (b"x" * 500_000))
    watch = ReceiverWatch(f"http://127.0.0.1:{receiver.server_port}", clock)
    watch.ask()
    assert len(watch.health.problems[0]) < 600


def test_a_probe_that_breaks_off_shows_no_old_health(clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("of a library")

    monkeypatch.setattr(receiver_watch, "probe_receiver", broken)
    watch = ReceiverWatch("http://127.0.0.1:9", clock)
    watch.ask()
    assert watch.health.problems == ("It could not be asked (ValueError).",)
    assert not watch.health.is_well


def test_a_receiver_that_does_not_answer_is_reported(
    sqlite_trail: AuditTrail, logged_in: Open, wait: Wait
) -> None:
    reader = logged_in(sqlite_trail, receiver_url="http://127.0.0.1:9")
    wait(lambda: "not ready" in reader.get("/").text)


def test_the_first_page_shows_the_receiver(
    sqlite_trail: AuditTrail, logged_in: Open, receiver: Any, wait: Wait
) -> None:
    receiver.answer = (503, b'{"problems": ["<b>The disk</b> is full."]}')
    reader = logged_in(sqlite_trail, receiver_url=f"http://127.0.0.1:{receiver.server_port}")
    wait(lambda: "&lt;b&gt;The disk&lt;/b&gt; is full." in reader.get("/").text)


def metrics(unread: str, oldest: str) -> tuple[int, bytes]:
    lines = ["# TYPE mailchimp_webhooks_inbox_unread gauge", f"mailchimp_webhooks_inbox_unread {unread}"]
    return 200, "\n".join([*lines, f"mailchimp_webhooks_inbox_oldest_unread_seconds {oldest}", ""]).encode()


@pytest.mark.parametrize(
    ("answer", "unread", "oldest"),
    [
        (metrics("0.0", "0.0"), 0, None),
        (metrics("1.2e+03", "5400.0"), 1200, "2026-03-01T08:00:00.000000Z"),
        (metrics("NaN", "+Inf"), None, None),
        (metrics("-3", "1e300"), None, None),
        ((404, b""), None, None),
        ((500, metrics("1", "1")[1]), None, None),
    ],
)
def test_what_waits_in_the_inbox_is_understood(
    receiver: Any, clock: Any, answer: tuple[int, bytes], unread: int | None, oldest: str | None
) -> None:
    receiver.metrics = answer
    watch = ReceiverWatch(f"http://127.0.0.1:{receiver.server_port}", clock)
    watch.ask()
    assert (watch.health.unread, watch.health.oldest) == (unread, oldest)


def test_the_first_page_shows_what_no_run_has_read(
    sqlite_trail: AuditTrail, logged_in: Open, receiver: Any, wait: Wait
) -> None:
    receiver.metrics = metrics("7.0", "5400.0")
    reader = logged_in(sqlite_trail, receiver_url=f"http://127.0.0.1:{receiver.server_port}")
    wait(lambda: "the oldest for 1 h 30 min; opt-outs may be among them" in reader.get("/").text)
    shown = reader.get("/").text
    assert "<dt>Unread in the inbox</dt>\n<dd>7</dd>" in shown
    assert '<div class="warn">\n<dt>Opt-outs waiting for Epicor</dt>\n<dd>0</dd>' in shown


def test_an_invalid_address_is_reported(sqlite_trail: AuditTrail, logged_in: Open, wait: Wait) -> None:
    reader = logged_in(sqlite_trail, receiver_url="receiver:8080")
    wait(lambda: "not ready" in reader.get("/").text)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "AUDIT_PAGES_TOKEN"),
        (["--token", "short"], "AUDIT_PAGES_TOKEN"),
        (["--token", "x" * 32, "--host", "0.0.0.0"], "--public-url"),  # noqa: S104 - refused
        (["--token", "x" * 32, "--replay", "target"], "PLUGIN=COMMAND"),
        (["--token", "x" * 32, "--replay", "target=no-such-program --now"], "'no-such-program', which shall"),
        (["--token", "x" * 32, "--replay", "target='"], "'', which shall start target, is not found"),
    ],
)
def test_the_command_refuses_what_is_not_safe(sqlite_url: str, options: list[str], told: str) -> None:
    outcome = CliRunner(env={"AUDIT_PAGES_TOKEN": None}).invoke(
        main, ["--database", sqlite_url, "serve", *options]
    )
    assert outcome.exit_code in (2, 3)
    assert told in outcome.stderr


def test_a_port_that_is_taken_is_told_with_the_option(sqlite_trail: AuditTrail, sqlite_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        outcome = CliRunner(env={"AUDIT_PAGES_TOKEN": "x" * 32}).invoke(
            main, ["--database", sqlite_url, "serve", "--port", port]
        )
    assert outcome.exit_code == 3
    assert f"Port {port} of 127.0.0.1 is taken" in outcome.stderr
    assert outcome.stderr.endswith("name another port in --port or AUDIT_PAGES_PORT.\n")


def test_the_command_serves_until_a_signal(waiting: AuditTrail, sqlite_url: str, token: str) -> None:
    environment = {**os.environ, "AUDIT_PAGES_TOKEN": token, "AUDIT_DATABASE_URL": sqlite_url}
    program = [
        sys.executable,
        "-c",
        "from kinetic_mailchimp.console.cli import main; main()",
        "serve",
        "--port",
        "0",
    ]
    with subprocess.Popen(program, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        log = []
        for line in process.stderr:
            log.append(line)
            if found := re.search(r"running on (http://127\.0\.0\.1:\d+)", line):
                break
        assert found, log
        with requests.Session() as session:
            assert session.get(found[1] + "/healthz", timeout=120).text == "ready\n"
            shown = session.post(f"{found[1]}/login", {"token": token, "next": "/failures"}, timeout=120)
        assert "p1@example.com" in shown.text
        process.send_signal(signal.SIGTERM)
        log += process.stderr.readlines()
        assert process.wait(timeout=120) == 0, log
    assert token not in "".join(log)
    assert "example.com" not in "".join(log)
