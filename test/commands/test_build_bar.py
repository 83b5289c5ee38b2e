import io

from rich.console import Console

from jetson_perception.commands.build_bar import BuildBar


def test_in_a_terminal():
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with BuildBar(console) as bar:
        bar.show(None, 'reading the model')
        bar.show(0.25, 'building')
    said = console.file.getvalue()
    assert 'building' in said
    assert '25 %' in said
    assert 'left' in said


def test_without_a_terminal_nothing_is_shown():
    console = Console(file=io.StringIO())
    with BuildBar(console) as bar:
        bar.show(0.25, 'building')
    assert console.file.getvalue().strip() == ''
