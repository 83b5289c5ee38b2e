"""An engine that looks at the boxes of another one: what its parameters say, and its lane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jetson_perception.errors import ParameterError
from jetson_perception.models.crop_model import CropModel
from jetson_perception.models.on_crops import finds_objects, require_on_crops
from jetson_perception.pipeline import make_crop_lane
from jetson_perception.tasks.classes import class_ids
from jetson_perception.tasks.crops import CropOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from jetson_perception.errors import PerceptionError
    from jetson_perception.models import Model
    from jetson_perception.models.crop_params import CropParams
    from jetson_perception.models.task import Task
    from jetson_perception.pipeline import Frame, Lane


class CropEngine:
    """What an engine with `crop_of` does.

    Parameters
    ----------
    model : Model
        The engine's.
    parent : callable
        Gives what the engine does whose boxes it looks at, and its model, which may change.
    params : callable
        Gives the engine's parameters; called for each frame.

    Attributes
    ----------
    task : TaskOnCrops
        How its results are drawn and published.

    Raises
    ------
    ParameterError
        When one of the models does not suit, or a parameter; the error names it.
    """

    def __init__(
        self,
        model: Model[Any, Any],
        parent: Callable[[], tuple[Task, Model[Any, Any]]],
        params: Callable[[], Any],
    ) -> None:
        value = params()
        parent_task, parent_model = parent()
        if not finds_objects(parent_task):
            raise ParameterError(
                f'crop_of is {value.crop_of}, whose model, {parent_model.info.path}, is '
                f'{parent_task.noun}; expected an engine that finds objects',
                'crop_of',
            )
        self.task = require_on_crops(model)
        if value.tracker != 'none':
            raise ParameterError(
                f'tracker is {value.tracker}, and crop_of is {value.crop_of}: its objects have '
                f'the ids of those of {value.crop_of}; expected none: set the tracker there',
                'tracker',
            )
        if value.tiles:
            raise ParameterError(
                f'tiles is {list(value.tiles)}, and crop_of is {value.crop_of}; a box is looked '
                'at as a whole: leave tiles empty',
                'tiles',
            )
        self._model = model
        self._parent = parent
        self._params = params
        self._options = self.options_of(value)
        self._options_of = value, parent_model

    def options_of(
        self, params: CropParams, parent_model: Model[Any, Any] | None = None
    ) -> CropOptions:
        """What is cut out of an image; with a model, if the other engine had that one.

        Raises
        ------
        ParameterError
            When the other engine has no class of a name.
        """
        try:
            found = parent_model or self._parent()[1]
            ids = class_ids(params.crop_classes, found.class_names)
        except ParameterError as error:
            text = str(error).replace('classes', 'crop_classes', 1)
            raise ParameterError(f'{text} (of engine {params.crop_of})', 'crop_classes') from error
        options = CropOptions(ids, params.crop_margin, params.max_crops)
        return self.task.crop_options(self._model, options, params.crop_objects)

    def options(self) -> CropOptions:
        """What is cut out of the next image."""
        value, model = self._params(), self._parent()[1]
        if value is not self._options_of[0] or model is not self._options_of[1]:
            self._options, self._options_of = self.options_of(value), (value, model)
        return self._options

    def make_lane(
        self,
        name: str,
        publish: Callable[[Frame, Any], None],
        options: Callable[[], Any],
        on_error: Callable[[PerceptionError], None],
    ) -> Lane:
        """What runs the engine."""
        return make_crop_lane(
            name,
            CropModel(self._model, self._model.batch),
            publish,
            options,
            on_error,
            follows=self._params().crop_of,
            crop_options=self.options,
        )
