"""What a real node was given, against the parameters that it has."""

from dataclasses import dataclass

import pytest
from rclpy.parameter import Parameter

from jetson_perception.errors import ParameterError
from jetson_perception.ros.given_parameters import GivenParameters, unknown_parameters
from jetson_perception.ros.parameters import Parameters, param


@dataclass(frozen=True)
class Settings:
    source: str = param('', 'Camera.', opens=True, other_names=('video_device',))
    runtime: str = param('auto', 'Library.', choices=('auto', 'tensorrt'))
    mode: str = param('fast', 'How to go about it.', choices=('fast', 'exact'))
    blend: float = param(0.6, 'Share of the image.', between=(0.0, 1.0))
    count: int = param(5, 'How many.', between=(1, 10))
    names: tuple[str, ...] = param((), 'Names.')


def test_without_unknown_parameters_nothing_is_logged(make_node):
    node = make_node(blend=0.5)
    Parameters(node, Settings)
    assert unknown_parameters(node) == []


@pytest.mark.parametrize(
    ('name', 'told'),
    [
        pytest.param('blent', 'no parameter blent; did you mean blend?', id='typing_error'),
        pytest.param('zzzzzz', 'no parameter zzzzzz; config/ lists', id='nothing_near'),
        pytest.param('det.blend', 'did you mean blend?', id='prefix_too_many'),
        pytest.param('names.person', 'names is not a mapping: config/ shows', id='mapping'),
    ],
)
def test_an_unknown_parameter_is_reported_with_the_nearest_name(make_node, name, told):
    node = make_node(**{name: 1})
    Parameters(node, Settings)
    (text,) = unknown_parameters(node)
    assert told in text


@dataclass(frozen=True)
class OfImages:
    image_topics: tuple[str, ...] = param((), 'Topics.')
    image_rate: float = param(0.0, 'Rate.')


@pytest.mark.parametrize(
    ('name', 'value', 'told'),
    [
        pytest.param(
            'image',
            '/camera/image_raw',
            'image is a topic: start the node with `-r image:=/camera/image_raw`. It is ignored',
            id='input',
        ),
        pytest.param('image', 'a b', "-r image:='a b'`.", id='quoted'),
        pytest.param('image_raw', 'camera/x', 'image_raw is a topic: ', id='near_a_parameter'),
        pytest.param('overlay', '/x/overlay', 'if it is meant as a topic: ', id='by_its_value'),
        pytest.param('image_rat', '/x/y', 'did you mean image_rate?', id='mistyped'),
        pytest.param('zzzzzz', '/data/my.onnx', 'config/ lists the existing ones', id='path'),
        pytest.param('image', 5, 'did you mean image_rate?', id='number'),
    ],
)
def test_a_topic_that_is_given_as_a_parameter(make_node, name, value, told):
    node = make_node(**{name: value})
    Parameters(node, OfImages)
    (text,) = unknown_parameters(node)
    assert f'configured has no parameter {name}; ' in text
    assert told in text


class TestBlocks:
    """Parameters of one engine, say, under its name."""

    def unknown(self, make_node, *names):
        node = make_node(**dict.fromkeys(names, 1))
        Parameters(node, Settings, 'front')
        return unknown_parameters(node, blocks_listed_in='engines')

    def test_one_that_is_not_listed_gives_one_line(self, make_node):
        fields = ('blend', 'count', 'mode', 'names')
        (text,) = self.unknown(make_node, *(f'det.{field}' for field in fields))
        assert text == (
            'configured was given parameters for det (blend, count, mode and 1 more), which '
            'engines does not list; it lists front. Add det to engines, or rename the block; it '
            'is ignored'
        )

    def test_if_the_list_was_refused_only_that_is_reported(self, make_node):
        """To add the block to the list again would not help."""
        node = make_node(mode='my-det', **{'my-det.blend': 0.5})
        given = GivenParameters(node)
        settings = Parameters(node, Settings)
        given.add(settings)
        given.add(Parameters(node, Settings, 'det'))
        assert given.look_over((), 'mode') == []
        (problem,) = given.problems
        assert "mode is 'my-det'" in problem

    def test_what_the_node_has_whatever_it_lists_is_no_block_of_the_list(self, make_node):
        node = make_node(**{'det.blend': 0.5, 'picture.count': 1})
        given = GivenParameters(node)
        given.add(Parameters(node, Settings, 'front'))
        given.add(Parameters(node, Settings, 'picture'), is_listed=False)
        (text,) = given.look_over((), 'engines')
        assert 'given parameters for det' in text
        assert 'it lists front. Add det' in text

    def test_each_has_a_line(self, make_node):
        texts = self.unknown(make_node, 'det.blend', 'pose.blend', 'pose.count')
        assert len(texts) == 2
        assert 'for pose (blend, count), which engines does not list;' in texts[1]

    def test_a_wrong_name_in_a_listed_one_is_reported_as_usual(self, make_node):
        (text,) = self.unknown(make_node, 'front.blent')
        assert 'no parameter front.blent; did you mean front.blend?' in text

    def test_a_name_without_such_parameters_is_not_a_block(self, make_node):
        (text,) = self.unknown(make_node, 'camera.zzzz')
        assert 'no parameter camera.zzzz;' in text


def test_the_name_in_another_package_is_reported_with_the_one_here(make_node):
    node = make_node(video_device='/dev/video0')
    settings = Parameters(node, Settings, 'front')
    assert settings.other_names == {'video_device': 'front.source'}
    (text,) = unknown_parameters(node, other_names=settings.other_names)
    assert text.startswith('configured has no parameter video_device; did you mean front.source?')


def test_qos_overrides_are_not_unknown(make_node):
    node = make_node(**{'qos_overrides./image.subscription.depth': 3})
    Parameters(node, Settings)
    assert unknown_parameters(node) == []


class TestOldNames:
    def test_one_that_gives_an_error_is_not_reported_as_unknown(self, make_node):
        node = make_node(**{'det.engine': 'tensorrt'})
        given = GivenParameters(node)
        given.add(Parameters(node, Settings, 'det'))
        assert given.look_over((), '') == []
        with pytest.raises(ParameterError, match=r'det\.engine is now called det\.runtime'):
            given.require_new_names()

    def test_given_beside_the_new_one_it_is_reported(self, make_node):
        node = make_node(engine='auto', runtime='tensorrt')
        Parameters(node, Settings)
        (text,) = unknown_parameters(node)
        assert 'no parameter engine; did you mean runtime?' in text

    def test_a_client_gets_the_new_name(self, make_node):
        node = make_node()
        given = GivenParameters(node)
        given.add(Parameters(node, Settings, 'det'))
        text = r'^det\.engine is now called det\.runtime; set det\.runtime instead$'
        with pytest.raises(ParameterError, match=text):
            given.as_meant([Parameter('det.engine', value='tensorrt')])


@pytest.mark.parametrize(
    ('name', 'told'),
    [
        pytest.param(
            'det.blent', r'has no parameter det\.blent; did you mean det\.blend\?$', id='near'
        ),
        pytest.param('video_device', r'; did you mean det\.source\?$', id='other_package'),
        pytest.param(
            'zzzzzz', 'no parameter zzzzzz; config/ lists the existing', id='nothing_near'
        ),
        pytest.param('a\x1b[2J', r'no parameter a\\x1b\[2J; ', id='unprintable'),
    ],
)
def test_a_client_gets_an_error_for_an_unknown_name(make_node, name, told):
    node = make_node()
    given = GivenParameters(node)
    given.add(Parameters(node, Settings, 'det'))
    with pytest.raises(ParameterError, match=told):
        given.as_meant([Parameter('det.blend', value=0.5), Parameter(name, value=1)])


def test_a_parameter_declared_later_is_no_longer_unknown(make_node):
    node = make_node(**{'det.blend': 0.5})
    given = GivenParameters(node)
    given.add(Parameters(node, Settings))
    (problem,) = given.look_over((), '')
    assert 'no parameter det.blend' in problem
    given.look_again()
    assert given.problems == [problem]
    given.add(Parameters(node, Settings, 'det'))
    given.look_again()
    assert given.problems == []


def test_a_client_may_send_values_for_several_dataclasses_at_once(make_node):
    node = make_node()
    given = GivenParameters(node)
    for prefix in ('det', 'pose'):
        given.add(Parameters(node, Settings, prefix))
    sent = [Parameter(f'{prefix}.blend', value=1) for prefix in ('det', 'pose')]
    assert [parameter.value for parameter in given.as_meant(sent)] == [1.0, 1.0]
    assert {parameter.type_ for parameter in given.as_meant(sent)} == {Parameter.Type.DOUBLE}


def test_a_parameter_only_for_the_start_is_known_in_any_dataclass(make_node):
    node = make_node(**{'det.source': 'csi://0'})
    given = GivenParameters(node)
    for prefix in ('det', 'pose'):
        given.add(Parameters(node, Settings, prefix))
    assert [given.waits_for_start(f'{each}.source') for each in ('det', 'pose', 'x')] == [
        False,
        True,
        False,
    ]
