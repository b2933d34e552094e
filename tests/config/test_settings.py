"""onward.toml to settings and back."""

import tomllib
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from onward.config import FILE_NAME, Settings, load_settings, settings_from, to_toml
from onward.core import InvalidInput

SECTIONS: dict[str, type[BaseModel]] = {
    name: field.annotation
    for name, field in Settings.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
}
TABLES = {"rules", "actions"}
EVERY = [(section, name) for section, kind in SECTIONS.items() for name in kind.model_fields]


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    assert load_settings(tmp_path) == Settings()


@pytest.mark.parametrize(("section", "name"), EVERY)
def test_every_setting_is_described_and_written(section: str, name: str) -> None:
    field = SECTIONS[section].model_fields[name]
    assert field.description
    assert field.description.endswith(".")
    text = to_toml(Settings())
    written = f"[{section}.{name}]\n# {field.description}\n" if name in TABLES else f"# {field.description}\n{name} = "
    assert written in text
    assert name in tomllib.loads(text)[section]


def test_every_section_says_what_it_is() -> None:
    assert set(SECTIONS) | {"plugins"} == set(Settings.model_fields)
    assert all(kind.__doc__ for kind in SECTIONS.values())


@pytest.mark.parametrize(("section", "name"), [one for one in EVERY if one[1] not in TABLES])
def test_every_setting_can_be_set_by_the_environment(section: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    value = getattr(getattr(Settings(), section), name)
    by_type: dict[type, str] = {
        bool: "false" if value else "true",
        int: "9",
        float: "0.125",
        str: "blank:de",
        tuple: "[]" if name == "channels" else '["linear"]',
    }
    choices = [choice for choice in get_args(SECTIONS[section].model_fields[name].annotation) if type(value) is str]
    other = next((choice for choice in choices if choice != value), by_type[type(value)])
    monkeypatch.setenv(f"ONWARD_{section}__{name}".upper(), other)
    changed = getattr(getattr(settings_from({section: {name: value}}), section), name)
    assert changed != value
    assert type(changed) is type(value)


def test_the_environment_leaves_the_rest_of_the_section(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONWARD_GATE__MAX_LOSS", "0.02")
    made = settings_from({"gate": {"max_loss": 0.5, "min_evidence": 9}})
    assert (made.gate.max_loss, made.gate.min_evidence) == (0.02, 9)


def test_an_environment_variable_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONWARD_GATE", "{not json")
    with pytest.raises(InvalidInput, match="environment variable"):
        settings_from({})


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@examples(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    base=texts,
    plugins=st.dictionaries(texts, texts, max_size=3),
    share=st.floats(0, 1),
    rate=st.floats(0, 1e300, exclude_min=True),
    count=st.integers(1, 2**60),
    learners=st.lists(texts, min_size=1, max_size=3),
)
def test_settings_survive_the_file(
    tmp_path: Path, base: str, plugins: dict[str, str], share: float, rate: float, count: int, learners: list[str]
) -> None:
    made = settings_from(
        {
            "training": {"base": base, "learn_rate": rate, "n_iter": count, "learners": learners},
            "gate": {"max_loss": share},
            "curation": {"require_consent": True},
            "plugins": plugins,
        }
    )
    (tmp_path / FILE_NAME).write_text(to_toml(made), encoding="utf8", newline="")
    assert load_settings(tmp_path) == made


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"\xef\xbb\xbf[gate]\r\nmax_loss = 0.25\r\n")
    assert load_settings(tmp_path).gate.max_loss == 0.25


@pytest.mark.parametrize(
    "data", [b"[gate", b"a = \xff", b"a = " + b"[" * 100_000], ids=["no TOML", "not UTF-8", "deep"]
)
def test_what_is_no_toml_names_the_file(tmp_path: Path, data: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(data)
    with pytest.raises(InvalidInput, match=r"onward\.toml cannot be read"):
        load_settings(tmp_path)


def test_a_folder_for_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(InvalidInput, match="cannot be read"):
        load_settings(tmp_path)


def test_a_wrong_section_is_answered_with_the_sections() -> None:
    with pytest.raises(InvalidInput, match="gates") as caught:
        settings_from({"gates": {"max_loss": 0.1}})
    assert set(caught.value.options) == set(Settings.model_fields)


@pytest.mark.parametrize("name", ["_env_file", "_env_prefix", "_cli_parse_args", "_secrets_dir"])
def test_names_of_the_settings_library_are_no_settings(name: str, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text(f'{name} = "X_"')
    with pytest.raises(InvalidInput, match=f"no such settings: {name}"):
        load_settings(tmp_path)


@pytest.mark.parametrize("section", SECTIONS)
def test_a_wrong_name_is_answered_with_the_names_of_its_section(section: str) -> None:
    with pytest.raises(InvalidInput, match=rf"{section}\.wrong") as caught:
        settings_from({section: {"wrong": 1}})
    assert set(caught.value.options) == set(SECTIONS[section].model_fields)


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("gate", "max_loss", 1.5),
        ("gate", "max_loss", float("nan")),
        ("gate", "significance", 0),
        ("gate", "margin", 1.0),
        ("training", "learners", []),
        ("training", "n_iter", 0),
        ("training", "budget_seconds", float("inf")),
        ("learning", "min_data_threshold", -1),
        ("curation", "require_consent", "perhaps"),
    ],
)
def test_a_wrong_value_names_its_setting(section: str, name: str, value: object) -> None:
    with pytest.raises(InvalidInput, match=rf"In shop: {section}\.{name}: "):
        settings_from({section: {name: value}}, where="shop")


def test_all_wrong_settings_are_named_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        settings_from({"gate": {"max_loss": 2, "wrong": 1}, "learning": {"min_data_threshold": -1}})
    assert all(name in str(caught.value) for name in ("gate.max_loss", "gate.wrong", "learning.min_data_threshold"))


def test_plugins_are_names_and_places() -> None:
    with pytest.raises(InvalidInput, match=r"plugins\.mine"):
        settings_from({"plugins": {"mine": 5}})


def test_settings_do_not_change() -> None:
    made = Settings()
    with pytest.raises(ValidationError):
        made.gate.max_loss = 1.0  # type: ignore[misc]
