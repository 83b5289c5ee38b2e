"""What tests of real nodes share: a peer that talks to them over DDS and waits for what they do.

Nothing here sleeps or counts on discovery having happened: every wait ends with the event that it
is for, or fails after a deadline with the logs of the nodes.
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import time
from contextlib import contextmanager

import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter, parameter_value_to_python
from rclpy.qos import (
    QoSDurabilityPolicy,
    QoSHistoryPolicy,
    QoSProfile,
    QoSReliabilityPolicy,
)
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from jetson_perception.bringup import NodeProcess
from jetson_perception.dds.fast_dds import PROFILE_VARIABLES
from jetson_perception.ros.image_messages import ImageMessage, stamp_ns
from jetson_perception.ros.processes import RunningProcess, running

#: Far more than anything here takes on a busy machine; less where tests are meant to fail.
DEADLINE_S = float(os.environ.get('TEST_DEADLINE_S', '60'))
#: How long an answer may take before a message counts as lost and is sent again.
RESEND_S = 0.5
#: How long a service's answer may take before it counts as lost.
ANSWER_S = 10.0

#: Hears every result, however many wait.
EVERY_RESULT = QoSProfile(
    history=QoSHistoryPolicy.KEEP_LAST, depth=200, reliability=QoSReliabilityPolicy.RELIABLE
)
#: Hears what was said before it came.
LATCHED = QoSProfile(
    history=QoSHistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=QoSReliabilityPolicy.RELIABLE,
    durability=QoSDurabilityPolicy.TRANSIENT_LOCAL,
)
#: As camera drivers publish.
BEST_EFFORT = QoSProfile(
    history=QoSHistoryPolicy.KEEP_LAST, depth=5, reliability=QoSReliabilityPolicy.BEST_EFFORT
)

#: The number of each transition, and the state that it leads to.
_TRANSITIONS = {
    'configure': (Transition.TRANSITION_CONFIGURE, 'inactive'),
    'activate': (Transition.TRANSITION_ACTIVATE, 'active'),
    'deactivate': (Transition.TRANSITION_DEACTIVATE, 'inactive'),
    'cleanup': (Transition.TRANSITION_CLEANUP, 'unconfigured'),
}
_namespaces = itertools.count(1)
_stamps = itertools.count(1)


def node_process(executable, namespace, *, parameter_file=None, **parameters):
    """A node as a launch file starts it, with the parameters given; a dot is written `__`."""
    return NodeProcess(
        executable,
        namespace,
        parameter_file=parameter_file,
        parameters={name.replace('__', '.'): value for name, value in parameters.items()},
        environment=dict.fromkeys(PROFILE_VARIABLES, ''),
    )


def qos_overrides(peer, topic, **policies):
    """Parameters that make a node's subscription to a topic of the peer reliable, or as given."""
    prefix = f'qos_overrides./{peer.namespace}/{topic}.subscription'
    policies = {'reliability': 'reliable', 'history': 'keep_last', 'depth': 1} | policies
    return {f'{prefix}.{policy}': value for policy, value in policies.items()}


def unique_header(frame_id='camera_optical'):
    """A header that no other message of the tests has; its stamp is of this second."""
    stamp = Time(sec=int(time.time()), nanosec=1000 * next(_stamps))
    return Header(stamp=stamp, frame_id=frame_id)


def image_message(pixels, encoding='bgr8', header=None):
    """An Image of an array, with `unique_header` where none is given."""
    return ImageMessage().fill(pixels, encoding, header or unique_header())


def pixels_of(msg):
    """Array of an Image with tight rows: (h, w) for mono8, else (h, w, c)."""
    channels = msg.step // msg.width
    shape = (msg.height, msg.width) if channels == 1 else (msg.height, msg.width, channels)
    return np.frombuffer(msg.data, np.uint8).reshape(shape)


def with_stamp_of(messages, msg):
    """Those of the messages that have the same stamp as `msg`."""
    stamp = stamp_ns(msg.header)
    return [message for message in messages if stamp_ns(message.header) == stamp]


def newest_status(arrays, name):
    """The newest DiagnosticStatus of this name in a list of DiagnosticArray; None without any."""
    for msg in reversed(arrays):
        for status in msg.status:
            if status.name == name:
                return status
    return None


def value_of(status, key):
    """Value of a key of a DiagnosticStatus, as text."""
    return {pair.key: pair.value for pair in status.values}[key]


class Peer:
    """Another node of the robot, in this process, in a new namespace or the one given; close it.

    Topics and nodes are named relative to `namespace`, so a test starts its nodes there:
    `start(node_process('seg_node', peer.namespace, model=…))`.
    """

    def __init__(self, namespace='', name='peer'):
        self.namespace = namespace or f'test_{next(_namespaces)}'
        self.watched = []
        self.context = Context()
        rclpy.init(context=self.context, signal_handler_options=SignalHandlerOptions.NO)
        self.node = rclpy.create_node(name, namespace=self.namespace, context=self.context)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._clients = {}
        self._diagnostics = None

    def close(self):
        """Leave the graph."""
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)

    def add(self, node):
        """Let a node of this process live in the peer's executor, and its context."""
        self._executor.add_node(node)

    def remove(self, node):
        """Take a node out of the executor again."""
        self._executor.remove_node(node)

    def wait_for(self, predicate, what, timeout_s=DEADLINE_S):
        """Listen until the predicate holds; returns what it gave. Watched nodes must live on."""
        deadline = time.monotonic() + timeout_s
        while not (value := predicate()):
            if time.monotonic() > deadline:
                raise AssertionError(f'{what} did not come in {timeout_s:.0f} s{self._logs()}')
            for process in self.watched:
                process.check()
            self.listen_once(0.05)
        return value

    def listen_once(self, timeout_s=0.0):
        """Run a callback that is due, or that comes in this time."""
        self._executor.spin_once(timeout_sec=timeout_s)

    def collect(self, topic, message_type, qos=EVERY_RESULT):
        """Subscribe; the list returned grows as messages come."""
        messages = []
        self.node.create_subscription(message_type, topic, messages.append, qos)
        return messages

    def stop_collecting(self, topic):
        """Take the subscriptions to a topic down."""
        name = self.node.resolve_topic_name(topic)
        for subscription in list(self.node.subscriptions):
            if subscription.topic_name == name:
                self.node.destroy_subscription(subscription)

    def image_publisher(self, topic='image', message_type=Image, qos=BEST_EFFORT):
        """A publisher of images, as a camera driver has it."""
        return self.node.create_publisher(message_type, topic, qos)

    def wait_for_subscriber(self, publisher, count=1):
        """Listen until so many subscribers are matched."""
        self.wait_for(
            lambda: publisher.get_subscription_count() >= count,
            f'a subscriber of {publisher.topic_name}',
        )

    def send_until(self, publisher, make, predicate, what, timeout_s=DEADLINE_S):
        """Publish `make()` until the predicate holds, again when nothing came of the last one."""
        deadline = time.monotonic() + timeout_s
        self.wait_for_subscriber(publisher)
        while time.monotonic() < deadline:
            publisher.publish(make())
            try:
                return self.wait_for(predicate, what, RESEND_S)
            except AssertionError:
                continue
        raise AssertionError(f'{what} did not come in {timeout_s:.0f} s{self._logs()}')

    def ask(self, publisher, msg, *collected):
        """Send an image until each of the collected topics has answered it; returns the answers.

        An answer is a message with the image's stamp.
        """
        self.send_until(
            publisher,
            lambda: msg,
            lambda: all(with_stamp_of(messages, msg) for messages in collected),
            f'the answer to the image of stamp {stamp_ns(msg.header)}',
        )
        answers = tuple(with_stamp_of(messages, msg)[0] for messages in collected)
        return answers[0] if len(answers) == 1 else answers

    def call(self, service_type, name, request):
        """Call a service and wait for its answer; ask again when it gets lost.

        That happens: a server may answer before it has discovered who listens.
        """
        deadline = time.monotonic() + DEADLINE_S
        while (answer := self._call_once(service_type, name, request)) is None:
            if time.monotonic() > deadline:
                raise AssertionError(f'{name} did not answer in {DEADLINE_S:.0f} s{self._logs()}')
        return answer

    def _call_once(self, service_type, name, request):
        if name not in self._clients:
            self._clients[name] = self.node.create_client(service_type, name)
        client = self._clients[name]
        self.wait_for(client.service_is_ready, f'the service {name}')
        future = client.call_async(request)
        try:
            self.wait_for(future.done, f'the answer of {name}', ANSWER_S)
        except AssertionError:
            client.remove_pending_request(future)
            return None
        return future.result()

    def state(self, node_name):
        """Label of a lifecycle node's state."""
        return self.call(
            GetState, f'{node_name}/get_state', GetState.Request()
        ).current_state.label

    def wait_for_state(self, node_name, label):
        """Listen until a lifecycle node is in a state."""
        self.wait_for(lambda: self.state(node_name) == label, f'{node_name} being {label}')

    def change_state(self, node_name, transition):
        """Ask for 'configure', 'activate', 'deactivate' or 'cleanup'; returns whether it went."""
        number, goal = _TRANSITIONS[transition]
        request = ChangeState.Request(transition=Transition(id=number))
        answer = self._call_once(ChangeState, f'{node_name}/change_state', request)
        if answer is None:  # lost, and asking again would be another transition
            return self.state(node_name) == goal
        return answer.success

    def set_parameter(self, node_name, name, value):
        """Set a parameter as `ros2 param set` does; returns the SetParametersResult."""
        parameter = Parameter(name, value=value).to_parameter_msg()
        request = SetParameters.Request(parameters=[parameter])
        return self.call(SetParameters, f'{node_name}/set_parameters', request).results[0]

    def get_parameter(self, node_name, name):
        """Value of a parameter, as `ros2 param get` shows it."""
        request = GetParameters.Request(names=[name])
        answer = self.call(GetParameters, f'{node_name}/get_parameters', request)
        return parameter_value_to_python(answer.values[0])

    def wait_for_status(self, name, predicate, what):
        """Listen to /diagnostics until the status of `name`, relative here, is as wanted."""
        if self._diagnostics is None:
            self._diagnostics = self.collect('/diagnostics', DiagnosticArray)
        full_name = f'/{self.namespace}/{name}'
        self._diagnostics.clear()  # so that what comes back is of now

        def as_wanted():
            status = newest_status(self._diagnostics, full_name)
            return status if status is not None and predicate(status) else None

        return self.wait_for(as_wanted, what)

    def wait_for_log(self, process, pattern):
        """Wait for a line that the regular expression finds; returns the line."""
        return self.wait_for(
            lambda: next(iter(log_lines(process, pattern)), None), f'a line with {pattern!r}'
        )

    def _logs(self):
        return ''.join(
            f'\n--- {process.name}\n{process.log.read_text(errors="replace")[-3000:]}'
            for process in self.watched
        )


def log_lines(process, pattern):
    """Lines of a node's log that a regular expression finds."""
    lines = process.log.read_text(errors='replace').splitlines()
    return [line for line in lines if re.search(pattern, line)]


#: What a node says of a machine that has no time: that is true where tests run side by side.
_BUSY = ('no image yet', 'this process is too busy to take', 'processes have no time to send')


def complaints(process):
    """Warnings and errors in a node's log, but for those that say that the machine is busy."""
    lines = log_lines(process, r'\[(WARN|ERROR|FATAL)\]')
    return [line for line in lines if not any(busy in line for busy in _BUSY)]


def wait_for_exit(process: RunningProcess, timeout_s=DEADLINE_S):
    """Exit code of a process that was told to end."""
    try:
        return process._popen.wait(timeout_s)
    except subprocess.TimeoutExpired:
        log = process.log.read_text(errors='replace')
        raise AssertionError(f'{process.name} did not end; its log:\n{log}') from None


def has_exited(process: RunningProcess, within_s=0.02):
    """Whether a process ends within a moment."""
    try:
        process._popen.wait(within_s)
    except subprocess.TimeoutExpired:
        return False
    return True


@contextmanager
def starter(peer, folder):
    """A function that starts a NodeProcess; all end with the block, each with exit code 0."""
    started = []
    names = itertools.count(1)

    def start(process):
        log = folder / f'{process.executable}_{next(names)}.log'
        manager = running(process, log)
        node = manager.__enter__()
        started.append((manager, node))
        peer.watched.append(node)
        return node

    ended = []
    try:
        yield start
    finally:
        for manager, node in reversed(started):
            if (
                node in peer.watched
            ):  # else a test failed between taking it out and putting it back
                peer.watched.remove(node)
            ended.append((node, node.end(DEADLINE_S)))
            manager.__exit__(None, None, None)
    for node, code in ended:
        log = node.log.read_text(errors='replace')
        assert code == 0, f'{node.name} ended with {code}; its log:\n{log}'
        assert 'Traceback' not in log, f'{node.name} logged an exception:\n{log}'


def begin(peer, node):
    """Activate a node that the peer has heard of, so that none of its results is missed."""
    # The services of one that was killed are there for a while, and do not answer.
    peer.wait_for(lambda: peer.change_state(node, 'configure'), f'{node} being configured')
    peer.wait_for_status(node, lambda status: status.message == 'inactive', f'{node} heard')
    assert peer.change_state(node, 'activate')


def thread_count(process):
    """How many threads a process has."""
    return len(os.listdir(f'/proc/{process.pid}/task'))
