"""What an ONNX file says: its files and their digest, its metadata and inputs."""

import os

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_models import color_segmentation, detector

from jetson_perception.engines.onnx_file.graph import has_quantization, load_model
from jetson_perception.engines.onnx_file.header import (
    check_external_files,
    external_files,
    model_digest,
    read_head,
)
from jetson_perception.errors import ModelError
from jetson_perception.resources import model_names, model_path


def tensor(name, values=(1.0, 2.0)):
    return numpy_helper.from_array(np.asarray(values, np.float32), name)


def external(name, location, values=(1.0, 2.0)):
    """A tensor whose data is said to be in a file."""
    made = tensor(name, values)
    made.ClearField('raw_data')
    made.data_location = TensorProto.EXTERNAL
    for key, value in (('location', location), ('offset', '0'), ('length', '8')):
        made.external_data.add(key=key, value=value)
    return made


def model_of(nodes=(), initializers=(), sparse=(), functions=()):
    graph = helper.make_graph(list(nodes), 'graph', [], [], list(initializers))
    graph.sparse_initializer.extend(sparse)
    return helper.make_model(graph, functions=list(functions))


def sparse_of(values):
    return helper.make_sparse_tensor(
        values, helper.make_tensor('i', TensorProto.INT64, [2], [0, 1]), [4]
    )


def constant(value):
    return helper.make_node('Constant', [], ['c'], value=value)


def inside_a_branch(value):
    branch = helper.make_graph([constant(value)], 'branch', [], [])
    return helper.make_node('If', ['condition'], ['out'], then_branch=branch, else_branch=branch)


def inside_a_function(value):
    return helper.make_function(
        'own', 'f', [], ['c'], [constant(value)], [helper.make_opsetid('', 18)]
    )


@pytest.mark.parametrize(
    'model',
    [
        pytest.param(model_of(initializers=[external('w', 'w.bin')]), id='initializer'),
        pytest.param(model_of([constant(external('w', 'w.bin'))]), id='constant'),
        pytest.param(model_of([inside_a_branch(external('w', 'w.bin'))]), id='branch'),
        pytest.param(
            model_of(functions=[inside_a_function(external('w', 'w.bin'))]), id='function'
        ),
        pytest.param(model_of(sparse=[sparse_of(external('w', 'w.bin'))]), id='sparse'),
        pytest.param(
            model_of([helper.make_node('X', [], ['o'], t=[external('w', 'w.bin'), tensor('v')])]),
            id='list_of_tensors',
        ),
    ],
)
def test_weights_in_a_file_are_found_wherever_they_are(tmp_path, model):
    onnx.save(model, tmp_path / 'my.onnx')
    assert external_files(tmp_path / 'my.onnx') == ('w.bin',)


def test_a_model_of_one_file_has_none(tmp_path):
    assert external_files(color_segmentation(tmp_path / 'my.onnx')) == ()
    # 'location' as text elsewhere is no file.
    onnx.save(
        model_of([helper.make_node('X', [], ['o'], key='location', value='w.bin')]),
        tmp_path / 'named.onnx',
    )
    assert external_files(tmp_path / 'named.onnx') == ()


def test_files_are_sorted_and_named_once(tmp_path):
    tensors = [
        external('a', 'b.bin'),
        external('b', 'a/c.bin'),
        external('c', 'b.bin'),
        tensor('d'),
    ]
    onnx.save(model_of(initializers=tensors), tmp_path / 'my.onnx')
    assert external_files(tmp_path / 'my.onnx') == ('a/c.bin', 'b.bin')


def test_digest_is_of_content_alone(tmp_path):
    (tmp_path / 'elsewhere').mkdir()
    one = color_segmentation(tmp_path / 'my.onnx')
    other = tmp_path / 'elsewhere' / 'copy.onnx'
    other.write_bytes(one.read_bytes())
    assert model_digest(one) == model_digest(other)
    data = bytearray(other.read_bytes())
    data[-1] ^= 1
    other.write_bytes(data)
    assert model_digest(one) != model_digest(other)


def test_digest_covers_every_byte_beside_the_model(tmp_path):
    path = tmp_path / 'my.onnx'
    onnx.save(model_of(initializers=[external('a', 'a'), external('b', 'b')]), path)
    contents = [(b'', b''), (b'x', b''), (b'', b'x'), (b'xy', b''), (b'x', b'y'), (b'', b'xy')]
    digests = set()
    for one, two in contents:
        (tmp_path / 'a').write_bytes(one)
        (tmp_path / 'b').write_bytes(two)
        digests.add(model_digest(path))
    assert len(digests) == len(contents)


def test_as_the_onnx_package_saves_external_data(tmp_path):
    path = color_segmentation(tmp_path / 'one.onnx')
    onnx.save(
        onnx.load(path),
        tmp_path / 'two.onnx',
        save_as_external_data=True,
        location='weights.data',
        size_threshold=0,
    )
    assert external_files(tmp_path / 'two.onnx') == ('weights.data',)
    before = model_digest(tmp_path / 'two.onnx')
    weights = bytearray((tmp_path / 'weights.data').read_bytes())
    weights[0] ^= 1
    (tmp_path / 'weights.data').write_bytes(weights)
    assert model_digest(tmp_path / 'two.onnx') != before


def test_missing_weights(tmp_path):
    onnx.save(model_of(initializers=[external('w', 'w.bin')]), tmp_path / 'my.onnx')
    with pytest.raises(ModelError, match=r'keeps weights in .*/w\.bin, which is missing; copy it'):
        model_digest(tmp_path / 'my.onnx')
    with pytest.raises(ModelError, match='which is missing'):
        check_external_files(tmp_path / 'my.onnx')


def test_weights_that_are_not_a_file(tmp_path):
    onnx.save(model_of(initializers=[external('w', 'w.bin')]), tmp_path / 'my.onnx')
    for make, kind in ((os.mkdir, 'a folder'), (os.mkfifo, 'a pipe')):
        make(tmp_path / 'w.bin')
        for function in (model_digest, check_external_files, load_model):
            with pytest.raises(ModelError, match=rf'keeps weights in .*/w\.bin is {kind}'):
                function(tmp_path / 'my.onnx')
        (tmp_path / 'w.bin').rename(tmp_path / kind)
    onnx.save(model_of(initializers=[external('w', 'w' * 256)]), tmp_path / 'my.onnx')
    with pytest.raises(ModelError, match='which is missing'):
        check_external_files(tmp_path / 'my.onnx')


@pytest.mark.parametrize('location', ['', '/etc/passwd', '../w.bin', 'a/../../w.bin', 'w\0.bin'])
def test_weights_outside_the_folder(tmp_path, location):
    onnx.save(model_of(initializers=[external('w', location)]), tmp_path / 'my.onnx')
    with pytest.raises(
        ModelError, match='keeps weights in another file: expected a file below the folder of my'
    ):
        model_digest(tmp_path / 'my.onnx')


@pytest.mark.parametrize(
    'content',
    [
        pytest.param(b'', id='empty'),
        pytest.param(b'\xff' * 64, id='endless_integer'),
        pytest.param(b'this is a text, and no model at all', id='text'),
        pytest.param(b'\x00\x00', id='field_zero'),
        pytest.param(b'\x3a\x7f\x00', id='runs_past_the_end'),
        pytest.param(b'\x3a', id='cut_off'),
    ],
)
def test_not_a_model(tmp_path, content):
    path = tmp_path / 'my.onnx'
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r'my\.onnx is not an ONNX model, or is damaged'):
        model_digest(path)


def test_a_model_cut_off_anywhere_raises_nothing_else(tmp_path):
    path = tmp_path / 'my.onnx'
    onnx.save(model_of([inside_a_branch(external('w', 'w.bin'))]), path)
    (tmp_path / 'w.bin').write_bytes(b'12345678')
    whole = path.read_bytes()
    path = tmp_path / 'cut.onnx'
    refused = 0
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        try:
            model_digest(path)
        except ModelError:
            refused += 1
    assert refused > len(whole) // 2


def test_missing_and_unreadable(tmp_path):
    with pytest.raises(ModelError, match='cannot be read: No such file'):
        model_digest(tmp_path / 'my.onnx')
    with pytest.raises(ModelError, match='is a folder; expected a regular file'):
        external_files(tmp_path)
    os.mkfifo(tmp_path / 'fifo.onnx')
    for function in (model_digest, read_head, external_files, has_quantization, load_model):
        with pytest.raises(ModelError, match=r'fifo\.onnx is a pipe'):
            function(tmp_path / 'fifo.onnx')


class TestHead:
    @pytest.mark.parametrize('dynamic', [False, True])
    @pytest.mark.parametrize('dtype', [np.float32, np.float16])
    def test_is_what_onnx_runtime_says(self, tmp_path, dynamic, dtype):
        path = detector(tmp_path / 'my.onnx', size_wh=(96, 64), dynamic=dynamic, dtype=dtype)
        session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
        head = read_head(path)
        assert head.metadata == session.get_modelmeta().custom_metadata_map
        [spec], [node] = head.inputs, session.get_inputs()
        assert spec.name == node.name
        assert spec.dtype == dtype
        assert list(spec.shape) == [size if isinstance(size, int) else -1 for size in node.shape]

    def test_shipped_models(self):
        for path in map(model_path, model_names()):
            session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
            head = read_head(path)
            assert head.metadata == session.get_modelmeta().custom_metadata_map
            assert [list(spec.shape) for spec in head.inputs] == [
                node.shape for node in session.get_inputs()
            ]

    def test_weights_are_not_inputs(self, tmp_path):
        weights = helper.make_tensor_value_info('w', TensorProto.FLOAT, [2])
        image = helper.make_tensor_value_info('x', TensorProto.FLOAT, [None, 'n', 0, 3])
        graph = helper.make_graph([], 'graph', [weights, image], [], [tensor('w')])
        onnx.save(helper.make_model(graph), tmp_path / 'my.onnx')
        [spec] = read_head(tmp_path / 'my.onnx').inputs
        assert (spec.name, spec.shape, spec.dtype) == ('x', (-1, -1, -1, 3), np.float32)

    @pytest.mark.parametrize(
        'value',
        [
            helper.make_tensor_value_info('x', TensorProto.STRING, [1]),
            helper.make_tensor_value_info('x', TensorProto.BFLOAT16, [1]),
            helper.make_tensor_sequence_value_info('x', TensorProto.FLOAT, [1]),
        ],
        ids=['text', 'bfloat16', 'sequence'],
    )
    def test_no_numbers(self, tmp_path, value):
        graph = helper.make_graph([], 'graph', [value], [])
        onnx.save(helper.make_model(graph), tmp_path / 'my.onnx')
        with pytest.raises(ModelError, match="input 'x' is not a tensor of numbers"):
            read_head(tmp_path / 'my.onnx')

    def test_not_a_model(self, tmp_path):
        for content in (b'', b'this is a text', b'\x3a\x7f\x00'):
            (tmp_path / 'my.onnx').write_bytes(content)
            with pytest.raises(ModelError, match='is not an ONNX model, or is damaged'):
                read_head(tmp_path / 'my.onnx')
