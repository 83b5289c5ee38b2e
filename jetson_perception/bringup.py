"""The processes that a launch file starts, described once.

`launch/*.launch.py` turn the descriptions into launch actions; `make demo` and the tests start the
same processes where `ros2 launch` is not installed. Nothing here imports launch or rclpy.
"""

from __future__ import annotations

import json
import math
import os
import re
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jetson_perception.camera.frame_names import frame_of_camera
from jetson_perception.camera.shown import shown
from jetson_perception.errors import ParameterError
from jetson_perception.files.foreign_data import read_yaml
from jetson_perception.installing import pip_install
from jetson_perception.launch_arguments import CAMERA_ARGUMENTS as CAMERA_ARGUMENTS
from jetson_perception.launch_arguments import CONCURRENT_ARGUMENTS as CONCURRENT_ARGUMENTS
from jetson_perception.launch_arguments import PACKAGE as PACKAGE
from jetson_perception.launch_arguments import SEG_ARGUMENTS as SEG_ARGUMENTS
from jetson_perception.launch_arguments import YOLO_ARGUMENTS as YOLO_ARGUMENTS
from jetson_perception.launch_arguments import Argument as Argument
from jetson_perception.launch_arguments import defaults as defaults
from jetson_perception.parameter_sections import read_sections
from jetson_perception.printable import printable, quoted
from jetson_perception.process.allocator import SYSTEM, SYSTEM_VARIABLE
from jetson_perception.recorded_topics import recorded_topics
from jetson_perception.resources import INT8_TWINS, config_path, has_int8_twin

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Preparation:
    """A program that a node needs to have ended well before it starts.

    Attributes
    ----------
    executable : str
        Name in lib/<package> of this package.
    arguments : tuple of str
        Its command line.
    """

    executable: str
    arguments: tuple[str, ...] = ()

    def command(self, prefix: str | Path) -> list[str]:
        """Command line for an installation under `prefix`, the folder with lib/ and share/."""
        return [str(Path(prefix, 'lib', PACKAGE, self.executable)), *self.arguments]


@dataclass(frozen=True, slots=True)
class NodeProcess:
    """One process to start.

    Attributes
    ----------
    executable : str
        Name in lib/<package>.
    namespace, name : str
        Of the node; empty for its default.
    package : str
        ROS package of the executable.
    parameter_file : Path or None
        YAML file that `parameters` override.
    parameters : dict
        Parameters by name.
    remappings : dict
        Topics by the names that the node uses.
    arguments : tuple of str
        Command line before the ROS arguments.
    environment : dict
        Variables added to those of the parent.
    preparation : Preparation or None
        A program that must end well before the process starts.
    note : str
        What the user is told when it starts, such as what is left out; empty for nothing.
    respawn_delay_s : float or None
        How long after its end launch starts it again; None where it does not.
    """

    executable: str
    namespace: str = ''
    name: str = ''
    package: str = PACKAGE
    parameter_file: Path | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    remappings: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    preparation: Preparation | None = None
    note: str = ''
    respawn_delay_s: float | None = None

    def command(self, prefix: str | Path) -> list[str]:
        """Command line for an installation under `prefix`, the folder with lib/ and share/."""
        line = [str(Path(prefix, 'lib', self.package, self.executable)), *self.arguments]
        line.append('--ros-args')
        if self.name:
            line += ['-r', f'__node:={self.name}']
        if self.namespace:
            line += ['-r', f'__ns:=/{self.namespace.strip("/")}']
        for name, topic in self.remappings.items():
            line += ['-r', f'{name}:={topic}']
        if self.parameter_file is not None:
            line += ['--params-file', str(self.parameter_file)]
        for name, value in self.parameters.items():
            line += ['-p', f'{name}:={_yaml(value)}']
        return line


def _yaml(value: Any) -> str:
    """A value as rcl reads it from the command line: JSON, which quotes texts as YAML needs.

    Exceptions are characters beyond 16 bits, which JSON escapes as two halves that YAML refuses,
    and line breaks beyond ASCII, which JSON keeps and YAML folds.
    """
    text = json.dumps(value, ensure_ascii=False)
    return ''.join(c if c.isprintable() else f'\\U{ord(c):08x}' for c in text)


HIGHEST_PORT = 65535
_SHORTEST_RESPAWN_DELAY_S = 0.5

_ENGINE = 'det'
"""The default of engine_name."""
_CONCURRENT_MODELS = {
    'detect_model': 'det',
    'detect_int8_model': 'det_int8',
    'pose_model': 'pose',
    'pose_int8_model': 'pose_int8',
}


def camera(values: Mapping[str, str]) -> list[NodeProcess]:
    """What camera.launch.py starts, for values of `CAMERA_ARGUMENTS`."""
    values = {
        **values,
        'camera_params_file': values['camera_params_file'] or values['params_file'],
        'camera_namespace': values['camera_namespace'] or 'camera',
    }
    own = _camera(_with_scene(values, 'scene://oranges'))
    image = {'/perception/image': _topic(values['camera_namespace'], 'image_raw')}
    rviz = _rviz(values, 'camera.rviz', image, _camera_frame(values))
    return [own, *rviz, *_recorder(values, [values['camera_namespace']])]


def _camera(values: Mapping[str, str]) -> NodeProcess:
    return NodeProcess(
        'camera_node',
        values['camera_namespace'],
        values['camera_name'],
        parameter_file=_file(_camera_file(values), 'camera_node'),
        parameters=_of_source(values) | _given(values, use_sim_time=_flag, every_frame=_flag),
        environment=_environment(values),
        respawn_delay_s=_respawn_delay_s(values),
    )


def _of_source(values: Mapping[str, str]) -> dict[str, Any]:
    """The parameters of whoever reads the source."""
    parameters = _given(values, source=str, pixel_format=str, calibration=str, frame_id=str)
    parameters |= _given(values, width=_whole, height=_whole, frame_rate=_number)
    parameters |= _given(values, loop=_flag, wait_for_subscribers=_whole)
    return parameters | _given(values, calibration_output=str, recorded_stamps=_flag)


def seg(values: Mapping[str, str]) -> list[NodeProcess]:
    """What seg.launch.py starts, for values of `SEG_ARGUMENTS`."""
    values = _with_defaults(values, 'scene://oranges', 'model')
    values['model'] = values['model'] or ('' if values['params_file'] else 'oranges')
    parameters = _given(values, model=str, runtime=str, precision=str)
    return _perception(values, 'seg_node', parameters)


def yolo(values: Mapping[str, str]) -> list[NodeProcess]:
    """What yolo.launch.py starts, for values of `YOLO_ARGUMENTS`."""
    values = _with_defaults(values, 'scene://people', 'engines')
    name = values['engine_name']
    if not values['model'] and not values['params_file']:
        if name != _ENGINE:
            raise ParameterError(
                f'engine_name is {quoted(name)}, but no model is given for it; give model:= with '
                'an ONNX file as well, or a params_file:= that has the engine',
                'model',
            )
        values['params_file'] = str(config_path('yolo_people.yaml'))
    parameters: dict[str, Any] = {}
    if values['model']:
        parameters = {f'{name}.model': values['model'], 'engines': [name]}
    for engine in [name] if values['model'] else _listed_engines(values):
        parameters |= _of_engine(engine, values, runtime=str, precision=str)
        parameters |= _of_engine(engine, values, score_threshold=_number, tracker=str)
    # Our own file has the parameters of an engine called det, which another name makes unknown.
    has_file = bool(values['params_file']) or name == _ENGINE
    return _perception(values, 'yolo_node', parameters, has_file)


def concurrent(values: Mapping[str, str]) -> list[NodeProcess]:
    """What concurrent.launch.py starts, for values of `CONCURRENT_ARGUMENTS`.

    Raises
    ------
    ParameterError
        When a model is given in one precision only: the other engine would run another model.
    """
    values = _with_defaults(values, 'scene://people', 'engines')
    for float_model in ('detect_model', 'pose_model'):
        int8_model = float_model.replace('_model', '_int8_model')
        given, lacking = sorted((float_model, int8_model), key=lambda name: not values[name])
        if values[given] and not values[lacking]:
            raise ParameterError(
                f'{given} is set but {lacking} is not; give both; `jetson-perception quantize` '
                f'makes the INT8 model',
                lacking,
            )
    own_file = not values['params_file']
    values['params_file'] = values['params_file'] or str(config_path('concurrent.yaml'))
    parameters = {
        f'{engine}.model': values[name]
        for name, engine in _CONCURRENT_MODELS.items()
        if values[name]
    }
    for name in _CONCURRENT_MODELS.values():
        parameters |= _of_engine(name, values, runtime=str, tracker=str, score_threshold=_number)
    if own_file and find_spec('onnx') is None:
        left_out = _engines_of_twins(values['params_file'], parameters)
        if left_out:
            return _concurrent_without(left_out, values, parameters)
    return _perception(values, 'yolo_node', parameters)


def _concurrent_without(
    left_out: Sequence[str], values: Mapping[str, str], parameters: dict[str, Any]
) -> list[NodeProcess]:
    """The engines of concurrent.launch.py whose models are there; a note says why no more."""
    engines = _parameters_in(values['params_file'])
    kept = [name for name in engines.pop('engines') if name not in left_out]
    # Not the file: the node refuses parameters of engines that it does not run.
    flat = {f'{name}.{key}': value for name in kept for key, value in engines[name].items()}
    given = {
        name: value for name, value in parameters.items() if name.partition('.')[0] not in left_out
    }
    node, *others = _perception(
        values, 'yolo_node', {'engines': kept, **flat, **given}, has_file=False
    )
    note = (
        f'without {" and ".join(left_out)}: their INT8 models are made with the Python package '
        f'onnx, which is not installed here; {pip_install("onnx")}'
    )
    return [replace(node, note=note), *others]


def _engines_of_twins(file: str, parameters: Mapping[str, Any]) -> list[str]:
    """Engines of the package's file whose models are INT8 twins that are not made yet."""
    engines = _parameters_in(file)
    models = {
        name: parameters.get(f'{name}.model', engines[name]['model'])
        for name in engines['engines']
    }
    return [
        name for name, model in models.items() if model in INT8_TWINS and not has_int8_twin(model)
    ]


def _parameters_in(file: str) -> dict[str, Any]:
    """The parameters of every node, in a file of the package."""
    return dict(next(section.values for section in read_sections(Path(file)) or ()))


def parameter_names(executable: str) -> frozenset[str]:
    """Names of a node's parameters, those of an engine without its name, as its file lists them.

    Empty lists are commented out there.
    """
    text = config_path(f'{executable}.yaml').read_text()
    return frozenset(re.findall(r'^ *(?:# )?([a-z_0-9]+):(?= |$)', text, re.MULTILINE))


def overlooked(processes: Iterable[NodeProcess], files: Iterable[str]) -> list[str]:
    """What to warn of: nodes that files name, but in another namespace than they are started in.

    Parameters
    ----------
    processes : iterable of NodeProcess
        What is started. A node that is given a file says itself whether that is for it.
    files : iterable of str
        The user's files of parameters.
    """
    texts = []
    sections = [(file, section) for file in files for section in read_sections(Path(file)) or ()]
    for process in processes:
        full_name = _topic(process.namespace, process.name)
        named = [
            (file, section.node)
            for file, section in sections
            if section.names_a_node and section.node.rpartition('/')[2] == process.name
        ]
        given = str(process.parameter_file)
        is_for_it = any(section.is_for(full_name) for _, section in sections)
        if (
            named
            and not is_for_it
            and given not in (os.path.expanduser(file) for file, _ in named)
        ):
            file, node = named[0]
            texts.append(
                f'{printable(file)} has parameters for {printable(node)}, but this starts '
                f'{full_name}, which does not get them; put them under {full_name}'
            )
    return texts


def _with_scene(values: Mapping[str, str], scene: str) -> dict[str, str]:
    """The values, with a rendered scene as the source unless something names another."""
    given = values.get('image') or values['source'] or _source_file(values) or _cameras(values)
    given = given or _own_cameras(values)
    return {**values, 'source': values['source'] if given else scene}


def _source_file(values: Mapping[str, str]) -> str:
    """The user's file that may set the source; empty if there is none."""
    if values.get('in_process') == 'true':
        return values['params_file'] if _sets_source(values) else ''
    return _camera_file(values)


def _sets_source(values: Mapping[str, str], *, by_name: bool = False) -> bool:
    """Whether the node's file sets source for it; `by_name`: under the node's name."""
    if not values['params_file']:
        return False
    name = _topic(values['namespace'], values['name'])
    return any(
        'source' in section.parameters
        and section.is_for(name)
        and (section.names_a_node or not by_name)
        for section in read_sections(Path(values['params_file'])) or ()
    )


def _with_reader(values: Mapping[str, str]) -> dict[str, str]:
    """The values, with `in_process` as it is: asked for, or said by the node's own file.

    Raises
    ------
    ParameterError
        When something is given for a camera_node that is not started.
    """
    others = ['image', 'image_topics', 'camera_params_file', 'camera_namespace']
    named = values['image'] or values['source'] or values['image_topics']
    file = printable(values['params_file'])
    if values['sources']:
        others.insert(0, 'source')
        why = 'sources:= names what the node reads itself'
    elif values['in_process'] == 'true':
        why = 'in_process:=true has the node read a source itself'
    elif not values['image'] and _sets_source(values, by_name=True):
        why = f'{file} sets source for the node, which reads it itself then'
    elif not named and _own_cameras(values):
        why = f'{file} sets sources for the node, which reads them itself then'
    else:
        return dict(values)
    other = next((name for name in others if values.get(name)), '')
    if other:
        given = shown(values[other]) if other == 'source' else printable(values[other])
        where = 'the name of each camera' if 'sources' in why else 'camera/'
        raise ParameterError(
            f'{other}:={given} is given, but {why}; leave one of them out. Parameters of the '
            f'source go into params_file, and its topics are below {where} in the namespace of '
            'the node',
            other,
        )
    return {**values, 'in_process': 'true'}


def _with_defaults(values: Mapping[str, str], scene: str, parameter: str) -> dict[str, str]:
    """The values of a node and its camera, with what follows from others of them.

    `scene` is rendered unless something names another source; `parameter` is as of `_with_file`.
    """
    values = _with_reader(values)
    # In the node's namespace, so that two launch files do not start two cameras of one name.
    own = f'{values["namespace"].rstrip("/")}/camera'
    values = {**values, 'camera_namespace': values['camera_namespace'] or own}
    return _with_file(_with_scene(values, scene), parameter)


def _with_file(values: Mapping[str, str], parameter: str) -> dict[str, str]:
    """The values, with the camera's file for the node too if it is for both.

    `parameter` is one that only a file for the node sets.
    """
    name = _topic(values['namespace'], values['name'])
    shared = _meant_for(values['camera_params_file'], name, parameter)
    return {**values, 'params_file': values['params_file'] or shared}


def _listed_engines(values: Mapping[str, str]) -> list[str]:
    """Names of the engines in the user's file for yolo_node."""
    name = _topic(values['namespace'], values['name'])
    listed: Any = None
    for section in read_sections(Path(values['params_file'])) or ():
        if section.is_for(name):
            listed = section.values.get('engines', listed)
    is_list = isinstance(listed, list) and all(isinstance(engine, str) for engine in listed)
    return listed if listed and is_list else [values['engine_name']]


def _of_depth(values: Mapping[str, str]) -> dict[str, Any]:
    """The parameters of depth; none for a launch file without its arguments."""
    given: dict[str, Any] = {
        f'depth.{parameter}': _topics(values.get(name, ''))
        for name, parameter in (
            ('depth_image', 'image_topics'),
            ('camera_info', 'camera_info_topics'),
        )
    }
    given['depth.target_frame'] = values.get('target_frame', '')
    return {name: value for name, value in given.items() if value}


def _topics(text: str) -> list[str]:
    """Topics that are separated by commas, as a list in YAML or not."""
    return [topic.strip(' \'"') for topic in text.strip('[] ').split(',') if topic.strip()]


def _cameras(values: Mapping[str, str]) -> list[str]:
    """Image topics of several cameras: those of the argument, else of the user's file."""
    return _topics(values.get('image_topics', '')) or _listed_in_file(values, 'image_topics')


def _own_cameras(values: Mapping[str, str]) -> list[str]:
    """Cameras that the node reads itself, `name=URI`: of the argument, else of the user's file.

    URIs have commas too, so a name has to follow one that separates. Caps of a pipeline look the
    same, and so may a password in a URL: beside one, a URI, a number or a full path has to follow.
    """
    given = values.get('sources', '').strip()
    scheme = r'(?:\w+://|\d+\s*[\'"]?(?:,|$)|[/~.])' if 'rtsp' in given else ''
    scheme = r'\w+://' if 'gst://' in given else scheme
    given = given[1:-1] if given.startswith('[') and given.endswith(']') else given
    found = re.split(rf',(?=\s*[\'"]?[\w~/]+={scheme})', given)
    named = [entry.strip(' \'"') for entry in found if entry.strip()]
    return named or _listed_in_file(values, 'sources')


def _listed_in_file(values: Mapping[str, str], parameter: str) -> list[str]:
    """What the user's file gives the node as this list."""
    if not values.get('params_file') or 'name' not in values:
        return []
    name = _topic(values['namespace'], values['name'])
    for section in read_sections(Path(values['params_file'])) or ():
        listed = section.values.get(parameter)
        if section.is_for(name) and isinstance(listed, list) and listed:
            return [str(entry) for entry in listed]
    return []


def _camera_file(values: Mapping[str, str]) -> str:
    """The user's file for the camera, perhaps the other node's; empty if there is none."""
    name = _topic(values['camera_namespace'], values['camera_name'])
    return values['camera_params_file'] or _meant_for(values['params_file'], name, 'source')


def _meant_for(file: str, node_name: str, parameter: str) -> str:
    """`file`, if it names this node or sets this parameter for it; else ''.

    So one file can be for both nodes, and nothing in it is silently ignored.
    """
    if not file:
        return ''
    for section in read_sections(Path(file)) or ():
        says_so = section.names_a_node or parameter in section.parameters
        if says_so and section.is_for(node_name):
            return file
    return ''


def _perception(
    values: Mapping[str, str],
    executable: str,
    parameters: dict[str, Any],
    has_file: bool = True,
) -> list[NodeProcess]:
    if values['image'] and values['source']:
        raise ParameterError(
            f'image:={printable(values["image"])} and source:={shown(values["source"])} are both '
            'given; give one of them: image for a camera that is already running, source for one '
            'to start',
            'image',
        )
    in_process = values['in_process'] == 'true'
    cameras = [] if values['image'] or values['source'] else _cameras(values)
    if values['image_topics'] and not cameras:
        other = 'image' if values['image'] else 'source'
        raise ParameterError(
            f'{other} and image_topics are both given; give image_topics alone for several '
            'cameras that are already running',
            'image_topics',
        )
    # The topic names another camera's images; the namespace names our own camera's.
    camera_topic = _topic(values['camera_namespace'], 'image_raw')
    image = values['image'] or (cameras[0] if cameras else camera_topic)
    own = _own_cameras(values) if in_process else []
    if own:
        image = f'{own[0].partition("=")[0].strip()}/image_raw'
    # A topic that ends so is compressed itself.
    compressed = image if image.endswith('/compressed') else f'{image}/compressed'
    given = _given(
        values, image_transport=str, autostart=_flag, use_sim_time=_flag, every_frame=_flag
    )
    if in_process:
        given |= _of_source(values) | ({'sources': own} if values['sources'] else {})
    elif has_file and _sets_source(values):
        given |= {'source': ''}  # that of the file is for the camera
    processes = [
        NodeProcess(
            executable,
            values['namespace'],
            values['name'],
            parameter_file=_file(values['params_file'], executable) if has_file else None,
            parameters=parameters
            | given
            | _of_depth(values)
            | ({'image_topics': cameras} if cameras else {}),
            remappings={}
            if in_process or cameras
            else {'image': image, 'image/compressed': compressed},
            environment=_environment(values),
            preparation=_int8_twins(values['params_file'] if has_file else '', parameters),
            respawn_delay_s=_respawn_delay_s(values),
        )
    ]
    if not (values['image'] or in_process or cameras):
        processes.append(_camera(values))
    shown_image = _topic_of_node(values, image)
    results = _topic(values['namespace'], '').rstrip('/')
    if cameras or own:  # the first one's
        results = shown_image.removesuffix('/compressed').rpartition('/')[0]
    topics = {
        '/perception/image': shown_image,
        '/perception/annotated': f'{results}/annotated',
        '/perception/mask/color': f'{results}/mask/color',
    }
    # The frame of another's images is theirs to say.
    frame = '' if values['image'] or cameras else _camera_frame(values)
    processes += _rviz(values, 'perception.rviz', topics, frame)
    if values['view'] == 'true':
        processes.append(NodeProcess('view', arguments=_view_arguments(values)))
    return [*processes, *_recorder(values, *_recorded(values, cameras, own))]


def _recorded(
    values: Mapping[str, str], cameras: Sequence[str], own: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Namespaces of what nodes publish, and the image topics of others.

    Results are in the node's namespace, or in that of each of several cameras.
    """
    images = cameras or ([values['image']] if values['image'] else [])
    topics = [_topic_of_node(values, each) for each in images]
    namespaces = [values['namespace']]
    if not topics:
        namespaces.append(values['camera_namespace'])
    names = [each.partition('=')[0].strip() for each in own]
    namespaces += [name for name in names if name.startswith('/')]
    if cameras:
        namespaces += [each.removesuffix('/compressed').rpartition('/')[0] for each in topics]
    return namespaces, topics


def _recorder(
    values: Mapping[str, str], namespaces: Sequence[str], images: Sequence[str] = ()
) -> list[NodeProcess]:
    """What records, if it is asked for."""
    if not values['record']:
        return []
    topics = recorded_topics(namespaces, images, values['record_images'])
    return [NodeProcess('record', arguments=(values['record'], '--topics', topics))]


def _respawn_delay_s(values: Mapping[str, str]) -> float | None:
    given = _given(values, respawn_delay=_number).get('respawn_delay', 0.0)
    if not _SHORTEST_RESPAWN_DELAY_S <= given < math.inf:
        raise ParameterError(
            f'respawn_delay is {printable(values["respawn_delay"])}; expected seconds, '
            f'{_SHORTEST_RESPAWN_DELAY_S} or more, as a node that cannot start would be started '
            'all the time',
            'respawn_delay',
        )
    return given if values['respawn'] == 'true' else None


def _rviz(
    values: Mapping[str, str], config: str, topics: dict[str, str], frame: str
) -> list[NodeProcess]:
    """rviz2, if it is asked for, with a view of the package and a fixed frame if it is known.

    A display whose topic ends with `/compressed` subscribes to that name, which is a remapping of
    its own; any other takes the name without that end for a topic of raw images.
    """
    if values['rviz'] != 'true':
        return []
    arguments = ('-d', str(config_path(config)), *(('-f', frame) if frame else ()))
    raw = {shown: topic.removesuffix('/compressed') for shown, topic in topics.items()}
    compressed = {f'{shown}/compressed': f'{topic}/compressed' for shown, topic in raw.items()}
    remappings = raw | compressed
    return [NodeProcess('rviz2', package='rviz2', remappings=remappings, arguments=arguments)]


def _camera_frame(values: Mapping[str, str]) -> str:
    """The frame of the images of the camera that is started, but for what a file or bag says."""
    if values['frame_id']:
        return values['frame_id'].lstrip('/')
    return frame_of_camera(values['camera_namespace'], values['camera_name'])


def _view_arguments(values: Mapping[str, str]) -> tuple[str, ...]:
    """The command line of the live view, which is for this machine alone."""
    port = values['view_port']
    if not port.isdecimal() or int(port) > HIGHEST_PORT:
        raise ParameterError(
            f'view_port is {quoted(port)}; expected a whole number up to {HIGHEST_PORT}',
            'view_port',
        )
    recordings = values['view_recordings']
    return ('--port', port, *(('--recordings', recordings) if recordings else ()))


def _int8_twins(file: str, parameters: Mapping[str, Any]) -> Preparation | None:
    """What makes the INT8 twins of demo models that engines name, and that are not made yet.

    A parameter names them, or a file where no parameter overrules it.

    Raises
    ------
    ModelError
        When the demo models are not installed.
    """
    content = None
    if file:
        try:
            content = read_yaml(Path(file), what='file of parameters', error=ParameterError)
        except ParameterError:  # the node says so itself
            return None
    named = {value for value in parameters.values() if isinstance(value, str)} | {
        text
        for path, text in _texts(content)
        if not any(f'.{path}'.endswith(f'.{name}') for name in parameters)
    }
    lacking = tuple(name for name in INT8_TWINS if name in named and not has_int8_twin(name))
    return Preparation('make_int8_models', lacking) if lacking else None


def _texts(content: Any, path: str = '') -> Iterator[tuple[str, str]]:
    """Every text in a file, under its keys joined by dots."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield from _texts(value, f'{path}.{key}')
    elif isinstance(content, str):
        yield path, content


def _environment(values: Mapping[str, str]) -> dict[str, str]:
    return {SYSTEM_VARIABLE: SYSTEM} if values['transport'] == SYSTEM else {}


def _of_engine(engine: str, values: Mapping[str, str], **kinds: Any) -> dict[str, Any]:
    return {f'{engine}.{name}': value for name, value in _given(values, **kinds).items()}


def _file(given: str, executable: str) -> Path:
    return Path(given).expanduser() if given else config_path(f'{executable}.yaml')


def _topic(namespace: str, name: str) -> str:
    return '/'.join(['', *filter(None, namespace.split('/')), name])


def _topic_of_node(values: Mapping[str, str], name: str) -> str:
    """The full name of a topic as the node understands it; rviz2 is in no namespace."""
    if name.startswith('/'):
        return name
    return _topic(values['namespace'], name.replace('~', values['name'], 1))


def _given(values: Mapping[str, str], **kinds: Any) -> dict[str, Any]:
    given = {}
    for name, kind in kinds.items():
        if values[name] != '':
            try:
                given[name] = kind(values[name])
            except ValueError as err:
                raise ParameterError(f'{name} is {quoted(values[name])}; {err}', name) from None
    return given


def _flag(text: str) -> bool:
    return text == 'true'


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise ValueError('expected a whole number')
    return int(text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError('expected a number') from None
