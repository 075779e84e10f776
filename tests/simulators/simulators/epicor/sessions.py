"""Sessions: log in, log out."""

from __future__ import annotations

import uuid

from simulators.epicor.calls import Answer, Call
from simulators.epicor.errors import no_such_segment
from simulators.epicor.world import Kinetic


def session_service(world: Kinetic, call: Call) -> Answer:
    """Answer `Ice.Lib.SessionModSvc`: `Login` gives a session, `Logout` ends the one in the header.

    Raises:
        EpicorError: 404 for another method.
    """
    name = call.resource.strip("/")
    if name not in ("Login", "Logout"):
        raise no_such_segment(name)
    if call.method != "POST":
        raise call.refused()
    if name == "Logout":
        world.sessions.discard(call.headers.get("sessioninfo", ""))
        return Answer(document={})
    world.logins += 1
    session = str(uuid.uuid5(uuid.NAMESPACE_URL, f"session/{world.seed}/{world.logins}"))
    world.sessions.add(session)
    return Answer(document={"returnObj": session})
