"""The control API of the simulated Kinetic: look at tables, act as a user of Epicor, turn switches."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import msgspec
from fastapi import APIRouter, HTTPException, Response

from simulators.common.control import PREFIX
from simulators.epicor import rules, timestamps
from simulators.epicor.errors import EpicorError
from simulators.epicor.expectations import expectations_document
from simulators.epicor.schema import Table
from simulators.epicor.storage import Row
from simulators.epicor.switches import InvalidSwitchError, Switches
from simulators.epicor.world import Kinetic


def epicor_control(world: Kinetic) -> APIRouter:
    """Routes under `/__control`, free of credentials.

    `GET /truth` · `GET /tables/{table}` · `POST /tables/{table}/edit` with `{key, changes, hold?}` ·
    `POST /tables/{table}/insert` with a row · `POST /tables/{table}/delete` with `{key}` ·
    `POST /commit` · `GET`, `PUT`, `DELETE /switches` · `POST /tokens/expire` ·
    `POST /clock/advance` with `{seconds}` · `GET /state`.
    """
    router = APIRouter(prefix=PREFIX)
    _add_tables(router, world)
    _add_switches(router, world)

    @router.get("/truth")
    async def truth() -> Response:
        return _json(expectations_document(world.store.select(world.table("Customer"))))

    @router.post("/commit")
    async def commit() -> dict[str, int]:
        return {"committed": rules.commit_held(world)}

    @router.post("/tokens/expire")
    async def expire_tokens() -> dict[str, int]:
        expired = len(world.tokens)
        world.tokens.update(dict.fromkeys(world.tokens, 0))
        return {"expired": expired}

    @router.post("/clock/advance")
    async def advance(given: dict[str, float]) -> dict[str, str]:
        world.advanced += given["seconds"]
        return {"now": timestamps.utc_text(world.clock())}

    @router.get("/state")
    async def state() -> dict[str, Any]:
        return {
            "profile": world.profile,
            "seed": world.seed,
            "revision": world.store.revision,
            "held": len(world.held),
            "rows": {name: world.store.count(table) for name, table in world.tables.items()},
        }

    return router


def _add_tables(router: APIRouter, world: Kinetic) -> None:
    def table_named(name: str) -> Table:
        if name not in world.tables:
            raise HTTPException(404, f"no table {name}; there are {', '.join(world.tables)}")
        return world.table(name)

    @router.get("/tables/{name}")
    async def rows(name: str) -> Response:
        return _json(world.store.select(table_named(name)))

    @router.post("/tables/{name}/edit")
    async def edit(name: str, given: dict[str, Any]) -> Row:
        table = table_named(name)
        with _as_422():
            hold = bool(given.get("hold")) or _commits_late(world)
            return _edit(world, table, given["key"], given["changes"], hold=hold)

    @router.post("/tables/{name}/insert")
    async def insert(name: str, row: dict[str, Any]) -> Row:
        table = table_named(name)
        with _as_422():
            return rules.create(world, row.get("Company", world.companies[0]), table, row)

    @router.post("/tables/{name}/delete")
    async def delete(name: str, given: dict[str, Any]) -> dict[str, bool]:
        table = table_named(name)
        with _as_422():
            rules.delete(world, table, given["key"])
        return {"deleted": True}


def _add_switches(router: APIRouter, world: Kinetic) -> None:
    @router.get("/switches")
    async def switches() -> dict[str, Any]:
        return asdict(world.switches)

    @router.put("/switches")
    async def turn(changes: dict[str, Any]) -> dict[str, Any]:
        with _as_422():
            world.switches = world.switches.turned(**changes)
        return asdict(world.switches)

    @router.delete("/switches")
    async def reset() -> dict[str, Any]:
        world.switches = Switches()
        return asdict(world.switches)


def _json(document: Any) -> Response:
    # Whole tables go through here; the framework's own encoder takes ten times as long.
    return Response(msgspec.json.encode(document), media_type="application/json")


@contextlib.contextmanager
def _as_422() -> Iterator[None]:
    """Tell a caller of the control API what is wrong with the call."""
    try:
        yield
    except (EpicorError, InvalidSwitchError, LookupError) as error:
        raise HTTPException(422, f"{type(error).__name__}: {error}") from error


def _commits_late(world: Kinetic) -> bool:
    world.edits += 1
    every = world.switches.late_commit_every
    return every > 0 and world.edits % every == 0


def _edit(world: Kinetic, table: Table, key: Row, changes: Row, *, hold: bool) -> Row:
    """Change a row as a user at a screen does; the switches that trouble API writes do not apply."""
    if not hold:
        changed = rules.update(world, table, key, changes, by_api=False)
        if world.switches.late_commit_every:
            rules.commit_held(world)
        return changed
    row = world.store.get(table, key)
    if row is None:
        raise LookupError(f"no row with key {key}")
    prepared = list(rules.prepared_updates(world, table, row, changes))
    world.held.extend(prepared)
    return prepared[0].row
