"""Which box belongs to which track: the assignment with the greatest sum of gains.

SciPy solves it (`scipy.optimize.linear_sum_assignment`). Ubuntu and JetPack have SciPy as
`python3-scipy`, built for their NumPy.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jetson_perception.errors import ParameterError
from jetson_perception.installing import pip_install

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray


_LEAST_GAIN = 1e-6


class Round(NamedTuple):
    """Who may be paired in one of several assignments that follow each other.

    Attributes
    ----------
    rows : ndarray, shape (n,), bool
        Which rows take part, if they have no partner yet.
    columns : ndarray, shape (m,), bool
        Which columns do.
    overlaps : ndarray, shape (n, m), float
        IoU of each pair.
    least : float
        The overlap that a pair needs, more than 0.
    likeness : ndarray, shape (n, m), or float
        How much of its overlap a pair is worth, 0 to 1.
    bonus : ndarray, shape (n, m), or float
        What a pair is worth in addition to its overlap, or less if negative.
    """

    rows: NDArray[np.bool_]
    columns: NDArray[np.bool_]
    overlaps: NDArray[np.float64]
    least: float
    likeness: NDArray[np.float64] | float = 1.0
    bonus: NDArray[np.float64] | float = 0.0


@cache
def solver() -> Callable[..., Any]:
    """SciPy's function; importing it takes some tenths of a second.

    Raises
    ------
    ParameterError
        When SciPy cannot be imported; the error names the parameter that asks for it.
    """
    try:
        from scipy.optimize import linear_sum_assignment
    except Exception as err:  # not only ImportError, if it was built for another NumPy
        raise ParameterError(
            f'a tracker needs SciPy, which cannot be imported ({err}): `sudo apt install '
            f'python3-scipy`, or `{pip_install("scipy")}`; or set tracker to none',
            'tracker',
        ) from err
    return linear_sum_assignment


def assign(
    gains: NDArray[np.float64], allowed: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of a row and a column, none in two pairs, with the greatest sum of gains.

    Parameters
    ----------
    gains : ndarray, shape (rows, columns), float
        What each pair is worth; more than 0 where it is allowed.
    allowed : ndarray, shape (rows, columns), bool
        Which pairs there may be.

    Returns
    -------
    rows, columns : ndarray, shape (pairs,), intp
    """
    if not allowed.any():
        return np.empty(0, np.intp), np.empty(0, np.intp)
    # What nobody competes for need not be solved; mostly that leaves little.
    rows = np.flatnonzero(allowed.any(axis=1))
    columns = np.flatnonzero(allowed.any(axis=0))
    inside = np.ix_(rows, columns)
    worth = np.where(allowed[inside], gains[inside], 0.0)
    row, column = solver()(worth, maximize=True)
    row, column = rows[row], columns[column]
    is_pair = allowed[row, column]
    return row[is_pair], column[is_pair]


def assign_in_turn(
    rounds: Iterable[Round],
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of a row and a column, where each round gets what the ones before it left."""
    taken_rows = [np.empty(0, np.intp)]
    taken_columns = [np.empty(0, np.intp)]
    for each in rounds:
        rows, columns = each.rows.copy(), each.columns.copy()
        rows[np.concatenate(taken_rows)] = False
        columns[np.concatenate(taken_columns)] = False
        allowed = (each.overlaps >= each.least) & rows[:, None] & columns
        # Only what is above the least counts: one good pair is worth more than two poor ones,
        # which would give the ids of two objects to those beside them.
        gains = (each.overlaps - each.least) * each.likeness + each.bonus
        row, column = assign(np.maximum(gains, 0) + _LEAST_GAIN, allowed)
        taken_rows.append(row)
        taken_columns.append(column)
    return np.concatenate(taken_rows), np.concatenate(taken_columns)
