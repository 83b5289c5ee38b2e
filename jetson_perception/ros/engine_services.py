"""Services of one engine: whether it takes images, what it publishes, which model it runs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from rclpy.parameter import Parameter
from std_srvs.srv import SetBool, Trigger

from jetson_perception.printable import counted, listed
from jetson_perception.ros.guarded_services import guarded
from jetson_perception.ros.late_service import LateService
from jetson_perception.srv import SetClasses, SetModel
from jetson_perception.tasks.classes import class_ids

if TYPE_CHECKING:
    from jetson_perception.ros.late_service import Answer
    from jetson_perception.ros.parameters import Parameters
    from jetson_perception.ros.perception_node import PerceptionNode

_MOST_NAMES = 10


class EngineServices:
    """Offers `enable`, `reload`, `set_model` and, where there is such a parameter, `set_classes`.

    What a service sets is a parameter of the engine, so there is one truth, however it is set.

    Parameters
    ----------
    node : PerceptionNode
        Which offers them, under its own name.
    params : Parameters
        Of the engine.
    name : str
        The engine's name, which begins the services' names; '' for the only engine of a node.
    """

    def __init__(self, node: PerceptionNode, params: Parameters[Any], name: str = '') -> None:
        self._node = node
        self._params = params
        self._name = name
        #: The engine, for people.
        self._who = f'engine {name}' if name else 'the engine'
        self._services = [self._create(SetBool, 'enable', self._on_enable)]
        if hasattr(params.value, 'classes'):
            self._services.append(self._create(SetClasses, 'set_classes', self._on_set_classes))
        self._late_services = [
            LateService(node, Trigger, self._path('reload'), self._on_reload),
            LateService(node, SetModel, self._path('set_model'), self._on_set_model),
        ]

    def close(self) -> None:
        """Take the services down."""
        for service in self._services:
            self._node.destroy_service(service)
        for late in self._late_services:
            late.close()

    def _path(self, service: str) -> str:
        return f'~/{self._name}/{service}' if self._name else f'~/{service}'

    def _create(self, service_type: Any, service: str, callback: Any) -> Any:
        path = self._path(service)
        return self._node.create_service(service_type, path, guarded(self._node, path, callback))

    def _on_enable(self, request: Any, response: Any) -> Any:
        value = Parameter(self._params.full_name('enable'), Parameter.Type.BOOL, request.data)
        response.success, response.message = self._set(value)
        if response.success:
            response.message = self._told_of_images(is_enabled=request.data)
            self._node.get_logger().info(response.message)
        return response

    def _told_of_images(self, *, is_enabled: bool) -> str:
        if not is_enabled:
            return f'{self._who} is disabled: it takes no image until it is enabled'
        if self._node.active:
            return f'{self._who} is enabled: it takes the next image'
        return f'{self._who} is enabled: it takes images once the node is active'

    def _on_set_classes(self, request: Any, response: Any) -> Any:
        model = self._node.models_in_use().get(self._name)
        if model is not None and 'classes' not in model.task.settings:
            response.message = f'{self._who} runs {model.task.noun}, which has no classes'
            return response
        name = self._params.full_name('classes')
        names = [each for each in request.classes if each.strip()]
        value = Parameter(name, Parameter.Type.STRING_ARRAY, names)
        response.success, response.message = self._set(value)
        if response.success:
            response.message = self._told_of_classes(names, model)
            self._node.get_logger().info(response.message)
        return response

    def _told_of_classes(self, names: list[str], model: Any) -> str:
        if model is None:
            wanted = listed(names, _MOST_NAMES) or 'all'
            return (
                f'{self._who} is to publish these classes: {wanted}; whether its model has them '
                'is seen when the node configures'
            )
        known = model.class_names
        chosen = class_ids(names, known)
        if chosen is None:
            return f'{self._who} publishes all {counted(len(known), "class")}'
        told = listed([model.class_name(each) for each in chosen], _MOST_NAMES)
        of_all = f' of {len(known)}' if known else ''
        return f'{self._who} publishes {counted(len(chosen), "class")}{of_all}: {told}'

    def _set(self, parameter: Parameter) -> tuple[bool, str]:
        result = self._node.set_parameters_atomically([parameter])
        return result.successful, result.reason

    def _on_reload(self, request: Any, answer: Answer) -> None:
        self._node.reloads.begin(self._name, answer)

    def _on_set_model(self, request: Any, answer: Answer) -> None:
        file, params = request.model, self._params
        refusal = params.refusal_to_open('model')
        if not file:
            answer(False, f'model is empty; give a file, or call {self._path("reload")}')
        elif refusal and file != params.value.model:
            answer(False, refusal)
        else:
            then = partial(params.put, 'model', file)
            self._node.reloads.begin(self._name, answer, file, then)
