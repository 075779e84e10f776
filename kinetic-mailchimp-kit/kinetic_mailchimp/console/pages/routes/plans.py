"""Routes of the pages of plans: dry runs that wait for a person's approval."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, HTTPException, Request, Response

from kinetic_mailchimp.audit.plans.plans import Plan, decide, find_plan, list_plans
from kinetic_mailchimp.audit.reading.listings import is_number
from kinetic_mailchimp.console.pages.site import Site
from kinetic_mailchimp.kit.errors import ConfigurationError

_LONGEST_TEXT = 200


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
        typed, because = (_text(form.get(name, "")) for name in ("name", "because"))
        # A visitor who logs in with the token has no name but the one that they give.
        who = request.state.visitor.name or (f"{typed} (with the token of the pages)" if typed else "")
        approved = form.get("decision") == "approve"
        wrong = ""
        if not who:
            wrong = "Say who you are: the trail keeps it."
        elif not approved and not because:
            wrong = "Say why it is rejected."
        elif "@" in because:
            wrong = "The reason holds an address, and no erasure takes it out again: name nobody."
        else:
            try:
                decide(trail, plan, approved=approved, decided_by=who, because=because)
            except ConfigurationError as error:
                wrong = str(error)
        if wrong:
            return views.page(request, "plan", HTTPStatus.CONFLICT, here="plans", plan=plan, wrong=wrong)
        return site.redirect(f"/plans/{number}")


def _find(site: Site, number: str) -> Plan:
    try:
        return find_plan(site.trail, int(number) if is_number(number) else 0)
    except ConfigurationError:
        raise HTTPException(HTTPStatus.NOT_FOUND) from None


def _text(given: str) -> str:
    return " ".join(given.split())[:_LONGEST_TEXT]
