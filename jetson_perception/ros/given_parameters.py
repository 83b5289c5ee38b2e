"""What a node was given at its start and by clients, against the parameters that it has."""

from __future__ import annotations

import difflib
import shlex
from typing import TYPE_CHECKING, Any

from rclpy.exceptions import InvalidTopicNameException
from rclpy.validate_full_topic_name import validate_full_topic_name

from jetson_perception.errors import ModelError, ParameterError, SourceError
from jetson_perception.parameter_sections import files_for_others, given_files
from jetson_perception.printable import listed, printable
from jetson_perception.renamed import new_parameter
from jetson_perception.ros.given_qos import (
    take_out_wrong_qos_overrides,
    unused_qos_overrides,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from rclpy.node import Node
    from rclpy.parameter import Parameter

    from jetson_perception.ros.parameters import Parameters

_FIELDS_SHOWN = _NAMES_SHOWN = 3
#: Topics of the nodes, which many take for parameters; they are near names of parameters.
_TOPICS = ('image', 'image_raw', 'camera_info', 'mask', 'annotated')


class GivenParameters:
    """All parameters of a node, dataclass by dataclass, and what it was given besides.

    Parameters
    ----------
    node : rclpy Node
        Whose parameters they are.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._declared: list[Parameters[Any]] = []
        self._unknown: list[str] = []
        self._files_for_others: list[str] = []
        self._blocks_listed_in = ''
        self._own_blocks: set[str] = set()
        self._has_told_of_qos = False
        for text in take_out_wrong_qos_overrides(node):
            node.get_logger().error(text)

    def add(self, declared: Parameters[Any], *, is_listed: bool = True) -> None:
        """Count the parameters of one more dataclass among the node's.

        Parameters
        ----------
        declared : Parameters
            Of the node.
        is_listed : bool
            Whether a block of them is one of those that a parameter lists.
        """
        self._declared.append(declared)
        if not is_listed:
            self._own_blocks |= {name.partition('.')[0] for name in declared.names if '.' in name}

    def look_over(self, arguments: Sequence[str], blocks_listed_in: str) -> list[str]:
        """What to log of the command line that the node was started with, once all is declared.

        Parameters
        ----------
        arguments : sequence of str
            The command line.
        blocks_listed_in : str
            As for `unknown_parameters`.
        """
        self._blocks_listed_in = blocks_listed_in
        self._unknown = self._find_unknown()
        self._files_for_others = files_for_others(
            given_files(arguments), self._node.get_fully_qualified_name()
        )
        return self._unknown + self._files_for_others

    @property
    def problems(self) -> list[str]:
        """What was wrong at start and has not been corrected yet."""
        wrong = [problem for declared in self._declared for problem in declared.problems]
        return wrong + self._unknown + self._files_for_others

    def look_again(self) -> None:
        """Forget what was unknown at the start and has been declared since."""
        if self._unknown:
            self._unknown = self._find_unknown()

    def _find_unknown(self) -> list[str]:
        listed_in = self._blocks_listed_in
        return unknown_parameters(
            self._node,
            other_names=self._other_names(),
            blocks_listed_in=listed_in,
            refused_blocks=any(declared.was_refused(listed_in) for declared in self._declared),
            own_blocks=self._own_blocks,
        )

    def tell_of_unused_qos(self, *, all_are_there: bool) -> None:
        """Warn of QoS for topics that the node does not have: once, when all topics are there."""
        if all_are_there and not self._has_told_of_qos:
            self._has_told_of_qos = True
            for text in unused_qos_overrides(self._node):
                self._node.get_logger().warning(text)

    def require_new_names(self) -> None:
        """Check that nothing was given at start under its old name.

        Raises
        ------
        ParameterError
            As of `Parameters.require_new_names`.
        """
        for declared in self._declared:
            declared.require_new_names()

    def as_meant(self, parameters: list[Parameter]) -> list[Parameter]:
        """Parameters as a client sent them, in the types that the node has them in.

        Raises
        ------
        ParameterError
            For the first one that is under an old name, that the node does not have, or whose
            value means nothing of its type.
        """
        known = self._node._parameters
        for parameter in parameters:
            new = new_parameter(parameter.name, known)
            if new:
                raise ParameterError(
                    f'{parameter.name} is now called {new}; set {new} instead', parameter.name
                )
            if parameter.name not in known:  # rclpy's own error does not name it
                name, other = parameter.name, self._other_names().get(parameter.name, '')
                raise ParameterError(
                    f'{self._node.get_name()} has no parameter {printable(name)}; '
                    f'{_hint(name, parameter.value, list(known), other)}',
                    name,
                )
        for declared in self._declared:
            parameters = declared.as_meant(parameters)
        return parameters

    def beside_problems(self, text: str, error: Exception) -> str:
        """An error of `configure` with what was wrong at start, as that may be its cause."""
        if not self.problems:
            return text
        at_start = '; '.join(self.problems)
        unset = error.parameter if isinstance(error, ParameterError) else ''
        if any(declared.is_empty(unset) for declared in self._declared):
            # It was given under another name or to another node: the cause comes first.
            return f'{at_start.rstrip(".")}. So {text}'
        return f'{text}. At its start: {at_start}'

    def new_start(self, error: Exception) -> str:
        """What a new start may mend of an error, to be appended to a hint; else ''."""
        names = [name for declared in self._declared for name in declared.set_at_start()]
        if not names or not isinstance(error, ModelError | ParameterError | SourceError):
            return ''
        of_error = error.parameter if isinstance(error, ParameterError) else ''
        if self.can_be_set(of_error):
            return ''  # that one is wrong, and not what the node opens
        meant = [of_error] if of_error in names else names
        return f'; for another {_either(meant)}, start this node again'

    def can_be_set(self, name: str) -> bool:
        """Whether the node has a parameter of this name, and takes it while it is not at work."""
        return (
            name in self._node._parameters
            and not self._node.describe_parameter(name).read_only
            and not any(name in each.set_at_start() for each in self._declared)
            and not self.waits_for_start(name)
        )

    def waits_for_start(self, name: str) -> bool:
        """Whether a parameter is empty, and can be set only as the node starts."""
        return any(declared.waits_for_start(name) for declared in self._declared)

    def _other_names(self) -> dict[str, str]:
        return {
            other: name
            for declared in self._declared
            for other, name in declared.other_names.items()
        }


def _either(names: Sequence[str]) -> str:
    """One of some names: 'source', 'source or calibration'."""
    if len(names) > _NAMES_SHOWN:
        return f'{", ".join(names[:_NAMES_SHOWN])} or the like'
    return ' or '.join(filter(None, (', '.join(names[:-1]), names[-1])))


def unknown_parameters(
    node: Node,
    other_names: Mapping[str, str] | None = None,
    blocks_listed_in: str = '',
    refused_blocks: bool = False,
    own_blocks: Collection[str] = (),
) -> list[str]:
    """What to log for each parameter that was given to the node but that it does not have.

    Parameters
    ----------
    node : rclpy Node
        With all its parameters declared.
    other_names : mapping of str to str, optional
        Names that other packages use, and the node's name for the same parameter.
    blocks_listed_in : str
        The parameter that lists the blocks of parameters of one kind, such as `engines`; a block
        that it does not list is told of once, not for each parameter in it.
    refused_blocks : bool
        Whether the list that was given was refused, which is told by itself: then nothing is said
        of blocks, as to add them to the list may be just what was wrong.
    own_blocks : collection of str
        Blocks that the node has whatever it lists.
    """
    known = list(node._parameters)
    unknown = [
        name
        for name in node._parameter_overrides
        if name not in known and not name.startswith('qos_overrides.')
    ]
    listed_blocks = _blocks(known, own_blocks)
    blocks = _unlisted_blocks(_blocks(unknown), listed_blocks) if blocks_listed_in else {}
    texts = [
        f'{node.get_name()} was given parameters for {printable(block)} '
        f'({listed([printable(name, 40) for name in names], _FIELDS_SHOWN)}), which '
        f'{blocks_listed_in} does not list; it lists {", ".join(listed_blocks)}. Add '
        f'{printable(block)} to {blocks_listed_in}, or rename the block; it is ignored'
        for block, names in blocks.items()
        if not refused_blocks
    ]
    for name in unknown:
        if name.partition('.')[0] in blocks:
            continue
        new = new_parameter(name, known)
        if new and new not in node._parameter_overrides:
            continue  # `require_new_names` makes an error of it
        value = node._parameter_overrides[name].value
        hint = _hint(name, value, known, new or (other_names or {}).get(name, ''))
        texts.append(f'{node.get_name()} has no parameter {printable(name)}; {hint} It is ignored')
    return texts


def _hint(name: str, value: Any, known: Sequence[str], same: str) -> str:
    """What may have been meant by an unknown name; `same` if that is known."""
    # YAML has a mapping where a list is meant, such as class_score_thresholds.
    no_mapping = next((one for one in known if name.startswith(f'{one}.')), None)
    if no_mapping:
        return f'{printable(no_mapping)} is not a mapping: config/ shows how to write it.'
    close = [same] if same else difflib.get_close_matches(name, known, n=1)
    if isinstance(value, str) and (name in _TOPICS or (not close and _is_topic(value))):
        what = f'{name} is a topic' if name in _TOPICS else 'if it is meant as a topic'
        return (
            f'{what}: start the node with `-r {printable(name)}:={shlex.quote(printable(value))}`.'
        )
    return f'did you mean {close[0]}?' if close else 'config/ lists the existing ones.'


def _is_topic(value: str) -> bool:
    """Whether a value can be the full name of a topic, which has no dot as most paths have."""
    try:
        return value.startswith('/') and bool(validate_full_topic_name(value))
    except InvalidTopicNameException:
        return False


def _blocks(names: Iterable[str], own: Collection[str] = ()) -> dict[str, set[str]]:
    """What stands under each first part of a name that has a dot, but for the node's own."""
    blocks: dict[str, set[str]] = {}
    for name in names:
        block, dot, rest = name.partition('.')
        if dot and block != 'qos_overrides' and block not in own:
            blocks.setdefault(block, set()).add(rest)
    return blocks


def _unlisted_blocks(
    unknown: Mapping[str, set[str]], there: Mapping[str, set[str]]
) -> dict[str, list[str]]:
    """Blocks of unknown names that have a name of the blocks that are there."""
    fields = set().union(*there.values())
    return {
        block: sorted(rest)
        for block, rest in unknown.items()
        if block not in there and rest & fields
    }
