"""The route of the metrics: behind the login, like all pages."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from kinetic_mailchimp.audit.reading.reports.metrics import metric_lines
from kinetic_mailchimp.console.pages.site import Site


def metrics_router(site: Site) -> APIRouter:
    """The route of the metrics."""
    router = APIRouter()

    @router.get("/metrics")
    def send_metrics() -> Response:
        return PlainTextResponse("".join(metric_lines(site.trail)), media_type="text/plain; version=0.0.4")

    return router
