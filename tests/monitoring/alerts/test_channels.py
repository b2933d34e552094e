"""Channels against real servers: taken, refused, down; and no secret anywhere."""

from __future__ import annotations

import email
import email.policy
import hashlib
import hmac
import json
import logging
from pathlib import Path

import pytest
from tests.monitoring.alerts.servers import certificate, free_port, post_office, webhook

from onward.config import AlertSettings
from onward.monitoring.alerts import Down, Message, Refused, channels_of, signature

BODY = json.dumps(
    {
        "id": "dl_1",
        "event": "opened",
        "tenant": "shop",
        "alert": {"id": "al_1", "severity": "warning", "message": "Slöw."},
    }
)
MESSAGE = Message("dl_1", "Onward: opened,\nshop", BODY)


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("ONWARD_WEBHOOK_SECRET", "very-secret")
    return "very-secret"


def by_webhook(url: str, **settings: object) -> None:
    said = AlertSettings.model_validate(
        {"channels": ["webhook"], "webhook_url": url, "timeout_seconds": 0.5, **settings}
    )
    channels_of(said)["webhook"](MESSAGE)


def by_email(port: int, **settings: object) -> None:
    said = AlertSettings.model_validate(
        {
            "channels": ["email"],
            "email_host": "127.0.0.1",
            "email_port": port,
            "email_tls": "none",
            "email_from": "onward@example.org",
            "email_to": ["ann@example.org", "bob@example.org"],
            "timeout_seconds": 5,
            **settings,
        }
    )
    channels_of(said)["email"](MESSAGE)


def test_only_the_channels_that_are_named() -> None:
    assert list(channels_of(AlertSettings())) == ["log"]


def test_the_log_gets_it(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "onward"):
        channels_of(AlertSettings())["log"](MESSAGE)
    said = json.loads(caplog.records[-1].getMessage())
    assert (said["event"], said["tenant"], said["alert"]["message"]) == ("alert", "shop", "Slöw.")
    assert (said["what"], said["delivery"]) == ("opened", "dl_1")


def test_a_webhook_gets_json_that_is_signed(secret: str) -> None:
    with webhook(200) as server:
        by_webhook(server.url)
    (request,) = server.requests
    assert request.path == "/alerts?from=onward"
    assert request.body == BODY
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Onward-Delivery"] == "dl_1"
    stamp = request.headers["Onward-Timestamp"]
    expected = hmac.new(secret.encode(), stamp.encode() + b"." + request.body.encode(), hashlib.sha256).hexdigest()
    assert request.headers["Onward-Signature"] == f"sha256={expected}" == signature(secret, stamp, request.body)
    assert secret not in str(request)


def test_a_webhook_without_a_secret_is_unsigned() -> None:
    with webhook(204) as server:
        by_webhook(server.url, webhook_secret_variable="")
    assert not {"Onward-Signature", "Onward-Timestamp"} & set(server.requests[0].headers)


def test_a_missing_secret_is_said_and_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ONWARD_WEBHOOK_SECRET")
    with webhook(200) as server, pytest.raises(Down, match=r"ONWARD_WEBHOOK_SECRET, which alerts\.webhook_secret_vari"):
        by_webhook(server.url)
    assert server.requests == []


@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_a_server_in_trouble_is_down(status: int) -> None:
    with webhook(status) as server, pytest.raises(Down, match=rf"127\.0\.0\.1 answered {status}"):
        by_webhook(server.url)


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404])
def test_a_server_that_does_not_want_it_refuses(status: int) -> None:
    with webhook(status) as server, pytest.raises(Refused, match=f"answered {status}"):
        by_webhook(server.url)
    assert len(server.requests) == 1  # no redirect is followed


def test_nobody_listening_is_down() -> None:
    with pytest.raises(Down, match="ConnectionRefusedError"):
        by_webhook(f"http://127.0.0.1:{free_port()}/secret-path")


def test_a_server_that_hangs_is_down() -> None:
    with webhook("hang") as server, pytest.raises(Down, match=r"TimeoutError|timed out"):
        by_webhook(server.url)


def test_a_connection_that_breaks_is_tried_once_more() -> None:
    with webhook("drop", 200) as server:
        by_webhook(server.url)
    assert server.ids == ["dl_1", "dl_1"]
    with webhook("drop") as server, pytest.raises(Down, match="RemoteDisconnected"):
        by_webhook(server.url)
    assert len(server.requests) == 2


def test_an_error_names_the_host_and_nothing_more(secret: str) -> None:
    with pytest.raises(Down) as caught:
        by_webhook(f"http://127.0.0.1:{free_port()}/hooks/T0K3N?key=K3Y")
    assert not any(part in str(caught.value) for part in ("T0K3N", "K3Y", secret))


def test_a_request_that_cannot_be_made_is_refused() -> None:
    with webhook(200) as server, pytest.raises((Refused, Down)):
        by_webhook(server.url.replace("/alerts", "/al erts"))
    with pytest.raises((Refused, Down)):
        by_webhook("http://a..b/")


def test_a_letter_arrives() -> None:
    with post_office() as (post, port):
        by_email(port)
    (envelope,) = post.letters
    assert envelope.mail_from == "onward@example.org"
    assert envelope.rcpt_tos == ["ann@example.org", "bob@example.org"]
    letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
    assert letter["Message-ID"] == "<dl_1@onward>"
    assert letter["Subject"] == "Onward: opened, shop"
    assert letter.get_content().startswith("Slöw.")


def test_a_letter_goes_over_starttls_with_a_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(files[0]))
    monkeypatch.setenv("ONWARD_EMAIL_PASSWORD", "pass-word")
    with post_office(files, tls="starttls") as (post, port):
        by_email(port, email_tls="starttls", email_user="ann")
        assert len(post.letters) == 1
        monkeypatch.setenv("ONWARD_EMAIL_PASSWORD", "wr0ng")
        with pytest.raises(Down, match="SMTPAuthenticationError") as caught:
            by_email(port, email_tls="starttls", email_user="ann")
        assert "wr0ng" not in str(caught.value)
        monkeypatch.delenv("ONWARD_EMAIL_PASSWORD")
        with pytest.raises(Down, match=r"ONWARD_EMAIL_PASSWORD, which alerts\.email_password_variable names"):
            by_email(port, email_tls="starttls", email_user="ann")


def test_a_letter_goes_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(files[0]))
    with post_office(files, tls="tls") as (post, port):
        by_email(port, email_tls="tls")
    assert len(post.letters) == 1


def test_a_server_whose_certificate_is_not_trusted_gets_nothing(tmp_path: Path) -> None:
    with post_office(certificate(tmp_path), tls="tls") as (post, port), pytest.raises(Down, match="CERTIFICATE_VERIFY"):
        by_email(port, email_tls="tls")
    assert post.letters == []


def test_a_server_without_tls_gets_nothing() -> None:
    with post_office() as (post, port), pytest.raises(Refused, match="STARTTLS"):
        by_email(port, email_tls="starttls")
    assert post.letters == []


def test_a_letter_that_is_refused() -> None:
    with post_office() as (post, port):
        post.refuses = "554 no thanks"
        with pytest.raises(Refused, match="554"):
            by_email(port)


def test_no_post_office_is_down() -> None:
    with pytest.raises(Down, match="ConnectionRefusedError"):
        by_email(free_port())


def test_an_address_that_is_none_is_refused() -> None:
    with post_office() as (_, port), pytest.raises(Refused):
        by_email(port, email_from="a\nb@example.org")
