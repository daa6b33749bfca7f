"""YAML as plain data with the line of every key: no tags, no anchors, no surprises of YAML 1.1.

`1e-3` is a number, `no` is a word, `012` is twelve, `12:30` is a text, a date is a text.
What `dump` writes, `parse` reads back equal.
"""

import re
from typing import Any

import yaml

from zoo.errors import ConfigError

Lines = dict[tuple[str, ...], int]

_TAG = "tag:yaml.org,2002:"
# YAML 1.2, core schema, without its hexadecimal and octal integers.
_SCALARS = (
    ("null", r"~|null|Null|NULL|", "~nN"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
)
_RESOLVERS: dict[str, list[tuple[str, re.Pattern]]] = {}
for _name, _pattern, _first in _SCALARS:
    for _character in [*_first, *([""] if _name == "null" else [])]:
        _RESOLVERS.setdefault(_character, []).append(
            (_TAG + _name, re.compile(f"(?:{_pattern})\\Z"))
        )


# Not the C loader, which is faster and crashes the process where a hostile file nests too deeply.
class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers = _RESOLVERS


class _Dumper(yaml.SafeDumper):
    yaml_implicit_resolvers = _RESOLVERS

    def ignore_aliases(self, data: Any) -> bool:
        return True


def parse(text: str, source: str) -> tuple[Any, Lines]:
    """Reads one YAML document.

    Args:
        text: the document.
        source: what error messages call it.

    Returns:
        Plain data, and the line (from 1) of each key path; items of a list count as "0", "1", ...

    Raises:
        ConfigError: not YAML, a key given twice or no word, an anchor, an alias, a tag.
    """
    try:
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
        finally:
            loader.dispose()
        walk = _Walk(source)
        return (None if root is None else walk.value(root, ())), walk.lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f"{source}:{mark.line + 1}" if mark else source
        raise ConfigError(f"{at}: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{source}: {str(error).splitlines()[0]}") from error
    except RecursionError as error:
        raise ConfigError(f"{source}: nested too deeply") from error


def dump(data: Any) -> str:
    """Plain data as YAML, in the order of its keys; innermost lists and mappings on one line."""
    return yaml.dump(
        data,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=None,
        width=100,
    )


class _Walk:
    """Turns nodes into data, and notes their lines."""

    def __init__(self, source: str):
        self.source = source
        self.lines: Lines = {}
        self.seen: set[int] = set()

    def value(self, node: yaml.Node, path: tuple[str, ...]) -> Any:
        if id(node) in self.seen:
            self.refuse(node, "anchors and aliases are not allowed: write the value out")
        self.seen.add(id(node))
        self.lines.setdefault(path, node.start_mark.line + 1)
        tag = node.tag.removeprefix(_TAG)
        if isinstance(node, yaml.MappingNode) and tag == "map":
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and tag == "seq":
            return [self.value(item, (*path, str(i))) for i, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and tag in ("null", "bool", "int", "float", "str"):
            try:
                return _scalar(tag, node.value)
            except ValueError:
                # Python reads integers up to a limit, because more digits take quadratic time.
                self.refuse(node, f"a number of {len(node.value)} digits is too long")
        return self.refuse(node, f"the tag {node.tag!r} is not allowed: only plain data")

    def mapping(self, node: yaml.MappingNode, path: tuple[str, ...]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag != _TAG + "str":
                self.refuse(key_node, "a key must be a word")
            key = key_node.value
            if key in result:
                first = self.lines[(*path, key)]
                self.refuse(key_node, f"the key {key!r} is given twice, first on line {first}")
            self.lines[(*path, key)] = key_node.start_mark.line + 1
            result[key] = self.value(value_node, (*path, key))
        return result

    def refuse(self, node: yaml.Node, message: str) -> None:
        raise ConfigError(f"{self.source}:{node.start_mark.line + 1}: {message}")


def _scalar(tag: str, text: str) -> Any:
    if tag == "null":
        return None
    if tag == "bool":
        return text.lower() == "true"
    if tag == "int":
        return int(text)
    if tag == "float":
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text
