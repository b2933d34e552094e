"""Secrets: keys and tokens of known formats, private keys, and values that the text itself calls secret."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from math import log2

from ._digits import Span

_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:(?:[^\0-]|-(?!----))*+-----END [A-Z0-9 ]{0,60}-----|(?:\s*+[A-Za-z0-9+/=]{24,}+)*+)"
)
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9_-])(?:"
    r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}"  # AWS
    r"|gh[pousr]_[A-Za-z0-9]{36,}+|github_pat_[A-Za-z0-9_]{22,}+"  # GitHub
    r"|gl(?:pat|ptt|dt|rt)-[A-Za-z0-9_-]{20,}+"  # GitLab
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,}+|xapp-[A-Za-z0-9-]{10,}+"  # Slack
    r"|(?:[sr]k_(?:live|test)_|whsec_)[A-Za-z0-9]{16,}+"  # Stripe
    r"|AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}+|GOCSPX-[A-Za-z0-9_-]{28}"  # Google
    r"|sk-[A-Za-z0-9_-]{20,}+|hf_[A-Za-z0-9]{30,}+"  # OpenAI, Anthropic; Hugging Face
    r"|SG\.[A-Za-z0-9_-]{16,}+\.[A-Za-z0-9_-]{16,}+"  # SendGrid
    r"|npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,}+|dop_v1_[0-9a-f]{64}"  # npm, PyPI, DigitalOcean
    r"|eyJ[A-Za-z0-9_-]{8,}+\.eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]*+"  # JSON web token, RFC 7519
    r"|(?<=hooks\.slack\.com/services/)[A-Za-z0-9/]{20,}+"
    r")(?![A-Za-z0-9])"
)
_URL_LOGIN = re.compile(r"[A-Za-z]://([^\s/:@?#\0]{0,100}:[^\s/@\0]{1,200})@(?=[A-Za-z0-9\[])")
_BEARER = re.compile(r"(?i:\bbearer|authorization: ?basic)\s{1,3}([A-Za-z0-9._~+/-]{8,}+={0,2})")

_IS = r"(?P<said>[\"'`\])]?\s{0,3}(?::=|=>|->|[:=]|\b(?:is|ist|est|es|was|war)\b))\s{0,3}[\"'`]?"
_PASSWORD = re.compile(
    r"(?i:pass(?:word|wort|wd|phrase|code)s?|passw|pwd|kennwort|contrase[ñn]a|mot de passe|senha|wachtwoord|has[lł]o"
    rf"|lösenord|adgangskode|salasana|пароль|密码|密碼|パスワード|비밀번호){_IS}(?P<value>[^\s\0\"'`<>]{{3,200}}+)",
)
_KEY = re.compile(
    r"(?i:secret|token|api[ _-]?key|(?:access|auth|private|secret|account|encryption|signing)[ _-]?key|credentials?"
    rf"|session[ _-]?id|cookie|authorization)(?i:[ _-](?:id|key|value))?{_IS}"
    r"(?P<value>[A-Za-z0-9+/_.~-]{8,}+={0,2})"
)
_PIN = re.compile(
    r"(?i:(?<![A-Za-z])(?:pin(?:[ -]?(?:code|number|nummer))?|cvv2?|cvc2?|otp|security code"
    r"|one[ -]time (?:code|password)|verification code)(?:\s{0,2}[:=#]|\s(?:is|ist|es|was))?)"
    r"\s{0,2}(?P<value>\d{3,8})(?![\w.,]?\d|\w)"
)
_ASSIGNED = re.compile(r"[:=]\s{0,2}[\"'`]?(?P<value>[A-Za-z0-9+/_.-]{20,}+={0,2})")
_NAME_BEFORE = re.compile(r"([A-Za-z][\w-]*)[\"'`\]]{0,2}\s{0,3}$")
_HARMLESS_NAME = re.compile(
    r"(?i)sha-?\d*|md5|.*(?:hash|digest|checksum|commit|uuid|guid|version|url|href|src|path|file|image)|https?|rev|ref|id|etag|data"
)
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


def private_keys(text: str) -> Iterator[Span]:
    """Private key blocks in PEM armour, also cut off ones."""
    return (found.span() for found in _PRIVATE_KEY.finditer(text))


def tokens(text: str) -> Iterator[Span]:
    """Keys and tokens whose issuers publish their format."""
    return (found.span() for found in _TOKEN.finditer(text))


def logins(text: str) -> Iterator[Span]:
    """The "user:password" of a URL, RFC 3986 section 3.2.1."""
    return (found.span(1) for found in _URL_LOGIN.finditer(text))


def bearers(text: str) -> Iterator[Span]:
    """What follows "Bearer" (RFC 6750) or "Authorization: Basic" (RFC 7617)."""
    return (found.span(1) for found in _BEARER.finditer(text) if _has_digit(found[1]) or len(found[1]) > 20)


def passwords(text: str) -> Iterator[Span]:
    """What the text calls a password."""
    for found in _PASSWORD.finditer(text):
        value = found["value"].rstrip(".,;:!?)]}")
        end = found.start("value") + len(value)
        if _is_password(text, value, end, spoken=found["said"].strip()[-1:].isalpha()):
            yield found.start("value"), end


def _is_password(text: str, value: str, end: int, *, spoken: bool) -> bool:
    """ "password: later please" and "password is wrong" are no passwords."""
    if len(value) < 4 or value[0] in "*[{($%":
        return False
    if spoken:
        return _has_digit(value)
    ends_clause = re.match(r"[\"'`.,;:!?)\]}]*(?:\s*$|\n|[,;])", text[end : end + 8])
    return not value.isalpha() or ends_clause is not None


def keys(text: str) -> Iterator[Span]:
    """What the text calls a key, a token or a secret, where it looks random."""
    for found in _KEY.finditer(text):
        if _has_digit(found["value"]) and _bits(found["value"]) >= 2.5:
            yield found.span("value")


def pins(text: str) -> Iterator[Span]:
    """Three to eight digits called a PIN, a card's security code or a one-time code."""
    return (found.span("value") for found in _PIN.finditer(text))


def assigned(text: str) -> Iterator[Span]:
    """`name=value` where the value is random letters of both cases and digits, unless the name says what it is."""
    for found in _ASSIGNED.finditer(text):
        name = _NAME_BEFORE.search(text[max(0, found.start() - 40) : found.start()])
        if name and not _HARMLESS_NAME.fullmatch(name[1]) and _is_random(found["value"]):
            yield found.span("value")


def _is_random(value: str) -> bool:
    mixed = value.lower() != value and value.upper() != value and _has_digit(value)
    return mixed and not _UUID.fullmatch(value) and _bits(value[:200]) >= 3.5


def _has_digit(value: str) -> bool:
    return any(char.isdigit() for char in value)


def _bits(value: str) -> float:
    """Shannon entropy, bits per character."""
    return -sum(count / len(value) * log2(count / len(value)) for count in Counter(value).values())
