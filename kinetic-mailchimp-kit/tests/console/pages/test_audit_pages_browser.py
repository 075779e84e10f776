"""The pages in a real browser: logging in, the keyboard, what a screen reader is told, phone and dark mode.

Chromium is driven by its own DevTools protocol over a pipe. With SYNC_AUDIT_SCREENSHOTS set to a folder, the
screenshots of the documentation are made there.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kinetic_mailchimp.audit import Action, AuditTrail, Decision
from kinetic_mailchimp.audit.plans.plans import decide, find_plan
from kinetic_mailchimp.audit.plans.previews import Outcome, PreviewedRecord, keep_preview

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--force-prefers-reduced-motion",
    "--remote-debugging-pipe",
]
STARTER = """
import os, sys
# Chromium reads from descriptor 3 and writes to descriptor 4; ours may be the same ones, crosswise.
ends = [os.dup(int(number)) for number in sys.argv[1:3]]
while min(ends) < 5:
    ends = [os.dup(end) for end in ends]
os.dup2(ends[0], 3)
os.dup2(ends[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
Open = Callable[..., Any]
DESKTOP, PHONE = (1180, 900), (360, 780)
ADA = "ada.lovelace@example.com"
SOURCE = {
    "Company": "EPIC06",
    "CustNum": 12,
    "Name": "Example Tools Ltd",
    "EMailAddress": "Info@Example.com",
    "Address1": "1 Example Street",
    "City": "Springfield",
    "State": "IL",
    "Zip": "62701",
    "GroupCode": "Tools",
    "NoContact": False,
}
MAPPED = {
    "email_address": "Info@Example.com",
    "status": None,
    "COMPANY": "Example Tools Ltd",
    "ADDRESS": {"addr1": "1 Example Street", "city": "Springfield", "state": "IL", "zip": "62701"},
    "INDUSTRY": "Tools",
    "source_key": "Customer EPIC06/12",
}
WRITES = {
    "merge_fields.COMPANY": ("Example Tools", "Example Tools Ltd"),
    "merge_fields.INDUSTRY": (None, "Tools"),
}
PREVIEWED = [
    PreviewedRecord(
        "customers",
        SOURCE,
        [
            Outcome(
                "meltano.yml",
                "target-mailchimp",
                "members",
                MAPPED,
                ["updated: fields differ."],
                [("list 1a2b3c4d5e", WRITES)],
            )
        ],
    ),
    PreviewedRecord(
        "customers",
        {**SOURCE, "CustNum": 13, "EMailAddress": "ann@example.com; bob@example.com"},
        [
            Outcome(
                "meltano.yml",
                "target-mailchimp",
                "members",
                {**MAPPED, "email_address": "ann@example.com; bob@example.com"},
                ["skipped: several addresses. The field holds several addresses."],
            )
        ],
    ),
]


class Browser:
    """One tab. Commands and events are JSON, ended by NUL, on two pipes."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._write = os.fdopen(to_browser, "wb")
        self._read = os.fdopen(from_browser, "rb")
        self._number = 0
        self._session: str | None = None
        self.complaints: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Accessibility"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        self._write.close()
        self._read.close()

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._write.write(json.dumps(message).encode() + b"\0")
        self._write.flush()
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                result: dict[str, Any] = answer["result"]
                return result

    def _next(self) -> dict[str, Any]:
        text = bytearray()
        while (byte := self._read.read(1)) != b"\0":
            assert byte, "Chromium has ended"
            text += byte
        message: dict[str, Any] = json.loads(text)
        if message.get("method") == "Log.entryAdded":
            self.complaints.append(message["params"]["entry"]["text"])
        return message

    def ask(self, expression: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def go(self, address: str) -> None:
        self.acts(lambda: self.call("Page.navigate", url=address))

    def acts(self, act: Callable[[], object]) -> None:
        """Do something that leads to another page, and wait until that page is there."""
        self.ask("window.before = true")
        act()
        self.until("!window.before && document.readyState == 'complete'")

    def _ask_lightly(self, expression: str) -> Any:
        # Between two pages there may be nobody to answer.
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def look(self, size: tuple[int, int] = DESKTOP, *, dark: bool = False) -> None:
        width, height = size
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if size == PHONE else 1,
            mobile=size == PHONE,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def type(self, text: str) -> None:
        """Type into the field that the page itself puts the cursor in."""
        self.until("document.activeElement.tagName == 'INPUT'")
        self.call("Input.insertText", text=text)
        self.until(f"document.activeElement.value == {json.dumps(text)}")

    def until(self, expression: str) -> None:
        end = time.monotonic() + 120
        while not self._ask_lightly(expression):
            assert time.monotonic() < end, f"in vain: {expression}"
            time.sleep(0.02)

    def press(self, key: str) -> None:
        codes = {"Tab": 9, "Enter": 13}
        more = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=codes[key],
                **(more if kind == "keyDown" else {}),
            )

    def log_in(self, address: str, token: str) -> None:
        self.go(address)
        self.type(token)
        self.acts(lambda: self.press("Enter"))

    def nodes(self) -> list[tuple[str, str]]:
        """What a screen reader is told: role and name of everything that is not left out."""
        tree = self.call("Accessibility.getFullAXTree")["nodes"]
        return [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in tree
            if not node["ignored"] and "role" in node
        ]

    def screenshot(self) -> bytes:
        height = min(int(self.ask("document.documentElement.scrollHeight")), 1500)
        width = int(self.ask("document.documentElement.clientWidth"))
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        picture = self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        return base64.b64decode(picture["data"])


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    to_browser, to_us = os.pipe(), os.pipe()
    ends = (to_browser[0], to_us[1])
    profile = tmp_path_factory.mktemp("chromium")
    process = subprocess.Popen(
        [sys.executable, "-c", STARTER, *map(str, ends), CHROMIUM, *OPTIONS, f"--user-data-dir={profile}"],
        pass_fds=ends,
        stderr=subprocess.DEVNULL,
    )
    for end in ends:
        os.close(end)
    browser = Browser(to_browser[1], to_us[0])
    yield browser
    with contextlib.suppress(AssertionError):
        browser.call("Browser.close")
    process.wait(timeout=120)
    browser.close()


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    chromium.call("Network.clearBrowserCookies")
    chromium.look()
    chromium.complaints.clear()
    yield chromium
    assert chromium.complaints == []
    chromium.go("about:blank")


@pytest.fixture
def pages(filled: AuditTrail, open_pages: Open) -> str:
    keep_preview(filled, PREVIEWED)
    settings = {"replay_commands": {"target-mailchimp": "true"}, "preview": "true"}
    address: str = open_pages(filled, **settings).address
    return address


def test_one_logs_in_and_finds_a_person_by_keyboard(pages: str, browser: Browser, token: str) -> None:
    browser.log_in(f"{pages}/people", token)
    browser.type("Ada.Lovelace@example.com")
    browser.acts(lambda: browser.press("Enter"))
    assert browser.ask("document.querySelector('h1').innerText") == ADA
    assert "@" not in browser.ask("location.href")
    assert [browser.ask(f"document.cookie.includes('{name}')") for name in ("sync", "=")] == [False, False]


def test_the_first_tab_skips_to_the_content(pages: str, browser: Browser, token: str) -> None:
    browser.log_in(f"{pages}/consent", token)
    browser.press("Tab")
    assert browser.ask("document.activeElement.className") == "skip"
    assert browser.ask("document.activeElement.getBoundingClientRect().width") > 50
    seen = []
    for _ in range(8):
        browser.press("Tab")
        seen.append(browser.ask("document.activeElement.innerText"))
        assert browser.ask("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert seen[:6] == ["Audit trail", "Overview", "Runs", "Plans", "People", "Failures"]


def test_a_screen_reader_gets_names_and_roles(pages: str, browser: Browser, token: str) -> None:
    browser.log_in(pages, token)
    nodes = browser.nodes()
    roles = [role for role, _ in nodes]
    assert {"banner", "navigation", "main", "contentinfo"} <= set(roles)
    assert next(name for role, name in nodes if role == "heading") == "Overview"
    plots = [name for role, name in nodes if role == "image"]
    assert "updated over 48 hours" in plots
    assert all(name for role, name in nodes if role in ("link", "button", "image", "table"))
    assert "rowheader" in roles
    assert "columnheader" in roles


SHOWN = [
    "/",
    "/runs",
    "/runs/1",
    "/people",
    "/failures",
    "/failures/7/63",
    "/consent",
    "/quality",
    "/previews",
    "/login",
]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("path", SHOWN)
def test_text_can_be_read(pages: str, browser: Browser, token: str, path: str, *, dark: bool) -> None:
    browser.look(dark=dark)
    browser.log_in(pages, token)
    browser.go(pages + path)
    poor = browser.ask(CONTRASTS)
    assert poor == []


CONTRASTS = """(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
  const rgb = (color) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const light = (color) => {
    const [r, g, b] = [...color].slice(0, 3).map(v => v / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const color = rgb(getComputedStyle(e).backgroundColor);
      if (color[3] == 255) return color;
    }
    return rgb('white');
  };
  const poor = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest('svg, .hidden, .skip, :disabled')) continue;
    const [a, b] = [light(rgb(getComputedStyle(element).color)), light(paper(element))].sort();
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push([walker.currentNode.data.trim(), ratio]);
  }
  return poor;
})()"""


@pytest.mark.parametrize("path", SHOWN)
def test_a_phone_need_not_scroll_sideways(pages: str, browser: Browser, token: str, path: str) -> None:
    browser.look(PHONE)
    browser.log_in(pages, token)
    browser.go(pages + path)
    assert browser.ask("document.documentElement.scrollWidth") == PHONE[0]
    assert browser.ask(CLIPPED) == []


CLIPPED = """[...document.querySelectorAll('.scroll, .decision, dl, nav')]
    .filter(part => part.scrollWidth > part.clientWidth).map(part => part.outerHTML.slice(0, 80))"""


@pytest.mark.parametrize("path", ["/runs", "/failures", "/consent", "/quality"])
def test_a_table_is_a_table_on_a_phone_too(pages: str, browser: Browser, token: str, path: str) -> None:
    browser.look(PHONE)
    browser.log_in(pages, token)
    browser.go(pages + path)
    assert {"table", "row", "rowheader", "columnheader", "cell"} <= {role for role, _ in browser.nodes()}


def test_what_a_record_holds_is_text_and_nothing_else(
    sqlite_trail: AuditTrail, open_pages: Open, record_run: Callable[..., int], browser: Browser, token: str
) -> None:
    attack = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    decision = Decision(stream=attack, action=Action.UPDATED, reason="x", detail=attack, subject=attack)
    number = record_run(sqlite_trail, "target-mailchimp", [decision], pipeline=attack)
    pages = open_pages(sqlite_trail).address
    browser.log_in(pages, token)
    browser.go(f"{pages}/runs/{number}")
    assert browser.ask("document.title") == f"Run {number} · Audit trail"
    assert browser.ask("document.querySelectorAll('main img, script').length") == 0
    assert attack in browser.ask("document.body.innerText")


SCREENSHOTS: list[tuple[str, str, tuple[int, int], bool]] = [
    ("overview", "/", DESKTOP, False),
    ("overview-dark", "/", DESKTOP, True),
    ("overview-phone", "/", PHONE, False),
    ("person", "person", DESKTOP, False),
    ("person-phone-dark", "person", PHONE, True),
    ("run", "/runs/24", DESKTOP, False),
    ("failures", "/failures", DESKTOP, False),
    ("letter", "/failures/7/63", DESKTOP, False),
    ("consent", "/consent", DESKTOP, False),
    ("quality", "/quality", DESKTOP, False),
    ("previews", "/previews", DESKTOP, False),
    ("previews-phone", "/previews", PHONE, False),
]


@pytest.fixture
def planned(filled: AuditTrail, open_pages: Open, record_run: Callable[..., int]) -> tuple[str, int]:
    """The pages with two plans, and the number of the one that waits."""
    new: dict[str, Any] = {"stream": "customers", "reason": "new", "targets": "list 1a2b3c4d5e"}
    created = [
        Decision(action=Action.CREATED, subject=f"new{number}@example.com", **new) for number in range(1_200)
    ]
    runs = {"pipeline": "prod:tap-epicor-kinetic", "dry_run": True}
    first = record_run(filled, "target-mailchimp", created, **runs)
    decide(
        filled,
        find_plan(filled, first),
        approved=False,
        decided_by="Grace Example",
        because="The region is wrong.",
    )
    second = record_run(filled, "target-mailchimp", created[:840], **runs)
    return open_pages(filled).address, second


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["plans", "plan"])
def test_plans_can_be_read_and_fit_a_phone(
    planned: tuple[str, int], browser: Browser, token: str, tmp_path: Path, name: str, *, dark: bool
) -> None:
    pages, number = planned
    browser.look(dark=dark)
    browser.log_in(pages, token)
    browser.go(f"{pages}/plans" + (f"/{number}" if name == "plan" else ""))
    assert browser.ask(CONTRASTS) == []
    if not dark:
        keep(browser.screenshot(), name, tmp_path)
    browser.look(PHONE, dark=dark)
    assert browser.ask("document.documentElement.scrollWidth") == PHONE[0]
    assert browser.ask(CLIPPED) == []


@pytest.mark.parametrize(("name", "path", "size", "dark"), SCREENSHOTS, ids=[shot[0] for shot in SCREENSHOTS])
def test_pictures_for_the_documentation(
    pages: str,
    filled: AuditTrail,
    browser: Browser,
    token: str,
    tmp_path: Path,
    name: str,
    path: str,
    size: tuple[int, int],
    *,
    dark: bool,
) -> None:
    browser.look(size, dark=dark)
    browser.log_in(pages, token)
    browser.go(pages + (f"/people/{filled.person(ADA).hex()}" if path == "person" else path))
    keep(browser.screenshot(), name, tmp_path)


def keep(picture: bytes, name: str, tmp_path: Path) -> None:
    """Keep a picture for the documentation."""
    assert picture.startswith(b"\x89PNG")
    folder = Path(os.environ.get("SYNC_AUDIT_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"pages-{name}.png").write_bytes(picture)
