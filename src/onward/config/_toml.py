"""Between onward.toml and settings."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_settings import SettingsError

from onward.core import InvalidInput

from ._settings import FILE_NAME, Settings


def load_settings(folder: Path) -> Settings:
    """The settings in `folder`/onward.toml; the defaults where there is no such file.

    Raises:
        InvalidInput: the file is not TOML, or names or values in it are wrong.
    """
    file = folder / FILE_NAME
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8-sig")) if file.exists() else {}
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidInput(f"{file} cannot be read.", why=f"{error}.", mend="Mend that line.") from error
    except (UnicodeDecodeError, OSError) as error:
        raise InvalidInput(f"{file} cannot be read.", why=f"{error}.", mend="Make it a file in UTF-8.") from error
    return settings_from(values, where=str(file))


def settings_from(values: Mapping[str, Any], where: str = "the settings") -> Settings:
    """Settings from nested values, e.g. {"gate": {"max_loss": 0.02}}; what is left out keeps its default.

    Raises:
        InvalidInput: naming each wrong setting, what is wrong with it, and the names that exist.

    >>> settings_from({"gate": {"max_loss": 0.02}}).gate.max_loss
    0.02
    """
    unknown = set(values) - set(
        Settings.model_fields
    )  # pydantic-settings would take `_env_file` and its like as orders
    if unknown:
        raise InvalidInput(
            f"In {where}: no such settings: {', '.join(sorted(unknown))}.",
            mend="Correct or remove it.",
            options=Settings.model_fields,
        )
    try:
        return Settings(**values)
    except ValidationError as error:
        raise _explain(error, where) from error
    except SettingsError as error:
        names = ", ".join(sorted(name for name in os.environ if name.startswith("ONWARD_") and "__" in name))
        raise InvalidInput(
            f"An environment variable cannot be read: {names}.",
            why=f"{error}.",
            mend="""Write lists as JSON: ONWARD_TRAINING__LEARNERS='["linear"]'.""",
        ) from error


def _explain(error: ValidationError, where: str) -> InvalidInput:
    wrong = []
    options: set[str] = set()
    for problem in error.errors(include_url=False, include_input=False):
        variable = "ONWARD_" + "__".join(str(part) for part in problem["loc"]).upper()
        place = variable if variable in os.environ else ".".join(str(part) for part in problem["loc"])
        wrong.append(f"{place}: {problem['msg']}")
        if problem["type"] == "extra_forbidden":
            options.update(_names([str(part) for part in problem["loc"][:-1]]))
        if problem["type"] == "unknown_name":
            options.update(problem["ctx"]["known"])
    return InvalidInput(f"In {where}: {'; '.join(wrong)}.", mend="Correct or remove it.", options=options)


def _names(place: Sequence[str]) -> set[str]:
    """The settings that there are at a place, e.g. in ["alerts", "rules", "latency"]."""
    kind: Any = Settings
    for part in place:
        kind = kind.model_fields[part].annotation if _is_table(kind) else get_args(kind)[-1]
    return set(kind.model_fields) if _is_table(kind) else set()


def _is_table(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def to_toml(settings: Settings) -> str:
    """All settings as a commented onward.toml."""
    return "\n".join(_lines(settings)) + "\n"


def _lines(settings: Settings) -> Iterator[str]:
    yield "# Onward's settings. A line taken out keeps its default."
    for name, table in settings:
        if isinstance(table, BaseModel):
            yield from _section(name, table)
        else:
            yield from _table(name, Settings.model_fields[name].description, table)


def _section(name: str, section: BaseModel) -> Iterator[str]:
    """A section; the tables in it come last, as TOML wants them."""
    tables = {key: value for key, value in section if isinstance(value, dict)}
    yield f"\n[{name}]"
    for key, field in type(section).model_fields.items():
        if key not in tables:
            yield f"# {field.description}"
            yield f"{key} = {_literal(getattr(section, key))}"
    for key, table in tables.items():
        yield from _table(f"{name}.{key}", type(section).model_fields[key].description, table)


def _table(name: str, description: str | None, table: Mapping[str, Any]) -> Iterator[str]:
    yield f"\n[{name}]"
    yield f"# {description}"
    yield from (f"{_literal(key)} = {_value(value)}" for key, value in table.items())


def _value(value: object) -> str:
    """A value on one line; of a table in a table, what is said in it."""
    if not isinstance(value, BaseModel):
        return _literal(value)
    said = value.model_dump(exclude_none=True).items()
    return f"{{ {', '.join(f'{key} = {_literal(each)}' for key, each in said)} }}"


def _literal(value: object) -> str:
    """JSON's literals are TOML's, but for characters beyond U+FFFF in escapes and a bare DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
