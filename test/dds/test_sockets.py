"""The kernel's limits for sockets."""

import pytest

from jetson_perception.dds import sockets


@pytest.mark.parametrize('text', [None, '', 'much', '1' * 100], ids=str)
def test_a_limit_that_cannot_be_read(tmp_path, text):
    if text is not None:
        (tmp_path / 'rmem_max').write_text(text)
    limit = sockets.receive_limit(tmp_path)
    assert limit is None or limit > 1 << 60
    assert sockets.carries_images(limit)


@pytest.mark.parametrize(('limit', 'enough'), [(212_992, False), (1 << 20, True), (1 << 25, True)])
def test_whether_images_fit(tmp_path, limit, enough):
    (tmp_path / 'rmem_max').write_text(f'{limit}\n')
    assert sockets.receive_limit(tmp_path) == limit
    assert sockets.carries_images(limit) == enough


def test_the_limits_of_this_machine():
    assert sockets.receive_limit() > 0
    assert sockets.send_limit() > 0
