"""The lock between processes."""

import os

from jetson_perception.files import lock as lock_module
from jetson_perception.files.lock import locked, try_lock


def test_is_held_by_one_and_leaves_no_file(tmp_path):
    path = tmp_path / 'x.lock'
    with locked(path) as first, locked(path, wait=False) as second:
        assert (first, second) == (True, False)
    assert list(tmp_path.iterdir()) == []
    with locked(path, wait=False) as again:
        assert again


def test_that_its_holder_removed_meanwhile_does_not_count(tmp_path, monkeypatch):
    path = tmp_path / 'x.lock'
    real = lock_module.fcntl.flock

    def lock_and_remove(descriptor, operation):
        real(descriptor, operation)
        monkeypatch.setattr(lock_module.fcntl, 'flock', real)
        path.unlink()

    monkeypatch.setattr(lock_module.fcntl, 'flock', lock_and_remove)
    descriptor = try_lock(path)
    assert os.fstat(descriptor).st_ino == path.stat().st_ino
    assert try_lock(path) is None
    os.close(descriptor)
