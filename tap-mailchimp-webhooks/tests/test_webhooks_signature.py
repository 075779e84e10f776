from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_mailchimp_webhooks.webhooks import signature
from tap_mailchimp_webhooks.webhooks.signature import SignatureError, verify

NOW = 1_772_366_400.0
BODY = b"type=unsubscribe&data[email]=a@example.com"


def sign(secret: str, at: float = NOW, body: bytes = BODY) -> str:
    digest = hmac.new(secret.encode(), f"{at:.0f}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at:.0f},v1={digest}"


def test_takes_a_delivery_that_mailchimp_signed() -> None:
    verify(sign("right"), BODY, ["right"], NOW)


def test_takes_any_secret_and_any_digest_while_one_replaces_another() -> None:
    verify(sign("new"), BODY, ["old", "new"], NOW)
    verify(f"{sign('elsewhere')},{sign('right').partition(',')[2]}", BODY, ["right"], NOW)


@pytest.mark.parametrize("skew", [-7_199, -4_500, 0, 299])
def test_takes_a_clock_that_is_a_little_ahead_and_a_delivery_that_was_repeated(skew: int) -> None:
    verify(sign("right", NOW + skew), BODY, ["right"], NOW)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "nonsense",
        "t=,v1=",
        f"v1={'0' * 64}",
        f"t={NOW:.0f}",
        f"t={NOW:.0f},v1=0123",
        f"t={NOW:.0f},v1={'g' * 64}",
        f"t={NOW:.0f},v1={'é' * 64}",
        f"t=-5,v1={'0' * 64}",
        f"t={'9' * 99},v1={'0' * 64}",
        f"t=١٢٣,v1={'0' * 64}",
        f"t=1,{sign('right')}",
        sign("wrong"),
        sign("right", NOW - 7_201),
        sign("right", NOW + 301),
        sign("right", body=b"another body"),
    ],
)
def test_refuses_everything_else_in_one_way(header: str | None) -> None:
    with pytest.raises(SignatureError):
        verify(header, BODY, ["right"], NOW)


def test_how_old_a_signature_may_be_is_a_setting() -> None:
    verify(sign("right", NOW - 60), BODY, ["right"], NOW, max_age=60)
    with pytest.raises(SignatureError, match="60 s before"):
        verify(sign("right", NOW - 61), BODY, ["right"], NOW, max_age=60)


def test_makes_one_digest_for_each_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    plain = signature._sign

    def count(secret: str, stamp: str, body: bytes) -> str:
        made.append(secret)
        return plain(secret, stamp, body)

    monkeypatch.setattr(signature, "_sign", count)

    verify(f"{sign('elsewhere')},v1={'0' * 64},{sign('right').partition(',')[2]}", BODY, ["a", "right"], NOW)

    assert made == ["a", "right"]


@pytest.mark.parametrize("more", [f",v1={'0' * 64}" * 10, "," * 2_000])
def test_refuses_a_header_with_more_than_a_change_of_secrets_needs(more: str) -> None:
    with pytest.raises(SignatureError):
        verify(sign("right") + more, BODY, ["right"], NOW)


@given(st.text())
def test_no_header_breaks_it(header: str) -> None:
    with pytest.raises(SignatureError):
        verify(header, BODY, ["right"], NOW)
