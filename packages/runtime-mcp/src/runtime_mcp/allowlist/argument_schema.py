"""JSON Schemas of arguments, whose patterns take time in proportion to the text, whoever wrote it.

Python's `re` may take hours for a short text, and its `$` also fits before a last line break; RE2,
by which they are matched here, does neither, and has no look-around and no back-references.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import re2
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import extend
from referencing import Registry

DIALECT = "https://json-schema.org/draft/2020-12/schema"
OPTIONS = re2.Options()
OPTIONS.log_errors = False


def validator_of(schema: Mapping[str, Any]) -> Any:
    """A validator for this schema, that `checked` has accepted."""
    return Validator(without_dialect(schema), registry=Registry())


def checked(schema: dict[str, Any]) -> None:
    """
    Raises:
        ValueError: it is no JSON Schema, or has what is not taken here.
    """
    try:
        Draft202012Validator.check_schema(schema, format_checker=FormatChecker(formats=()))
    except SchemaError as error:
        raise ValueError(f"is no JSON Schema: {error.message}") from None
    for each in objects_in(schema):
        for key in ("$ref", "$dynamicRef"):
            if not str(each.get(key, "#")).startswith("#"):
                raise ValueError("refers to another document")
        if str(each.get("$schema", DIALECT)).rstrip("#") != DIALECT:
            raise ValueError(f"$schema: only {DIALECT} is taken")
        if "unevaluatedProperties" in each and "patternProperties" in str(schema):
            raise ValueError("has patternProperties with unevaluatedProperties, which is not taken")
        patterns = each.get("patternProperties")
        found = list(patterns) if isinstance(patterns, dict) else []
        if isinstance(each.get("pattern"), str):
            found.append(each["pattern"])
        for pattern in found:
            try:
                compiled(pattern)
            except re2.error as error:
                reason = error.args[0]
                reason = reason.decode() if isinstance(reason, bytes) else reason
                raise ValueError(f"the pattern {pattern!r} is not taken: {reason}") from None


@lru_cache(1024)
def compiled(pattern: str) -> Any:
    """This pattern, ready to match.

    Raises:
        re2.error: it is none, or has look-around or a back-reference.
    """
    return re2.compile(pattern, OPTIONS)


def objects_in(node: object) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from objects_in(value)
    elif isinstance(node, list):
        for value in node:
            yield from objects_in(value)


def without_dialect(node: Any) -> Any:
    """Where it is named, jsonschema goes on with its own validator, which has Python's patterns."""
    if isinstance(node, list):
        return [without_dialect(each) for each in node]
    if not isinstance(node, Mapping):
        return node
    kept = (key for key in node if key != "$schema" or not isinstance(node[key], str))
    return {key: without_dialect(node[key]) for key in kept}


def pattern(_: Any, wanted: str, instance: Any, __: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not compiled(wanted).search(instance):
        yield ValidationError("does not match")


def pattern_properties(
    validator: Any, patterns: Mapping[str, Any], instance: Any, _: Any
) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for wanted, schema in patterns.items():
            for name in instance:
                if compiled(wanted).search(name):
                    yield from validator.descend(instance[name], schema)


def additional_properties(
    validator: Any, wanted: Any, instance: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        patterns = [compiled(each) for each in schema.get("patternProperties", {})]
        for name in instance:
            known = name in schema.get("properties", {})
            if not known and not any(each.search(name) for each in patterns):
                yield from validator.descend(instance[name], wanted)


def unique_items(_: Any, wanted: bool, instance: Any, __: Any) -> Iterator[ValidationError]:
    if wanted and isinstance(instance, list) and len(set(map(frozen, instance))) < len(instance):
        yield ValidationError("has an item twice")


def frozen(value: Any) -> Any:
    """Equal for what JSON Schema takes for equal: 1 and 1.0 are, 1 and true are not."""
    if isinstance(value, list):
        return ("list", *map(frozen, value))
    if isinstance(value, dict):
        return frozenset((name, frozen(each)) for name, each in value.items())
    return (isinstance(value, bool), value)


Validator = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {
        "pattern": pattern,
        "patternProperties": pattern_properties,
        "additionalProperties": additional_properties,
        "uniqueItems": unique_items,
    },
)
