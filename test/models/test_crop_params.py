"""Which engine another looks at the boxes of."""

import pytest

from jetson_perception.errors import ParameterError
from jetson_perception.models.crop_params import require_known_engine


@pytest.mark.parametrize(
    ('followed', 'told'),
    [
        pytest.param({'a': 'a', 'b': ''}, 'crop_of is this engine itself; .* one of b', id='self'),
        pytest.param({'a': 'cars', 'b': ''}, "crop_of is 'cars'; .* one of b", id='unknown'),
        pytest.param({'a': 'b'}, "crop_of is 'b'; .* there is no other", id='alone'),
        pytest.param({'a': 'b', 'b': 'a'}, 'in a circle, a of b of a; ', id='two'),
        pytest.param({'a': 'b', 'b': 'c', 'c': 'b'}, 'in a circle, b of c of b; ', id='behind'),
    ],
)
def test_what_is_refused(followed, told):
    with pytest.raises(ParameterError, match=told) as error:
        require_known_engine('a', followed)
    assert error.value.parameter == 'crop_of'


def test_what_may_be():
    followed = {'letters': 'plate', 'color': 'det', 'plate': 'det', 'det': '', 'pose': ''}
    for name in followed:
        require_known_engine(name, followed)
    # What another engine names wrongly is told of that one.
    require_known_engine('a', {'a': 'b', 'b': 'nothing'})
