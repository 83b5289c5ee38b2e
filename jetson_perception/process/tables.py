"""Tables whose cells stay whole, however narrow the terminal is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.measure import Measurement
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_WIDEST = 10_000


def print_table(console: Console, table: Table) -> None:
    """Print a table as wide as it is: names that a column breaks can be neither read nor copied.

    In a narrower terminal its lines are continued in the next one.
    """
    wanted = Measurement.get(console, console.options.update(max_width=_WIDEST), table).maximum
    options = console.options.update(max_width=max(wanted, 1))
    for line in console.render_lines(table, options, pad=False):
        pieces = ((piece.text, piece.style or '') for piece in line if not piece.control)
        console.print(Text.assemble(*pieces), soft_wrap=True)
