"""Class names from the files that users have."""

import os
import traceback

import pytest

from jetson_perception.engines.class_names import read_class_names
from jetson_perception.errors import ParameterError


@pytest.mark.parametrize(
    ('file', 'text', 'names'),
    [
        pytest.param('a.txt', 'person\n', ('person',), id='one'),
        pytest.param(
            'coco.names', 'person\ntraffic light\n\n\n', ('person', 'traffic light'), id='darknet'
        ),
        pytest.param('a', 'cat \r\n dog', ('cat', 'dog'), id='windows'),
        pytest.param('a.txt', '\ufeffGröße\n1\n', ('Größe', '1'), id='byte_order_mark'),
        pytest.param('a.yaml', '[cat, dog]', ('cat', 'dog'), id='yaml_list'),
        pytest.param('a.yml', 'path: x\nnames: [cat, 7]', ('cat', '7'), id='data_set'),
        pytest.param(
            'a.yaml', 'names:\n  1: dog\n  0: cat\n', ('cat', 'dog'), id='data_set_by_id'
        ),
        pytest.param('a.yaml', '0: cat\n1: dog\n', ('cat', 'dog'), id='by_id'),
    ],
)
def test_names(tmp_path, file, text, names):
    (tmp_path / file).write_bytes(text.encode())
    assert read_class_names(tmp_path / file) == names


@pytest.mark.parametrize(
    ('file', 'text', 'message'),
    [
        pytest.param('a.txt', '', 'contains no names', id='empty'),
        pytest.param('a.txt', '\n \n', 'contains no names', id='blank'),
        pytest.param('a.txt', 'cat\n\ndog\n', 'has no name for class 1', id='gap'),
        pytest.param('a.yaml', '', 'has no list of names', id='empty_yaml'),
        pytest.param('a.yaml', 'names: []', 'contains no names', id='empty_list'),
        pytest.param('a.yaml', '[cat, null]', 'has no name for class 1', id='yaml_gap'),
        pytest.param('a.yaml', 'nc: 80', 'has no list of names, nor a mapping', id='no_names'),
        pytest.param('a.yaml', '{0: cat, 2: dog}', 'has no list of names, nor', id='missing_id'),
        pytest.param('a.yaml', 'names: cat', 'has no list', id='text'),
        pytest.param('a.yaml', '[[cat]]', 'has no list', id='nested'),
        pytest.param('a.yaml', '[cat', 'cannot be read as YAML: line 2', id='not_yaml'),
    ],
)
def test_files_that_hold_none(tmp_path, file, text, message):
    (tmp_path / file).write_text(text)
    with pytest.raises(ParameterError, match=f'^class_names_file .*{file} {message}') as caught:
        read_class_names(tmp_path / file)
    assert caught.value.parameter == 'class_names_file'


def test_files_that_cannot_be_read(tmp_path):
    os.mkfifo(tmp_path / 'fifo')
    (tmp_path / 'latin.txt').write_bytes(b'caf\xe9')
    for name, why in (
        ('none.txt', 'cannot be read: No such file'),
        ('latin.txt', 'cannot be read: it is not UTF-8 text'),
        ('.', 'is a folder'),
        ('n' * 256, 'cannot be read: File name too long'),
        ('fifo', 'is a pipe'),
    ):
        with pytest.raises(ParameterError, match=why):
            read_class_names(tmp_path / name)


REAL_NAMES = """
person
traffic light
T-shirt/top
tench, Tinca tinca
jack-o'-lantern
great white shark, white shark, man-eater, man-eating shark, Carcharodon carcharias
Band_Aid
"left" hand
beer bottle (0.5 l)
object--vehicle--car
door;double door
light: red
vehicle:car:red
Speed limit >= 30 km/h
weight > 3.5t
50% & 100% #2
__background__
???
Boeing 737-800
PalletEmptyDamagedCorner01
n01440764
Größe XL
日本語の名前　全角
می‌خواهم
किताब
👩‍🚒
C++
100 € / $20 bill
"""


def test_real_names_are_taken(tmp_path):
    file = tmp_path / 'a.names'
    names = REAL_NAMES.strip().split('\n')
    file.write_text(REAL_NAMES.lstrip(), encoding='utf-8')
    assert read_class_names(file) == tuple(names)
    file.write_text('\n'.join(f'a name of class {i}' for i in range(65536)))
    assert len(read_class_names(file)) == 65536


@pytest.mark.parametrize(
    'text',
    [
        pytest.param('root:$6$SECRET$abc:19000:0:99999:7:::\ndaemon:*:1::', id='shadow'),
        pytest.param('root:x:0:0:SECRET:/root:/bin/bash', id='passwd'),
        pytest.param('SECRET:*::', id='gshadow'),
        pytest.param('cat\nSECRET:x:0:', id='group_after_a_name'),
        pytest.param('me:$apr1$SECRET$x', id='htpasswd'),
        pytest.param('host:5432:db:me:SECRET', id='pgpass'),
        pytest.param('https://me:SECRET@example.com', id='git_credentials'),
        pytest.param('machine a.b login me password SECRET', id='netrc'),
        pytest.param('[default]\naws_secret_access_key = SECRET', id='aws'),
        pytest.param('export TOKEN=SECRET', id='shell_variables'),
        pytest.param('-----BEGIN PRIVATE KEY-----\nSECRET', id='private_key'),
        pytest.param('b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABSECRET', id='base64'),
        pytest.param('0f3c9a1b2d4e5f60718293a4b5c6d7e8', id='machine_id'),
        pytest.param('#!/bin/sh\necho SECRET', id='script'),
        pytest.param('# SECRET', id='comment'),
        pytest.param('#include <SECRET>', id='c'),
        pytest.param('def SECRET():\n    pass', id='python'),
        pytest.param('{"SECRET": 1}', id='json'),
        pytest.param('names:\n  0:SECRET', id='yaml_as_text'),
        pytest.param('<xml>SECRET</xml>', id='markup'),
        pytest.param('Nov 28 08:00:01 host sshd: SECRET', id='log'),
        pytest.param('1\tSECRET', id='tab'),
        pytest.param('\x1b]0;SECRET\x07', id='terminal_codes'),
        pytest.param('SECRET\x00', id='binary'),
        pytest.param('a\u202eSECRET', id='direction_turned'),
        pytest.param('a\u2028SECRET', id='line_separator'),
        pytest.param('SECRET' * 40, id='long'),
        pytest.param('SECRET\n' * 65537, id='too_many'),
        pytest.param('SECRET' * 10**6, id='too_large'),
    ],
)
@pytest.mark.parametrize('suffix', ['', '.yaml'])
def test_other_files_are_refused_without_being_quoted(tmp_path, text, suffix):
    file = tmp_path / f'a{suffix}'
    file.write_text(text)
    with pytest.raises(ParameterError) as caught:
        read_class_names(file)
    assert 'SECRET' not in ''.join(traceback.format_exception_only(caught.value))
    assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.parametrize('text', ['- SECRET:x:0:0', 'names: ["a\\tSECRET"]', '0: "a=SECRET"'])
def test_other_names_in_yaml_are_refused_without_being_quoted(tmp_path, text):
    file = tmp_path / 'a.yaml'
    file.write_text(text)
    with pytest.raises(ParameterError, match=r'class_names_file .*/a\.yaml') as caught:
        read_class_names(file)
    assert 'SECRET' not in str(caught.value)


@pytest.mark.parametrize(
    'path',
    ['/etc/passwd', '/etc/shadow', '/etc/group', '/proc/self/environ', '/dev/zero', __file__],
)
def test_files_of_this_machine_are_refused(path):
    if os.path.exists(path):
        with pytest.raises(ParameterError):
            read_class_names(path)
