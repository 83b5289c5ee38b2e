"""What kernels and their twins do with the same outputs: a result, or an error."""

import numpy as np

from jetson_perception.errors import ModelError


def outcome(function, *arguments, **options):
    """What a function returns, and the text of the ModelError that it raises instead."""
    try:
        with np.errstate(all='ignore'):
            return function(*arguments, **options), ''
    except ModelError as error:
        return None, str(error)
