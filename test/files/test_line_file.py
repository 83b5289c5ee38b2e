import pytest
from small_disk import file_size_limit

from jetson_perception.errors import ParameterError
from jetson_perception.files.line_file import LineFile


def test_a_full_disk_leaves_whole_lines(tmp_path):
    lines = LineFile(tmp_path / 'lines', parameter='output')
    lines.append('a line')
    with file_size_limit(12), pytest.raises(ParameterError, match='cannot be written'):
        lines.append('which is too much')
    lines.append('another')
    lines.close()
    lines.close()
    assert (tmp_path / 'lines').read_text() == 'a line\nanother\n'


def test_a_new_file_replaces_none(tmp_path):
    (tmp_path / 'kept').write_text('kept')
    with pytest.raises(ParameterError, match='cannot be written: File exists'):
        LineFile(tmp_path / 'kept', is_new=True)
    assert (tmp_path / 'kept').read_text() == 'kept'
    LineFile(tmp_path / 'kept').close()
    assert not (tmp_path / 'kept').read_text()
