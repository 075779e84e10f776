"""Delivers webhooks as Mailchimp does: at least once, in no promised order, with retries."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import random
from collections import defaultdict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import requests

from simulators.mailchimp.events import UNASKED, Event, form_body
from simulators.mailchimp.model import Audience, Webhook
from simulators.mailchimp.switches import Switches

RETRY_DELAYS = (300.0, 1200.0, 3000.0)
"""Seconds between attempts: three retries at increasing intervals, 75 minutes in all."""
VALIDATOR_AGENT = "MailChimp.com WebHook Validator"
DELIVERY_AGENT = "MailChimp.com"
SIGNATURE_HEADER = "X-Mailchimp-Signature"
_GONE = 410
_MOST_CONNECTIONS = 32


@dataclass(frozen=True)
class Attempt:
    at: float
    status: int
    """The HTTP status; 0 if there was none."""
    error: str = ""

    @property
    def succeeded(self) -> bool:
        return 200 <= self.status < 300


@dataclass(eq=False)
class Delivery:
    number: int
    hook: Webhook
    event_type: str
    body: bytes
    fired_at: float
    is_duplicate: bool = False
    state: str = "pending"
    attempts: list[Attempt] = field(default_factory=list)
    signature: str = ""
    timer: asyncio.TimerHandle | None = None


def signature(secret: str, at: float, body: bytes) -> str:
    """The value of the signature header: HMAC-SHA256 over the time, a dot and the raw body."""
    stamp = str(int(at))
    digest = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"t={stamp},v1={digest}"


class Courier:
    """Takes events, posts them to the webhooks that want them and remembers what came of it.

    All state is touched in the event loop's thread; only the blocking HTTP calls run in others.
    """

    def __init__(self, seed: int, switches: Callable[[], Switches], clock: Callable[[], float]) -> None:
        self._switches = switches
        self._clock = clock
        self._random = random.Random(seed)
        self._executor = ThreadPoolExecutor(_MOST_CONNECTIONS, thread_name_prefix="courier")
        self._ready: dict[str, deque[Delivery]] = defaultdict(deque)
        self._active: dict[str, int] = defaultdict(int)
        self._held: list[Delivery] = []
        self._recent: dict[str, deque[bool]] = defaultdict(deque)
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: set[Delivery] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._pending = 0
        self.deliveries: list[Delivery] = []

    def announce(self, audience: Audience, event: Event) -> None:
        """Queue an event for every webhook of a list that wants it."""
        for hook in audience.webhooks.values():
            if event.type in UNASKED or hook.wants(event.type, event.source):
                self._queue(hook, event)

    def _queue(self, hook: Webhook, event: Event) -> None:
        switches = self._switches()
        now = self._clock()
        body = form_body(event, now)
        copies = 2 if self._random.random() < switches.webhook_duplicate_rate else 1
        for copy in range(copies):
            delivery = Delivery(len(self.deliveries) + 1, hook, event.type, body, now, is_duplicate=copy > 0)
            self.deliveries.append(delivery)
            if hook.disabled:
                delivery.state = "dropped"
                continue
            self._pending += 1
            self._idle.clear()
            self._held.append(delivery)
        if len(self._held) >= max(switches.webhook_reorder_window, 1):
            self._release()

    def _release(self) -> None:
        """Let the deliveries go that were held back to be shuffled."""
        held, self._held = self._held, []
        if self._switches().webhook_reorder_window > 1:
            self._random.shuffle(held)
        for delivery in held:
            self._make_ready(delivery)

    def _make_ready(self, delivery: Delivery) -> None:
        self._waiting.discard(delivery)
        self._ready[delivery.hook.id].append(delivery)
        self._pump(delivery.hook.id)

    def _pump(self, hook_id: str) -> None:
        limit = min(self._switches().webhook_connections, _MOST_CONNECTIONS)
        while self._ready[hook_id] and self._active[hook_id] < limit:
            self._active[hook_id] += 1
            task = asyncio.get_running_loop().create_task(self._attempt(self._ready[hook_id].popleft()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _attempt(self, delivery: Delivery) -> None:
        hook = delivery.hook
        try:
            if hook.disabled:
                self._finish(delivery, "dropped")
            else:
                attempt = await self._post(delivery)
                delivery.attempts.append(attempt)
                self._judge(delivery, attempt)
        finally:
            self._active[hook.id] -= 1
            self._pump(hook.id)

    async def _post(self, delivery: Delivery) -> Attempt:
        now = self._clock()
        headers = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": DELIVERY_AGENT}
        if delivery.hook.signing_enabled:
            if not delivery.signature or self._switches().resign_each_attempt:
                delivery.signature = signature(delivery.hook.signing_secret, now, delivery.body)
            headers[SIGNATURE_HEADER] = delivery.signature
        status, error = await self._call("POST", delivery.hook.url, headers, delivery.body)
        return Attempt(now, status, error)

    async def validate(self, url: str) -> tuple[int, str]:
        """Ask a webhook's address whether it is there, as the vendor does before it registers one."""
        answer = await self._call("GET", url, {"User-Agent": VALIDATOR_AGENT}, None)
        if self._switches().validator_posts:
            await self._call("POST", url, {"User-Agent": VALIDATOR_AGENT}, b"")
        return answer

    async def _call(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None
    ) -> tuple[int, str]:
        timeout = self._switches().webhook_timeout_seconds

        def call() -> int:
            with requests.Session() as session:
                session.trust_env = False
                return session.request(
                    method, url, headers=headers, data=body, timeout=timeout, allow_redirects=False
                ).status_code

        loop = asyncio.get_running_loop()
        try:
            # The limit is on the whole call: a receiver that answers byte by byte does not escape it.
            return await asyncio.wait_for(loop.run_in_executor(self._executor, call), timeout), ""
        except (TimeoutError, requests.Timeout):
            return 0, "timeout"
        except requests.RequestException as error:
            return 0, type(error).__name__

    def _judge(self, delivery: Delivery, attempt: Attempt) -> None:
        hook = delivery.hook
        if attempt.succeeded:
            self._note(hook, succeeded=True)
            self._finish(delivery, "delivered")
        elif attempt.status == _GONE:
            self._disable(hook, "gone")
            self._finish(delivery, "failed")
        elif len(delivery.attempts) > len(RETRY_DELAYS):
            self._note(hook, succeeded=False)
            self._finish(delivery, "failed")
        else:
            self._note(hook, succeeded=False)
            delay = RETRY_DELAYS[len(delivery.attempts) - 1] * self._switches().webhook_retry_scale
            delivery.timer = asyncio.get_running_loop().call_later(delay, self._make_ready, delivery)
            self._waiting.add(delivery)

    def _note(self, hook: Webhook, *, succeeded: bool) -> None:
        """Disable a hook without a word when more than half of its last attempts failed."""
        window = self._switches().webhook_disable_after
        recent = self._recent[hook.id]
        recent.append(succeeded)
        while len(recent) > max(window, 1):
            recent.popleft()
        if window and len(recent) == window and recent.count(False) * 2 > window:
            self._disable(hook, "failing")

    def _disable(self, hook: Webhook, reason: str) -> None:
        hook.disabled = reason
        self._recent.pop(hook.id, None)

    def _finish(self, delivery: Delivery, state: str) -> None:
        delivery.state = state
        self._pending -= 1
        if not self._pending:
            self._idle.set()

    async def flush(self, *, hurry: bool) -> None:
        """Wait until nothing is pending.

        Args:
            hurry: Make retries at once instead of at their time.
        """
        self._release()
        while self._pending:
            if hurry:
                self._retry_now()
            waiting = asyncio.create_task(self._idle.wait())
            await asyncio.wait({waiting, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                waiting.cancel()

    def _retry_now(self) -> None:
        for delivery in sorted(self._waiting, key=lambda delivery: delivery.number):
            if delivery.timer is not None:
                delivery.timer.cancel()
            self._make_ready(delivery)

    def forget(self) -> None:
        """Drop everything that is known or pending."""
        for delivery in self._waiting:
            if delivery.timer is not None:
                delivery.timer.cancel()
        self._waiting.clear()
        for task in self._tasks:
            task.cancel()
        self._ready.clear()
        self._held.clear()
        self._recent.clear()
        self.deliveries.clear()
        self._pending = 0
        self._idle.set()

    def close(self) -> None:
        self.forget()
        self._executor.shutdown(wait=False, cancel_futures=True)
