"""The table [alerts]: rules are merged, checked as a whole, written and read back; unknown names are answered."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onward.config import DEFAULT_RULES, RuleSettings, load_settings, settings_from, to_toml
from onward.core import InvalidInput

OWN = {"figure": "metric.my loss.average", "when": "above", "raise_at": 2}


def alerts(**values: Any) -> Any:
    return settings_from({"alerts": values}).alerts


def test_the_defaults_are_whole() -> None:
    rules = alerts().rules_in_force()
    assert list(rules) == list(DEFAULT_RULES)
    for rule in rules.values():
        assert None not in (rule.figure, rule.when, rule.times, rule.severity, rule.next, rule.enabled)
        assert rule.when == "happens" or None not in (rule.raise_at, rule.clear_at)
    assert rules["latency"].clear_at == 160
    assert rules["performance_drop"].clear_at == pytest.approx(0.04)


def test_a_rule_is_changed_in_what_is_said_only() -> None:
    changed = alerts(rules={"latency": {"raise_at": 500, "times": 3}}).rules_in_force()["latency"]
    assert (changed.raise_at, changed.clear_at, changed.times) == (500, 400, 3)
    assert changed.figure == "metric.latency.p95"


def test_a_rule_is_added_or_left_out() -> None:
    found = alerts(rules={"mine": OWN, "memory": {"enabled": False}})
    assert found.rules_in_force()["mine"].clear_at == 1.6
    assert "memory" not in found.rules_in_force()
    assert "memory" in found.rules_in_force(all_of_them=True)


def test_below_clears_above() -> None:
    rule = {"figure": "task.recent_avg", "when": "below", "raise_at": 0.5}
    assert alerts(rules={"low": rule}).rules_in_force()["low"].clear_at == 0.6


def test_figures_below_nothing_clear_further_down() -> None:
    rule = {"figure": "metric.score.latest", "when": "above", "raise_at": -10}
    assert alerts(rules={"low": rule}).rules_in_force()["low"].clear_at == -12


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"rules": {"mine": {}}}, "rules.mine has no figure and no when"),
        ({"rules": {"mine": {**OWN, "raise_at": None}}}, "rules.mine has no raise_at"),
        ({"rules": {"mine": {**OWN, "clear_at": 3}}}, "beyond raise_at"),
        ({"rules": {"mine": {**OWN, "critical_at": 1}}}, "comes before raise_at"),
        ({"rules": {"mine": {**OWN, "when": "happens"}}}, "`happens` goes with promotion and rollback"),
        ({"rules": {"rollback": {"when": "above", "raise_at": 1}}}, "`happens` goes with"),
        ({"rules": {"mine": {**OWN, "figure": "memory", "when": "drop"}}}, "memory has no best to drop from"),
        ({"rules": {"Mine": OWN}}, "small letters"),
        ({"rules": {"mine": {**OWN, "times": 0}}}, "greater than or equal to 1"),
        ({"actions": {"rollback": "roll_back"}}, "cannot answer what moved the champion"),
        ({"actions": {"drift": "panic"}}, "'retrain', 'roll_back' or 'hold'"),
        ({"channels": ["pigeon"]}, "'log', 'webhook' or 'email'"),
        ({"channels": ["log", "log"]}, "named twice"),
        ({"channels": ["webhook"]}, "needs webhook_url"),
        ({"channels": ["webhook"], "webhook_url": "ftp://example.org"}, "http:// or https://"),
        ({"channels": ["webhook"], "webhook_url": "https://"}, "http:// or https://"),
        ({"channels": ["webhook"], "webhook_url": "https://example.org:port"}, "cannot be read"),
        ({"channels": ["webhook"], "webhook_url": "https://me:secret@example.org"}, "holds a name or a password"),
        ({"channels": ["email"]}, "needs email_host, email_from, email_to"),
        ({"email_user": "ann", "email_tls": "none"}, "not sent without TLS"),
    ],
)
def test_what_cannot_be_is_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        alerts(**values)
    assert said in str(caught.value)
    assert "In the settings: alerts" in caught.value.what


def test_an_unknown_figure_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(InvalidInput, match=r"there is no figure metric\.latency") as caught:
        alerts(rules={"mine": {**OWN, "figure": "metric.latency"}})
    assert {"performance", "memory", "cycles.failed", "metric.NAME.p95", "task.recent_avg"} <= set(caught.value.options)


def test_an_unknown_rule_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(InvalidInput, match="there is no rule latncy") as caught:
        alerts(actions={"latncy": "hold"}, rules={"mine": OWN})
    assert set(caught.value.options) == {*DEFAULT_RULES, "mine"}


def test_an_unknown_name_in_a_rule_is_answered_with_its_names() -> None:
    with pytest.raises(InvalidInput, match=r"alerts\.rules\.latency\.raise") as caught:
        alerts(rules={"latency": {"raise": 5}})
    assert set(caught.value.options) == set(RuleSettings.model_fields)


def test_a_file_with_rules_and_actions(tmp_path: Path) -> None:
    (tmp_path / "onward.toml").write_text(
        """
[alerts]
channels = ["log"]
[alerts.rules.latency]
raise_at = 500
[alerts.rules.mine]
figure = "metric.loss.average"
when = "above"
raise_at = 2.0
[alerts.actions]
mine = "hold"
"""
    )
    found = load_settings(tmp_path)
    assert found.alerts.rules_in_force()["latency"].raise_at == 500
    assert found.alerts.actions == {"mine": "hold"}
    (tmp_path / "onward.toml").write_text(to_toml(found))
    assert load_settings(tmp_path) == found


def test_tables_can_be_added_below_what_is_written() -> None:
    text = to_toml(settings_from({})).replace("[alerts.actions]", '[alerts.actions]\ndrift = "retrain"')
    more = text + "\n[alerts.rules.latency]\nraise_at = 300\n"
    found = settings_from(tomllib.loads(more)).alerts
    assert (found.rules["latency"].raise_at, found.actions["drift"]) == (300, "retrain")


def test_a_rule_is_changed_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONWARD_ALERTS__RULES__LATENCY__RAISE_AT", "750")
    assert alerts().rules_in_force()["latency"].raise_at == 750


names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(lambda name: name not in DEFAULT_RULES)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rules=st.dictionaries(
        names,
        st.fixed_dictionaries(
            {
                "figure": st.sampled_from(["memory", 'metric.a "b".p95', "metric.\u2028.latest"]),
                "when": st.sampled_from(["above", "below"]),
                "raise_at": st.floats(-1e9, 1e9),
            },
            optional={
                "times": st.integers(1, 99),
                "next": st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
            },
        ),
        max_size=3,
    )
)
def test_rules_survive_the_file(tmp_path: Path, rules: dict[str, Any]) -> None:
    made = settings_from({"alerts": {"rules": rules, "actions": dict.fromkeys(rules, "hold")}})
    (tmp_path / "onward.toml").write_text(to_toml(made), encoding="utf8", newline="")
    assert load_settings(tmp_path) == made
