"""A managed node meets what nobody expected, and stays."""

import errno
from copy import copy
from dataclasses import dataclass

import pytest
import rclpy
from rclpy.context import Context
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions
from std_srvs.srv import Trigger

from jetson_perception.errors import CudaError, ModelError, ParameterError
from jetson_perception.ros.managed_node import ManagedNode
from jetson_perception.ros.parameters import param
from jetson_perception.tracing import RECORDER

SUCCESS = TransitionCallbackReturn.SUCCESS
STEPS = ('configure', 'activate', 'deactivate', 'cleanup')


@dataclass(frozen=True)
class FragileParams:
    source: str = param('', 'What it opens.', opens=True, other_names=('video_device',))
    names: tuple[str, ...] = param((), 'Names.')
    runtime: str = param('auto', 'Library.')


class Fragile(ManagedNode):
    """Raises in the steps that a test names, and remembers the steps that it took."""

    def __init__(self, context, **given):
        self.raises = {}
        self.steps = []
        overrides = [Parameter(name, value=value) for name, value in given.items()]
        super().__init__('fragile', FragileParams, context=context, parameter_overrides=overrides)

    def configure(self):
        self._step('configure')

    def activate(self):
        self._step('activate')

    def deactivate(self):
        self._step('deactivate')

    def cleanup(self):
        self._step('cleanup')

    def state(self):
        return self._state_machine.current_state[1]

    def status(self):
        return self._diagnose()[0]

    def retry(self):
        return self._on_retry(Trigger.Request(), Trigger.Response())

    def _step(self, name):
        self.steps.append(name)
        if name in self.raises:
            error = self.raises.pop(name)
            # A new one: by its traceback pytest's own would keep this node.
            raise copy(error)


@pytest.fixture
def make_node():
    """Makes a node that was given parameters at start."""
    context = Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    made = []

    def make(**given):
        made.append(Fragile(context, **given))
        return made[-1]

    yield make
    for each in made:
        each.destroy_node()
    rclpy.shutdown(context=context)


@pytest.fixture
def node(make_node):
    return make_node()


def test_a_node_brings_itself_up(node):
    node.bring_up()
    assert node.state() == 'active'
    assert node.steps == ['configure', 'activate']
    assert node.status().message == 'active'


@pytest.mark.parametrize(
    ('error', 'told'),
    [
        pytest.param(ModelError('the model is gone'), 'the model is gone', id='expected'),
        pytest.param(ZeroDivisionError('x'), 'unexpected ZeroDivisionError: x', id='unexpected'),
        pytest.param(
            OSError(errno.ENFILE, 'Too many open files in system', '/dev/video0'),
            'no file handle of this machine is left for /dev/video0: end other programs',
            id='shortage',
        ),
    ],
)
@pytest.mark.parametrize(
    ('step', 'state', 'steps'),
    [
        ('configure', 'unconfigured', ['configure', 'cleanup']),
        ('activate', 'inactive', ['configure', 'activate', 'deactivate']),
    ],
)
def test_a_node_that_does_not_come_up_releases_everything_says_why_and_can_retry(
    node, step, state, steps, error, told, caplog
):
    node.raises[step] = error
    node.bring_up()
    assert node.state() == state
    assert node.steps == steps
    assert node.status().level == node.status().ERROR
    assert node.status().message == told
    assert ('Traceback' in caplog.text) == told.startswith('unexpected')
    if step == 'configure':
        assert node.trigger_configure() == SUCCESS
    assert node.trigger_activate() == SUCCESS
    assert node.status().message == 'active'


@pytest.mark.parametrize('step', ['deactivate', 'cleanup'])
def test_a_node_that_cannot_let_go_is_unconfigured_and_says_why(node, step, caplog):
    node.bring_up()
    node.raises[step] = OSError('the device is stuck')
    node.trigger_deactivate()
    if step == 'cleanup':
        node.trigger_cleanup()
    assert node.state() == 'unconfigured'
    assert node.status().level == node.status().ERROR
    assert node.status().message == 'unexpected OSError: the device is stuck'
    assert 'Traceback' in caplog.text
    assert not node.active
    assert not node.configured
    node.bring_up()
    assert node.status().message == 'active'


@pytest.mark.parametrize(
    ('step', 'undoing'), [('configure', 'cleanup'), ('activate', 'deactivate')]
)
def test_a_node_that_cannot_undo_a_failure_is_unconfigured_and_says_why(
    node, step, undoing, caplog
):
    node.raises = {step: ModelError('the model is gone'), undoing: OSError('stuck')}
    node.bring_up()
    assert node.state() == 'unconfigured'
    assert node.status().message == 'the model is gone'
    assert 'OSError: stuck' in caplog.text
    assert node.retry().success
    assert node.status().message == 'active'


@pytest.mark.parametrize('step', ['deactivate', 'cleanup'])
def test_a_node_is_shut_down_and_destroyed_though_it_cannot_let_go(node, step, caplog):
    node.bring_up()
    node.raises[step] = OSError('stuck')
    assert node.trigger_shutdown() == SUCCESS
    assert node.steps == ['configure', 'activate', 'deactivate', 'cleanup']
    assert 'OSError: stuck' in caplog.text
    assert node.state() == 'finalized'
    assert node.status().message == 'finalized'


@pytest.mark.parametrize('failed', [False, True])
def test_a_node_that_was_shut_down_cannot_be_tried_again(node, failed):
    if failed:
        node.raises['configure'] = ModelError('the model is gone')
        node.bring_up()
    node.trigger_shutdown()
    assert not node.retry().success
    node.bring_up()
    assert node.state() == 'finalized'


@pytest.mark.parametrize('reached', range(5))
def test_a_destroyed_node_releases_everything_in_every_state(reached):
    context = Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    node = Fragile(context)
    for step in STEPS[:reached]:
        assert getattr(node, f'trigger_{step}')() == SUCCESS
    node.destroy_node()
    rclpy.shutdown(context=context)
    assert node.steps.count('configure') == node.steps.count('cleanup')
    assert node.steps.count('activate') == node.steps.count('deactivate')


def test_a_destroyed_node_leaves_the_graph(make_node, peer):
    """Not as late as its process ends, in which the middleware's threads would still run."""
    node = make_node()
    peer.wait_for(lambda: 'fragile' in peer.node.get_node_names(), 'the node')
    node.bring_up()
    node.destroy_node()
    peer.wait_for(lambda: 'fragile' not in peer.node.get_node_names(), 'its end')


def set_to(node, name, value):
    return node.set_parameters([Parameter(name, value=value)])[0].successful


def test_what_the_node_opens_comes_from_its_start(make_node):
    node = make_node(source='csi://0')
    for step in ('', *STEPS):
        if step:
            assert getattr(node, f'trigger_{step}')() == SUCCESS
        assert not set_to(node, 'source', 'gst://x')
        assert not set_to(node, 'allow_source_changes', True)
        assert set_to(node, 'names', ['a'])
    assert node.own.value.source == 'csi://0'
    assert set_to(make_node(allow_source_changes=True), 'source', 'csi://1')


def test_an_empty_list_of_any_type_is_accepted(make_node):
    node = make_node(names=['a'])
    empty = Parameter('names', Parameter.Type.BOOL_ARRAY, [])
    assert node.set_parameters_atomically([empty]).successful  # what both services call
    assert node.own.value.names == ()
    assert node.get_parameter('names').type_ == Parameter.Type.STRING_ARRAY


def test_wrong_values_from_the_start_are_in_the_error_of_configure(make_node, tmp_path, caplog):
    """It is why there is nothing to open: under another name, or for another node."""
    file = tmp_path / 'my.yaml'
    file.write_text('camera: {ros__parameters: {source: csi://0}}')
    node = make_node(video_device='/dev/video0')
    node.raises['configure'] = ParameterError('source is not set', 'source')
    node.bring_up(['fragile', '--ros-args', '--params-file', str(file)])
    for problem in (node.problem, node.status().message):
        assert problem.startswith('fragile has no parameter video_device; did you mean source?')
        assert f'{file} sets nothing for /fragile: it has parameters of /camera' in problem
        assert problem.endswith('for every node. So source is not set')
    assert 'Start this node again with it' in node._way_out(
        'configured', ParameterError('', 'source')
    )
    assert 'Once mended' in node._way_out('configured', ModelError('the file is gone'))


@pytest.mark.parametrize(
    ('settings', 'ending'),
    [
        pytest.param(
            {'source': 'csi://0'}, '; for another source, start this node again', id='set'
        ),
        pytest.param({}, 'std_srvs/srv/Trigger`', id='empty'),
        pytest.param(
            {'source': 'csi://0', 'allow_source_changes': True},
            'std_srvs/srv/Trigger`',
            id='from_the_graph',
        ),
    ],
)
def test_what_only_a_new_start_can_mend_is_told(make_node, settings, ending):
    node = make_node(**settings)
    for what in ('configured', 'active any more'):
        text = node._way_out(what, ModelError('is of another task.'))
        assert text.startswith('Once mended')
        assert text.endswith(ending)
    assert 'start this node again' not in node._way_out('active any more', CudaError('lost'))


@dataclass(frozen=True)
class CameraParams:
    calibration: str = param('', 'Another file.', opens=True)
    rate: float = param(0.0, 'Rate.')


@pytest.mark.parametrize(
    ('error', 'begin', 'end'),
    [
        pytest.param(
            ModelError('gone'),
            'Once mended: ',
            '; for another source or calibration, start this node again',
            id='of_no_parameter',
        ),
        pytest.param(
            ParameterError('is no file', 'source'),
            'Once mended: ',
            '; for another source, start this node again',
            id='set_at_start',
        ),
        pytest.param(
            ParameterError('are in one namespace', 'names'),
            'Once names is mended: ',
            'std_srvs/srv/Trigger`',
            id='settable',
        ),
        pytest.param(
            ParameterError('is gone', 'zzzz'),
            'Once mended: ',
            '; for another source or calibration, start this node again',
            id='unknown',
        ),
    ],
)
def test_the_parameter_to_change_is_named(make_node, error, begin, end):
    node = make_node(source='csi://0', calibration='a.yaml')
    node.declare(CameraParams)
    text = node._way_out('configured', error)
    assert text.startswith(begin)
    assert text.endswith(end)


def test_of_many_that_a_new_start_can_change_some_are_named(make_node):
    node = make_node(source='csi://0', **{f'det{i}.calibration': 'a.yaml' for i in range(4)})
    for number in range(4):
        node.declare(CameraParams, f'det{number}')
    assert node._way_out('configured', ModelError('gone')).endswith(
        '; for another source, det0.calibration, det1.calibration or the like, start this node '
        'again'
    )


def test_a_parameter_under_its_old_name_fails_the_transition_until_it_is_set(make_node):
    node = make_node(engine='tensorrt')
    node.bring_up()
    assert node.state() == 'unconfigured'
    assert 'configure' not in node.steps
    assert node.status().level == node.status().ERROR
    assert 'parameter engine is now called runtime; set runtime to' in node.status().message
    assert 'It is ignored' not in node.status().message
    refused = node.set_parameters_atomically([Parameter('engine', value='tensorrt')])
    assert (refused.successful, 'set runtime instead' in refused.reason) == (False, True)
    assert node.set_parameters_atomically([Parameter('runtime', value='tensorrt')]).successful
    assert node.retry().success
    assert node.state() == 'active'


def test_a_destroyed_node_that_kept_a_trace_records_no_more(node):
    other = Fragile(node.context, keep_trace=True)
    assert RECORDER.keeps
    other.destroy_node()
    assert not RECORDER.keeps
    assert not RECORDER.on
