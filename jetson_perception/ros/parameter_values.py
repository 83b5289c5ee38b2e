"""Values of parameters as people give them, in the type that the node declared.

A params file, `-p` and `ros2 param set` read the same text by different rules, and all of them
read `1` as an integer where 1.0 is meant.
"""

from __future__ import annotations

from contextlib import suppress

from rclpy.parameter import Parameter

Type = Parameter.Type

_ARRAYS = {kind for kind in Type if kind.name.endswith('_ARRAY')}


def in_declared_type(
    given: Parameter, declared: Parameter.Type, takes_integer: bool = False
) -> Parameter:
    """The parameter in the type that was declared, where its value means one of that type.

    Parameters
    ----------
    given : Parameter
        As a file, a command line or a client has it.
    declared : Parameter.Type
        What the node takes.
    takes_integer : bool
        Whether an integer is taken for a text, as YAML reads `source: 0`.

    Returns
    -------
    Parameter
        `given` itself where nothing is to be converted, or nothing can be.
    """
    name, value, kind = given.name, given.value, given.type_
    if kind == declared:
        return given
    if declared in _ARRAYS and kind in _ARRAYS and not value:
        return Parameter(name, declared, [])  # an empty list has no type of its own
    if (kind, declared) == (Type.INTEGER, Type.DOUBLE):
        return Parameter(name, declared, float(value))
    if (kind, declared) == (Type.INTEGER_ARRAY, Type.DOUBLE_ARRAY):
        return Parameter(name, declared, [float(each) for each in value])
    if (kind, declared) == (Type.INTEGER, Type.STRING) and takes_integer:
        return Parameter(name, declared, str(value))
    if (kind, declared) == (Type.STRING, Type.DOUBLE):
        # `ros2 param set` reads 1e-3 as a text; a params file reads a number.
        with suppress(ValueError):
            return Parameter(name, declared, float(value))
    return given
