"""YAML, JSON and Python literals that others wrote, as plain values, within limits.

Plain values are None, bool, int of 64 bits, finite float, str that can be encoded, list, and dict
whose keys are none of the last two. Whatever else a text holds is the caller's error, of
`jetson_perception.errors`. Errors name the line, and never quote it: the file may be another than
was meant, with what nobody else should read.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

import numpy as np
import yaml

from jetson_perception.files.foreign_files import MakeError, read_foreign_file, shown_bytes
from jetson_perception.printable import printable

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from jetson_perception.errors import PerceptionError

# PyYAML's parser from libyaml, if it was built with one, is ten times as fast.
_Loader: Any = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)

_STR_TAG = 'tag:yaml.org,2002:str'
_IMPLICIT_TAGS = {
    'tag:yaml.org,2002:null': 'construct_yaml_null',
    'tag:yaml.org,2002:bool': 'construct_yaml_bool',
    'tag:yaml.org,2002:int': 'construct_yaml_int',
    'tag:yaml.org,2002:float': 'construct_yaml_float',
}
"""Types of scalars without quotes; others, such as dates, stay text."""

_LONGEST_NUMBER = 64
_MOST_DIRECTIVES = 16
_INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is parsed before it is refused.

    Attributes
    ----------
    size_bytes : int
        Of the text.
    depth : int
        Lists and dicts in each other.
    values : int
        Keys and values in all, those of an alias each time that it stands in YAML. Of JSON, where
        nothing stands for more than itself, the size is the limit.
    """

    size_bytes: int = 1 << 20
    depth: int = 32
    values: int = 1 << 18


SMALL: Final = Limits()
"""Enough for files written by hand, and for lists of some ten thousand names."""


class _RefusedError(Exception):
    """What is wrong with a text, without quoting it."""

    def __init__(self, problem: str, line: int | None = None) -> None:
        super().__init__(problem if line is None else f'line {line}: {problem}')


def read_yaml(
    path: str | os.PathLike[str], *, what: str, error: MakeError, limits: Limits = SMALL
) -> Any:
    """The value of a YAML file; None for an empty one.

    Parameters
    ----------
    path : str or path-like
        The file; `~` is the home folder.
    what : str
        What it is to be, for errors: 'calibration'.
    error : callable
        Makes the error of its text.
    limits : Limits
        How much is read and parsed.

    Raises
    ------
    PerceptionError
        By `error`: as `read_foreign_file` and `parse_yaml`.
    """
    content = read_foreign_file(path, what=what, error=error, limit_bytes=limits.size_bytes)
    return parse_yaml(content, where=f'{what} {printable(path)}', error=error, limits=limits)


def read_json(
    path: str | os.PathLike[str],
    *,
    what: str,
    error: MakeError,
    limits: Limits = SMALL,
    names_files: bool = False,
) -> Any:
    """The value of a JSON file; parameters and errors as of `read_yaml` and `parse_json`."""
    content = read_foreign_file(path, what=what, error=error, limit_bytes=limits.size_bytes)
    where = f'{what} {printable(path)}'
    return parse_json(content, where=where, error=error, limits=limits, names_files=names_files)


def parse_yaml(
    content: bytes | str, *, where: str, error: MakeError, limits: Limits = SMALL
) -> Any:
    """The value of YAML text.

    Parameters
    ----------
    content : bytes or str
        Bytes are UTF-8, with or without a byte order mark.
    where : str
        What it is and where it stands, for errors.
    error : callable
        Makes the error of its text.
    limits : Limits
        How much is parsed.

    Returns
    -------
    object
        None for an empty text. Dates stay text; aliases are resolved, and share their value.

    Raises
    ------
    PerceptionError
        By `error`: it is no YAML, more than one document, beyond a limit, or has a tag other than
        `!!str`, a key that is a collection or stands there twice, a merge key, or a number that
        is not finite or takes more than 64 bits.
    """
    return _parsed(_yaml_value, content, 'YAML', where, error, limits)


def parse_json(
    content: bytes | str,
    *,
    where: str,
    error: MakeError,
    limits: Limits = SMALL,
    names_files: bool = False,
) -> Any:
    """The value of JSON text; a duplicate key has its last value.

    Parameters
    ----------
    content, where, error, limits
        As of `parse_yaml`.
    names_files : bool
        Take the halves of pairs, U+DC80 to U+DCFF, that stand for bytes of a file's name which is
        not UTF-8, as Python writes them.

    Raises
    ------
    PerceptionError
        By `error`: it is no JSON, beyond a limit, or has a number that is not finite or takes
        more than 64 bits, or half of a surrogate pair.
    """
    parse = partial(_json_value, halves='surrogateescape' if names_files else 'strict')
    return _parsed(parse, content, 'JSON', where, error, limits)


def parse_literal(
    content: bytes | str, *, where: str, error: MakeError, limits: Limits = SMALL
) -> Any:
    """The value of JSON text, or of what Python's `repr` makes of such a value.

    Tuples come as lists, and keys that are numbers as text. Parameters and errors are those of
    `parse_json`.
    """
    return _parsed(_literal_value, content, 'JSON or a Python literal', where, error, limits)


def _parsed(
    parse: Callable[[str, Limits], Any],
    content: bytes | str,
    language: str,
    where: str,
    error: MakeError,
    limits: Limits,
) -> Any:
    refusal: PerceptionError
    try:
        return parse(_decoded(content, limits), limits)
    except _RefusedError as err:
        refusal = error(f'{where} cannot be read as {language}: {err}')
    # Raised outside the handler: the parser's error quotes the text, and would become the context.
    try:
        raise refusal
    finally:
        del refusal  # it holds this frame and those of all callers, with what is in them


def _decoded(content: bytes | str, limits: Limits) -> str:
    if len(content) > limits.size_bytes:
        raise _RefusedError(f'it has more than {shown_bytes(limits.size_bytes)}, the limit')
    if isinstance(content, str):
        if not _can_be_encoded(content):
            raise _RefusedError('it has half of a surrogate pair')
        return content
    if content.startswith((b'\xff\xfe', b'\xfe\xff')):
        raise _RefusedError('it is text in UTF-16; save it in UTF-8')
    try:
        return content.decode('utf-8-sig')
    except UnicodeDecodeError as err:
        problem = 'it is not UTF-8 text', content.count(b'\n', 0, err.start) + 1
    raise _RefusedError(*problem)


def _can_be_encoded(text: str, halves: str = 'strict') -> bool:
    try:
        text.encode(errors=halves)
    except UnicodeEncodeError:
        return False
    return True


# YAML: read from the events of PyYAML's parser, which does not recurse. Its composer does, and
# resolves aliases without limit.


class _Collection:
    """A list or dict that is being read."""

    def __init__(self, value: list[Any] | dict[Any, Any], anchor: str | None, before: int) -> None:
        self.value = value
        self.anchor = anchor
        self.values_before = before
        self.height = 1
        self.key: list[Any] = []


class _Anchored(NamedTuple):
    """What an alias refers to, how many values that is, and how deeply they are nested."""

    value: Any
    values: int
    height: int


class _YamlReader:
    def __init__(self, loader: Any, limits: Limits) -> None:
        self._loader = loader
        self._limits = limits
        self._open: list[_Collection] = []
        self._anchors: dict[str, _Anchored] = {}
        self._values = 0
        self._root: Any = None

    def read(self) -> Any:
        """The value of the one document."""
        documents = 0
        while self._loader.check_event():
            event = self._loader.get_event()
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _RefusedError('it has more than one document', _line(event))
            elif isinstance(event, yaml.NodeEvent):
                self._node(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                self._end()
        return self._root

    def _node(self, event: Any) -> None:
        self._values += 1
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise _RefusedError('an alias has no anchor that ends before it', _line(event))
            value, values, height = self._anchors[event.anchor]
            self._values += values - 1
            self._require_depth(height, event)
        if self._values > self._limits.values:
            raise _RefusedError(
                f'it has more than {self._limits.values} values, aliases resolved', _line(event)
            )
        if isinstance(event, yaml.AliasEvent):
            self._put(value, event)
        elif isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event)
            if event.anchor is not None:
                self._anchors[event.anchor] = _Anchored(value, 1, 0)
            self._put(value, event)
        else:
            self._begin(event)

    def _begin(self, event: Any) -> None:
        if event.tag is not None:
            raise _RefusedError('it has a tag (!…), which is not read here', _line(event))
        self._require_depth(1, event)
        value: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._put(value, event)
        self._anchors.pop(event.anchor, None)
        self._open.append(_Collection(value, event.anchor, self._values - 1))

    def _end(self) -> None:
        collection = self._open.pop()
        if collection.anchor is not None:
            values = self._values - collection.values_before
            self._anchors[collection.anchor] = _Anchored(
                collection.value, values, collection.height
            )
        if self._open:
            self._open[-1].height = max(self._open[-1].height, collection.height + 1)

    def _require_depth(self, height: int, event: Any) -> None:
        if len(self._open) + height > self._limits.depth:
            raise _RefusedError(
                f'it is nested deeper than {self._limits.depth} levels', _line(event)
            )
        if self._open:
            self._open[-1].height = max(self._open[-1].height, height + 1)

    def _put(self, value: Any, event: Any) -> None:
        if not self._open:
            self._root = value
            return
        collection = self._open[-1]
        if isinstance(collection.value, list):
            collection.value.append(value)
        elif collection.key:
            collection.value[collection.key.pop()] = value
        elif isinstance(value, list | dict):
            raise _RefusedError('a key is a list or a mapping', _line(event))
        elif value in collection.value:
            raise _RefusedError('a key stands in its mapping twice', _line(event))
        else:
            collection.key.append(value)

    def _scalar(self, event: Any) -> Any:
        text: str = event.value
        if event.tag not in (None, '!', _STR_TAG):
            raise _RefusedError('it has a tag (!…), which is not read here', _line(event))
        if not _can_be_encoded(text):
            raise _RefusedError('it has half of a surrogate pair', _line(event))
        if not event.implicit[0] or event.tag is not None:
            return text
        node = yaml.ScalarNode('', text)
        tag = self._loader.resolve(yaml.ScalarNode, text[:_LONGEST_NUMBER], event.implicit)
        construct = _IMPLICIT_TAGS.get(tag)
        if construct is None:
            return text
        if len(text) > _LONGEST_NUMBER:
            raise _RefusedError(f'it has a number of {len(text)} characters', _line(event))
        try:
            value = getattr(self._loader, construct)(node)
        except (ValueError, ArithmeticError, LookupError):
            value = math.nan
        if isinstance(value, float) and not math.isfinite(value):
            raise _RefusedError('it has a number that is not finite, or none', _line(event))
        if isinstance(value, int) and value not in _INT64:
            raise _RefusedError('it has a number of more than 64 bits', _line(event))
        return value


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _yaml_value(text: str, limits: Limits) -> Any:
    # Each directive is compared with all before it.
    if text.startswith('%') + text.count('\n%') > _MOST_DIRECTIVES:
        raise _RefusedError(f'it has more than {_MOST_DIRECTIVES} lines that begin with %')
    loader = None
    try:
        loader = _Loader(text)
        return _YamlReader(loader, limits).read()
    except yaml.MarkedYAMLError as err:
        mark = err.problem_mark or err.context_mark
        refused = _RefusedError(
            f'{_unquoted(err.problem)}{_begun(err)}', mark.line + 1 if mark else None
        )
    except yaml.YAMLError:  # the reader's, of characters
        refused = _RefusedError('it has control characters')
    except (ValueError, ArithmeticError, LookupError, RecursionError):
        refused = _RefusedError('it cannot be parsed')
    finally:
        if loader is not None:
            loader.dispose()
    try:
        raise refused
    finally:
        del refused  # as in _parsed


def _begun(err: yaml.MarkedYAMLError) -> str:
    """What the parser was in, and since which line, where that is an earlier one."""
    before, now = err.context_mark, err.problem_mark
    if not err.context or before is None or now is None or before.line >= now.line:
        return ''
    return f' {_unquoted(err.context)}, which begins in line {before.line + 1}'


#: What a parser expected: its quotes are of the language's own signs.
_EXPECTED_SIGN = re.compile(r"(expected (?:an? |the )?|Expecting | or )'([^\w\s])'")


def _unquoted(problem: str | None) -> str:
    """A parser's message up to where it quotes the text; signs that it expected are kept."""
    said = re.sub('"', "'", problem or '').partition(', but ')[0]
    kept = _EXPECTED_SIGN.sub('\\1\0\\2\0', said)
    said, quote, _ = kept.partition("'")
    said = said.replace('\0', "'").strip()
    return f'{said} …' if quote else said or 'it cannot be parsed'


# JSON


def _json_value(text: str, limits: Limits, halves: str = 'strict') -> Any:
    depth = _json_depth(text)
    if depth > limits.depth:
        raise _RefusedError(f'it is nested deeper than {limits.depth} levels')
    try:
        value = json.loads(
            text, parse_int=_json_int, parse_float=_json_float, parse_constant=_json_constant
        )
    except json.JSONDecodeError as err:
        refused = _RefusedError(_unquoted(err.msg.rstrip(': ').removesuffix(' at')), err.lineno)
    else:
        if re.search(r'\\u[dD][89a-fA-F]', text) and not _all_can_be_encoded(value, halves):
            raise _RefusedError('it has half of a surrogate pair')
        return value
    try:
        raise refused
    finally:
        del refused  # as in _parsed


def _json_depth(text: str) -> int:
    """How deep the brackets outside of strings go: json.loads recurses for each."""
    content = text.encode().replace(b'\\\\', b'').replace(b'\\"', b'')
    marks = content.translate(None, bytes(set(range(256)) - set(b'"[]{}')))
    brackets = np.frombuffer(re.sub(b'"[^"]*"?', b'', marks), np.uint8)
    if not len(brackets):
        return 0
    opening = (brackets == ord('[')) | (brackets == ord('{'))
    return int(np.cumsum(np.where(opening, 1, -1)).max())


def _json_int(text: str) -> int:
    if len(text) > 20 or (value := int(text)) not in _INT64:
        raise _RefusedError('it has a number of more than 64 bits')
    return value


def _json_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _RefusedError('it has a number that is not finite')
    return value


def _json_constant(_text: str) -> NoReturn:
    raise _RefusedError('it has a number that is not finite')


def _all_can_be_encoded(value: Any, halves: str) -> bool:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            waiting += [*each, *each.values()]
        elif isinstance(each, list):
            waiting += each
        elif isinstance(each, str) and not _can_be_encoded(each, halves):
            return False
    return True


# Python literals: the `repr` of plain values, rewritten as JSON. ast.literal_eval takes some
# hundred bytes of memory per byte of text, and stack for each bracket.

_LITERAL_PIECE = re.compile(
    r"""
    (?P<string> '(?:[^'\\\n]|\\.)*' | "(?:[^"\\\n]|\\.)*" )
    | (?P<unclosed> ['"] )
    | (?P<word> \b(?:True|False|None)\b )
    | (?P<key> -?\b\d+(?=\s*:) )
    | (?P<bracket> [()] )
    | (?P<last_comma> ,(?=\s*[)\]}]) )
    """,
    re.VERBOSE | re.DOTALL,
)
_JSON_WORDS = {'True': 'true', 'False': 'false', 'None': 'null', '(': '[', ')': ']'}

_ESCAPE = re.compile(
    r'\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([\\\'"nrt])|.)', re.DOTALL
)
_SHORT_ESCAPES = {'n': '\n', 'r': '\r', 't': '\t'}


def _literal_value(text: str, limits: Limits) -> Any:
    # JSON first: the two read escapes in double quotes differently.
    try:
        return _json_value(text, limits)
    except _RefusedError:
        pass
    return _json_value(_LITERAL_PIECE.sub(_as_json, text), limits)


def _as_json(piece: re.Match[str]) -> str:
    found = piece[0]
    if piece.lastgroup == 'unclosed':
        raise _RefusedError('it has a string without an end')
    if piece.lastgroup == 'string':
        return json.dumps(_ESCAPE.sub(_unescaped, found[1:-1]))
    if piece.lastgroup == 'key':
        return f'"{found}"'
    return _JSON_WORDS.get(found, '')


def _unescaped(escape: re.Match[str]) -> str:
    code = escape[1] or escape[2] or escape[3]
    if code is not None:
        number = int(code, 16)
        if number > 0x10FFFF:
            raise _RefusedError('it has a character code beyond Unicode')
        return chr(number)
    if escape[4] is None:
        raise _RefusedError("it has an escape that Python's repr does not write")
    return _SHORT_ESCAPES.get(escape[4], escape[4])
