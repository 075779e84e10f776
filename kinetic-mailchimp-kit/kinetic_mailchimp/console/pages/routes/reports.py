"""Routes of the reports on consent and on who cannot be mailed, and of the metrics."""

from __future__ import annotations

from dataclasses import fields
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from kinetic_mailchimp.audit.reading.listings import PAGE, Key, is_number
from kinetic_mailchimp.audit.reading.reports.export import csv_lines
from kinetic_mailchimp.audit.reading.reports.metrics import metric_lines
from kinetic_mailchimp.audit.reading.reports.opt_out_report import OptOut, all_opt_outs, list_opt_outs
from kinetic_mailchimp.audit.reading.reports.quality_report import (
    COLUMNS,
    QualityFilter,
    all_flawed,
    read_quality,
)
from kinetic_mailchimp.console.pages.site import Site, download

_LONGEST_LIST: Final = 10_000
"""Rows that one can leaf through, as each page holds all before it; the file has them all."""


def add_routes(router: APIRouter, site: Site) -> None:
    """Add the reports, each with its file, and the metrics: behind the login, like all pages."""
    trail, views = site.trail, site.views

    @router.get("/consent")
    def show_consent(request: Request, after: str = "") -> Response:
        start = Key.parse(after)
        with trail.database.reading() as connection:
            report = list_opt_outs(connection, start)
        return views.page(request, "consent", here="consent", report=report, start=start)

    @router.get("/consent.csv")
    def send_consent() -> Response:
        lines = csv_lines([field.name for field in fields(OptOut)], all_opt_outs(trail))
        return download(f"opted-out-{trail.clock():%Y-%m-%d}.csv", "text/csv", lines)

    @router.get("/quality")
    def show_quality(request: Request, kind: str = "", rep: str | None = None, start: str = "") -> Response:
        first = min(int(start), _LONGEST_LIST) if is_number(start) else 0
        wanted = QualityFilter(rep, frozenset(filter(None, [kind])))
        whole = read_quality(trail, wanted, counted=QualityFilter(), start=first, length=PAGE)
        return views.page(
            request,
            "quality",
            here="quality",
            whole=whole,
            kind=kind,
            rep=rep,
            start=first,
            next=first + PAGE if whole.matching > first + PAGE <= _LONGEST_LIST else None,
            request_query=request.url.query,
        )

    @router.get("/quality.csv")
    def send_quality(kind: str = "", rep: str | None = None) -> Response:
        found = all_flawed(trail, QualityFilter(rep, frozenset(filter(None, [kind]))))
        return download(
            f"cannot-be-mailed-{trail.clock():%Y-%m-%d}.csv", "text/csv", csv_lines(COLUMNS, found)
        )

    @router.get("/metrics")
    def send_metrics() -> Response:
        return PlainTextResponse("".join(metric_lines(trail)), media_type="text/plain; version=0.0.4")
