"""Routes of the pages of plans: dry runs that wait for a person's approval."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, HTTPException, Request, Response

from kinetic_mailchimp.audit.dead_letters.closing import parse_reason
from kinetic_mailchimp.audit.plans.plans import Plan, decide, find_plan, list_plans
from kinetic_mailchimp.audit.reading.listings import is_number
from kinetic_mailchimp.console.pages.site import Site, name_of_visitor
from kinetic_mailchimp.kit.errors import ConfigurationError


def add_routes(router: APIRouter, site: Site) -> None:
    """Add the pages of plans, and their form."""
    trail, views = site.trail, site.views

    @router.get("/plans")
    def show_plans(request: Request) -> Response:
        return views.page(request, "plans", here="plans", plans=list_plans(trail))

    @router.get("/plans/{number}")
    def show_plan(request: Request, number: str) -> Response:
        return views.page(request, "plan", here="plans", plan=_find(site, number), wrong="")

    @router.post("/plans/{number}")
    def decide_plan(request: Request, number: str) -> Response:
        plan, form = _find(site, number), request.state.form
        approved, because = form.get("decision") == "approve", form.get("because", "")
        try:
            reason = "" if approved and not because.strip() else parse_reason(because)
            decide(trail, plan, approved=approved, decided_by=name_of_visitor(request), because=reason)
        except (ConfigurationError, ValueError) as error:
            wrong = str(error)
            return views.page(request, "plan", HTTPStatus.CONFLICT, here="plans", plan=plan, wrong=wrong)
        return site.redirect(f"/plans/{number}")


def _find(site: Site, number: str) -> Plan:
    try:
        return find_plan(site.trail, int(number) if is_number(number) else 0)
    except ConfigurationError:
        raise HTTPException(HTTPStatus.NOT_FOUND) from None
