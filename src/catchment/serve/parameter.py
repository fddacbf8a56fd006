"""A query's parameters: one table says what they mean, reads them, and describes them. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, Literal

from litestar.openapi.spec import Parameter as OpenAPIParameter

from ..bodies import PLAIN_NUMBER, unstorable
from ..errors import DeclarationError, QueryError
from .schemas import Typed, schema_of

__all__ = ["Parameter", "judge_parameters", "read_parameters"]

Json = dict[str, Any]
Rule = Callable[[str], Any]
Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Parameter:
    """A parameter: `Parameter("Rows on a page.", 10, kind=Annotated[int, msgspec.Meta(ge=1, le=100)], default=5)`.

    Args:
        words: what it means, for the API's description.
        example: a value that works.
        kind: the type of its value, with its bounds: int, Decimal, bool, date, str or a Literal; a list of one of
            them where it may be given several times, which is read as a tuple.
        default: what it is when it is not given.
        reads: the rule from a text to the value where the type alone does not say it. ValueError says what is wrong.
        commas: the values of a list are in one text, separated by commas.
        also: another name of it.
        place: where it stands; only those of the query are read from the query.
    Raises:
        DeclarationError: no text is known to spell such a type, and there is no rule.
    """

    words: str
    example: Any = None
    _: KW_ONLY
    kind: Any = str
    default: Any = None
    reads: Rule | None = None
    commas: bool = False
    also: str = ""
    required: bool = False
    place: Literal["query", "header", "path"] = "query"
    schema: Typed = field(init=False, repr=False, compare=False)
    rule: Rule = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        schema = schema_of(self.kind)
        one = schema.told.get("items", schema.told)
        object.__setattr__(self, "rule", self.reads or _rule(one, self.example))
        if self.default not in (None, (), ""):
            schema = replace(schema, told=schema.told | {"default": self.default})
        object.__setattr__(self, "schema", schema)

    @property
    def several(self) -> bool:
        """Whether it has a list of values."""
        return self.schema.told.get("type") == "array"

    def shown(self, name: str) -> list[OpenAPIParameter]:
        """The parameter as it stands in the description, once for each of its names."""
        listed = self.several and self.example is not None and not isinstance(self.example, list)
        first = OpenAPIParameter(
            name,
            self.place,
            description=self.words,
            schema=self.schema,
            required=self.required,
            example=[self.example] if listed else self.example,
            style="form" if self.commas else None,
            explode=False if self.commas else None,
        )
        if not self.also:
            return [first]
        return [first, replace(first, name=self.also, description=f"The same as `{name}`.", required=False)]

    def named(self, known: OpenAPIParameter) -> OpenAPIParameter:
        """The framework's parameter of the path with what this one says."""
        return replace(known, description=self.words, example=self.example, schema=self.schema)


# -- reading --------------------------------------------------------------------------------------------------------


def read_parameters(pairs: Pairs, known: Mapping[str, Parameter]) -> Json:
    """The value of each known parameter of the query.

    Raises:
        QueryError: 400 for one that is unknown (the nearest is named), given twice, missing, or not of its type.
    """
    values, faults = judge_parameters(pairs, known)
    if faults:
        raise faults[0]
    return values


def judge_parameters(pairs: Pairs, known: Mapping[str, Parameter]) -> tuple[Json, list[QueryError]]:
    """The same, and all that is wrong; a parameter that is wrong has its default."""
    asked = {name: item for name, item in known.items() if item.place == "query"}
    given, faults = _given(pairs, asked)
    missing = [name for name, item in asked.items() if item.required and not given.get(name)]
    if missing:
        faults.append(QueryError(f"missing: {', '.join(missing)}", parameter=missing[0]))
    values = {}
    for name, parameter in asked.items():
        try:
            values[name] = _value(name, parameter, given.get(name, {}))
        except QueryError as error:
            faults.append(error)
            values[name] = parameter.default
    return values, faults


def _given(pairs: Pairs, asked: Mapping[str, Parameter]) -> tuple[dict[str, dict[str, list[str]]], list[QueryError]]:
    """Parameter -> the names by which it is given, each with its texts; and those that cannot be given like this."""
    names = {name: name for name in asked} | {item.also: name for name, item in asked.items() if item.also}
    given: dict[str, dict[str, list[str]]] = {}
    faults = []
    for spelled, text in pairs:
        if spelled not in names:
            faults.append(_unknown(spelled, list(names)))
            continue
        texts = given.setdefault(names[spelled], {}).setdefault(spelled, [])
        if texts and (asked[names[spelled]].commas or not asked[names[spelled]].several):
            faults.append(QueryError(f"{spelled} is given twice", kind="repeated-parameter", parameter=spelled))
        texts.append(text)
    return given, faults


def _unknown(spelled: str, names: Sequence[str]) -> QueryError:
    near = get_close_matches(spelled[:80], names, n=1, cutoff=0.4)
    hint = f"the nearest is {near[0]}" if near else f"there are {', '.join(names) or 'none'}"
    shown = spelled[:60]
    return QueryError(f"unknown parameter {shown}; {hint}", kind="unknown-parameter", parameter=shown)


def _value(name: str, parameter: Parameter, given: Mapping[str, Sequence[str]]) -> Any:
    found = [_read(spelled, parameter, texts) for spelled, texts in given.items()]
    if any(value != found[0] for value in found):
        raise QueryError(f"{name}: says something else than {parameter.also}", parameter=name)
    return found[0] if found else parameter.default


def _read(name: str, parameter: Parameter, texts: Sequence[str]) -> Any:
    parts = texts[0].split(",") if parameter.commas else texts
    if len(parts) > parameter.schema.told.get("maxItems", len(parts)):
        raise QueryError(f"{name}: more than {parameter.schema.told['maxItems']} are given", parameter=name)
    try:
        values = tuple(_part(parameter, text) for text in parts)
    except ValueError as error:
        raise QueryError(f"{name}: {error}", parameter=name) from error
    return values if parameter.several else values[0]


def _part(parameter: Parameter, text: str) -> Any:
    if not text:
        raise ValueError("is empty")
    if fault := next(unstorable(text), None):
        raise ValueError(fault.message)
    return parameter.rule(text)


# -- what a type lets be written ------------------------------------------------------------------------------------


def _rule(schema: Json, example: Any) -> Rule:
    """The rule by which a text is read as the schema says."""
    if words := schema.get("enum"):
        return _one_of(words)
    kind = str(schema.get("format") or schema.get("type"))
    if kind not in _WRITTEN:
        raise DeclarationError("Parameter", f"no text spells {schema}", hint="say by reads= how it is read")
    read, wanted = _WRITTEN[kind]

    def rule(text: str) -> Any:
        try:
            value = read(text)
        except ValueError:
            value = None
        if value is None or not _within(value, schema):
            raise ValueError(f"{text[:60]!r} is not {wanted}{_bounds(schema, example)}")
        return value

    return rule


def _one_of(words: Sequence[str]) -> Rule:
    def rule(text: str) -> str:
        if text not in words:
            raise ValueError(f"{text[:60]!r} is none of {', '.join(words)}")
        return text

    return rule


def _number(text: str) -> Decimal:
    if not PLAIN_NUMBER.fullmatch(text):
        raise ValueError(text)
    return Decimal(text)


def _whole(text: str) -> int:
    if "." in text or len(text) > 20:
        raise ValueError(text)
    return int(_number(text))


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(text)
    return text == "true"


def _day(text: str) -> date:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError(text)
    return date.fromisoformat(text)


_WRITTEN: Mapping[str, tuple[Rule, str]] = {
    "integer": (_whole, "a whole number"),
    "number": (_number, "a number"),
    "boolean": (_flag, "true or false"),
    "date": (_day, "a day of the calendar, YYYY-MM-DD"),
    "string": (str, "a text"),
    "uuid": (str, "a text"),
}
"""A type of JSON Schema, or its format -> how a text spells it, and what such a text is called."""


def _within(value: Any, schema: Json) -> bool:
    """Whether a value keeps the schema's bounds."""
    if isinstance(value, str):
        longest = schema.get("maxLength", len(value))
        return schema.get("minLength", 0) <= len(value) <= longest and bool(re.search(schema.get("pattern", ""), value))
    return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))


def _bounds(schema: Json, example: Any) -> str:
    """The schema's bounds in words."""
    if "pattern" in schema:
        return f" like {example}"
    if "maxLength" in schema:
        return f" of {schema.get('minLength', 0)} to {schema['maxLength']} characters"
    least, most = schema.get("minimum"), schema.get("maximum")
    return "".join((f" from {least}" if least is not None else "", f" to {most}" if most is not None else ""))
