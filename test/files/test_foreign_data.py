"""Foreign data is parsed within limits, or gives an error of ours that does not quote it."""

from __future__ import annotations

import json
import math
import os
import random
import time
import traceback

import pytest
import yaml

from jetson_perception.errors import ModelError
from jetson_perception.files import foreign_data
from jetson_perception.files.foreign_data import (
    Limits,
    parse_json,
    parse_literal,
    parse_yaml,
    read_json,
    read_yaml,
)

_PIECES = (
    '[ ] { } ( ) , : - ? & * ! !! | > % @ ` # " \' \\ \n \t a b 1 0x 1e9 1e999 .inf ~ yes <<: '
    'True None null \\u \\x4 \\ud800 &a *a !!int !!str --- ... 2020-01-01 = \x00 \x85 \ufeff é'
)

BOMB = 'a: &a [x,x,x,x,x,x,x,x,x]\n' + ''.join(
    f'{new}: &{new} [{",".join([f"*{old}"] * 9)}]\n'
    for old, new in zip('abcdefgh', 'bcdefghi', strict=True)
)
DEEP_BOMB = 'a0: &a0 [x]\n' + ''.join(
    f'a{i}: &a{i} {"[" * 20}*a{i - 1}{"]" * 20}\n' for i in range(1, 100)
)


@pytest.fixture(params=['libyaml', 'python'])
def loader(request, monkeypatch):
    if request.param == 'python':
        monkeypatch.setattr(foreign_data, '_Loader', yaml.SafeLoader)
    elif not hasattr(yaml, 'CSafeLoader'):
        pytest.skip('this PyYAML was built without libyaml')


def _parse(function, content, **more):
    return function(content, where='calibration /a', error=ModelError, **more)


@pytest.mark.parametrize(
    ('content', 'value'),
    [
        pytest.param('', None, id='empty'),
        pytest.param('# nothing', None, id='comment'),
        pytest.param(b'\xef\xbb\xbfa: 1', {'a': 1}, id='byte_order_mark'),
        pytest.param('{a: [1, 2.5, yes, ~, x]}', {'a': [1, 2.5, True, None, 'x']}, id='scalars'),
        pytest.param('"1": "yes"', {'1': 'yes'}, id='quoted'),
        pytest.param('!!str 12', '12', id='tag_of_text'),
        pytest.param('- 2020-13-45\n- 2020-12-24', ['2020-13-45', '2020-12-24'], id='dates'),
        pytest.param('0x1f', 31, id='hexadecimal'),
        pytest.param('-9223372036854775808', -(2**63), id='smallest_integer'),
        pytest.param('a: &x [1]\nb: *x', {'a': [1], 'b': [1]}, id='alias'),
        pytest.param('<<: {a: 1}', {'<<': {'a': 1}}, id='merge_key_is_text'),
        pytest.param('Käse: 日本', {'Käse': '日本'}, id='letters_of_any_script'),
        pytest.param('[' * 32 + ']' * 32, eval('[' * 32 + ']' * 32), id='as_deep_as_may_be'),
    ],
)
@pytest.mark.usefixtures('loader')
def test_yaml_becomes_plain_values(content, value):
    assert _parse(parse_yaml, content) == value


@pytest.mark.parametrize(
    ('content', 'text'),
    [
        pytest.param('!!int', r'line 1: it has a tag \(!…\)', id='tag_without_value'),
        pytest.param('!!bool x', 'has a tag', id='tag_of_bool'),
        pytest.param('!!timestamp', 'has a tag', id='tag_of_time'),
        pytest.param('!!python/object/apply:os.system [x]', 'has a tag', id='tag_of_python'),
        pytest.param('9' * 5000, 'number of 5000 characters', id='5000_digits'),
        pytest.param('9223372036854775808', 'more than 64 bits', id='integer_of_65_bits'),
        pytest.param('1:' * 30 + '1', 'more than 64 bits', id='sexagesimal'),
        pytest.param('{.inf: a}', 'not finite', id='infinite_key'),
        pytest.param('1.0e+400', 'not finite', id='beyond_float'),
        pytest.param('.nan', 'not finite', id='nan'),
        pytest.param('0b_', 'not finite, or none', id='no_digits'),
        pytest.param('[' * 5000, 'nested deeper than 32 levels', id='deep_list'),
        pytest.param('[' * 33 + ']' * 33, 'nested deeper than 32 levels', id='one_too_deep'),
        pytest.param('- ' * 5000, 'nested deeper than 32 levels', id='deep_blocks'),
        pytest.param(BOMB, 'more than 262144 values, aliases resolved', id='alias_bomb'),
        pytest.param(DEEP_BOMB, 'nested deeper than 32 levels', id='aliases_deep_in_each_other'),
        pytest.param('a: &a [*a]', 'no anchor that ends before', id='alias_of_itself'),
        pytest.param('*a', 'no anchor that ends before', id='alias_of_nothing'),
        pytest.param('a: 1\na: 2', 'line 2: a key stands in its mapping twice', id='key_twice'),
        pytest.param('? [a]\n: b', 'a key is a list', id='list_as_key'),
        pytest.param('? {a: 1}\n: b', 'a key is a list or a mapping', id='mapping_as_key'),
        pytest.param('--- a\n--- b', 'more than one document', id='two_documents'),
        pytest.param('%TAG !a! b\n' * 17, '16 lines that begin with %', id='directives'),
        pytest.param('a\0b', 'control characters', id='nul'),
        pytest.param('\ud800', 'half of a surrogate pair', id='half_of_a_pair'),
        pytest.param('"\\ud800"', 'calibration /a cannot be read', id='half_of_a_pair_escaped'),
        pytest.param(b'\xff\xfea\0', 'is text in UTF-16; save it in UTF-8', id='utf16'),
        pytest.param(b'a\nb\xe9', 'line 2: it is not UTF-8 text', id='latin_1'),
        pytest.param('x' * (1 << 20) + 'x', 'more than 1 MiB', id='size'),
        pytest.param('a: b: c', 'line 1: mapping values are not allowed', id='syntax'),
        pytest.param('a: [1,\n  2\nb: 3', r"line 3: .*expected ',' or '\]' while pars", id='list'),
        pytest.param('a: [1,\n2\nb: 3', 'while .*, which begins in line 1$', id='where_it_began'),
        pytest.param('%YAML 9999999999.1\n---\na', 'cannot be read as YAML', id='version'),
    ],
)
@pytest.mark.usefixtures('loader')
def test_other_yaml_is_an_error_of_ours(content, text):
    with pytest.raises(ModelError, match=text):
        _parse(parse_yaml, content)


@pytest.mark.parametrize(
    'content',
    [
        'SECRET: SECRET: x',
        'a: "SECRET',
        'a: *SECRET',
        'a: !SECRET x',
        '%TAG SECRET',
        "'SECRET' SECRET",
        "[a\n, but expected 'SECRET' or ':' SECRET: '",
        'a: `SECRET',
        'a: "\\SECRET"',
        'SECRET: 1\nSECRET: 1',
        '&SECRET !SECRET [',
        'SECRET\n: a\n\tb:',
        '!<SECRET> \x01',
    ],
)
@pytest.mark.parametrize('function', [parse_yaml, parse_json, parse_literal])
@pytest.mark.usefixtures('loader')
def test_errors_quote_nothing_of_the_text(function, content):
    with pytest.raises(ModelError) as caught:
        _parse(function, content)
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert 'SECRET' not in ''.join(traceback.format_exception_only(caught.value))


@pytest.mark.parametrize('function', [parse_json, parse_literal])
@pytest.mark.parametrize(
    ('content', 'value'),
    [
        pytest.param(
            '{"a": [1, 2.5, true, null, "x"]}', {'a': [1, 2.5, True, None, 'x']}, id='all'
        ),
        pytest.param(b'\xef\xbb\xbf[]', [], id='byte_order_mark'),
        pytest.param('"\\ud83d\\ude00"', '😀', id='surrogate_pair'),
        pytest.param('"\\/"', '/', id='escaped_slash'),
        pytest.param('"[[["', '[[[', id='brackets_in_text'),
        pytest.param('"\\"[[[\\\\"', '"[[[\\', id='brackets_after_a_quote'),
    ],
)
def test_json_becomes_plain_values(function, content, value):
    assert _parse(function, content) == value


@pytest.mark.parametrize('function', [parse_json, parse_literal])
@pytest.mark.parametrize(
    ('content', 'text'),
    [
        pytest.param('', 'line 1: Expecting value', id='empty'),
        pytest.param('[\n1,\n', 'line 3: Expecting value', id='cut_off'),
        pytest.param('[' * 10**6, 'deeper than 32 levels', id='deep'),
        pytest.param('{"a":' * 33, 'deeper than 32 levels', id='deep_objects'),
        pytest.param('9' * 5000, 'more than 64 bits', id='5000_digits'),
        pytest.param('[1e400]', 'not finite', id='beyond_float'),
        pytest.param('[NaN, -Infinity]', 'not finite', id='nan'),
        pytest.param('{"a" 1}', "Expecting ':' delimiter$", id='what_is_expected'),
        pytest.param('"\\ud800"', 'half of a surrogate pair', id='half_of_a_pair'),
        pytest.param('{"\\udc00": 1}', 'half of a surrogate pair', id='half_of_a_pair_as_key'),
        pytest.param('[\0]', 'Expecting value', id='nul'),
        pytest.param(b'\xff\xfe[\0', 'UTF-16', id='utf16'),
        pytest.param(b'"\xe9"', 'not UTF-8', id='latin_1'),
        pytest.param('[' + ' ' * (1 << 20), 'more than 1 MiB', id='size'),
    ],
)
def test_other_json_is_an_error_of_ours(function, content, text):
    with pytest.raises(ModelError, match=text):
        _parse(function, content)


def test_names_of_files_may_have_bytes_that_are_not_utf8():
    def parse(content):
        return parse_json(content, where='it', error=ModelError, names_files=True)

    assert parse('["caf\\udce9.png"]') == ['caf\udce9.png']
    with pytest.raises(ModelError, match='half of a surrogate pair'):
        parse('["\\ud800"]')


@pytest.mark.parametrize(
    ('content', 'value'),
    [
        pytest.param("{0: 'person', 1: \"it's\"}", {'0': 'person', '1': "it's"}, id='names'),
        pytest.param('(640, 480)', [640, 480], id='tuple'),
        pytest.param("['a',]", ['a'], id='comma_at_the_end'),
        pytest.param("{'nms': True, 'x': None}", {'nms': True, 'x': None}, id='words'),
        pytest.param("['True', '(', 'a: 1', '1:']", ['True', '(', 'a: 1', '1:'], id='in_text'),
        pytest.param("{-1: {-2: 'a'}}", {'-1': {'-2': 'a'}}, id='negative_keys'),
    ],
)
def test_what_repr_writes_becomes_plain_values(content, value):
    assert _parse(parse_literal, content) == value


def test_any_text_comes_back_from_its_repr():
    characters = [chr(code) for code in range(0x300)] + ['\u2028', '\u200b', '日', '😀', '\ufeff']
    chosen = random.Random(1)
    for _ in range(500):
        text = ''.join(chosen.choices(characters, k=20))
        assert _parse(parse_literal, repr([text, {1: text}])) == [text, {'1': text}]


@pytest.mark.parametrize(
    ('content', 'text'),
    [
        pytest.param("'a", 'a string without an end', id='unclosed'),
        pytest.param("'\\ud800'", 'half of a surrogate pair', id='half_of_a_pair'),
        pytest.param("'\\U00110000'", 'beyond Unicode', id='beyond_unicode'),
        pytest.param("'\\q'", 'repr does not write', id='unknown_escape'),
        pytest.param('1+1', 'Extra data', id='sum'),
        pytest.param('__import__("os")', 'Expecting value', id='call'),
        pytest.param('(' * 1000, 'deeper than 32 levels', id='deep'),
        pytest.param('-' * 10**5 + '1', 'Expecting value', id='unary'),
    ],
)
def test_other_literals_are_an_error_of_ours(content, text):
    with pytest.raises(ModelError, match=text):
        _parse(parse_literal, content)


@pytest.mark.parametrize(
    'piece', ["'", "'\\", '"\\', ', ', '1 ', '1', '[', '(,', "'a'", '\\', '-']
)
def test_literals_take_linear_time(piece):
    content = piece * ((1 << 18) // len(piece))
    start = time.monotonic()
    with pytest.raises(ModelError):
        _parse(parse_literal, content)
    assert time.monotonic() - start < 30  # a limit on a hang: quadratic took minutes


@pytest.mark.parametrize(
    ('function', 'content'), [(read_yaml, 'a: 1'), (read_json, '{"a": 1}')], ids=['yaml', 'json']
)
def test_files_are_read(tmp_path, function, content):
    file = tmp_path / 'a'
    file.write_text(content)
    assert function(file, what='model', error=ModelError) == {'a': 1}
    with pytest.raises(ModelError, match=r'model .*/a has more than 3 bytes'):
        function(file, what='model', error=ModelError, limits=Limits(size_bytes=3))
    os.mkfifo(tmp_path / 'pipe')
    with pytest.raises(ModelError, match=r'model .*/pipe is a pipe'):
        function(tmp_path / 'pipe', what='model', error=ModelError)
    file.write_text('{')
    with pytest.raises(ModelError, match=r'model .*/a cannot be read as'):
        function(file, what='model', error=ModelError)


@pytest.mark.parametrize('function', [parse_yaml, parse_json, parse_literal])
def test_values_are_plain_for_any_text(function):
    pieces = _PIECES.split(' ')
    chosen = random.Random(2)
    for _ in range(1000):
        content = ''.join(chosen.choices([*pieces, ' ', ': ', '- '], k=chosen.randint(0, 12)))
        try:
            value = _parse(function, content)
        except ModelError:
            continue
        _require_plain(value)
        json.dumps(list(value) if isinstance(value, dict) else value).encode()


def _require_plain(value):
    if isinstance(value, dict):
        for key, each in value.items():
            assert not isinstance(key, (list, dict))
            _require_plain(key)
            _require_plain(each)
    elif isinstance(value, list):
        for each in value:
            _require_plain(each)
    elif isinstance(value, str):
        value.encode()
    else:
        assert value is None or isinstance(value, (bool, int, float))
        assert value is None or math.isfinite(value)
