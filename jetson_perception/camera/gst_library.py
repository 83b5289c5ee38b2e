"""GStreamer in this process, by its C libraries: a pipeline that ends in an appsink, for a camera.

It is for memory that cannot be handed to another process. Everything else runs in a child
(`gst_appsink`), which a driver or plugin that crashes takes with it; here it would be the node.
PyGObject is not used: it copies what a buffer maps, where the address is wanted.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import logging
import math
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from jetson_perception.errors import CudaError, EndOfStream, SourceError
from jetson_perception.printable import counted, printable

if TYPE_CHECKING:
    from collections.abc import Callable

_POINTER, _INT, _ULONG = ctypes.c_void_p, ctypes.c_int, ctypes.c_uint64
_SIZE, _TEXT = ctypes.c_size_t, ctypes.c_char_p
_TO_POINTER = ctypes.POINTER(_POINTER)
_DESTROY = ctypes.CFUNCTYPE(None, _POINTER)
_NOTIFY = ctypes.CFUNCTYPE(None, _POINTER, _POINTER)

#: Libraries, and their functions: what they give, and take.
_FUNCTIONS: dict[str, dict[str, tuple[Any, ...]]] = {
    'libglib-2.0.so.0': {
        'g_error_free': (None, _POINTER),
        'g_quark_from_string': (ctypes.c_uint32, _TEXT),
    },
    'libgobject-2.0.so.0': {
        'g_object_weak_ref': (None, _POINTER, _NOTIFY, _POINTER),
    },
    'libgstreamer-1.0.so.0': {
        'gst_init_check': (_INT, _POINTER, _POINTER, _TO_POINTER),
        'gst_parse_launchv': (_POINTER, _POINTER, _TO_POINTER),
        'gst_bin_get_by_name': (_POINTER, _POINTER, _TEXT),
        'gst_object_unref': (None, _POINTER),
        'gst_mini_object_unref': (None, _POINTER),
        'gst_mini_object_get_qdata': (_POINTER, _POINTER, ctypes.c_uint32),
        'gst_mini_object_set_qdata': (None, _POINTER, ctypes.c_uint32, _POINTER, _DESTROY),
        'gst_element_set_state': (_INT, _POINTER, _INT),
        'gst_element_get_bus': (_POINTER, _POINTER),
        'gst_element_get_clock': (_POINTER, _POINTER),
        'gst_element_get_base_time': (_ULONG, _POINTER),
        'gst_clock_get_time': (_ULONG, _POINTER),
        'gst_bus_timed_pop_filtered': (_POINTER, _POINTER, _ULONG, _INT),
        'gst_message_parse_error': (None, _POINTER, _TO_POINTER, _POINTER),
        'gst_sample_get_buffer': (_POINTER, _POINTER),
        'gst_sample_get_caps': (_POINTER, _POINTER),
        'gst_sample_get_segment': (_POINTER, _POINTER),
        'gst_segment_to_running_time': (_ULONG, _POINTER, _INT, _ULONG),
        'gst_caps_get_structure': (_POINTER, _POINTER, ctypes.c_uint),
        'gst_structure_get_int': (_INT, _POINTER, _TEXT, ctypes.POINTER(_INT)),
        'gst_buffer_peek_memory': (_POINTER, _POINTER, ctypes.c_uint),
        'gst_memory_map': (_INT, _POINTER, _POINTER, _INT),
        'gst_memory_unmap': (None, _POINTER, _POINTER),
    },
    'libgstapp-1.0.so.0': {
        'gst_app_sink_try_pull_sample': (_POINTER, _POINTER, _ULONG),
        'gst_app_sink_is_eos': (_INT, _POINTER),
    },
}
_SINK = 'sink'
_NULL, _PAUSED, _PLAYING = 1, 3, 4  # of GstState
_FAILURE, _NO_PREROLL = 0, 3  # of GstStateChangeReturn
_ERROR = 1 << 1  # of GstMessageType
_TIME = 3  # of GstFormat
_READ = 1  # of GstMapFlags
_NO_TIME = (1 << 64) - 1
_LOOK_EVERY_NS = 50_000_000
#: Older timestamps are no moments of capture, but of another clock.
_OLDEST_NS = 10_000_000_000
_MOST_TEXT = 300
_CLOSE_TIMEOUT_S = 1.0

_log = logging.getLogger(__name__)


class _MapInfo(ctypes.Structure):
    """GstMapInfo."""

    _fields_ = (
        ('memory', _POINTER),
        ('flags', _INT),
        ('data', _POINTER),
        ('size', _SIZE),
        ('maxsize', _SIZE),
        ('_user_data', _POINTER * 4),
        ('_reserved', _POINTER * 4),
    )


class _Buffer(ctypes.Structure):
    """The beginning of GstBuffer, up to when it is shown."""

    _fields_ = (
        ('_mini_object', ctypes.c_uint8 * 64),
        ('_pool', _POINTER),
        ('pts', _ULONG),
    )


class _Error(ctypes.Structure):
    """GError."""

    _fields_ = (('_domain', ctypes.c_uint32), ('_code', _INT), ('message', _TEXT))


class Memory(NamedTuple):
    """What a buffer maps.

    Attributes
    ----------
    address, nbytes : int
    """

    address: int
    nbytes: int


class Kept(Protocol):
    """What is kept with memory: closed before that is freed."""

    def close(self) -> None:
        """Let the memory go."""
        ...


_K = TypeVar('_K', bound=Kept)


@functools.cache
def library() -> Any:
    """GStreamer's functions, started; their calls release the GIL.

    Raises
    ------
    SourceError
        When a library is missing, or does not start.
    """
    found = SimpleNamespace()
    for name, functions in _FUNCTIONS.items():
        try:
            loaded = ctypes.CDLL(name)
        except OSError as err:
            raise SourceError(f'{name} cannot be loaded ({err}): is GStreamer there?') from err
        for each, (gives, *takes) in functions.items():
            function = getattr(loaded, each, None)
            if function is None:
                raise SourceError(f'{name} has no {each}; expected GStreamer 1.10 or newer')
            function.restype, function.argtypes = gives, takes
            setattr(found, each, function)
    error = _POINTER()
    if not found.gst_init_check(None, None, ctypes.byref(error)):
        raise SourceError(f'GStreamer does not start: {_text_of(found, error)}')
    return found


class Sample:
    """A frame, and its memory, which the pipeline does not write until `release`.

    Attributes
    ----------
    size_wh : tuple of int
        Width and height in pixels; 0 where nobody says.
    captured_ns : int
        When it was captured, nanoseconds since the epoch.
    """

    def __init__(self, pointer: int, captured_ns: int) -> None:
        self._library, self._pointer = library(), pointer
        self.captured_ns = captured_ns
        caps = self._library.gst_sample_get_caps(pointer)
        structure = self._library.gst_caps_get_structure(caps, 0)
        self.size_wh = self._number(structure, b'width'), self._number(structure, b'height')

    def kept(self, make: Callable[[Memory], _K]) -> _K:
        """What is kept with its memory until that is freed; made for the first frame in it.

        A pipeline has a few buffers, which come again and again.

        Parameters
        ----------
        make : callable
            Raises what this raises, besides SourceError.

        Raises
        ------
        SourceError
            When the memory cannot be mapped.
        """
        memory = self._library.gst_buffer_peek_memory(self._buffer, 0)
        key = self._library.gst_mini_object_get_qdata(memory, _quark())
        if key is None:
            made = make(self._mapped(memory))
            key = next(_keys)
            _kept[key] = made
            self._library.gst_mini_object_set_qdata(memory, _quark(), key, _let_go)
        found: _K = _kept[key]
        return found

    def release(self) -> None:
        """Let the pipeline have it; from any thread, once."""
        self._library.gst_mini_object_unref(self._pointer)

    @property
    def _buffer(self) -> int:
        buffer: int = self._library.gst_sample_get_buffer(self._pointer)
        return buffer

    def _mapped(self, memory: int) -> Memory:
        """Where it lies, and stays: it is a structure that says where pixels are."""
        info = _MapInfo()
        if not self._library.gst_memory_map(memory, ctypes.byref(info), _READ):
            raise SourceError('GStreamer cannot map the memory of a frame')
        mapped = Memory(info.data, info.size)
        self._library.gst_memory_unmap(memory, ctypes.byref(info))
        return mapped

    def _number(self, structure: int, name: bytes) -> int:
        value = _INT()
        self._library.gst_structure_get_int(structure, name, ctypes.byref(value))
        return value.value


class AppsinkPipeline:
    """A pipeline that runs in this process, and its newest frame; from one thread.

    Parameters
    ----------
    name : str
        For errors.
    words : list of str
        The pipeline up to what goes into the appsink.

    Raises
    ------
    SourceError
        When it cannot be made, or does not start.
    """

    def __init__(self, name: str, words: list[str]) -> None:
        self._name, self._library = name, library()
        self._received, self._reported = 0, ''
        ending = f'! appsink name={_SINK} max-buffers=1 drop=true sync=false'
        self._pipeline = self._made([*words, *ending.split(), 'enable-last-sample=false'])
        self._bus = self._library.gst_element_get_bus(self._pipeline)
        self._sink = self._library.gst_bin_get_by_name(self._pipeline, _SINK.encode())
        state = self._library.gst_element_set_state(self._pipeline, _PAUSED)
        self._is_live = state == _NO_PREROLL
        if _FAILURE in (state, self._library.gst_element_set_state(self._pipeline, _PLAYING)):
            problem = self._problem() or 'its elements do not start'
            self.close()
            raise SourceError(f'{name}: {problem}')

    def pull(self, cancelled: threading.Event, timeout_s: float = math.inf) -> Sample | None:
        """The next frame, or the newest of those that came meanwhile; None if it takes too long.

        Raises
        ------
        EndOfStream
            After the last frame.
        SourceError
            When an element reports an error, it ended without a frame, or was cancelled.
        """
        deadline_s = time.monotonic() + timeout_s
        while not cancelled.is_set():
            pulled = self._library.gst_app_sink_try_pull_sample(self._sink, _LOOK_EVERY_NS)
            problem = self._problem()  # looked for with each frame, as messages pile up else
            self._reported = self._reported or problem  # the first is what others come from
            if pulled:
                self._received += 1
                return Sample(pulled, self._captured_ns(pulled))
            if self._reported:
                raise SourceError(f'{self._name}: {self._reported}')
            if self._library.gst_app_sink_is_eos(self._sink):
                if self._received:
                    frames = counted(self._received, 'frame')
                    raise EndOfStream(f'{self._name} ended after {frames}')
                raise SourceError(f'{self._name}: the pipeline ended without a frame')
            if time.monotonic() > deadline_s:
                return None
        raise SourceError(f'{self._name} was closed')

    def close(self) -> None:
        """Stop it; may be called twice. Frames that are about keep their memory."""
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is None:
            return
        self._library.gst_element_set_state(pipeline, _NULL)
        key, gone = next(_keys), threading.Event()
        _waiting[key] = gone
        self._library.g_object_weak_ref(self._sink, _tell_gone, key)
        for each in (self._sink, self._bus, pipeline):
            self._library.gst_object_unref(each)
        # The sink has the last frame's memory, and a thread of GStreamer's may have the pipeline,
        # for about a millisecond after its state has changed.
        gone.wait(_CLOSE_TIMEOUT_S)

    def _made(self, words: list[str]) -> int | None:
        arguments = (_TEXT * (len(words) + 1))(*(each.encode() for each in words), None)
        error = _POINTER()
        made: int | None = self._library.gst_parse_launchv(arguments, ctypes.byref(error))
        if error:
            if made:
                self._library.gst_object_unref(made)
            problem = _text_of(self._library, error)
            raise SourceError(f'{self._name}: erroneous pipeline: {problem}')
        return made

    def _problem(self) -> str:
        """What an element has reported, if it is an error; all other messages are let go."""
        message = self._library.gst_bus_timed_pop_filtered(self._bus, 0, _ERROR)
        if not message:
            return ''
        error = _POINTER()
        self._library.gst_message_parse_error(message, ctypes.byref(error), None)
        self._library.gst_mini_object_unref(message)
        return _text_of(self._library, error)

    def _captured_ns(self, sample: int) -> int:
        """When a live element captured it; now, where that is not known."""
        now_ns = time.time_ns()
        library = self._library
        shown_ns = _Buffer.from_address(library.gst_sample_get_buffer(sample)).pts
        clock = library.gst_element_get_clock(self._pipeline)
        if not self._is_live or shown_ns == _NO_TIME or not clock:
            return now_ns
        clock_ns = library.gst_clock_get_time(clock)
        library.gst_object_unref(clock)
        segment = library.gst_sample_get_segment(sample)
        running_ns = library.gst_segment_to_running_time(segment, _TIME, shown_ns)
        age_ns: int = clock_ns - library.gst_element_get_base_time(self._pipeline) - running_ns
        return now_ns - age_ns if 0 <= age_ns <= _OLDEST_NS else now_ns


_kept: dict[int, Any] = {}
_keys = itertools.count(1)


def _close_kept(key: int) -> None:
    """Close what is kept with memory, which is freed now, in whichever thread."""
    kept = _kept.pop(key, None)
    if kept is None:
        return
    try:
        kept.close()
    except CudaError as error:  # nobody could take it
        _log.warning("a camera's memory was let go all the same: %s", error)


_waiting: dict[int, threading.Event] = {}


def _set_gone(key: int, _sink: int) -> None:
    """Tell who waits for the end of a sink."""
    _waiting.pop(key).set()


# As long as the process: they may be called at any time.
_let_go, _tell_gone = _DESTROY(_close_kept), _NOTIFY(_set_gone)


@functools.cache
def _quark() -> int:
    quark: int = library().g_quark_from_string(b'jetson_perception_kept')
    return quark


def _text_of(library: Any, error: Any) -> str:
    """The text of an error, which is freed."""
    if not error:
        return 'for no reason that it tells'
    message = ctypes.cast(error, ctypes.POINTER(_Error)).contents.message
    text = printable((message or b'').decode(errors='replace'), _MOST_TEXT)
    library.g_error_free(error)
    return text
