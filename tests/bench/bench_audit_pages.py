"""How long each page takes over a trail of five million decisions, beside one row read by its key.

The floor, measured in the same run: a request to the same server that reads nothing, and one indexed row
read by the driver alone. Run it with `python tests/bench/bench_audit_pages.py`; BENCH_PAGES_DECISIONS and
BENCH_PAGES_FOLDER make it smaller, and keep the trail for another run.
"""

from __future__ import annotations

import os
import re
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path

import requests
import uvicorn
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.console.pages.app import create_app
from kinetic_mailchimp.console.pages.settings import PagesSettings
from sizing import SMOKE, size

DECISIONS = size(5_000_000, 20_000, "BENCH_PAGES_DECISIONS")
PER_RUN = 200
PEOPLE = 399_999  # has no factor in common with how often people opt out: it is not always the same ones
ROUNDS = size(15, 2)
MOST_MS = 200.0
TOKEN = "a-token-for-the-benchmark-alone"
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

NUMBERS = """
WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {count})
"""
# A run every five minutes or so, up to now; every eighth one brings opt-outs to Epicor.
RUNS = """
INSERT INTO runs SELECT n + 1, CASE WHEN n % 8 = 7 THEN 'target-epicor-contacts' ELSE 'target-mailchimp' END,
    '0.1.0', 'bench', 'c' || n, 0, 'host', 1, {time}, {time}, {time}, 'succeeded', NULL,
    {per_run}, {per_run}, zeroblob(32), 0, NULL,
    CASE WHEN n % 8 = 7 THEN 'Mailchimp' ELSE 'Epicor' END,
    CASE WHEN n % 8 = 7 THEN 'Epicor' ELSE 'Mailchimp' END
FROM numbers
"""
TIME = "strftime('%Y-%m-%dT%H:%M:%S', 1772366400 - ({count} - 1 - {n}) * {step}, 'unixepoch') || '.000000Z'"
ACTION = """CASE WHEN n % 1000 = 999 THEN 'failed' WHEN n / {per_run} % 8 = 7 THEN
    CASE WHEN n % 20 THEN 'unchanged' ELSE 'flagged' END
    ELSE CASE WHEN n % 10 THEN 'unchanged' ELSE 'updated' END END"""
CONSENT = """CASE WHEN n / {per_run} % 8 = 7 AND n % 20 = 0 THEN 'unsubscribed'
    WHEN n % 400 = 1 THEN 'subscribed' END"""
PERSON = "n * 7919 % {people}"
ROWS = """
INSERT INTO decisions (run_id, seq, recorded_at, stream, action, reason, consent, person, http_status,
    duration_ms, private_digest, digest, salt, subject, source_key, event_id, targets, detail, changes,
    dead_letter, source_updated_on)
SELECT n / {per_run} + 1, n % {per_run} + 1, {time}, 'customer_contacts', {action}, 'fields_differ',
    {consent},
    digest({person}), 200, 212.4, zeroblob(32), zeroblob(32), zeroblob(16),
    'person' || ({person}) || '@example.com', 'EPIC06/' || ({person}) || '//1', 'event-' || n,
    'list 1a2b3c4d5e', 'The values differ from those that were sent last.',
    '{{"FNAME":["Ada","Eda"],"LNAME":["Lovelace","King"]}}',
    CASE WHEN n % 1000 = 999 THEN '{{}}' END, '2026-03-01T09:12:44Z'
FROM numbers
"""
LETTERS = """
INSERT INTO dead_letters (run_id, seq, plugin, stream, state, consent, opened_at)
SELECT decisions.run_id, seq, plugin, stream, CASE WHEN seq % 4 THEN 'resolved' ELSE 'open' END,
    CASE WHEN plugin = 'target-epicor-contacts' AND seq % 3 = 0 THEN 'unsubscribed' END, recorded_at
FROM decisions JOIN runs ON runs.id = run_id WHERE decisions.action = 'failed'
"""
COUNTS = """
INSERT INTO run_counts SELECT run_id, substr(recorded_at, 1, 13), action, count(*) FROM decisions
GROUP BY 1, 2, 3
"""


def digest(person: int) -> bytes:
    """What stands for a person: as scattered as those of a real trail."""
    return blake2b(str(person).encode(), digest_size=16).digest()


def fill(file: Path, total: int) -> None:
    """Make a trail in bulk, by SQLite alone: rows as the pages read them, without a chain."""
    number_of_runs = total // PER_RUN
    words = {"per_run": PER_RUN, "people": PEOPLE, "count": number_of_runs, "step": 300}
    bare = sqlite3.connect(file, isolation_level=None)
    bare.create_function("digest", 1, digest, deterministic=True)
    bare.executescript("PRAGMA synchronous=OFF; PRAGMA cache_size=-1000000; PRAGMA temp_store=MEMORY; BEGIN;")
    indexes = bare.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'decisions' AND sql > ''"
    ).fetchall()
    for name, _ in indexes:
        bare.execute(f"DROP INDEX {name}")
    bare.execute(
        NUMBERS.format(count=number_of_runs) + RUNS.format(time=TIME.format(n="n", **words), **words)
    )
    inner = {
        "time": TIME.format(n=f"(n / {PER_RUN})", **words),
        "action": ACTION.format(**words),
        "consent": CONSENT.format(**words),
        "person": PERSON.format(**words),
    }
    bare.execute(NUMBERS.format(count=total) + ROWS.format(**inner, **words))
    for _, statement in indexes:
        bare.execute(statement)
    bare.execute(LETTERS)
    bare.execute(COUNTS)
    bare.execute("COMMIT")
    bare.close()


@contextmanager
def serving(trail: AuditTrail) -> Iterator[str]:
    """The pages, served from a thread; hands out their address."""
    app = create_app(trail, PagesSettings(token=TOKEN))
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_config=None, access_log=False, proxy_headers=False)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def floor(file: Path, total: int) -> float:
    """Milliseconds of one row by its key, by the driver alone; the median."""
    bare = sqlite3.connect(file)
    times = []
    for number in range(ROUNDS * 10):
        key = number * 7_368_787 % total
        begin = time.perf_counter()
        row = bare.execute(
            "SELECT * FROM decisions WHERE run_id = ? AND seq = ?", (key // PER_RUN + 1, key % PER_RUN + 1)
        ).fetchone()
        times.append((time.perf_counter() - begin) * 1000)
        assert row is not None
    bare.close()
    return statistics.median(times)


def pages(number: int, total: int) -> dict[str, str]:
    """Each page and an address of it, another one for each number."""
    run = number * 131 % (total // PER_RUN) + 1
    deep = datetime.fromtimestamp(NOW.timestamp() - 86_400 * (number % 5 + 1), UTC)
    key = f"{deep:%Y-%m-%dT%H:%M:%S}.000000Z,{total},0"
    person = digest(number * 52_711 % total * 7919 % PEOPLE).hex()
    return {
        "overview": "/",
        "overview, 90 days": "/?span=90d",
        "runs": "/runs",
        "runs of one plugin": "/runs?plugin=target-epicor-contacts",
        "run": f"/runs/{run}",
        "run, further": f"/runs/{run}?start=150",
        "failures of a run": f"/runs/{run}?action=failed",
        "rest of a run": f"/runs/{run}?action=unchanged",
        "person": f"/people/{person}",
        "failures": "/failures",
        "failures, later": f"/failures?after={key}",
        "consent": "/consent",
        "consent, further": f"/consent?after={key}",
    }


def bench(total: int = DECISIONS) -> dict[str, float]:
    """The median time of each page, in milliseconds."""
    kept = os.environ.get("BENCH_PAGES_FOLDER")
    with tempfile.TemporaryDirectory() as name:
        file = Path(kept or name) / f"pages-{total}.sqlite3"
        is_new = not file.exists()
        with AuditTrail.open(f"sqlite:///{file}", clock=lambda: NOW) as trail:
            if is_new:
                begin = time.perf_counter()
                fill(file, total)
                print(
                    f"{total:,} decisions made in {time.perf_counter() - begin:.0f} s: "
                    f"{file.stat().st_size / 2**30:.1f} GiB"
                )
            with serving(trail) as address:
                one_row = floor(file, total)
                bare = timed(address, "/healthz", requests.Session())
                print(f"one row by its key: {one_row:.3f} ms; an answer without a page: {bare:.1f} ms")
                session = requests.Session()
                session.post(f"{address}/login", data={"token": TOKEN}).raise_for_status()
                times: dict[str, list[float]] = {}
                for path in pages(ROUNDS, total).values():
                    timed(address, path, session)  # templates and statements are compiled once
                for number in range(ROUNDS):
                    for page, path in pages(number, total).items():
                        times.setdefault(page, []).append(timed(address, path, session))
    measured = {}
    for page, taken in times.items():
        measured[page] = statistics.median(taken)
        print(
            f"{page:22} median {statistics.median(taken):6.1f} ms, slowest {max(taken):6.1f} ms"
            f" (at most {MOST_MS:.0f}), {statistics.median(taken) / one_row:7,.0f} rows by key"
        )
    return measured


def timed(address: str, path: str, session: requests.Session) -> float:
    """Milliseconds until a page is there."""
    begin = time.perf_counter()
    answer = session.get(address + path, timeout=60)
    taken = (time.perf_counter() - begin) * 1000
    assert answer.ok, (path, answer.status_code)
    assert path == "/healthz" or re.search(r"<h1", answer.text), path
    return taken


def test_every_page_is_fast() -> None:
    slowest = max(bench().values())
    assert SMOKE or slowest <= MOST_MS


if __name__ == "__main__":
    sys.exit(max(bench().values()) > MOST_MS)
