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


@pytest.mark.parametrize(
    ('limit', 'asked'),
    [('much', 4 << 20), (212_992, 4 << 20), (1 << 25, 1 << 25), ('1' * 30, 64 << 20)],
)
def test_as_much_as_the_kernel_allows_is_asked_for_within_reason(tmp_path, limit, asked):
    (tmp_path / 'rmem_max').write_text(f'{limit}\n')
    assert sockets.asked_bytes(tmp_path) == asked


@pytest.mark.parametrize(
    ('image_bytes', 'line'),
    [(0, 4 << 20), (1280 * 720 * 3, 4 << 20), (20_000_000, 32 << 20), (1 << 40, 64 << 20)],
)
def test_the_line_that_makes_room_for_an_image(image_bytes, line):
    assert sockets.sysctl_line(image_bytes) == f'sudo sysctl -w net.core.rmem_max={line}'


def test_a_socket_that_can_be_no_larger_is_not_too_small():
    assert sockets.too_small_for(20_000_000, 4 << 20)
    assert not sockets.too_small_for(20_000_000, 32 << 20)
    assert not sockets.too_small_for(1 << 40, 64 << 20)
    assert not sockets.too_small_for(20_000_000, None)


def test_the_limits_of_this_machine():
    assert sockets.receive_limit() > 0
    assert sockets.send_limit() > 0
