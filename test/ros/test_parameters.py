"""Parameters of a dataclass on a real node."""

import math
import re
from dataclasses import dataclass, make_dataclass

import pytest
import rclpy
from rclpy.exceptions import ParameterImmutableException
from rclpy.node import Node
from rclpy.parameter import Parameter

from jetson_perception.errors import ParameterError
from jetson_perception.ros.parameter_spec import parameter_specs, parameter_type
from jetson_perception.ros.parameters import Parameters, param

Type = Parameter.Type


@dataclass(frozen=True)
class Settings:
    model: str = param('oranges', 'ONNX file.', at_configure=True)
    source: str = param(
        '', 'Camera.', opens=True, takes_integer=True, other_names=('video_device',)
    )
    mode: str = param('fast', 'How to go about it.', choices=('fast', 'exact'))
    blend: float = param(0.6, 'Share of the image.', between=(0.0, 1.0))
    count: int = param(5, 'How many.', between=(1, 10))
    draw: bool = param(True, 'Whether to draw.')
    offset: float = param(0.0, 'Anything.')
    size: tuple[int, ...] = param((), 'Width and height.', example='[640, 640]')
    mean: tuple[float, ...] = param((), 'One a channel.')
    names: tuple[str, ...] = param((), 'Names.')
    url: str = param('', 'Where.', secret=True)
    urls: tuple[str, ...] = param((), 'Where else.', secret=True, example="['a=rtsp://host']")

    def problem(self):
        if self.size and len(self.size) != 2:
            return f'size has {len(self.size)} values; expected 2'
        if self.mean and len(self.mean) != 3:
            return f'mean has {len(self.mean)} values; expected 3'
        return ''


@pytest.fixture
def declared(make_node):
    """Settings on a node that was given these values at start."""

    def declare(**given):
        node = make_node(**given)
        return node, Parameters(node, Settings)

    return declare


def stored(node, name):
    """What `ros2 param get` shows."""
    return node.get_parameter(name).value


def set_one(node, name, value):
    return node.set_parameters([Parameter(name, value=value)])[0]


def test_without_anything_given_every_value_is_its_default(declared):
    node, parameters = declared()
    assert parameters.value == Settings()
    assert parameters.value.size == ()
    assert list(parameters.problems) == []
    assert stored(node, 'blend') == 0.6
    assert list(stored(node, 'size')) == []


@pytest.mark.parametrize(
    ('field', 'kind'),
    [
        ('model', Type.STRING),
        ('blend', Type.DOUBLE),
        ('count', Type.INTEGER),
        ('draw', Type.BOOL),
        ('size', Type.INTEGER_ARRAY),
        ('mean', Type.DOUBLE_ARRAY),
        ('names', Type.STRING_ARRAY),
    ],
)
def test_every_field_is_declared_with_its_type_and_description(declared, field, kind):
    node, _ = declared()
    descriptor = node.describe_parameter(field)
    assert parameter_type(Settings, field) == kind
    assert descriptor.type == kind.value
    assert descriptor.name == field
    assert descriptor.description == Settings.__dataclass_fields__[field].metadata['description']


def test_types_are_evaluated_once_for_all_fields_and_engines():
    evaluated = []

    @dataclass(frozen=True)
    class Counted:
        first: int = param(1, 'One.')
        second: int = param(2, 'Two.')

    class Annotations(dict):
        def items(self):
            evaluated.append(self)
            return super().items()

    Counted.__annotations__ = Annotations(Counted.__annotations__)
    for engine in ('det.', 'pose.'):
        kinds = [spec.kind for spec in parameter_specs(Counted, engine).values()]
        assert kinds == [Type.INTEGER, Type.INTEGER]
    assert len(evaluated) == 1


def test_ranges_and_choices_are_in_the_descriptor(declared):
    node, _ = declared()
    blend = node.describe_parameter('blend').floating_point_range[0]
    count = node.describe_parameter('count').integer_range[0]
    assert (blend.from_value, blend.to_value) == (0.0, 1.0)
    assert (count.from_value, count.to_value) == (1, 10)
    assert node.describe_parameter('mode').additional_constraints == 'one of: fast, exact'
    assert not node.describe_parameter('offset').floating_point_range


@pytest.mark.parametrize(
    ('given', 'expected'),
    [
        pytest.param({'blend': 0.25}, {'blend': 0.25}, id='double'),
        pytest.param({'blend': 1}, {'blend': 1.0}, id='integer_for_a_double'),
        pytest.param({'blend': 0.0}, {'blend': 0.0}, id='lower_end'),
        pytest.param({'count': 10}, {'count': 10}, id='upper_end'),
        pytest.param({'mode': 'exact'}, {'mode': 'exact'}, id='choice'),
        pytest.param({'draw': False}, {'draw': False}, id='bool'),
        pytest.param({'size': [640, 480]}, {'size': (640, 480)}, id='integers'),
        pytest.param({'mean': [0.1, 0.2, 0.3]}, {'mean': (0.1, 0.2, 0.3)}, id='doubles'),
        pytest.param({'mean': [0, 0, 1]}, {'mean': (0.0, 0.0, 1.0)}, id='integers_for_doubles'),
        pytest.param({'names': ['a', 'b']}, {'names': ('a', 'b')}, id='strings'),
        pytest.param({'source': 0}, {'source': '0'}, id='integer_for_a_device'),
        pytest.param({'source': '0'}, {'source': '0'}, id='device'),
    ],
)
def test_values_given_at_start_are_used(declared, given, expected):
    node, parameters = declared(**given)
    assert list(parameters.problems) == []
    assert parameters.value == Settings(**expected)
    for name, value in expected.items():
        assert type(getattr(parameters.value, name)) is type(value)
        shown = stored(node, name)
        assert (tuple(shown) if isinstance(value, tuple) else shown) == value


@pytest.mark.parametrize(
    ('given', 'told'),
    [
        pytest.param({'blend': 1.5}, ['blend is 1.5', 'from 0.0 to 1.0', 'using 0.6'], id='above'),
        pytest.param({'blend': -0.1}, ['blend is -0.1', 'from 0.0 to 1.0'], id='below'),
        pytest.param({'blend': 7}, ['blend is 7', 'from 0.0 to 1.0'], id='integer_above'),
        pytest.param({'blend': math.nan}, ['blend is nan', 'from 0.0 to 1.0'], id='nan'),
        pytest.param({'blend': math.inf}, ['blend is inf'], id='infinite'),
        pytest.param({'blend': 'half'}, ["blend is 'half'", 'double'], id='text_for_a_double'),
        pytest.param({'count': 2.5}, ['count is 2.5', 'from 1 to 10'], id='double_for_int'),
        pytest.param({'count': 0}, ['count is 0', 'from 1 to 10', 'using 5'], id='count_below'),
        pytest.param({'draw': 1}, ['draw is 1', 'bool'], id='integer_for_a_bool'),
        pytest.param({'model': 3}, ['model is 3', 'string'], id='integer_for_a_text'),
        pytest.param({'source': 1.5}, ['source is 1.5', 'string'], id='double_for_a_device'),
        pytest.param({'source': [0]}, ['source is', 'string'], id='list_for_a_device'),
        pytest.param({'mode': 'slow'}, ["mode is 'slow'", 'one of fast, exact'], id='choice'),
        pytest.param({'size': [1.5, 2.5]}, ['size is', 'integer_array'], id='doubles_for_ints'),
        pytest.param({'size': 640}, ['size is 640', 'integer_array'], id='one_for_an_array'),
        pytest.param({'names': [1, 2]}, ['names is', 'string_array'], id='integers_for_texts'),
        pytest.param({'size': [1, 2, 3]}, ['size has 3 values; expected 2'], id='between_fields'),
    ],
)
def test_a_wrong_value_at_start_is_reported_and_the_default_used(declared, given, told):
    node, parameters = declared(**given)
    assert parameters.value == Settings()
    assert len(parameters.problems) == 1
    for text in told:
        assert text in parameters.problems[0]
    (name,) = given
    default = getattr(Settings(), name)
    shown = stored(node, name)
    assert (tuple(shown) if default == () else shown) == default


@pytest.mark.parametrize(
    ('name', 'given', 'told'),
    [
        pytest.param(
            'urls',
            'a=rtsp://me:s3cret@h',
            'urls is of type string; expected a value of type string_array, written '
            '"[\'a=rtsp://host\']"',
            id='one_for_a_list',
        ),
        pytest.param(
            'url',
            ['rtsp://me:s3cret@h'],
            'url is of type string_array; expected a value of type string',
            id='list_for_one',
        ),
    ],
)
def test_no_error_shows_what_may_be_secret(declared, name, given, told):
    _, parameters = declared(**{name: given})
    (problem,) = parameters.problems
    with pytest.raises(ParameterError) as refused:
        parameters.as_meant([Parameter(name, value=given)])
    for text in (problem, str(refused.value)):
        assert f'parameter {told}' in text
        assert 's3cret' not in text


def test_one_wrong_value_leaves_the_others_as_given(declared):
    node, parameters = declared(model='mine.onnx', size=[640], mean=[0.5], count=3, blend=9.0)
    assert parameters.value == Settings(model='mine.onnx', count=3)
    assert node.get_parameter('model').value == 'mine.onnx'
    assert len(parameters.problems) == 3


def test_a_corrected_value_is_no_longer_a_problem(declared):
    node, parameters = declared(blend=9.0, count=99)
    assert len(parameters.problems) == 2
    assert set_one(node, 'blend', 0.5).successful
    assert len(parameters.problems) == 1
    assert 'count' in parameters.problems[0]
    assert not set_one(node, 'count', 77).successful
    assert len(parameters.problems) == 1
    assert set_one(node, 'count', 7).successful
    assert list(parameters.problems) == []


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('blend', 0.1),
        ('count', 9),
        ('draw', False),
        ('mode', 'exact'),
        ('model', 'other.onnx'),
        ('size', [320, 240]),
        ('mean', [1.0, 2.0, 3.0]),
        ('names', ['a']),
    ],
)
def test_a_value_set_at_run_time_is_in_the_next_set_that_is_read(declared, name, value):
    node, parameters = declared()
    before = parameters.value
    assert set_one(node, name, value).successful
    expected = tuple(value) if isinstance(value, list) else value
    assert getattr(parameters.value, name) == expected
    assert before == Settings(), 'a frame under way keeps the set that it began with'


@pytest.mark.parametrize(
    ('name', 'value', 'told'),
    [
        pytest.param('blend', 1.01, 'out of range', id='above'),
        pytest.param('blend', math.nan, 'out of range', id='nan'),
        pytest.param('blend', 'half', 'type', id='text_for_a_double'),
        pytest.param('count', 0, 'out of range', id='below'),
        pytest.param('count', 2.0, 'type', id='double_for_int'),
        pytest.param('mode', 'slow', "mode is 'slow'; expected one of fast, exact", id='choice'),
        pytest.param('size', [1, 2, 3], 'size has 3 values; expected 2', id='between_fields'),
    ],
)
def test_a_wrong_value_is_refused_at_run_time_with_the_reason(declared, name, value, told):
    node, parameters = declared()
    before = stored(node, name)
    result = set_one(node, name, value)
    assert not result.successful
    assert told in result.reason
    assert parameters.value == Settings()
    assert stored(node, name) == before


def test_values_set_together_are_taken_all_or_none(declared):
    node, parameters = declared()
    good, bad = Parameter('count', value=7), Parameter('mode', value='slow')
    assert not node.set_parameters_atomically([good, bad]).successful
    assert parameters.value == Settings()
    assert node.get_parameter('count').value == 5


def test_a_parameter_used_at_configure_is_refused_while_configured(make_node):
    node, configured = make_node(), [False]
    parameters = Parameters(node, Settings, configured=lambda: configured[0])
    assert set_one(node, 'model', 'first.onnx').successful
    configured[0] = True
    result = set_one(node, 'model', 'second.onnx')
    assert not result.successful
    assert 'model is used when the node configures' in result.reason
    assert 'ros2 lifecycle set /configured deactivate' in result.reason
    assert parameters.value.model == 'first.onnx'
    assert set_one(node, 'blend', 0.1).successful
    configured[0] = False
    assert set_one(node, 'model', 'second.onnx').successful
    assert parameters.value.model == 'second.onnx'


def test_a_value_that_only_its_user_can_judge(make_node):
    node = make_node(names=['anything'])
    settings = Parameters(node, Settings)
    settings.check = lambda value: 'no such name' if 'nobody' in value.names else ''

    def set_names(*names):
        (result,) = node.set_parameters([Parameter('names', value=list(names))])
        return result.successful, result.reason

    assert set_names('nobody') == (False, 'no such name')
    assert settings.value.names == ('anything',)
    assert set_names('somebody') == (True, '')
    assert settings.value.names == ('somebody',)
    settings.check = None
    assert set_names('nobody') == (True, '')


@pytest.mark.parametrize('configured', [False, True])
def test_a_parameter_that_opens_something_is_refused_in_every_state(make_node, configured):
    node = make_node(source='csi://0')
    settings = Parameters(node, Settings, configured=lambda: configured)
    for name, value in (('source', 'gst://x'), ('source', ''), ('source', ' csi://0')):
        result = set_one(node, name, value)
        assert not result.successful
        assert 'source names what /configured opens' in result.reason
        assert (
            'restart the node with another source, or with the parameter allow_source_changes'
            in (result.reason)
        )
    together = [Parameter('blend', value=0.1), Parameter('source', value='gst://x')]
    for batch in (together, together[::-1]):
        assert not node.set_parameters_atomically(batch).successful
    assert settings.value == Settings(source='csi://0')
    assert stored(node, 'source') == 'csi://0'
    assert stored(node, 'blend') == 0.6


def test_setting_the_present_value_needs_no_permission(make_node):
    """As by `ros2 param load` of what `ros2 param dump` wrote."""
    node = make_node(source='csi://0')
    settings = Parameters(node, Settings, configured=lambda: True)
    for name in settings.names:
        kept = node.get_parameter(name)
        assert node.set_parameters([kept])[0].successful, name
    assert settings.value == Settings(source='csi://0')


def test_a_parameter_that_opens_something_can_be_set_if_the_start_allows_it(make_node):
    node = make_node(source='csi://0')
    settings = Parameters(node, Settings, may_open=lambda: True)
    assert set_one(node, 'source', 'csi://1').successful
    assert settings.value.source == 'csi://1'


def test_a_parameter_that_only_the_start_can_set(make_node):
    @dataclass(frozen=True)
    class Fixed:
        fixed: bool = param(False, 'A switch.', read_only=True)

    node = make_node(fixed=True)
    settings = Parameters(node, Fixed)
    assert settings.value.fixed is True
    for value in (Parameter('fixed', value=False), Parameter('fixed', Type.NOT_SET, None)):
        assert not node.set_parameters([value])[0].successful
    with pytest.raises(ParameterImmutableException):
        node.undeclare_parameter('fixed')
    assert (stored(node, 'fixed'), settings.value.fixed) == (True, True)
    assert Parameters(make_node(fixed=3), Fixed).value.fixed is False


@pytest.mark.parametrize('given', [{}, {'cores': [0, 1]}], ids=['empty', 'given'])
def test_a_list_that_only_the_start_can_set_has_a_value(make_node, given):
    @dataclass(frozen=True)
    class Fixed:
        cores: tuple[int, ...] = param((), 'A list.', read_only=True)

    node = make_node(**given)
    assert list(Parameters(node, Fixed).value.cores) == given.get('cores', [])
    assert list(stored(node, 'cores')) == given.get('cores', [])
    assert node.describe_parameter('cores').read_only
    assert not set_one(node, 'cores', [2]).successful
    with pytest.raises(ParameterImmutableException):
        node.undeclare_parameter('cores')


def test_what_one_dataclass_refuses_the_other_does_not_take(make_node):
    node = make_node()
    first, second = Parameters(node, Settings, 'first'), Parameters(node, Settings, 'second')
    for good, bad in (('first', 'second'), ('second', 'first')):
        batch = [
            Parameter(f'{good}.blend', value=0.1),
            Parameter(f'{bad}.source', value='gst://x'),
        ]
        assert not node.set_parameters_atomically(batch).successful
        assert first.value == second.value == Settings()


def test_where_rclpy_has_no_word_of_the_end_values_are_taken_at_once(make_node, monkeypatch):
    """As Humble's."""
    monkeypatch.delattr(Node, 'add_post_set_parameters_callback')
    node = make_node(blend=9.0)
    settings = Parameters(node, Settings)
    assert set_one(node, 'blend', 0.1).successful
    assert settings.value == Settings(blend=0.1)
    assert settings.problems == []
    assert not set_one(node, 'source', 'gst://x').successful
    assert not set_one(node, 'mode', 'slow').successful
    assert settings.value == Settings(blend=0.1)


class TestEmptyLists:
    """rclpy and YAML know no type of an empty list; the parameter has one."""

    FIELDS = (
        ('size', Type.INTEGER_ARRAY, [3, 4]),
        ('mean', Type.DOUBLE_ARRAY, [1.0, 2.0, 3.0]),
        ('names', Type.STRING_ARRAY, ['a']),
    )

    @pytest.mark.parametrize(('name', 'kind', 'some'), FIELDS)
    def test_are_the_default_with_the_type_of_the_parameter(self, declared, name, kind, some):
        node, _ = declared()
        parameter = node.get_parameter(name)
        assert (parameter.type_, list(parameter.value)) == (kind, [])

    @pytest.mark.parametrize(('name', 'kind', 'some'), FIELDS)
    @pytest.mark.parametrize(
        'given',
        [Parameter('', Type.NOT_SET, None), Parameter('', value=[])],
        ids=['as_yaml_gives_it', 'as_python_gives_it'],
    )
    def test_can_be_given_at_start(self, context, name, kind, some, given):
        override = Parameter(name, given.type_, given.value)
        node = rclpy.create_node('configured', context=context, parameter_overrides=[override])
        parameters = Parameters(node, Settings)
        assert (parameters.value, parameters.problems) == (Settings(), [])
        assert node.get_parameter(name).type_ == kind
        node.destroy_node()

    def test_yaml_for_a_parameter_that_is_not_a_list(self, context):
        override = Parameter('blend', Type.NOT_SET, None)
        node = rclpy.create_node('configured', context=context, parameter_overrides=[override])
        parameters = Parameters(node, Settings)
        assert parameters.value == Settings()
        (problem,) = parameters.problems
        assert 'blend is an empty list; expected a value of type double' in problem
        assert stored(node, 'blend') == 0.6
        node.destroy_node()


class TestWhatAClientSends:
    @pytest.mark.parametrize(
        ('sent', 'value'),
        [
            pytest.param(Parameter('names', Type.BOOL_ARRAY, []), (), id='empty_list'),
            pytest.param(Parameter('blend', value=1), 1.0, id='integer_for_a_double'),
            pytest.param(Parameter('blend', value='1e-1'), 0.1, id='exponent_for_a_double'),
            pytest.param(Parameter('mean', value=[0, 0, 1]), (0.0, 0.0, 1.0), id='integers'),
            pytest.param(Parameter('source', value=0), '0', id='integer_for_a_device'),
        ],
    )
    def test_is_taken_in_the_type_that_was_declared(self, declared, sent, value):
        node, parameters = declared(names=['a'], mean=[1.0, 2.0, 3.0])
        parameters = Parameters(node, Settings, 'mine', may_open=lambda: True)
        (meant,) = parameters.as_meant([Parameter(f'mine.{sent.name}', sent.type_, sent.value)])
        assert node.set_parameters([meant])[0].successful
        assert getattr(parameters.value, sent.name) == value
        assert type(getattr(parameters.value, sent.name)) is type(value)

    @pytest.mark.parametrize(
        ('sent', 'told'),
        [
            pytest.param(
                Parameter('blend', value='half'),
                "parameter blend is 'half'; expected a value of type double from 0.0 to 1.0",
                id='text_for_a_double',
            ),
            pytest.param(Parameter('count', value=2.0), 'count is 2.0', id='double_for_int'),
            pytest.param(Parameter('draw', value=1), 'draw is 1', id='integer_for_a_bool'),
            pytest.param(Parameter('model', value=3), 'model is 3', id='integer_for_a_text'),
            pytest.param(
                Parameter('names', value='red'),
                'names is \'red\'; expected a value of type string_array, written "[red]"',
                id='one_for_a_list',
            ),
            pytest.param(
                Parameter('names', value=[1, 2]),
                """written "['1', '2']\"""",
                id='integers_for_texts',
            ),
            pytest.param(
                Parameter('names', value="it's: off"), """written "['it''s: off']\"""", id='quotes'
            ),
            pytest.param(Parameter('names', value='off'), """ "['off']\"""", id='no_text_in_yaml'),
            pytest.param(Parameter('size', value=640), 'written "[640, 640]"', id='example'),
            pytest.param(Parameter('mean', value='a'), 'written "[1.0, 1.0]"', id='numbers'),
            pytest.param(Parameter('blend', Type.BOOL_ARRAY, []), 'blend is []', id='list'),
        ],
    )
    def test_is_refused_in_our_words_where_it_means_nothing_of_the_type(
        self, declared, sent, told
    ):
        _, parameters = declared()
        with pytest.raises(ParameterError, match=re.escape(told)) as raised:
            parameters.as_meant([Parameter('offset', value=1), sent])
        assert raised.value.parameter == sent.name

    def test_stays_as_it_is_where_it_fits_or_is_of_others(self, declared):
        _, parameters = declared()
        sent = [
            Parameter('nobody', Type.BOOL_ARRAY, []),
            Parameter('names', Type.STRING_ARRAY, ['a']),
            Parameter('names', Type.NOT_SET, None),
        ]
        assert parameters.as_meant(sent) == sent


def test_two_sets_under_prefixes_do_not_meet(make_node):
    node = make_node(det__blend=0.1, pose__blend=0.2)
    det, pose = Parameters(node, Settings, 'det'), Parameters(node, Settings, 'pose')
    assert (det.value.blend, pose.value.blend) == (0.1, 0.2)
    assert set_one(node, 'pose.blend', 0.9).successful
    assert (det.value.blend, pose.value.blend) == (0.1, 0.9)
    assert det.names[0] == 'det.model'
    assert node.describe_parameter('det.count').name == 'det.count'
    assert not set_one(node, 'det.mode', 'slow').successful


def test_names_of_others_pass(declared):
    node, parameters = declared()
    node.declare_parameter('somebody_elses', 1)
    assert set_one(node, 'somebody_elses', 2).successful
    assert set_one(node, 'use_sim_time', False).successful
    assert parameters.value == Settings()


@dataclass(frozen=True)
class Network:
    """Has a parameter that once had another name."""

    runtime: str = param('auto', 'Library.', choices=('auto', 'tensorrt'))


class TestOldNames:
    def test_without_one_nothing_is_logged(self, make_node):
        node = make_node(det__runtime='tensorrt')
        network = Parameters(node, Network, 'det')
        network.require_new_names()

    def test_one_given_at_start_is_an_error_until_the_new_one_is_set(self, make_node):
        node = make_node(det__engine='tensor\nrt')
        network = Parameters(node, Network, 'det')
        with pytest.raises(
            ParameterError, match=r'det\.engine is now called det\.runtime; set '
        ) as e:
            network.require_new_names()
        assert e.value.parameter == 'det.runtime'
        assert "to 'tensor\\nrt' instead" in str(e.value)
        assert not set_one(node, 'det.runtime', 'none').successful
        with pytest.raises(ParameterError):
            network.require_new_names()
        assert set_one(node, 'det.runtime', 'tensorrt').successful
        network.require_new_names()

    def test_given_beside_the_new_one_it_is_ignored(self, make_node):
        node = make_node(engine='auto', runtime='tensorrt')
        network = Parameters(node, Network)
        network.require_new_names()
        assert network.value.runtime == 'tensorrt'

    def test_for_other_nodes_is_their_matter(self, declared):
        _, settings = declared(engine='tensorrt')
        settings.require_new_names()


@dataclass(frozen=True)
class Sides:
    """Has a check of its own."""

    low: int = param(0, 'Lowest.')

    def problem(self):
        return f'low is {self.low}; expected at least 0' if self.low < 0 else ''


@dataclass(frozen=True)
class Plain:
    """Has no check."""

    plain: int = param(0, 'Anything.')


@dataclass(frozen=True)
class Caps:
    """Has another check."""

    high: int = param(0, 'Highest.')

    def problem(self):
        return f'high is {self.high}; expected at most 9' if self.high > 9 else ''


@pytest.mark.parametrize(
    'parts',
    [
        pytest.param((Sides, Caps), id='two'),
        pytest.param((Caps, Sides), id='the_other_first'),
        pytest.param((Plain, Sides, Caps), id='one_without_in_front'),
    ],
)
def test_every_part_of_the_parameters_is_asked(make_node, parts):
    both = make_dataclass('Both', (), bases=parts, frozen=True)
    node = make_node(high=11)
    declared = Parameters(node, both)
    assert declared.value.high == 0
    assert 'high is 11; expected at most 9' in declared.problems[0]
    for name, value in (('low', -1), ('high', 12)):
        refused = set_one(node, name, value)
        assert (refused.successful, f'{name} is {value}' in refused.reason) == (False, True)
    assert set_one(node, 'high', 9).successful
