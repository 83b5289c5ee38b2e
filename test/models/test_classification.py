"""Classifiers as models: real ONNX files, from a picture to its classes and whatever follows."""

import json

import cv2
import numpy as np
import pytest
from onnx_models import COLOR_CLASSES, color_classifier, constant_model, detector

from jetson_perception.commands.main import main
from jetson_perception.errors import ModelError, ParameterError
from jetson_perception.evaluation.agreement import Limits, make_agreement
from jetson_perception.model_info import ModelInfo
from jetson_perception.models import ClassificationModel, open_model
from jetson_perception.tasks.classification import ClassificationOptions

NAMES = COLOR_CLASSES[1:]


def red_between_green(width=96, height=32):
    """Red in the middle square, green at both ends; BGR."""
    bgr = np.zeros((height, width, 3), np.uint8)
    bgr[..., 1] = 255
    bgr[:, (width - height) // 2 : (width + height) // 2] = 0, 0, 255
    return bgr


@pytest.fixture
def path(tmp_path):
    return color_classifier(tmp_path / 'my.onnx')


class TestModel:
    @pytest.mark.parametrize(
        'options',
        [
            pytest.param({}, id='probabilities'),
            pytest.param({'probabilities': False, 'metadata': {}}, id='logits'),
            pytest.param({'dtype': np.float16}, id='half_precision'),
            pytest.param({'trailing_ones': True}, id='trailing_ones'),
        ],
    )
    def test_the_middle_of_a_picture_decides(self, tmp_path, options):
        with open_model(color_classifier(tmp_path / 'my.onnx', **options)) as model:
            assert isinstance(model, ClassificationModel)
            found = model(red_between_green())
        assert found.class_id.tolist() == [0]
        assert found.score[0] > 0.99

    def test_names_and_layout_of_an_export_say_all(self, path):
        with open_model(path) as model:
            assert model.class_names == NAMES
            assert model.layout.output == 'probabilities'
            assert model.preprocessor.resize == 'center_crop'
            assert model.assumed == {}
            assert model.device_path is None

    def test_scores_that_sum_to_one_are_probabilities(self, tmp_path):
        """As the softmax at the end of a Keras export leaves them: they get no second one."""
        path = color_classifier(tmp_path / 'my.onnx', metadata={})
        with open_model(path) as model:
            assert model.layout.output == 'probabilities'
            assert 'output' not in model.assumed
            assert model(red_between_green()).score[0] > 0.99
            assert ('told by', 'one value a class, which sum to 1') in model.task.describe(model)

    def test_scores_that_eight_bits_round_get_no_second_softmax(self, tmp_path):
        """As the INT8 export of a network has them, whose sum is 259 / 255."""
        scores = np.float32([[180, 40, 20, 10, 5, 2, 2]]) / 255
        with open_model(constant_model(tmp_path / 'my.onnx', [scores])) as model:
            assert model.layout.output == 'probabilities'
            assert model(red_between_green()).score[0] == pytest.approx(180 / 255)

    @pytest.mark.parametrize(
        'scores',
        [
            pytest.param([0.1, 0.1, 0.2, 0.1, 0.1, 0.3, 0.1], id='unsure'),
            pytest.param([0, 0, 0, 0, 0, 0, 1], id='sure'),
            pytest.param([0, 0, 0, 0, 0, 1, 0], id='sure_of_another'),
            pytest.param([-1.5, 2, -3, 0.1, 0, 4, 0.5], id='logits'),
            pytest.param([-1, 2, -3, 0.1, 0, -2, 5], id='whole_logits'),
        ],
    )
    @pytest.mark.parametrize('dtype', [np.float32, np.float16])
    def test_seven_classes_are_no_row_of_a_suppression(self, tmp_path, scores, dtype):
        scores = np.array([scores], dtype)
        for info in (ModelInfo(), ModelInfo(class_names=tuple('abcdefg'))):
            with open_model(constant_model(tmp_path / 'my.onnx', [scores]), overrides=info) as it:
                assert isinstance(it, ClassificationModel)
                assert it.layout.class_count == 7

    def test_several_outputs_ask_which_one_it_is(self, tmp_path):
        """MTCNN's second network: offsets of a box, then how likely it is a face."""
        outputs = {'box': np.float32([[0.1] * 4]), 'face': np.float32([[0.3, 0.7]])}
        path = constant_model(tmp_path / 'my.onnx', outputs)
        text = r"'box' \(1, 4\), 'face' \(1, 2\); if one of them is, set 'output_name'"
        with pytest.raises(ParameterError, match=text) as caught:
            open_model(path)
        assert caught.value.parameter == 'output_name'
        with open_model(path, overrides=ModelInfo(output_name='face')) as model:
            assert model.layout.class_count == 2

    @pytest.mark.parametrize('settings', [{'task': 'classify'}, {'output': 'logits'}], ids=str)
    def test_whoever_says_what_it_is_is_believed(self, tmp_path, settings):
        """A network that gives the features that it decided by, too."""
        outputs = {'scores': np.float32([[-1, 3]]), 'features': np.zeros((1, 512), np.float32)}
        path = constant_model(tmp_path / 'my.onnx', outputs)
        with pytest.raises(ParameterError, match='several outputs'):
            open_model(path)
        with open_model(path, overrides=ModelInfo(**settings)) as model:
            assert model(red_between_green()).class_id.tolist() == [1]

    def test_outputs_of_as_many_classes_are_alike(self, tmp_path):
        """As the network and its auxiliary head have them."""
        outputs = [np.float32([[-1, 3]]), np.float32([[2, 1]])]
        with open_model(constant_model(tmp_path / 'my.onnx', outputs)) as model:
            assert model(red_between_green()).class_id.tolist() == [1]

    def test_assumptions_about_a_file_without_metadata(self, tmp_path):
        path = color_classifier(tmp_path / 'my.onnx', probabilities=False, metadata={})
        with open_model(path) as model:
            assert model.class_names == ('class_0', 'class_1', 'class_2')
            expected = {'output': 'logits', 'resize': 'center_crop', 'scale': '1/255'}
            assert model.assumed.items() >= expected.items()
        (tmp_path / 'my.yaml').write_text('task: classify\noutput: logits\nresize: stretch\n')
        with open_model(path) as model:
            assert model.preprocessor.resize == 'stretch'
            assert not model.assumed.keys() & {'output', 'resize'}
            # All of the picture counts: two thirds are green.
            assert model(red_between_green()).class_id[0] == 1

    def test_an_input_that_is_not_square_is_stretched_to(self, tmp_path):
        with open_model(color_classifier(tmp_path / 'my.onnx', size_wh=(64, 32))) as model:
            assert model.preprocessor.resize == 'stretch'

    def test_options_of_the_model_and_of_a_call(self, path):
        everything = ClassificationOptions(score_threshold=0.0, top_k=2)
        with ClassificationModel.open(path, options=everything) as model:
            bgr = red_between_green()
            assert model(bgr).class_id.tolist() == [0, 1]
            tensor, transform = model.preprocess(bgr)
            outputs = model.infer(tensor)
            assert len(model.postprocess(outputs, transform, ClassificationOptions())) == 1

    def test_names_that_do_not_fit(self, path):
        with pytest.raises(ModelError, match='has 3 classes, but class_names has 2'):
            open_model(path, overrides=ModelInfo(class_names=('a', 'b')))

    def test_only_classifiers_are_cropped(self, tmp_path):
        path = detector(tmp_path / 'my.onnx')
        with pytest.raises(ParameterError, match=r"'center_crop', and .* a detector") as caught:
            open_model(path, overrides=ModelInfo(resize='center_crop'))
        assert caught.value.parameter == 'resize'


class TestAgreement:
    def test_with_itself(self, path):
        with open_model(path) as one, open_model(path) as other:
            agreement = make_agreement(one, other)
            agreement.add('red', red_between_green())
            assert agreement.figures()['same_best_class'] == 1
            assert all(limit.kept for limit in agreement.check(Limits()))

    def test_with_channels_taken_for_others(self, path):
        swapped = ModelInfo(color_order='bgr')
        with open_model(path) as one, open_model(path, overrides=swapped) as other:
            agreement = make_agreement(one, other)
            agreement.add('red', red_between_green())
            agreement.add('green', np.full((8, 8, 3), (0, 255, 0), np.uint8))
            assert agreement.shares() == {'same best class': 0.5}
            assert agreement.drifts()['score drift'].largest > 0.9
            assert agreement.drifts()['score drift'].where == 'red'
            assert not any(limit.kept for limit in agreement.check(Limits()))


class TestCommands:
    def test_info(self, path, capsys):
        assert main(['info', str(path)]) == 0
        shown = capsys.readouterr().out
        for text in (
            'classification',
            'probabilities, 3 classes',
            'red, green, blue',
            'center_crop: aspect ratio kept',
        ):
            assert text in shown

    def test_run_with_json_and_annotated_pictures(self, path, tmp_path, capsys):
        picture = tmp_path / 'picture.png'
        cv2.imwrite(str(picture), red_between_green(192, 96))
        out = tmp_path / 'out'
        argv = ['run', str(path), str(picture), '--json', '--output', str(out)]
        assert main(argv) == 0
        record = json.loads(capsys.readouterr().out)
        (best,) = record['classification']
        assert (best['class_id'], best['class_name']) == (0, 'red')
        assert best['score'] > 0.99
        drawn = cv2.imread(str(out / 'picture.jpg')).astype(int)
        changed = np.abs(drawn - red_between_green(192, 96)).mean(axis=2)
        assert changed[80:90, 5:40].mean() > 40  # the panel is in the lower left corner
        assert changed[:60].mean() < 5
        assert changed[:, 120:].mean() < 5
        assert not list(out.glob('*_mask.png'))

    @pytest.mark.parametrize(
        ('arguments', 'expected'),
        [
            pytest.param(['--score-threshold', '0'], [0, 1, 2], id='threshold'),
            pytest.param(['--score-threshold=0', '--classes=blue,green'], [1, 2], id='classes'),
        ],
    )
    def test_run_with_options(self, path, tmp_path, arguments, expected, capsys):
        picture = tmp_path / 'picture.png'
        cv2.imwrite(str(picture), red_between_green())
        assert main(['run', str(path), str(picture), '--json', *arguments]) == 0
        found = json.loads(capsys.readouterr().out)['classification']
        assert [each['class_id'] for each in found] == expected


class TestEvaluate:
    """Four pictures of the class red, one of them green; a blue one; one of another class."""

    @pytest.fixture
    def dataset(self, tmp_path):
        folder = tmp_path / 'set'
        colors = {'red': (0, 0, 255), 'green': (0, 255, 0), 'blue': (255, 0, 0)}
        for name, count in {'Red': 3, 'blue': 1, 'purple': 1, 'empty': 0}.items():
            (folder / name).mkdir(parents=True)
            for index in range(count):
                color = colors.get(name.lower(), (128, 0, 128))
                bgr = np.full((20, 30, 3), color, np.uint8)
                cv2.imwrite(str(folder / name / f'{index}.png'), bgr)
        green = np.full((20, 30, 3), colors['green'], np.uint8)
        cv2.imwrite(str(folder / 'Red' / 'wrong.png'), green)
        return folder

    def test_figures(self, path, dataset, tmp_path, capsys):
        file = tmp_path / 'figures.json'
        argv = ['evaluate', '--model', str(path), '--dataset', str(dataset), '--json', str(file)]
        assert main(argv) == 0
        figures = json.loads(file.read_text())
        assert figures['top1'] == 0.8
        assert figures['top5'] == 1.0
        assert figures['pictures'] == 6
        assert figures['classes_left_out'] == ['purple']
        assert figures['classes'] == {
            'Red': {'pictures': 4, 'top1': 0.75, 'top5': 1.0},
            'blue': {'pictures': 1, 'top1': 1.0, 'top5': 1.0},
        }
        shown = capsys.readouterr().out
        assert '0.7500' in shown
        assert 'left out: purple' in shown

    def test_side_by_side_and_drawn(self, path, dataset, tmp_path, capsys):
        pytest.importorskip('matplotlib')
        plot = tmp_path / 'plot.png'
        models = [str(path), str(path)]
        argv = ['evaluate', '--model', *models, '--dataset', str(dataset), '--plot', str(plot)]
        assert main(argv) == 0
        assert 'top-5' in capsys.readouterr().out
        assert cv2.imread(str(plot)).std() > 10

    def test_models_and_datasets_that_do_not_go_together(self, path, dataset, tmp_path, capsys):
        boxes = str(detector(tmp_path / 'boxes.onnx'))
        assert main(['evaluate', '--model', boxes, '--dataset', str(dataset)]) == 1
        assert 'the dataset has a class for each picture' in capsys.readouterr().err
        argv = ['evaluate', '--model', str(path), '--dataset', 'scene://oranges?count=1']
        assert main(argv) == 1
        assert 'an image classifier, and the dataset has a class for' in capsys.readouterr().err

    def test_no_class_in_common(self, path, tmp_path, capsys):
        (tmp_path / 'set' / 'purple').mkdir(parents=True)
        cv2.imwrite(str(tmp_path / 'set' / 'purple' / '0.png'), np.zeros((4, 4, 3), np.uint8))
        assert main(['evaluate', '--model', str(path), '--dataset', str(tmp_path / 'set')]) == 1
        assert 'no class in common' in capsys.readouterr().err
