"""Options that several commands share, on this machine, which has no DLA."""

import pytest

from jetson_perception.commands.main import main

DLA = ['--dla-core', '0']
COMPARE = ['compare', 'oranges', 'oranges', '--images', 'scene://oranges?frames=1']


pytestmark = pytest.mark.usefixtures('wide_terminal')


@pytest.mark.parametrize(
    'arguments',
    [
        pytest.param(['info', 'oranges', *DLA], id='info'),
        pytest.param(['run', 'oranges', 'scene://oranges?frames=1', *DLA], id='run'),
        pytest.param(
            [
                'evaluate',
                '--model',
                'oranges',
                '--dataset',
                'scene://oranges?count=1',
                *DLA,
            ],
            id='evaluate',
        ),
        pytest.param(['bench', 'oranges', '--frames', '1', *DLA], id='bench'),
        pytest.param([*COMPARE, '--dla-core-b', '0'], id='compare'),
    ],
)
@pytest.mark.parametrize('runtime', ['onnxruntime_cpu', ''])
def test_a_dla_core_is_never_left_out_in_silence(arguments, runtime, capsys):
    options = {'compare': '--runtime-b'}.get(arguments[0], '--runtime')
    chosen = [options, runtime] if runtime else []
    code = main([*arguments, *chosen])
    said = capsys.readouterr().err
    assert code != 0
    assert 'dla_core' in said
    assert 'DLA core' in said
    assert 'Traceback' not in said
