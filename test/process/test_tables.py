import io

import pytest
from rich.console import Console
from rich.table import Table

from jetson_perception.process.tables import print_table


def printed(table, width):
    console = Console(file=io.StringIO(), width=width)
    print_table(console, table)
    return console.file.getvalue().splitlines()


def a_table(*names):
    table = Table()
    table.add_column('engine')
    table.add_column('median ms', justify='right')
    for name in names:
        table.add_row(name, '1.25')
    return table


@pytest.mark.parametrize('width', [1, 20, 80])
def test_no_name_is_broken(width):
    name = 'a_long_name_of_an_engine, with the others'
    lines = printed(a_table(name, 'b'), width)
    assert f'│ {name} │      1.25 │' in lines
    assert {len(line) for line in lines} == {len(name) + 16}


def test_one_that_fits_is_as_rich_prints_it():
    console = Console(file=io.StringIO(), width=80)
    console.print(a_table('a', 'b'))
    assert printed(a_table('a', 'b'), 80) == console.file.getvalue().splitlines()


def test_one_without_columns():
    assert ''.join(printed(Table(), 80)).strip() == ''
