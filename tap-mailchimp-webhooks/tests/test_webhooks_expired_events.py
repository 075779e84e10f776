"""The receiver deletes expired events, and does not close the inbox under a deletion."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import pytest
from tap_mailchimp_webhooks.inbox.readers import Readers
from tap_mailchimp_webhooks.receiver.retention import purge_expired_events


def test_a_deletion_that_has_begun_ends_before_the_inbox_closes(
    inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_begun, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def delete_before(*_: object) -> int:
        has_begun.set()
        may_end.wait()
        ended.set()
        return 0

    async def stop_during_a_deletion() -> None:
        purging = asyncio.create_task(purge_expired_events(inbox, 30))
        await asyncio.to_thread(has_begun.wait)
        purging.cancel()
        try:
            await asyncio.sleep(0)
            assert not purging.done()
        finally:
            may_end.set()
        with contextlib.suppress(asyncio.CancelledError):
            await purging
        assert ended.is_set()

    monkeypatch.setattr(Readers, "delete_before", delete_before)
    asyncio.run(stop_during_a_deletion())
