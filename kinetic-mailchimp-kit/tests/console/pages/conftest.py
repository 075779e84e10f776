from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import pytest
import requests
import uvicorn
from fastapi import FastAPI
from kinetic_mailchimp.audit import Action, AuditTrail, Decision, Direction
from kinetic_mailchimp.audit.state.audience_matrix import AUDIENCES_NAMESPACE, KnownAudience
from kinetic_mailchimp.audit.state.flag_state import FLAGS_NAMESPACE, FlagState
from kinetic_mailchimp.audit.state.ledger import apply_changes
from kinetic_mailchimp.audit.state.member_state import MemberState, SourceRow, members_namespace
from kinetic_mailchimp.audit.state.quality import QUALITY_NAMESPACE, Finding
from kinetic_mailchimp.console.pages.app import create_app
from kinetic_mailchimp.console.pages.command import LIMITS
from kinetic_mailchimp.console.pages.settings import PagesSettings
from kinetic_mailchimp.kit.server.bounded_server import bounded_protocol
from kinetic_mailchimp.mailchimp import subscriber_hash

DIRECTIONS = {
    "target-mailchimp": Direction("Epicor", "Mailchimp"),
    "target-epicor-contacts": Direction("Mailchimp", "Epicor"),
}
FINDINGS = {
    f"{topic}/members/Customer EPIC06/{number}": Finding(kind, f"2026-{since}T09:30:00.000000Z", address, rep)
    for number, (topic, kind, since, address, rep) in enumerate(
        [
            ("address", "no_address", "01-07", "", "REP1"),
            ("address", "bad_address", "02-27", "PURCHASING", "REP1"),
            ("address", "several_addresses", "01-30", "ann@example.com; bob@example.com", "REP2"),
            ("bounced", "bounced", "03-01", "eve@example.com", "REP2"),
            ("duplicate", "duplicate", "02-14", "info@example.com", "REP1"),
            ("duplicate", "duplicate", "02-14", "info@example.com", "REP2"),
        ],
        start=41,
    )
}
TOKEN = "a-token-of-the-tests-alone"
ADA = "ada.lovelace@example.com"
AUDIENCES: dict[str, dict[str, Any]] = {
    AUDIENCES_NAMESPACE: {
        "1a2b3c4d5e": KnownAudience("Dealers", ("EPIC06", "EPIC07")),
        "93426b2d3f": KnownAudience("Consumers", ("EPIC07",)),
    },
    members_namespace("1a2b3c4d5e"): {
        subscriber_hash(ADA): MemberState(
            ADA,
            "unsubscribed",
            rows={"members/Customer EPIC06/11": SourceRow(), "members/Customer EPIC07/4": SourceRow()},
        )
    },
    members_namespace("93426b2d3f"): {subscriber_hash(ADA): MemberState(ADA, "subscribed")},
    FLAGS_NAMESPACE: {"Customer EPIC06/11": FlagState(ADA, list_id="1a2b3c4d5e")},
}
GONE = {11: ADA, 9: "the.department.with.a.long.name@subsidiary.example.com"}


def wait_until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    """Wait, by looking often, until something is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    options: dict[str, Any] = {"host": "127.0.0.1", "port": 0, "log_config": None, "access_log": False}
    server = uvicorn.Server(
        uvicorn.Config(app, http=bounded_protocol(LIMITS), proxy_headers=False, **options)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive())
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@dataclass
class Reader:
    """Somebody at the pages: a client that keeps cookies and follows no redirect unless told."""

    address: str
    session: requests.Session = field(default_factory=requests.Session)

    def get(self, path: str, **more: Any) -> requests.Response:
        return self.session.get(self.address + path, timeout=60, **more)

    def post(self, path: str, data: dict[str, str], *, follow: bool = False) -> requests.Response:
        return self.session.post(self.address + path, data=data, timeout=60, allow_redirects=follow)

    def log_in(self, token: str = TOKEN, after: str = "/") -> requests.Response:
        return self.post("/login", {"token": token, "next": after})

    @property
    def form_token(self) -> str:
        found = re.search(r'name="form_token" value="(\w+)"', self.get("/people").text)
        assert found
        return found[1]

    def look_up(self, email: str) -> requests.Response:
        return self.post("/people", {"email": email, "form_token": self.form_token}, follow=True)


@pytest.fixture
def token() -> str:
    return TOKEN


@pytest.fixture
def wait() -> Callable[..., None]:
    return wait_until


@pytest.fixture
def open_pages() -> Iterator[Callable[..., Reader]]:
    """Serves the pages of a trail; keywords are those of PagesSettings."""
    with ExitStack() as stack:

        def start(trail: AuditTrail, **settings: Any) -> Reader:
            app = create_app(trail, PagesSettings(**{"token": TOKEN, **settings}))
            return Reader(stack.enter_context(serving(app)))

        yield start


@pytest.fixture
def logged_in(open_pages: Callable[..., Reader]) -> Callable[..., Reader]:
    def start(trail: AuditTrail, **settings: Any) -> Reader:
        reader = open_pages(trail, **settings)
        assert reader.log_in().status_code == 303
        return reader

    return start


def record(trail: AuditTrail, plugin: str, decisions: list[Decision], **run: Any) -> int:
    """A whole run with these decisions; its number."""
    given = {"pipeline": "dev:job", "direction": DIRECTIONS.get(plugin), **run}
    started = trail.start_run(plugin=plugin, version="0.1.0", **given)
    started.read(len(decisions))
    started.record(decisions)
    started.finish()
    return started.id


@pytest.fixture
def record_run() -> Callable[..., int]:
    return record


def fill(trail: AuditTrail, clock: Any) -> None:
    """A little history of both directions, such as the screenshots show."""
    for day in range(12):
        changed = [
            Decision(
                stream="customer_contacts",
                action=Action.UPDATED if number % 3 else Action.UNCHANGED,
                reason="fields_differ" if number % 3 else "as_sent_last",
                detail="The values differ from those that were sent last." if number % 3 else "",
                subject=f"person{number}@example.com",
                source_key=f"EPIC06/{number}//1",
                source_updated_on=f"2026-02-{17 + day:02}T09:12:44Z",
                changes={"merge_fields.LNAME": ("Example", f"Example {number}")} if number % 3 else None,
                targets="list 1a2b3c4d5e",
                http_status=200,
                request_id=f"0f1e2d3c-{number:04}",
                duration_ms=212.4,
            )
            for number in range(40 + 17 * day % 29)
        ]
        failed = Decision(
            stream="customer_contacts",
            action=Action.FAILED,
            reason="invalid_address",
            detail="Mailchimp refuses the address as fake or invalid.",
            subject=f"nobody{day}@example.org",
            source_key=f"EPIC06/9{day}//1",
            http_status=400,
            dead_letter={
                "email_address": f"nobody{day}@example.org",
                "FNAME": "Nora",
                "COMPANY": "Example & Sons",
                "status": None,
                "source_key": f"EPIC06/9{day}//1",
            },
        )
        decisions = [*changed, *([failed] if day % 4 == 3 else [])]
        record(trail, "target-mailchimp", decisions, pipeline="prod:forward")
        clock.advance(hours=2)
        record(trail, "target-epicor-contacts", _opt_outs(day), pipeline="prod:reverse")
        clock.advance(hours=1)


def _opt_outs(day: int) -> list[Decision]:
    rows = tuple(
        Decision(
            stream="contact_updates",
            action=Action.UPDATED,
            reason="written",
            detail="NoContact set and read back.",
            targets=f"{row} EPIC06/{day}/4",
            changes={"NoContact": (False, True)},
            http_status=204,
            duration_ms=88.0,
        )
        for row in ("CustCnt", "Customer")
    )
    told: dict[str, Any] = {
        "stream": "contact_updates",
        "reason": "unsubscribed",
        "subject": GONE.get(day, f"gone{day}@example.com"),
        "consent": "complaint" if day == 5 else "unsubscribed",
        "event_id": sha256(f"{day}".encode()).hexdigest(),
        "source_updated_on": f"2026-02-{17 + day:02}T12:29:58Z",
    }
    if day in (8, 10):
        why = "Epicor was not reachable: connection refused."
        letter = {"email": told["subject"]}
        return [Decision(action=Action.FAILED, detail=why, http_status=503, dead_letter=letter, **told)]
    flagged = Decision(action=Action.FLAGGED, detail="2 rows written.", parts=rows, **told)
    known: dict[str, Any] = {"stream": "contact_updates", "action": Action.UNCHANGED, "reason": "already_so"}
    return [flagged, *(Decision(subject=f"p{n}@example.com", **known) for n in range(3 * day % 7))]


@pytest.fixture
def filled(sqlite_trail: AuditTrail, clock: Any) -> AuditTrail:
    clock.now = clock.now.replace(day=1, hour=0)
    fill(sqlite_trail, clock)
    ada: dict[str, Any] = {"subject": ADA, "source_key": "EPIC06/12//3", "targets": "list 1a2b3c4d5e"}
    record(
        sqlite_trail,
        "target-mailchimp",
        [
            Decision(
                stream="customer_contacts",
                action=Action.MOVED,
                reason="address_changed",
                detail="The address was changed in Epicor; the member keeps its history.",
                former_subject="ada@example.com",
                source_updated_on="2026-03-02T10:01:12Z",
                changes={
                    "email_address": ("ada@example.com", ADA),
                    "merge_fields.LNAME": ("King", "Lovelace"),
                },
                http_status=200,
                request_id="5c1d9a20",
                duration_ms=184.0,
                **ada,
            )
        ],
        pipeline="prod:forward",
    )
    with sqlite_trail.database.writing() as connection:
        changes: dict[str, Any] = {QUALITY_NAMESPACE: FINDINGS, **AUDIENCES}
        apply_changes(connection, changes, run_id=0, now="2026-03-01T09:30:00.000000Z")
    clock.advance(minutes=20)
    return sqlite_trail
