"""Where messages go: the log, a webhook, e-mail. Each either takes a message or says why not."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import os
import smtplib
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from onward.config import AlertSettings
from onward.core import log

AT_ONCE: Final = 2
"""Attempts within one delivery where the connection broke: a server that restarts is often back in a moment."""
BROKEN: Final = (ConnectionError, http.client.RemoteDisconnected, smtplib.SMTPServerDisconnected)
DOWN: Final = (
    smtplib.SMTPAuthenticationError,
    smtplib.SMTPConnectError,
    smtplib.SMTPServerDisconnected,
    ssl.SSLError,  # an error of values, too, says Python
)
SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: the same id, and the same body to the byte, however often.

    Args:
        id: of the delivery; a receiver that has seen it drops the message.
        subject: in a few words.
        body: JSON, UTF-8.
    """

    id: str
    subject: str
    body: str


class Down(Exception):
    """The channel takes nothing at the moment."""


class Refused(Exception):
    """The channel does not take this message."""


Channel = Callable[[Message], None]
"""Sends a message. Raises `Down` or `Refused`, with words that hold no secret."""


def channels_of(settings: AlertSettings) -> dict[str, Channel]:
    """The channels that the settings name."""
    table: dict[str, Channel] = {
        "log": to_log,
        "webhook": partial(to_webhook, settings),
        "email": partial(to_email, settings),
    }
    return {name: table[name] for name in settings.channels}


def to_log(message: Message) -> None:
    """Write it to the log: critical ones as errors, warnings as such, and the rest as information."""
    said: dict[str, Any] = msgspec.json.decode(message.body)
    write = {"critical": log.error, "warning": log.warning}.get(said["alert"].get("severity"), log.info)
    write("alert", delivery=message.id, what=said["event"], tenant=said["tenant"], alert=said["alert"])


def signature(secret: str, timestamp: str, body: str) -> str:
    """What the header Onward-Signature holds: HMAC-SHA256 (RFC 2104) over timestamp, a dot, and the body.

    A receiver computes the same over what arrived, compares with `hmac.compare_digest`, and drops what is older than a
    few minutes.

    Args:
        secret: shared with the receiver.
        timestamp: the header Onward-Timestamp: POSIX seconds.
        body: of the request, UTF-8.

    >>> signature("secret", "1767225600", "{}")[:15]
    'sha256=...'
    """
    made = hmac.new(secret.encode(), f"{timestamp}.{body}".encode(), hashlib.sha256)
    return f"sha256={made.hexdigest()}"


def to_webhook(settings: AlertSettings, message: Message) -> None:
    """POST it as JSON, signed. Any answer but 2xx is a failure; redirects are not followed."""
    secret = _secret(settings.webhook_secret_variable, "webhook_secret_variable")
    headers = {"Content-Type": "application/json", "User-Agent": "onward", "Onward-Delivery": message.id}
    if secret:
        sent = str(int(time.time()))
        headers |= {"Onward-Timestamp": sent, "Onward-Signature": signature(secret, sent, message.body)}
    try:
        status = _persistently(partial(_post, settings, headers, message.body.encode()))
    except (OSError, http.client.HTTPException) as error:
        raise Down(f"{_host(settings)}: {_named(error)}") from error
    except ValueError as error:
        raise Refused(f"the request cannot be made: {_named(error)}") from error
    if status in {408, 425, 429} or status >= 500:
        raise Down(f"{_host(settings)} answered {status}")
    if not 200 <= status < 300:
        raise Refused(f"{_host(settings)} answered {status}")


def _post(settings: AlertSettings, headers: dict[str, str], body: bytes) -> int:
    parts = urlsplit(settings.webhook_url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=settings.timeout_seconds)
    try:
        connection.request("POST", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def _host(settings: AlertSettings) -> str:
    """The host only: the rest of a URL may be a secret."""
    return urlsplit(settings.webhook_url).hostname or ""


def to_email(settings: AlertSettings, message: Message) -> None:
    """Send it by SMTP; its Message-ID is the delivery's."""
    password = _secret(settings.email_password_variable, "email_password_variable") if settings.email_user else ""
    try:
        _persistently(partial(_mail, settings, password, _letter(settings, message)))
    except DOWN as error:
        raise Down(f"{settings.email_host}: {_named(error)}") from error
    except (smtplib.SMTPException, ValueError) as error:
        raise Refused(f"{settings.email_host}: {_named(error)}") from error
    except OSError as error:
        raise Down(f"{settings.email_host}: {_named(error)}") from error


def _mail(settings: AlertSettings, password: str, letter: EmailMessage) -> None:
    place, patience = (settings.email_host, settings.email_port), settings.timeout_seconds
    if settings.email_tls == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(*place, timeout=patience, context=ssl.create_default_context())
    else:
        server = smtplib.SMTP(*place, timeout=patience)
    with server:
        if settings.email_tls == "starttls":
            server.starttls(context=ssl.create_default_context())
        if settings.email_user:
            server.login(settings.email_user, password)
        server.send_message(letter)


def _letter(settings: AlertSettings, message: Message) -> EmailMessage:
    letter = EmailMessage()
    letter["Subject"] = " ".join(message.subject.split())[:SHOWN]
    letter["From"] = settings.email_from
    letter["To"] = ", ".join(settings.email_to)
    letter["Date"] = formatdate()
    letter["Message-ID"] = f"<{message.id}@onward>"
    said = msgspec.json.decode(message.body)
    letter.set_content(f"{said['alert']['message']}\n\n{message.body}\n")
    return letter


def _persistently(send: Callable[[], Any]) -> Any:
    """Once more, a moment later, where the connection broke."""
    again = Retrying(
        stop=stop_after_attempt(AT_ONCE),
        wait=wait_random_exponential(multiplier=0.1, max=0.5),
        retry=retry_if_exception_type(BROKEN),
        reraise=True,
    )
    return again(send)


def _secret(variable: str, setting: str) -> str:
    """What an environment variable holds; it is in no setting, no table and no message."""
    if not variable:
        return ""
    if not os.environ.get(variable):
        raise Down(f"the environment variable {variable}, which alerts.{setting} names, is not set")
    return os.environ[variable]


def _named(error: Exception) -> str:
    """An error in a few words; what a server answered is cut, for it may quote anything."""
    return f"{type(error).__name__}: {error}"[:SHOWN]
