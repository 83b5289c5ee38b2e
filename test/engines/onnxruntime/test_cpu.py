import gc
import os
import socket
import sys
import threading
from types import FrameType

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx_models import color_segmentation, constant_model, detector, identity_model

from jetson_perception.engines.base import TensorSpec
from jetson_perception.engines.onnxruntime.cpu import (
    OnnxRuntimeEngine,
    available_cores,
    runtime_text,
)
from jetson_perception.engines.opening import open_engine
from jetson_perception.errors import ModelError, ParameterError
from jetson_perception.models import YoloModel
from jetson_perception.resources import model_path

FLOAT32 = np.dtype(np.float32)


def zeros(engine):
    return np.zeros(engine.inputs[0].shape, engine.inputs[0].dtype)


def test_runs_a_model(tmp_path):
    engine = OnnxRuntimeEngine(color_segmentation(tmp_path / 'my.onnx', size_wh=(8, 6)))
    assert engine.inputs == (TensorSpec('image', (1, 3, 6, 8), FLOAT32),)
    assert engine.outputs == (TensorSpec('scores', (1, 4, 6, 8), FLOAT32),)
    assert engine.info.path == str(tmp_path / 'my.onnx')
    assert engine.info.class_names == ('background', 'red', 'green', 'blue')
    assert engine.info.input_size_wh == (8, 6)
    tensor = zeros(engine)
    tensor[0, 1, :, 4:] = 0.5
    (scores,) = engine.infer(tensor)
    np.testing.assert_allclose(scores[0, :, 0, 0], [3, 0, 0, 0])
    np.testing.assert_allclose(scores[0, :, 5, 7], [3, 0, 5, 0])


def test_outputs_stay_after_the_next_call(tmp_path):
    engine = OnnxRuntimeEngine(color_segmentation(tmp_path / 'my.onnx'))
    (first,) = engine.infer(zeros(engine))
    before = first.copy()
    engine.infer(zeros(engine) + 1)
    np.testing.assert_array_equal(first, before)


def test_tensor_of_any_stride(tmp_path):
    engine = OnnxRuntimeEngine(color_segmentation(tmp_path / 'my.onnx', size_wh=(8, 6)))
    tensor = np.random.default_rng(0).random((1, 6, 8, 3), np.float32).transpose(0, 3, 1, 2)
    assert not tensor.flags.c_contiguous
    (strided,), (plain,) = engine.infer(tensor), engine.infer(tensor.copy())
    np.testing.assert_array_equal(strided, plain)


def test_half_precision(tmp_path):
    engine = OnnxRuntimeEngine(color_segmentation(tmp_path / 'my.onnx', dtype=np.float16))
    assert engine.inputs[0].dtype == engine.outputs[0].dtype == np.float16
    (scores,) = engine.infer(zeros(engine))
    assert scores.dtype == np.float16
    with pytest.raises(ModelError, match=r"'image' takes float16 .*, got float32"):
        engine.infer(zeros(engine).astype(np.float32))


def test_several_outputs_come_in_the_models_order(tmp_path):
    values = [np.full((1, 2), 5, np.int64), np.full((3,), 7, np.float32)]
    engine = OnnxRuntimeEngine(constant_model(tmp_path / 'my.onnx', values, size_wh=(32, 32)))
    assert [spec.name for spec in engine.outputs] == ['output0', 'output1']
    for output, value in zip(engine.infer(zeros(engine)), values, strict=True):
        np.testing.assert_array_equal(output, value)
        assert output.dtype == value.dtype


def test_description_names_runtime_device_and_threads(tmp_path):
    path = color_segmentation(tmp_path / 'my.onnx')
    version = onnxruntime.__version__
    one = OnnxRuntimeEngine(path, threads=1)
    assert one.description == f'ONNX Runtime {version}, CPU, 1 thread'
    three = OnnxRuntimeEngine(path, threads=3)
    assert three.description == f'ONNX Runtime {version}, CPU, 3 threads'


def test_threads_follow_the_cores_that_the_process_may_use(tmp_path):
    path = color_segmentation(tmp_path / 'my.onnx')
    before = os.sched_getaffinity(0)
    counts = []

    def open_on_one_core():  # affinity is a thread's own
        os.sched_setaffinity(0, {min(before)})
        counts.append((available_cores(), OnnxRuntimeEngine(path).description))

    thread = threading.Thread(target=open_on_one_core)
    thread.start()
    thread.join()
    assert available_cores() == len(before)
    assert counts[0][0] == 1
    assert counts[0][1].endswith('1 thread')


def test_closing_twice_is_harmless_and_ends_it(tmp_path):
    engine = OnnxRuntimeEngine(color_segmentation(tmp_path / 'my.onnx'))
    tensor = zeros(engine)
    engine.close()
    engine.close()
    with pytest.raises(ModelError, match=r'my\.onnx: the engine is closed'):
        engine.infer(tensor)


@pytest.mark.parametrize(
    'tensor',
    [
        pytest.param(np.zeros((1, 3, 8, 6), np.float32), id='height_for_width'),
        pytest.param(np.zeros((3, 6, 8), np.float32), id='no_batch'),
        pytest.param(np.zeros((2, 3, 6, 8), np.float32), id='batch_of_two'),
        pytest.param(np.zeros((1, 3, 6, 8), np.float64), id='float64'),
        pytest.param(np.zeros((0,), np.float32), id='empty'),
    ],
)
def test_tensor_that_does_not_fit(tmp_path, tensor):
    engine = OnnxRuntimeEngine(color_segmentation(tmp_path / 'my.onnx', size_wh=(8, 6)))
    with pytest.raises(ModelError, match=r"input 'image' takes float32 \(1, 3, 6, 8\), got "):
        engine.infer(tensor)
    engine.infer(zeros(engine))


def test_failure_inside_the_runtime_is_a_model_error(tmp_path):
    path = color_segmentation(tmp_path / 'my.onnx', dynamic=True)
    model = onnx.load(path)
    reshape = onnx.helper.make_node('Reshape', ['scores', 'shape'], ['flat'])
    model.graph.node.append(reshape)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([7, 7]), 'shape'))
    model.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info('flat', 1, ['a', 'b']))
    onnx.save(model, path)
    engine = OnnxRuntimeEngine(path, input_size_wh=(32, 32))
    with pytest.raises(ModelError, match=r'my\.onnx: ONNX Runtime failed: .*Reshape') as error:
        engine.infer(zeros(engine))
    assert error.value.__cause__ is not None
    assert '\n' not in str(error.value)


class TestFiles:
    def test_a_missing_file_gives_an_error_with_similar_names(self, tmp_path, monkeypatch):
        color_segmentation(tmp_path / 'oranges.onnx')
        (tmp_path / 'notes.txt').touch()
        monkeypatch.chdir(tmp_path)
        with pytest.raises(ModelError) as error:
            OnnxRuntimeEngine('orange.onnx')
        assert str(error.value) == (
            f'there is no model file {tmp_path}/orange.onnx; in its folder there is oranges.onnx'
        )
        with pytest.raises(
            ModelError, match=r'zebra\.onnx; in its folder there is oranges\.onnx$'
        ):
            OnnxRuntimeEngine('zebra.onnx')

    def test_missing_file_names_three_at_most_the_nearest_first(self, tmp_path):
        for name in ('people_pose', 'oranges_seg', 'nape', 'robots'):
            (tmp_path / f'{name}.onnx').touch()
        with pytest.raises(ModelError, match=r'there is nape\.onnx(, \w+\.onnx){2} and 1 more$'):
            OnnxRuntimeEngine(tmp_path / 'nope.onnx')

    @pytest.mark.parametrize(
        ('count', 'told'),
        [
            pytest.param(0, 'in it: none$', id='none'),
            pytest.param(2, r'in it: 0\.onnx, 1\.onnx$', id='all'),
            pytest.param(40, r'in it: 0\.onnx, 1\.onnx, .{60,120} and 28 more$', id='many'),
        ],
    )
    def test_a_folder_names_some_of_its_models(self, tmp_path, count, told):
        for number in range(count):
            (tmp_path / f'{number}.onnx').touch()
        with pytest.raises(ModelError, match=told):
            OnnxRuntimeEngine(tmp_path)

    def test_missing_file_in_a_folder_without_models(self, tmp_path):
        with pytest.raises(ModelError, match=r'there is no model file .*/my\.onnx$'):
            OnnxRuntimeEngine(tmp_path / 'my.onnx')

    def test_missing_folder(self, tmp_path):
        with pytest.raises(ModelError, match=r'there is no folder .*/none either$'):
            OnnxRuntimeEngine(tmp_path / 'none' / 'my.onnx')

    def test_folder(self, tmp_path):
        with pytest.raises(ModelError, match=r'is a folder; give a file\. .*: none$'):
            OnnxRuntimeEngine(tmp_path)
        color_segmentation(tmp_path / 'b.onnx')
        color_segmentation(tmp_path / 'a.onnx')
        with pytest.raises(ModelError, match=r'ONNX files in it: a\.onnx, b\.onnx$'):
            OnnxRuntimeEngine(tmp_path)

    @pytest.mark.parametrize(
        ('content', 'message'),
        [
            pytest.param(b'', r'my\.onnx is empty; copy or export the model again', id='empty'),
            pytest.param(b'hello world' * 9, r'my\.onnx is not an ONNX model', id='text'),
            pytest.param(b'\x00' * 4096, r'my\.onnx (is not|cannot be)', id='zeros'),
            pytest.param(
                b'version https://git-lfs.github.com/spec/v1\noid sha256:1\n',
                r'is a Git LFS pointer, not the model; run `git lfs pull`',
                id='lfs_pointer',
            ),
        ],
    )
    def test_not_onnx(self, tmp_path, content, message):
        path = tmp_path / 'my.onnx'
        path.write_bytes(content)
        with pytest.raises(ModelError, match=message):
            OnnxRuntimeEngine(path)

    @pytest.mark.parametrize('name', ['my.onnx', 'my.engine'])
    def test_anything_but_a_file_is_refused_at_once(self, tmp_path, name):
        os.mkfifo(tmp_path / 'fifo')
        path = tmp_path / name
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(tmp_path / 'socket'))
            kinds = {'fifo': 'a pipe', '/dev/zero': 'a device', 'socket': 'a socket'}
            for target, kind in kinds.items():
                path.symlink_to(target)
                with pytest.raises(ModelError, match=f'is {kind}.*; expected a regular file'):
                    open_engine(path)
                path.unlink()
        path.symlink_to('gone')
        with pytest.raises(ModelError, match=f'{name} cannot be read: No such file'):
            open_engine(path)

    @pytest.mark.parametrize(
        ('path', 'message'),
        [
            pytest.param('~no-such-user-here/x.onnx', 'no such user', id='home_of_nobody'),
            pytest.param('~no-such-user-here/x.engine', 'no such user', id='engine_of_nobody'),
            pytest.param('n' * 256 + '.onnx', 'there is no model file', id='long_name'),
            pytest.param('n' * 256, 'no model .* comes with the package', id='long_bare_name'),
            pytest.param('n/' * 2500 + '.onnx', 'there is no model file', id='long_path'),
            pytest.param('a\0b.onnx', 'holds a NUL', id='nul'),
            pytest.param('a\x1b[2J.onnx', r'a\\x1b\[2J\.onnx', id='terminal_code'),
        ],
    )
    def test_paths_to_nothing(self, path, message):
        with pytest.raises(ModelError, match=message):
            YoloModel.open(path)

    def test_the_working_folder_is_gone(self, tmp_path, monkeypatch):
        (tmp_path / 'gone').mkdir()
        monkeypatch.chdir(tmp_path / 'gone')
        (tmp_path / 'gone').rmdir()
        with pytest.raises(ModelError, match='the working folder is gone'):
            open_engine('my.onnx')

    @pytest.mark.parametrize('text', [b'semantic', b'task', b'image', b'scores', b'batch'])
    def test_texts_that_are_not_utf8(self, tmp_path, text):
        path = color_segmentation(tmp_path / 'my.onnx', size_wh=(8, 6), dynamic=True)
        content = path.read_bytes()
        assert text in content
        path.write_bytes(content.replace(text, text[:-1] + b'\xff'))
        with pytest.raises(ModelError, match=r'my\.onnx'):
            OnnxRuntimeEngine(path, input_size_wh=(8, 6))

    def test_file_cut_short(self, tmp_path):
        path = detector(tmp_path / 'my.onnx')
        path.write_bytes(path.read_bytes()[:-5000])
        with pytest.raises(ModelError, match=r'my\.onnx is not an ONNX model, or is damaged: .'):
            OnnxRuntimeEngine(path)

    @pytest.mark.parametrize(
        ('name', 'message'),
        [
            pytest.param('a.engine', r'is a TensorRT engine.*give the ONNX file', id='engine'),
            pytest.param('a.plan', r'is a TensorRT engine.*give the ONNX file', id='plan'),
            pytest.param('a.PT', r'PyTorch weights; .*yolo export model=… format=onnx', id='pt'),
            pytest.param('a.pth', r'torch\.onnx\.export', id='pth'),
            pytest.param('a.tflite', r'convert it to ONNX with tf2onnx', id='tflite'),
        ],
    )
    def test_other_formats(self, tmp_path, name, message):
        path = tmp_path / name
        path.write_bytes(b'x')
        with pytest.raises(ModelError, match=message):
            OnnxRuntimeEngine(path)

    def test_external_data_that_is_missing(self, tmp_path):
        path = tmp_path / 'my.onnx'
        model = onnx.load(detector(path))
        onnx.save_model(model, path, save_as_external_data=True, location='my.data')
        OnnxRuntimeEngine(path)
        (tmp_path / 'my.data').unlink()
        with pytest.raises(ModelError, match=r'keeps weights in .*my\.data, which is missing'):
            OnnxRuntimeEngine(path)

    @pytest.mark.parametrize('way', ['link', 'absolute', 'up'])
    def test_external_data_outside_the_folder(self, tmp_path, way):
        """Else a model from elsewhere reads any file, whatever the version of the runtime."""
        folder = tmp_path / 'model'
        folder.mkdir()
        path = folder / 'my.onnx'
        onnx.save_model(
            onnx.load(detector(path)), path, save_as_external_data=True, location='my.data'
        )
        outside = (folder / 'my.data').rename(tmp_path / 'secret')
        if way == 'link':
            (folder / 'my.data').symlink_to(outside)
        else:
            model = onnx.load(path, load_external_data=False)
            for tensor in model.graph.initializer:
                for entry in tensor.external_data:
                    if entry.key == 'location':
                        entry.value = str(outside) if way == 'absolute' else '../secret'
            path.write_bytes(model.SerializeToString())
        with pytest.raises(ModelError, match='keeps weights in another file: expected a file bel'):
            OnnxRuntimeEngine(path)

    def test_newer_onnx_than_the_runtime(self, tmp_path):
        path = color_segmentation(tmp_path / 'my.onnx')
        model = onnx.load(path)
        model.ir_version = 999
        onnx.save(model, path)
        with pytest.raises(ModelError, match=r'cannot be loaded by ONNX Runtime: .*IR version'):
            OnnxRuntimeEngine(path)


class TestInputs:
    @pytest.mark.parametrize(
        ('shapes', 'message'),
        [
            pytest.param(
                [(1, 3, 8, 8), (1, 4)],
                r"has 2 inputs \('in0' float32 \(1, 3, 8, 8\), 'in1' .*\); expected the image",
                id='several',
            ),
            pytest.param(
                [(1, 3, 8, 8), (1, 3, 8, 8)], r'has 2 inputs .*expected the image', id='two_images'
            ),
            pytest.param([(1, 5, 8, 8)], r'\(1, 5, 8, 8\); expected an image of 3 ch', id='five'),
            pytest.param([(65, 3, 8, 8)], r'a batch of at most 64 images', id='batch_of_65'),
            pytest.param([(0, 3, 8, 8)], r'a batch of at most 64 images', id='batch_of_none'),
            pytest.param([(3, 8, 8)], r'expected an image, \(1, 3, height', id='no_batch'),
            pytest.param([()], r"'in0' is float32 \(\); expected an image", id='scalar'),
        ],
    )
    def test_that_are_not_one_image(self, tmp_path, shapes, message):
        with pytest.raises(ModelError, match=message):
            OnnxRuntimeEngine(identity_model(tmp_path / 'my.onnx', shapes))

    def test_of_another_type(self, tmp_path):
        path = identity_model(tmp_path / 'my.onnx', [(1, 3, 8, 8)], dtype=np.int64)
        with pytest.raises(ModelError, match=r'int64 .*; expected float32, float16, uint8, int'):
            OnnxRuntimeEngine(path)

    def test_runtime_that_is_not_installed(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, 'onnxruntime', None)
        with pytest.raises(ModelError, match=r'cannot be imported .*; pip install onnxruntime'):
            OnnxRuntimeEngine(color_segmentation(tmp_path / 'my.onnx'))

    def test_settings_out_of_range(self, tmp_path):
        path = color_segmentation(tmp_path / 'my.onnx')
        with pytest.raises(ParameterError, match=r'threads is -1; expected 0') as error:
            OnnxRuntimeEngine(path, threads=-1)
        assert error.value.parameter == 'threads'


class TestOpenSizes:
    def test_default_is_the_metadatas(self, tmp_path):
        path = color_segmentation(
            tmp_path / 'a.onnx', dynamic=True, metadata={'imgsz': '[64, 96]'}
        )
        engine = OnnxRuntimeEngine(path)
        assert engine.inputs[0].shape == (1, 3, 64, 96)
        assert engine.info.input_size_wh == (96, 64)
        assert engine.infer(zeros(engine))[0].shape == (1, 4, 64, 96)

    def test_asked_for(self, tmp_path):
        path = color_segmentation(
            tmp_path / 'a.onnx', dynamic=True, metadata={'imgsz': '[64, 96]'}
        )
        engine = OnnxRuntimeEngine(path, input_size_wh=(40, 24))
        assert engine.inputs[0].shape == (1, 3, 24, 40)
        assert engine.outputs[0].shape == (-1, 4, -1, -1)
        assert engine.infer(zeros(engine))[0].shape == (1, 4, 24, 40)

    def test_that_is_not_set(self, tmp_path):
        path = color_segmentation(tmp_path / 'a.onnx', dynamic=True)
        with pytest.raises(ParameterError, match=r'set input_size to \[width, height\]') as error:
            OnnxRuntimeEngine(path)
        assert error.value.parameter == 'input_size'

    @pytest.mark.parametrize('size_wh', [(100, 64), (64, 100), (1, 64)])
    def test_that_are_not_a_multiple_of_the_stride(self, tmp_path, size_wh):
        path = detector(tmp_path / 'a.onnx', dynamic=True)
        with pytest.raises(ParameterError, match=r'takes multiples of 32; the nearest is \['):
            OnnxRuntimeEngine(path, input_size_wh=size_wh)

    def test_below_one(self, tmp_path):
        path = color_segmentation(tmp_path / 'a.onnx', dynamic=True)
        with pytest.raises(ParameterError, match=r'input_size is 0 x 64'):
            OnnxRuntimeEngine(path, input_size_wh=(0, 64))

    def test_asked_for_of_a_fixed_model(self, tmp_path):
        path = color_segmentation(tmp_path / 'a.onnx', size_wh=(64, 48))
        assert OnnxRuntimeEngine(path, input_size_wh=(64, 48)).info.input_size_wh == (64, 48)
        with pytest.raises(
            ParameterError, match=r'input_size is 48 x 64, and .*a\.onnx takes 64 x 48 \(width x'
        ):
            OnnxRuntimeEngine(path, input_size_wh=(48, 64))
        with pytest.raises(ParameterError, match=r'input_size is 64 x 40'):
            OnnxRuntimeEngine(path, input_size_wh=(64, 40))

    def test_fixed_model_whose_metadata_is_wrong(self, tmp_path, caplog):
        path = color_segmentation(tmp_path / 'a.onnx', metadata={'imgsz': '[320, 320]'})
        assert OnnxRuntimeEngine(path).info.input_size_wh == (64, 48)
        assert (
            "metadata 'imgsz' says 320x320, but the input is 64x48, which is used" in caplog.text
        )


@pytest.mark.parametrize('name', ['people_detect', 'oranges'])
def test_nothing_of_an_opening_waits_for_the_garbage_collector(name):
    """An exception that its own function still names keeps all callers' variables, sessions too.

    On a GPU that is memory which the next engine lacks.
    """
    OnnxRuntimeEngine(model_path(name)).close()  # what the first one imports and caches
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        OnnxRuntimeEngine(model_path(name)).close()
        gc.collect()
        left = [each for each in gc.garbage if isinstance(each, FrameType | BaseException)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert not left


@pytest.mark.parametrize(
    ('said', 'begin'),
    [
        pytest.param('env.cc:327 pthread_create failed, error code: 11', 'no thread', id='thread'),
        pytest.param('std::bad_alloc', 'memory of the GPU ran out. It', id='memory'),
        pytest.param('no kernel for it', 'no kernel', id='else'),
    ],
)
def test_what_ran_out_comes_before_what_the_runtime_says(said, begin):
    error = RuntimeError(f'[ONNXRuntimeError] : {said}')
    text = runtime_text(error, out_of_memory='memory of the GPU ran out')
    assert text.startswith(begin)
    assert text.endswith(said)
