"""The table [alerts] of onward.toml: rules, channels, and what an alert may set off."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from ._section import AtLeastOne, Count, Seconds, Section

Severity = Literal["info", "warning", "critical"]
When = Literal["above", "below", "drop", "happens"]
ChannelKind = Literal["log", "webhook", "email"]
Action = Literal["retrain", "roll_back", "hold"]

HAPPENINGS: Final = ("promotion", "rollback")
"""Figures that stand for something that happened: a promotion that improved, a rollback."""
FIGURES: Final = ("performance", "cycles.failed", "memory", *HAPPENINGS)
METRIC_STATISTICS: Final = ("latest", "average", "min", "max", "p50", "p90", "p95", "p99")
TASK_FIGURES: Final = (
    "event_count",
    "avg_performance",
    "best_performance",
    "worst_performance",
    "latest_score",
    "average_learning_rate",
    "recent_avg",
    "improvement_rate",
)
KNOWN_FIGURES: Final = (
    *FIGURES,
    *(f"task.{name}" for name in TASK_FIGURES),
    *(f"metric.NAME.{name}" for name in METRIC_STATISTICS),
)
FIGURE: Final = re.compile(
    rf"{'|'.join(map(re.escape, FIGURES))}|task\.({'|'.join(TASK_FIGURES)})|metric\..+\.({'|'.join(METRIC_STATISTICS)})"
)
HAVE_A_BEST: Final = ("performance", "task.latest_score", "task.recent_avg", "metric.")
RULE_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
BAND: Final = 0.2
"""Where `clear_at` is left out, an alert clears this share of `raise_at` away from it."""


class RuleSettings(Section):
    """What a rule is, or what is changed of a rule that there is; `None` is left as it is."""

    figure: str | None = None
    when: When | None = None
    raise_at: float | None = None
    clear_at: float | None = None
    critical_at: float | None = None
    times: AtLeastOne | None = None
    severity: Severity | None = None
    next: str | None = Field(None, max_length=500)
    enabled: bool | None = None

    @model_validator(mode="after")
    def _figure_is_known(self) -> Self:
        if self.figure is not None and not FIGURE.fullmatch(self.figure):
            raise unknown("figure", self.figure, KNOWN_FIGURES)
        return self


def unknown(what: str, name: str, known: Iterable[str]) -> PydanticCustomError:
    """A name that is none of those that there are; `settings_from` passes them on as options."""
    return PydanticCustomError(
        "unknown_name", "there is no {what} {name}", {"what": what, "name": name, "known": known}
    )


DEFAULT_RULES: Final[Mapping[str, RuleSettings]] = MappingProxyType(
    {
        "performance_drop": RuleSettings(
            figure="performance", when="drop", raise_at=0.05, critical_at=0.10, next="onward history"
        ),
        "successful_optimisation": RuleSettings(
            figure="promotion", when="happens", severity="info", next="onward history"
        ),
        "drift": RuleSettings(figure="metric.drift.latest", when="above", raise_at=0.0, next="onward cycle --force"),
        "latency": RuleSettings(figure="metric.latency.p95", when="above", raise_at=200.0, next="onward status"),
        "memory": RuleSettings(figure="memory", when="above", raise_at=0.80, critical_at=0.95, next="onward status"),
        "cycle_failures": RuleSettings(figure="cycles.failed", when="above", raise_at=0.30, next="onward status"),
        "rollback": RuleSettings(figure="rollback", when="happens", next="onward history"),
    }
)
"""The rules that hold unless onward.toml says otherwise. Shares are 0..1, latency is in milliseconds."""


class AlertSettings(Section):
    """What is told, to whom, and what an alert may set off by itself."""

    enabled: bool = Field(True, description="Whether cycles and the scheduler look at the rules at all.")
    every_seconds: Seconds = Field(60.0, description="Seconds between two looks of `onward schedule`.")
    recent: AtLeastOne = Field(100, description="Events of a task, at most, that its recent average is taken over.")
    recent_values: AtLeastOne = Field(256, description="Newest values of a metric that its statistics are taken over.")
    recent_cycles: AtLeastOne = Field(10, description="Cycles that the share of failures is taken over.")
    least_cycles: AtLeastOne = Field(3, description="Cycles below which there is no share of failures.")
    recent_days: AtLeastOne = Field(7, description="Days after which something that happened is not told any more.")
    channels: tuple[ChannelKind, ...] = Field(("log",), description="Who is told: log, webhook, email.")
    timeout_seconds: Seconds = Field(5.0, description="Seconds that a channel may take to answer.")
    retry_seconds: Seconds = Field(30.0, description="Seconds until a delivery that failed is tried again; doubles.")
    retry_most_seconds: Seconds = Field(3600.0, description="Seconds between two attempts, at most.")
    max_attempts: AtLeastOne = Field(30, description="Attempts after which a delivery is given up, and shown as such.")
    keep_days: Count = Field(30, description="Days that delivered messages are kept; those given up always are.")
    webhook_url: str = Field("", description="Where alerts are posted: http:// or https://.")
    webhook_secret_variable: str = Field(
        "ONWARD_WEBHOOK_SECRET", description="Environment variable with the secret that signs; empty: unsigned."
    )
    email_host: str = Field("", description="SMTP server.")
    email_port: Annotated[int, Field(ge=1, le=65535)] = Field(587, description="Its port.")
    email_tls: Literal["starttls", "tls", "none"] = Field("starttls", description="starttls, tls or none.")
    email_user: str = Field("", description="User at the server; empty: no log-in.")
    email_password_variable: str = Field(
        "ONWARD_EMAIL_PASSWORD", description="Environment variable with the user's password."
    )
    email_from: str = Field("", description="Sender.")
    email_to: tuple[str, ...] = Field((), description="Receivers.")
    rules: dict[str, RuleSettings] = Field(
        default_factory=dict, description="Rules of your own, and changes to those that there are."
    )
    actions: dict[str, Action] = Field(
        default_factory=dict, description="What an alert of a rule sets off by itself: retrain, roll_back or hold."
    )

    @model_validator(mode="after")
    def _channels_can_be_reached(self) -> Self:
        if len(set(self.channels)) < len(self.channels):
            raise ValueError("a channel is named twice")
        if "webhook" in self.channels:
            _check_url(self.webhook_url)
        if "email" in self.channels:
            needed = {"email_host": self.email_host, "email_from": self.email_from, "email_to": self.email_to}
            missing = [name for name, value in needed.items() if not value]
            if missing:
                raise ValueError(f"the channel email needs {', '.join(missing)}")
        if self.email_user and self.email_tls == "none":
            raise ValueError("a password is not sent without TLS: set email_tls, or leave email_user out")
        return self

    @model_validator(mode="after")
    def _rules_are_whole(self) -> Self:
        known = self.rules_in_force(all_of_them=True)
        for name in self.actions:
            if name not in known:
                raise unknown("rule", name, known)
        for name, action in self.actions.items():
            if action == "roll_back" and known[name].figure in HAPPENINGS:
                raise ValueError(f"actions.{name}: a rollback cannot answer what moved the champion just now")
        return self

    def rules_in_force(self, *, all_of_them: bool = False) -> dict[str, RuleSettings]:
        """Every rule that is enabled, whole: the defaults, changed and added to by `rules`."""
        merged = {name: _merged(name, self.rules.get(name)) for name in (*DEFAULT_RULES, *self.rules)}
        return {name: rule for name, rule in merged.items() if all_of_them or rule.enabled}


BASE: Final = RuleSettings(times=1, severity="warning", next="onward alerts", enabled=True)


def _merged(name: str, given: RuleSettings | None) -> RuleSettings:
    if not RULE_NAME.fullmatch(name):
        raise ValueError(f"rules.{name}: a name is of small letters, digits and _, and begins with a letter")
    parts = (BASE, DEFAULT_RULES.get(name), given)
    said: dict[str, Any] = {}
    for part in parts:
        said |= {} if part is None else part.model_dump(exclude_none=True)
    return _checked(name, RuleSettings().model_copy(update=said))


def _checked(name: str, rule: RuleSettings) -> RuleSettings:
    missing = [field for field in ("figure", "when") if getattr(rule, field) is None]
    if missing:
        raise ValueError(f"rules.{name} has no {' and no '.join(missing)}")
    if (rule.when == "happens") != (rule.figure in HAPPENINGS):
        raise ValueError(f"rules.{name}: `happens` goes with {' and '.join(HAPPENINGS)}, and they with nothing else")
    if rule.when == "happens":
        return rule
    if rule.when == "drop" and not str(rule.figure).startswith(HAVE_A_BEST):
        raise ValueError(f"rules.{name}: {rule.figure} has no best to drop from")
    if rule.raise_at is None:
        raise ValueError(f"rules.{name} has no raise_at")
    away = -1 if rule.when == "below" else 1
    clear_at = rule.raise_at - away * BAND * abs(rule.raise_at) if rule.clear_at is None else rule.clear_at
    if away * clear_at > away * rule.raise_at:
        raise ValueError(f"rules.{name}: it would clear at {clear_at:g}, which is beyond raise_at {rule.raise_at:g}")
    if rule.critical_at is not None and away * rule.critical_at < away * rule.raise_at:
        raise ValueError(f"rules.{name}: critical_at {rule.critical_at:g} comes before raise_at {rule.raise_at:g}")
    return rule.model_copy(update={"clear_at": clear_at})


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError as error:
        raise ValueError(f"webhook_url cannot be read: {error}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("the channel webhook needs webhook_url, http:// or https://")
    if parts.username or parts.password:
        raise ValueError("webhook_url holds a name or a password: use webhook_secret_variable instead")
