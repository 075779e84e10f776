"""The receiver that one writes in an hour: FastAPI, and a row of SQLite committed before each answer."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from urllib.parse import parse_qsl

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse

app = FastAPI()
database = sqlite3.connect(os.environ["RECEIVER_FILE"], isolation_level=None)
database.execute("PRAGMA journal_mode=WAL")
database.execute("PRAGMA synchronous=FULL")
database.execute("CREATE TABLE event (id INTEGER PRIMARY KEY, kind TEXT, email TEXT, body TEXT)")


@app.post("/webhooks/mailchimp/{secret}")
async def take(secret: str, request: Request) -> PlainTextResponse:
    if secret != os.environ["MAILCHIMP_WEBHOOKS_SECRET"]:
        return PlainTextResponse("no", 404)
    fields = dict(parse_qsl((await request.body()).decode()))
    row = (fields.get("type"), fields.get("data[email]"), json.dumps(fields))
    database.execute("INSERT INTO event (kind, email, body) VALUES (?, ?, ?)", row)
    return PlainTextResponse("ok")


signal.signal(signal.SIGTERM, lambda *_: None)
uvicorn.run(app, port=0, access_log=False)
