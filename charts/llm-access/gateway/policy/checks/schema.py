"""What `config.schema.json` says of a config, in sentences.

A schema's `title` ends the sentence "… is not …", or begins that of an unknown key; where
something is forbidden (`not`), its `description` is the sentence.
"""

import json
import math
import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from policy.checks.config_file import ConfigFile, Mistake

TEXT_OF_A_NUMBER = re.compile(r"[\d.]+([eE][+-]?\d+)?")
SCHEMA = Path(__file__).parents[2] / "config.schema.json"


def is_number(_: object, value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def pattern_properties(
    validator: Any, patterns: dict[str, Any], instance: object, schema: dict[str, Any]
) -> Iterator[ValidationError]:
    """Of the names that are texts; jsonschema takes for granted that all are."""
    if isinstance(instance, dict):
        texts = {name: value for name, value in instance.items() if isinstance(name, str)}
        original = Draft202012Validator.VALIDATORS["patternProperties"]
        yield from original(validator, patterns, texts, schema)


Validator = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {"patternProperties": pattern_properties},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("number", is_number),
)


def against_schema(file: ConfigFile) -> Iterator[Mistake]:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    for error in Validator(schema).iter_errors(file.config):
        if "propertyNames" in error.absolute_schema_path:
            place = (*error.absolute_path, error.instance)
            yield file.mistake(place, of_a_name(error))
        else:
            yield file.mistake(tuple(error.absolute_path), of_a_value(error))


def of_a_name(error: Any) -> str:
    title = error.schema["title"]
    if error.validator != "enum":
        return f"{error.instance!r} is not {title}"
    return unknown(title, error.instance, error.validator_value)


def unknown(whose: str, name: object, known: Any) -> str:
    """The sentence for a name that is none, with the nearest that is one.

    Args:
        whose: who does not know it, and what for.
    """
    near = get_close_matches(str(name), known, n=1, cutoff=0.75)
    return f"{whose} {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")


def of_a_value(error: Any) -> str:
    path, value, schema = error.absolute_path, error.instance, error.schema
    key = path[-1] if path and isinstance(path[-1], str) else schema["title"]
    if error.validator == "required":
        (missing,) = (name for name in error.validator_value if f"{name!r} is" in error.message)
        return f"{key} needs {missing}"
    if value is None:
        return f"{key} has no value"
    if error.validator == "not":
        return str(schema["description"])
    if "object" in (kinds := schema.get("type", ())) or "array" in kinds:
        return f"{key} is not a {'mapping' if 'object' in kinds else 'list'}"
    if "number" in kinds and isinstance(value, str) and TEXT_OF_A_NUMBER.fullmatch(value):
        return f"{key}: {value!r} is a text: YAML wants a point in a number with an e, as in 1.0e-6"
    return f"{key}: {value!r} is not {schema['title']}"
