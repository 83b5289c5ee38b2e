"""Names of classes from files as people have them."""

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
        pytest.param('a.txt', '', 'holds no names', id='empty'),
        pytest.param('a.txt', '\n \n', 'holds no names', id='blank'),
        pytest.param('a.txt', 'cat\n\ndog\n', 'has no name for class 1', id='gap'),
        pytest.param('a.yaml', '', 'has no list of names', id='empty_yaml'),
        pytest.param('a.yaml', 'names: []', 'holds no names', id='empty_list'),
        pytest.param('a.yaml', '[cat, null]', 'has no name for class 1', id='yaml_gap'),
        pytest.param('a.yaml', 'nc: 80', 'has no list of names, nor a mapping', id='no_names'),
        pytest.param('a.yaml', '{0: cat, 2: dog}', 'has no list of names, nor', id='missing_id'),
        pytest.param('a.yaml', 'names: cat', 'has no list', id='text'),
        pytest.param('a.yaml', '[[cat]]', 'has no list', id='nested'),
        pytest.param('a.yaml', '[cat', 'is not YAML: while parsing', id='not_yaml'),
    ],
)
def test_files_that_hold_none(tmp_path, file, text, message):
    (tmp_path / file).write_text(text)
    with pytest.raises(ParameterError, match=f'^class_names_file .*{file} {message}') as caught:
        read_class_names(tmp_path / file)
    assert caught.value.parameter == 'class_names_file'


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / 'latin.txt').write_bytes(b'caf\xe9')
    for name, why in (
        ('none.txt', 'No such file'),
        ('latin.txt', 'it is not UTF-8 text'),
        ('.', 'Is a directory'),
    ):
        with pytest.raises(ParameterError, match=f'cannot be read: {why}'):
            read_class_names(tmp_path / name)
