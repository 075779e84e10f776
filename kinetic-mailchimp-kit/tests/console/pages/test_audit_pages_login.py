"""Who may see the pages, and what a web page elsewhere can do with them: nothing."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.console.pages.login import COOKIE, ENDED_SESSIONS, Login
from kinetic_mailchimp.console.pages.routes.session import local_path
from kinetic_mailchimp.console.pages.settings import PagesSettings
from kinetic_mailchimp.kit.errors import ConfigurationError

Open = Callable[..., Any]
Wait = Callable[..., None]
PAGES = ["/", "/runs", "/runs/1", "/people", f"/people/{'0' * 32}", "/failures", "/consent", "/consent.csv"]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, "AUDIT_PAGES_TOKEN"),
        ({"token": "short"}, "AUDIT_PAGES_TOKEN"),
        ({"token": "x" * 32, "host": "0.0.0.0"}, "--public-url"),  # noqa: S104 - refused
        ({"token": "x" * 32, "public_url": "audit.example.com"}, "--public-url"),
        ({"token": "x" * 32, "public_url": "https://["}, "--public-url"),
        ({"token": "x" * 32, "public_url": "https://ann:word@audit.example.com"}, "holds a login"),
        ({"user_header": "X-User", "trusted_proxies": ("the proxy",)}, "--trusted-proxy"),
    ],
)
def test_pages_that_anybody_could_read_are_not_served(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        PagesSettings(**settings)


@pytest.mark.parametrize(
    ("url", "is_warned"), [("http://audit.example.com", True), ("https://a.example", False), ("", False)]
)
def test_pages_in_clear_are_warned_of(caplog: pytest.LogCaptureFixture, url: str, is_warned: bool) -> None:
    PagesSettings(token="x" * 32, public_url=url)
    assert ("`--public-url` is not https" in caplog.text) is is_warned


def test_the_settings_do_not_show_the_token() -> None:
    assert "secret-of-somebody" not in repr(PagesSettings(token="the-secret-of-somebody"))


@pytest.mark.parametrize("path", [*PAGES, "/nothing", "/runs/1?action=failed"])
def test_nothing_is_shown_without_a_login(sqlite_trail: AuditTrail, open_pages: Open, path: str) -> None:
    answer = open_pages(sqlite_trail).get(path, allow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login?next=%2F")
    assert answer.text == ""


@pytest.mark.parametrize("path", ["/people", "/failures/replay", "/logout"])
def test_nothing_is_done_without_a_login(sqlite_trail: AuditTrail, open_pages: Open, path: str) -> None:
    answer = open_pages(sqlite_trail).post(path, {"plugin": "target-mailchimp"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2F")


def test_after_the_login_one_is_where_one_wanted_to_be(sqlite_trail: AuditTrail, open_pages: Open) -> None:
    reader = open_pages(sqlite_trail)
    assert 'value="/runs?plugin=x"' in reader.get("/runs?plugin=x").text
    answer = reader.log_in(after="/runs?plugin=x")
    assert (answer.status_code, answer.headers["location"]) == (303, "/runs?plugin=x")
    assert reader.get("/runs?plugin=x", allow_redirects=False).status_code == 200


@pytest.mark.parametrize(
    "elsewhere",
    ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:1", "", "/\n/x", "/login"],
)
def test_a_login_leads_nowhere_else(elsewhere: str) -> None:
    assert local_path(elsewhere) == "/"


@pytest.mark.parametrize("url", ["", "https://127.0.0.1", "https://127.0.0.1/audit"])
def test_the_cookie_is_for_these_pages_alone(sqlite_trail: AuditTrail, open_pages: Open, url: str) -> None:
    cookie = open_pages(sqlite_trail, public_url=url).log_in().headers["set-cookie"]
    attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite=strict", f"path={'/audit' if 'audit' in url else '/'}"} <= attributes
    assert ("secure" in attributes) is url.startswith("https")


@pytest.mark.parametrize("wrong", ["", "a-token-of-the-tests-alonf", "ä" * 26, "\udcff"])
def test_another_token_does_not_open(sqlite_trail: AuditTrail, open_pages: Open, wrong: str) -> None:
    reader = open_pages(sqlite_trail)
    answer = reader.log_in(wrong.encode("utf-8", "surrogateescape").decode("latin-1"))
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert "That is not the token." in answer.text


def test_tokens_cannot_be_tried_out(sqlite_trail: AuditTrail, open_pages: Open) -> None:
    reader = open_pages(sqlite_trail, wrong_tokens_per_minute=3)
    assert [reader.log_in("wrong").status_code for _ in range(3)] == [401] * 3
    answer = reader.log_in()
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 60


def test_a_session_ends(sqlite_trail: AuditTrail, open_pages: Open, clock: Any) -> None:
    reader = open_pages(sqlite_trail)
    reader.log_in()
    clock.advance(hours=11, minutes=59)
    assert reader.get("/", allow_redirects=False).status_code == 200
    clock.advance(minutes=2)
    assert reader.get("/", allow_redirects=False).status_code == 303


def test_logging_out_ends_a_session(sqlite_trail: AuditTrail, logged_in: Open) -> None:
    reader = logged_in(sqlite_trail)
    assert reader.post("/logout", {"form_token": reader.form_token}).status_code == 303
    assert reader.get("/", allow_redirects=False).status_code == 303


@pytest.mark.rule("R9")
def test_a_copy_of_the_cookie_opens_nothing_after_the_logout(
    sqlite_trail: AuditTrail, logged_in: Open, clock: Any
) -> None:
    reader = logged_in(sqlite_trail)
    copied = {"Cookie": f"{COOKIE}={reader.session.cookies[COOKIE]}"}
    reader.post("/logout", {"form_token": reader.form_token})

    assert reader.get("/", headers=copied, allow_redirects=False).status_code == 303
    reader.log_in()
    assert reader.get("/", allow_redirects=False).status_code == 200


@pytest.mark.rule("R9")
def test_a_logout_outlasts_a_restart(
    sqlite_trail: AuditTrail, logged_in: Open, open_pages: Open, clock: Any
) -> None:
    reader = logged_in(sqlite_trail)
    copied = {"Cookie": f"{COOKIE}={reader.session.cookies[COOKIE]}"}
    reader.post("/logout", {"form_token": reader.form_token})

    after_restart = open_pages(sqlite_trail)
    assert after_restart.get("/", headers=copied, allow_redirects=False).status_code == 303

    clock.advance(hours=12, minutes=1)
    after_restart.log_in()
    after_restart.post("/logout", {"form_token": after_restart.form_token})
    assert sqlite_trail.ledger(ENDED_SESSIONS).count() == 1


def test_a_logout_that_is_not_remembered_is_told(sqlite_trail: AuditTrail, logged_in: Open) -> None:
    reader = logged_in(sqlite_trail)
    form_token = reader.form_token
    with sqlite_trail.database.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE ledger_entries RENAME TO gone")
    assert reader.post("/logout", {"form_token": form_token}).status_code == 503


@pytest.mark.parametrize(
    "host", ["[", "[::1", "127.0.0.1:x", "]", "127.0.0.1/x", "x@127.0.0.1", "127.0.0.1?x", "127.0.0.1#x"]
)
def test_a_host_that_is_no_name_is_refused_inside_the_gate(
    sqlite_trail: AuditTrail, open_pages: Open, host: str
) -> None:
    answer = open_pages(sqlite_trail).get("/", headers={"Host": host})
    assert answer.status_code in (400, 421)
    assert answer.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize("path", ["/login", "/people"])
def test_a_form_of_too_many_fields_is_refused_inside_the_gate(
    sqlite_trail: AuditTrail, logged_in: Open, path: str
) -> None:
    answer = logged_in(sqlite_trail).post(path, {f"field{number}": "x" for number in range(300)})
    assert answer.status_code == 400
    assert answer.headers["x-frame-options"] == "DENY"


def test_only_sessions_made_with_this_token_count(sqlite_trail: AuditTrail) -> None:
    def login_with(token: str) -> Login:
        return Login(PagesSettings(token=token), time.time, sqlite_trail.database)

    def session(token: str) -> str:
        return login_with(token).new_session()

    login = login_with("x" * 32)
    assert login.visitor("", {}, session("x" * 32)) is not None
    for forged in (session("y" * 32), session("x" * 32)[:-2], "", "no session", "ä"):
        assert login.visitor("", {}, forged) is None


def test_a_proxy_logs_people_in(sqlite_trail: AuditTrail, open_pages: Open) -> None:
    reader = open_pages(sqlite_trail, token="", user_header="X-Forwarded-User")
    assert reader.get("/").status_code == 401
    answer = reader.get("/", headers={"X-Forwarded-User": "<Grace>"})
    assert answer.status_code == 200
    assert "&lt;Grace&gt;" in answer.text
    assert reader.get("/", headers={"X-User": "Grace"}).status_code == 401


def test_only_a_trusted_proxy_is_believed(sqlite_trail: AuditTrail, open_pages: Open) -> None:
    reader = open_pages(sqlite_trail, user_header="X-User", trusted_proxies=("10.0.0.0/24",))
    assert reader.get("/", headers={"X-User": "Grace"}, allow_redirects=False).status_code == 303


def test_tries_are_counted_for_whom_a_trusted_proxy_speaks() -> None:
    forwarded = {"x-forwarded-for": "1.1.1.1, 2.2.2.2"}
    behind = PagesSettings(token="x" * 32, public_url="https://audit.example.com")
    assert behind.client("127.0.0.1", forwarded) == "2.2.2.2"
    assert behind.client("10.0.0.9", forwarded) == "10.0.0.9"
    assert PagesSettings(token="x" * 32).client("127.0.0.1", forwarded) == "127.0.0.1"


@pytest.mark.parametrize("form_token", [None, "", "0" * 64, "é"])
def test_a_form_of_another_page_does_nothing(
    filled: AuditTrail, logged_in: Open, form_token: str | None
) -> None:
    reader = logged_in(filled, replay_commands={"target-mailchimp": "must not be started"})
    form = {"plugin": "target-mailchimp"} | ({} if form_token is None else {"form_token": form_token})
    assert reader.post("/failures/replay", form).status_code == 403
    assert "The replay into" not in reader.get("/failures").text


def test_a_form_token_is_of_one_session(filled: AuditTrail, logged_in: Open) -> None:
    reader = logged_in(filled)
    others = reader.form_token
    reader.session.cookies.clear()
    reader.log_in()
    assert reader.form_token != others
    assert reader.post("/people", {"form_token": others, "email": "x"}).status_code == 403


OTHERS = ["/login", "/nothing", "/static/style.css", "/static/nothing", "/healthz"]


@pytest.mark.parametrize("path", [*PAGES, *OTHERS])
def test_every_answer_is_locked_down(sqlite_trail: AuditTrail, logged_in: Open, path: str) -> None:
    headers = logged_in(sqlite_trail).get(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none';")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == ("public, max-age=86400" if "static" in path else "no-store")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""])
def test_another_name_gets_no_page(sqlite_trail: AuditTrail, logged_in: Open, host: str) -> None:
    answer = logged_in(sqlite_trail).get("/", headers={"Host": host})
    assert (answer.status_code, answer.text) == (421, "This is not my name.\n")


def test_the_public_name_gets_pages(sqlite_trail: AuditTrail, open_pages: Open) -> None:
    reader = open_pages(sqlite_trail, public_url="https://audit.example.com", user_header="X-User")
    names = {"Host": "audit.example.com", "X-User": "Grace"}
    assert reader.get("/", headers=names).status_code == 200


def test_pages_live_under_a_prefix_with_or_without_it(sqlite_trail: AuditTrail, open_pages: Open) -> None:
    reader = open_pages(sqlite_trail, public_url="http://127.0.0.1/audit", user_header="X-User")
    for path in ("/runs", "/audit/runs"):
        answer = reader.get(path, headers={"X-User": "Grace"})
        assert answer.status_code == 200
        assert 'href="/audit/consent"' in answer.text
        assert 'href="/c' not in answer.text
    assert reader.get("/audit/static/style.css").status_code == 200
    assert reader.get("/audit/runs", allow_redirects=False).headers["location"] == "/audit/login?next=%2Fruns"


def test_a_form_has_an_end(sqlite_trail: AuditTrail, logged_in: Open) -> None:
    reader = logged_in(sqlite_trail)
    assert reader.post("/people", {"email": "x" * 20_000}).status_code == 413


def test_the_cookie_is_the_session_alone(sqlite_trail: AuditTrail, logged_in: Open, token: str) -> None:
    reader = logged_in(sqlite_trail)
    assert list(reader.session.cookies.keys()) == [COOKIE]
    assert token not in reader.session.cookies[COOKIE]


def test_pages_have_the_bounds_of_the_receiver(tmp_path: Path, wait: Wait) -> None:
    url = f"sqlite:///{tmp_path / 'trail.sqlite3'}"
    AuditTrail.open(url).close()
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()
    program = Path(sys.executable).with_name("sync-audit")
    command = [str(program), "--database", url, "serve", "--port", str(address[1])]
    environment = {**os.environ, "AUDIT_PAGES_TOKEN": "x" * 32}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            wait(lambda: is_open(address))
            with socket.create_connection(address, timeout=60) as client:
                client.sendall(b"GET /login HTTP/1.1\r\nX: " + b"x" * 40_000)
                assert client.recv(100).startswith(b"HTTP/1.1 431 ")
        finally:
            process.terminate()


def is_open(address: tuple[str, int]) -> bool:
    with suppress(OSError), socket.create_connection(address):
        return True
    return False
