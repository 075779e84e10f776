"""The part of the control API that both simulators have: the request log and the faults."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Body, HTTPException

from simulators.common.faults import FaultPlan, InvalidRuleError, parse_rules
from simulators.common.request_log import RequestLog

PREFIX = "/__control"


def common_control(log: RequestLog, plan: FaultPlan) -> APIRouter:
    """Routes under `/__control`, free of credentials.

    `GET /requests`, `DELETE /requests`, `GET /requests/counts`, `GET /requests/unknown`,
    `GET /requests/open`, `GET /faults`, `PUT /faults` with a list of rules, `DELETE /faults`.
    """
    router = APIRouter(prefix=PREFIX)

    @router.get("/requests")
    async def requests() -> list[dict[str, Any]]:
        return log.requests()

    @router.delete("/requests")
    async def forget_requests() -> dict[str, bool]:
        log.clear()
        return {"cleared": True}

    @router.get("/requests/counts")
    async def counts() -> dict[str, int]:
        return log.counts()

    @router.get("/requests/unknown")
    async def unknown() -> list[dict[str, Any]]:
        return log.unknown()

    @router.get("/requests/open")
    async def open_requests() -> dict[str, int]:
        return {"open": log.open, "most": log.most_open}

    @router.get("/faults")
    async def faults() -> dict[str, Any]:
        return {"seed": plan.seed, "rules": [asdict(rule) for rule in plan.rules], "struck": plan.counts()}

    @router.put("/faults")
    async def set_faults(rules: Any = Body()) -> dict[str, int]:  # noqa: B008, FAST002 - any JSON, judged below
        try:
            parsed = parse_rules(rules)
        except (InvalidRuleError, TypeError) as error:
            raise HTTPException(422, str(error)) from error
        plan.replace(parsed)
        return {"rules": len(parsed)}

    @router.delete("/faults")
    async def clear_faults() -> dict[str, int]:
        plan.replace(())
        return {"rules": 0}

    return router
