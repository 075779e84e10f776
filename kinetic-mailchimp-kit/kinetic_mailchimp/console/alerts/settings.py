"""Settings of `sync-audit alert`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from kinetic_mailchimp.audit.cli.common import parse_age
from kinetic_mailchimp.audit.trail.drift import Drift
from kinetic_mailchimp.kit.http.web_url import web_url
from kinetic_mailchimp.kit.settings.declaration import setting


@dataclass(frozen=True)
class AlertSettings:
    """Channels, sources, and the limits above which a fact is worth a message."""

    urls: tuple[str, ...] = setting(
        (),
        secret=True,
        metavar="URL",
        description="An apprise URL; may be given several times. In the variable, spaces stand between them.",
    )
    receiver_url: str = setting(
        "",
        description="The receiver of webhooks, whose health and inbox are probed: http://127.0.0.1:8080.",
        parse=partial(web_url, setting="--receiver-url"),
    )
    inactive: timedelta = setting(
        timedelta(minutes=30),
        parse=parse_age,
        schema={"type": ["string"], "default": "30m"},
        metavar="AGE",
        description="A run that has written nothing for so long, and whose process is not seen, was killed.",
    )
    overdue: timedelta = setting(
        timedelta(hours=24),
        parse=parse_age,
        schema={"type": ["string"], "default": "24h"},
        metavar="AGE",
        description="No run of a target has succeeded for so long.",
    )
    refused: int = setting(
        10, minimum=0, description="More deliveries of Mailchimp that the receiver refused."
    )
    meltano_database: str = setting(
        "",
        title="Meltano's database",
        secret=True,
        variables=("MELTANO_DATABASE_URI",),
        metavar="URL",
        description="The database of Meltano's runs; by default .meltano/meltano.db of the project.",
    )
    failures: int = setting(10, minimum=0, description="More failed records than this, in a run or waiting.")
    opt_out_age: timedelta = setting(
        timedelta(minutes=60),
        parse=parse_age,
        schema={"type": ["string"], "default": "60m"},
        metavar="AGE",
        description="Opt-outs that have waited for so long.",
    )
    drift: int = setting(0, minimum=0, description="More differences in the last comparison than this.")
    accept: frozenset[Drift] = setting(
        frozenset(),
        variables=("AUDIT_DRIFT_ACCEPT",),
        metavar="KIND",
        description="Differences of this kind do not count; several times. "
        f"Kinds: {', '.join(map(str, Drift))}.",
    )
    quiet: timedelta = setting(
        timedelta(hours=12),
        parse=parse_age,
        schema={"type": ["string"], "default": "12h"},
        metavar="AGE",
        description="The time in which no second message is sent about a condition that persists.",
    )
