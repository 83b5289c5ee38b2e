"""INT8 twins of the demo models, for tests."""

from jetson_perception.resources import INT8_TWINS, int8_twin_path


def pretend_made(*names):
    """Empty files where the twins are looked for."""
    for name in names or INT8_TWINS:
        path = int8_twin_path(name)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
