import pytest

from jetson_perception.cuda import Resources


class Thing:
    def __init__(self, name, closed, fails=False):
        self.name, self.closed, self.fails = name, closed, fails

    def close(self):
        self.closed.append(self.name)
        if self.fails:
            raise ValueError(self.name)


def test_nothing():
    Resources().close()


def test_the_newest_goes_first_and_only_once():
    closed = []
    resources = Resources()
    first = resources.add(Thing('first', closed))
    assert first.name == 'first'
    resources.call(lambda: closed.append('second'))
    resources.add(Thing('third', closed))
    resources.close()
    resources.close()
    assert closed == ['third', 'second', 'first']


def test_continues_after_errors_and_raises_the_first():
    closed = []
    resources = Resources()
    for name, fails in [('first', False), ('second', True), ('third', True)]:
        resources.add(Thing(name, closed, fails))
    with pytest.raises(ValueError, match='third'):
        resources.close()
    assert closed == ['third', 'second', 'first']


class TestClosedOnError:
    def test_stays_open_without_one(self):
        closed = []
        resources = Resources()
        with resources.closed_on_error():
            resources.add(Thing('first', closed))
        assert closed == []

    def test_an_error_in_the_block_is_the_one_raised(self):
        closed = []
        resources = Resources()
        resources.add(Thing('first', closed, fails=True))
        resources.add(Thing('second', closed))
        with pytest.raises(ZeroDivisionError), resources.closed_on_error():
            raise ZeroDivisionError
        assert closed == ['second', 'first']
