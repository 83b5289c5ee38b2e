import importlib.util
import json
import re

import cv2
import numpy as np
import pytest
from command_output import cells, table_rows, write_picture
from dataset_folders import coco_folder, coco_objects, yolo_folder
from onnx_models import (
    color_segmentation,
    depth_network,
    detector,
    instance_segmenter,
    oriented_detector,
    pose_detector,
    ultralytics_metadata,
)

from jetson_perception.commands.main import main

pytestmark = pytest.mark.usefixtures('wide_terminal')


needs_evaluate_extra = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ('matplotlib', 'pycocotools'))),
    reason='needs pip install matplotlib pycocotools',
)


class TestEvaluate:
    @staticmethod
    def dataset(folder, masks):
        for index, mask in enumerate(masks):
            write_picture(folder / 'images' / f'{index}.png')
            write_picture(folder / 'masks' / f'{index}.png', mask)
        return str(folder)

    @staticmethod
    def truth():
        mask = np.ones((48, 64), np.uint8)
        mask[:, 32:] = 2
        return mask

    def test_perfect(self, colors, tmp_path, capsys):
        dataset = self.dataset(tmp_path / 'set', [self.truth()] * 3)
        assert main(['evaluate', '--model', colors, '--dataset', dataset]) == 0
        out = capsys.readouterr().out
        assert out.startswith(f'{colors} on 3 pictures of {dataset}\n')
        assert cells(out) == {
            'background': 'absent',
            'red': '1.0000',
            'green': '1.0000',
            'blue': 'absent',
            'mean (mIoU)': '1.0000',
            'pixels right': '1.0000',
        }

    def test_figures_as_json(self, colors, tmp_path):
        half = self.truth()
        half[:, 16:32] = 0  # background that the model takes for red
        dataset = self.dataset(tmp_path / 'set', [half])
        file = tmp_path / 'figures.json'
        command = ['evaluate', '--model', colors, '--dataset', f'file://{dataset}', '--json']
        assert main([*command, str(file)]) == 0
        assert json.loads(file.read_text()) == {
            'model': colors,
            'dataset': f'file://{dataset}',
            'pictures': 1,
            'mean_iou': 0.5,
            'accuracy': 0.75,
            'iou': {'background': 0.0, 'red': 0.5, 'green': 1.0, 'blue': None},
        }
        assert main([*command, str(tmp_path / 'none' / 'figures.json')]) == 1

    @pytest.mark.parametrize(
        ('mask', 'message'),
        [
            pytest.param(
                np.zeros((48, 60), np.uint8),
                r'0\.png is 60×48, but its picture is 64×48; expected the same size',
                id='size',
            ),
            pytest.param(np.zeros((48, 64, 3), np.uint8), r'one channel of 8 bits', id='color'),
            pytest.param(np.zeros((48, 64), np.uint16), r'is uint16 \(48, 64\)', id='16_bits'),
            pytest.param(np.full((48, 64), 9, np.uint8), r'0\.png: .* class id 9', id='class'),
        ],
    )
    def test_masks_that_cannot_be_used(self, colors, tmp_path, mask, message, capsys):
        dataset = self.dataset(tmp_path / 'set', [mask])
        assert main(['evaluate', '--model', colors, '--dataset', dataset]) == 1
        assert re.search(message, capsys.readouterr().err)

    def test_missing_mask_and_damaged_picture(self, colors, tmp_path, capsys):
        dataset = self.dataset(tmp_path / 'set', [self.truth()])
        write_picture(tmp_path / 'set' / 'images' / '5.jpg')
        assert main(['evaluate', '--model', colors, '--dataset', dataset]) == 1
        assert re.search(r'5\.jpg has no mask; expected .*/5\.png', capsys.readouterr().err)
        (tmp_path / 'set' / 'images' / '0.png').write_bytes(b'x')
        assert main(['evaluate', '--model', colors, '--dataset', dataset]) == 1
        assert '0.png is damaged or not a picture' in capsys.readouterr().err

    @pytest.mark.parametrize(
        ('dataset', 'message'),
        [
            pytest.param('coco', r'coco is not a dataset; expected scene://oranges', id='unknown'),
            pytest.param('.', r'\. is not a dataset', id='folder_without_masks'),
            pytest.param(
                'scene://moon', r"scene is called 'moon'; scenes are oranges, people$", id='scene'
            ),
            pytest.param('scene://oranges?count=0', r'with N of 1 or more', id='no_pictures'),
            pytest.param('scene://oranges?count=x', r'with N of 1 or more', id='count_word'),
            pytest.param('scene://oranges?size=3', r'expected scene://oranges\?cou', id='query'),
        ],
    )
    def test_unknown_datasets(self, colors, dataset, message, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        assert main(['evaluate', '--model', colors, '--dataset', dataset]) == 1
        assert re.search(message, capsys.readouterr().err.strip())

    def test_rendered_scenes(self, colors, tmp_path, capsys):
        file = tmp_path / 'figures.json'
        dataset = 'scene://oranges?count=2'
        command = ['evaluate', '--model', colors, '--dataset', dataset, '--json', str(file)]
        assert main(command) == 0
        figures = json.loads(file.read_text())
        assert figures['pictures'] == 2
        assert 0 < figures['mean_iou'] < 1

    def test_detector(self, tmp_path, capsys):
        path = str(detector(tmp_path / 'my.onnx'))
        dataset = self.dataset(tmp_path / 'set', [self.truth()])
        assert main(['evaluate', '--model', path, '--dataset', dataset]) == 1
        assert 'is a detector' in capsys.readouterr().err

    def test_class_ids_without_names(self, tmp_path, capsys):
        path = str(color_segmentation(tmp_path / 'my.onnx', argmax=True, metadata={}))
        dataset = self.dataset(tmp_path / 'set', [self.truth()])
        command = ['evaluate', '--model', path, '--dataset', dataset]
        assert main(command) == 1
        assert 'set class_names, for example --set class_names=' in capsys.readouterr().err
        assert main([*command, '--set', 'class_names=[none, red, green, blue]']) == 0
        assert cells(capsys.readouterr().out)['mean (mIoU)'] == '1.0000'

    def test_ignored_pixels(self, colors, tmp_path, capsys):
        half = self.truth()
        half[:, :16] = 255
        dataset = self.dataset(tmp_path / 'set', [half])
        command = ['evaluate', '--model', colors, '--dataset', dataset]
        assert main(command) == 1
        assert 'class id 255' in capsys.readouterr().err
        assert main([*command, '--ignore', '255']) == 0
        captured = capsys.readouterr()
        assert cells(captured.out)['mean (mIoU)'] == '1.0000'
        assert 'no pixel' not in captured.err

    def test_an_ignored_id_that_no_pixel_has_is_told(self, colors, tmp_path, capsys):
        dataset = self.dataset(tmp_path / 'set', [self.truth()])
        assert main(['evaluate', '--model', colors, '--dataset', dataset, '--ignore', '9']) == 0
        assert 'no pixel of the masks has the id 9 of --ignore' in capsys.readouterr().err

    @pytest.mark.parametrize(
        ('options', 'text'),
        [
            pytest.param(['--ignore', '999'], '--ignore is 999; expected an id', id='ignore'),
            pytest.param(['--ignore', '-1'], '--ignore is -1; expected an id', id='negative'),
            pytest.param(['--split', 'val'], '--split has no effect on', id='split'),
            pytest.param(['--images', '.'], '--images has no effect on', id='images'),
            pytest.param(['--max-depth', '9'], '--max-depth has no effect on', id='max_depth'),
            pytest.param(['--depth-unit', '1'], 'it is for folders with depth/', id='depth_unit'),
        ],
    )
    def test_an_option_without_effect(self, colors, tmp_path, capsys, options, text):
        dataset = self.dataset(tmp_path / 'set', [self.truth()])
        assert main(['evaluate', '--model', colors, '--dataset', dataset, *options]) == 1
        assert text in ' '.join(capsys.readouterr().err.split())

    def test_no_pixels_to_ignore(self, colors, capsys):
        command = ['evaluate', '--model', colors, '--dataset', 'scene://people?count=1']
        assert main([*command, '--ignore', '9']) == 1
        assert '--ignore has no effect on scene://people' in capsys.readouterr().err


class TestDepth:
    @pytest.fixture
    def dataset(self, tmp_path):
        """Red on the right half, which the network takes for 10 m; nothing measured at the top."""
        bgr = np.zeros((32, 64, 3), np.uint8)
        bgr[:, 32:, 2] = 255
        depth = np.full((32, 64), 8000, np.uint16)
        depth[:16] = 0
        depth[:, :32] = 65535
        write_picture(tmp_path / 'set' / 'images' / 'a.png', bgr)
        write_picture(tmp_path / 'set' / 'depth' / 'a.png', depth)
        return str(tmp_path / 'set')

    def test_metres(self, dataset, tmp_path, capsys):
        network = str(depth_network(tmp_path / 'my.onnx', size_wh=(64, 32)))
        file = tmp_path / 'figures.json'
        command = ['evaluate', '--model', network, '--dataset', dataset]
        assert main([*command, '--json', str(file)]) == 0
        shown = cells(capsys.readouterr().out)
        assert (shown['abs rel'], shown['RMSE, m']) == ('0.2500', '2.0000')
        assert (shown['δ < 1.5625'], shown['δ < 1.9531']) == ('1.0000', '1.0000')
        figures = json.loads(file.read_text())
        assert figures['rmse_m'] == pytest.approx(2, abs=1e-4)
        assert (figures['pictures'], figures['values'], figures['max_depth_m']) == (
            1,
            'metric',
            80,
        )
        unit = ['--depth-unit', '0.00125', '--json', str(file)]
        assert main([*command, *unit]) == 0
        assert json.loads(file.read_text())['abs_rel'] == pytest.approx(0, abs=1e-4)
        assert json.loads(file.read_text())['delta_1_25'] == 1
        assert main([*command, '--max-depth', '5', '--json', str(file)]) == 0
        assert json.loads(file.read_text())['pictures_without_depth'] == 1

    @pytest.mark.parametrize(
        ('given', 'message'),
        [
            pytest.param(['--depth-unit', '0'], r'--depth-unit is 0\.0; expected metres', id='0'),
            pytest.param(['--max-depth', 'nan'], '--max-depth is nan; expected metres', id='nan'),
        ],
    )
    def test_settings(self, dataset, tmp_path, given, message, capsys):
        network = str(depth_network(tmp_path / 'my.onnx', size_wh=(64, 32)))
        assert main(['evaluate', '--model', network, '--dataset', dataset, *given]) == 1
        assert re.search(message, capsys.readouterr().err)

    def test_another_dataset_and_another_model(self, dataset, colors, tmp_path, capsys):
        network = str(depth_network(tmp_path / 'my.onnx', size_wh=(64, 32)))
        scene = 'scene://oranges?count=1'
        assert main(['evaluate', '--model', network, '--dataset', scene]) == 1
        assert 'use a folder with images/ and depth/' in capsys.readouterr().err
        assert main(['evaluate', '--model', colors, '--dataset', dataset]) == 1
        assert 'the dataset has the depth of each pixel' in capsys.readouterr().err

    @needs_evaluate_extra
    def test_plot(self, dataset, tmp_path):
        network = str(depth_network(tmp_path / 'my.onnx', size_wh=(64, 32)))
        file = tmp_path / 'plot.png'
        command = ['evaluate', '--model', network, '--dataset', dataset, '--plot', str(file)]
        assert main(command) == 0
        assert cv2.imread(str(file)) is not None


class TestEvaluateObjects:
    """Detectors that find what is planted: half of the objects, with a box each."""

    # On a 640×480 picture the letterbox puts 80 rows above: center (320, 240) is (320, 320).
    pytestmark = needs_evaluate_extra

    PLANTED = ((320, 320, 100, 80, 0, 0.9),)
    RIGHT = (270, 200, 100, 80, 10)
    OTHER = (0, 0, 50, 50, 10)

    # Corners of the box that `oriented_detector` plants, in a 640×480 picture.
    CORNERS = cv2.boxPoints(((320, 160), (100, 80), np.degrees(0.5)))
    LABEL = ' '.join(map(str, ['0', *(CORNERS / (640, 480)).ravel()])) + '\n'

    @pytest.mark.parametrize(
        ('labels', 'count', 'ap50'),
        [
            pytest.param(['', LABEL], 1, 0.5, id='nothing_on_the_first'),
            pytest.param([LABEL, LABEL], 2, 1, id='right'),
            pytest.param([LABEL * 2] * 2, 4, 51 / 101, id='labelled_twice'),
            pytest.param(['0 0 0 0.1 0 0.1 0.1 0 0.1', None], 1, 0, id='elsewhere'),
        ],
    )
    def test_oriented_boxes(self, tmp_path, labels, count, ap50, capsys):
        model = str(oriented_detector(tmp_path / 'my.onnx'))
        yolo_folder(tmp_path / 'set', labels)
        file, plot = tmp_path / 'figures.json', tmp_path / 'plot.svg'
        command = ['evaluate', '--model', model, '--dataset', str(tmp_path / 'set')]
        assert main([*command, '--json', str(file), '--plot', str(plot)]) == 0
        out = capsys.readouterr().out
        assert 'oriented box AP50-95' in out
        assert table_rows(out)['name_0'][:3] == [str(count), f'{ap50:.4f}', f'{ap50:.4f}']
        figures = json.loads(file.read_text())
        assert figures['oriented_boxes']['ap50'] == pytest.approx(ap50)
        assert 'boxes' not in figures
        assert plot.stat().st_size

    @pytest.mark.parametrize(
        'labels', ['0 0.5 0.5 0.1 0.1', f'{LABEL}0 0.5 0.5 0.1 0.1'], ids=['boxes', 'one_box']
    )
    def test_oriented_boxes_need_corners(self, tmp_path, labels, capsys):
        model = str(oriented_detector(tmp_path / 'my.onnx'))
        yolo_folder(tmp_path / 'set', [labels])
        assert main(['evaluate', '--model', model, '--dataset', str(tmp_path / 'set')]) == 1
        assert 'four corners (class x1 y1 x2 y2 x3 y3 x4 y4)' in capsys.readouterr().err

    def test_upright_boxes_against_oriented_ones(self, tmp_path, capsys):
        """The truth is the upright box around each."""
        left, top, right, bottom = *self.CORNERS.min(axis=0), *self.CORNERS.max(axis=0)
        planted = ((left + right) / 2, (top + bottom) / 2 + 80, right - left, bottom - top, 0, 0.9)
        model = str(detector(tmp_path / 'my.onnx', [planted]))
        yolo_folder(tmp_path / 'set', [self.LABEL])
        assert main(['evaluate', '--model', model, '--dataset', str(tmp_path / 'set')]) == 0
        assert table_rows(capsys.readouterr().out)['name_0'][:2] == ['1', '1.0000']

    @pytest.fixture
    def model(self, tmp_path):
        return str(detector(tmp_path / 'my.onnx', self.PLANTED))

    @pytest.mark.parametrize(
        ('objects', 'ap50'),
        [
            pytest.param([RIGHT], 1.0, id='right'),
            pytest.param([OTHER], 0.0, id='elsewhere'),
            # Recall stops at one half: 51 of 101 points of the curve are 1.
            pytest.param([RIGHT, OTHER], 51 / 101, id='half_of_them'),
        ],
    )
    @pytest.mark.parametrize('kind', ['coco', 'yolo'])
    def test_known_precision(self, model, tmp_path, objects, ap50, kind, capsys):
        if kind == 'coco':
            coco_folder(tmp_path / 'set', [coco_objects(*objects)] * 2)
        else:
            lines = [
                f'0 {(x + w / 2) / 640} {(y + h / 2) / 480} {w / 640} {h / 480}\n'
                for x, y, w, h, _ in objects
            ]
            yolo_folder(tmp_path / 'set', [''.join(lines)] * 2)
        file = tmp_path / 'figures.json'
        command = ['evaluate', '--model', model, '--dataset', str(tmp_path / 'set')]
        assert main([*command, '--json', str(file)]) == 0
        out = capsys.readouterr().out
        assert out.startswith(f'{model} on 2 pictures of {tmp_path / "set"}\n')
        rows = table_rows(out)
        assert rows['name_0'][:3] == [str(2 * len(objects)), f'{ap50:.4f}', f'{ap50:.4f}']
        assert rows['mean (mAP)'][1:3] == [f'{ap50:.4f}'] * 2
        assert 'name_1' not in rows  # it does not occur
        figures = json.loads(file.read_text())
        assert figures['pictures'] == 2
        assert figures['score_threshold'] == 0.001
        assert figures['boxes']['ap50'] == pytest.approx(ap50)
        assert figures['boxes']['classes']['name_0']['objects'] == 2 * len(objects)

    def test_scores_just_above_nothing_count(self, tmp_path, capsys):
        path = str(detector(tmp_path / 'my.onnx', [(*self.PLANTED[0][:5], 0.01)]))
        dataset = str(coco_folder(tmp_path / 'set', [coco_objects(self.RIGHT)]))
        command = ['evaluate', '--model', path, '--dataset', dataset]
        assert main(command) == 0
        assert table_rows(capsys.readouterr().out)['mean (mAP)'][1] == '1.0000'
        assert main([*command, '--score-threshold', '0.25']) == 0
        assert table_rows(capsys.readouterr().out)['mean (mAP)'][1] == '0.0000'

    def test_several_models_side_by_side(self, model, tmp_path, capsys):
        blind = str(detector(tmp_path / 'blind.onnx', []))
        dataset = str(coco_folder(tmp_path / 'set', [coco_objects(self.RIGHT)]))
        file = tmp_path / 'figures.json'
        command = ['evaluate', '--model', model, blind, '--dataset', dataset, '--json', str(file)]
        assert main(command) == 0
        rows = table_rows(capsys.readouterr().out)
        assert rows[model] == ['1.0000', '1.0000']
        assert rows[blind] == ['0.0000', '0.0000']
        one, other = json.loads(file.read_text())
        assert (one['model'], other['model']) == (model, blind)
        assert other['boxes']['classes']['name_0']['best_score_threshold'] is None

    def test_keypoints(self, tmp_path, capsys):
        points = [(300, 300), (320, 310), (340, 320)]
        path = str(
            pose_detector(
                tmp_path / 'pose.onnx',
                self.PLANTED,
                keypoints=[(x, y, 0.9) for x, y in points],
            )
        )
        labelled = [value for x, y in points for value in (x, y - 80, 2)]
        objects = coco_objects(self.RIGHT, keypoints=labelled)
        coco_folder(tmp_path / 'set', [objects], names=['name_0'], keypoints=['a', 'b', 'c'])
        file = tmp_path / 'figures.json'
        command = ['evaluate', '--model', path, '--dataset', str(tmp_path / 'set')]
        assert main([*command, '--json', str(file)]) == 0
        assert json.loads(file.read_text())['keypoints']['ap50_95'] == pytest.approx(1)
        assert 'OKS AP50-95' in capsys.readouterr().out

        two = coco_objects(self.RIGHT, keypoints=labelled[:6])
        coco_folder(tmp_path / 'set', [two], names=['name_0'], keypoints=['a', 'b'])
        assert main(command) == 1
        assert 'finds 3 keypoints per object, but the dataset has 2;' in capsys.readouterr().err

    def test_rendered_people(self, tmp_path, capsys):
        """A detector that finds one box in the middle whatever the picture shows."""
        metadata = ultralytics_metadata('detect', 2, (640, 640), names="{0: 'person', 1: 'cat'}")
        path = str(detector(tmp_path / 'my.onnx', self.PLANTED, metadata=metadata))
        file = tmp_path / 'figures.json'
        command = ['evaluate', '--model', path, '--dataset', 'scene://people?count=3']
        assert main([*command, '--json', str(file)]) == 0
        figures = json.loads(file.read_text())
        assert figures['boxes']['classes']['person']['objects'] > 0
        assert set(figures['boxes']['classes']) == {'person'}
        assert 'left out: ' in capsys.readouterr().out

    @pytest.mark.parametrize(
        ('side', 'ap50'), [pytest.param((), 1.0, id='all'), pytest.param((-1,), 0.0, id='left')]
    )
    def test_instance_masks(self, tmp_path, side, ap50):
        """Half a mask has an IoU of at most one half, while its box is right."""
        planted = [(*self.PLANTED[0], *side)]
        path = str(instance_segmenter(tmp_path / 'seg.onnx', planted))
        outline = '0.421875 0.414 0.578125 0.414 0.578125 0.584 0.421875 0.584'
        yolo_folder(tmp_path / 'set', [f'0 {outline}'])
        file = tmp_path / 'figures.json'
        command = ['evaluate', '--model', path, '--dataset', str(tmp_path / 'set')]
        assert main([*command, '--json', str(file)]) == 0
        figures = json.loads(file.read_text())
        assert figures['boxes']['ap50'] == pytest.approx(1)
        assert figures['masks']['ap50'] == pytest.approx(ap50)

    def test_classes_go_together_by_name(self, model, tmp_path, capsys):
        objects = coco_objects((*self.RIGHT[:4], 30))
        names = ['unicorn', 'Name-1', 'NAME 0']
        dataset = str(coco_folder(tmp_path / 'set', [objects], names=names))
        assert main(['evaluate', '--model', model, '--dataset', dataset]) == 0
        assert table_rows(capsys.readouterr().out)['NAME 0'][:2] == ['1', '1.0000']

    def test_classes_that_the_model_does_not_know(self, model, tmp_path, capsys):
        objects = coco_objects(self.RIGHT, (0, 0, 50, 50, 20))
        coco_folder(tmp_path / 'set', [objects], names=['name_0', 'unicorn'])
        command = ['evaluate', '--model', model, '--dataset', str(tmp_path / 'set')]
        assert main(command) == 0
        out = capsys.readouterr().out
        assert 'classes that the model does not know, left out: unicorn' in out
        assert table_rows(out)['mean (mAP)'][:2] == ['1', '1.0000']

    @pytest.mark.parametrize('suffix', ['png', 'svg'])
    def test_plot(self, model, tmp_path, capsys, suffix):
        dataset = str(coco_folder(tmp_path / 'set', [coco_objects(self.RIGHT, self.OTHER)]))
        file = tmp_path / f'plot.{suffix}'
        command = ['evaluate', '--model', model, '--dataset', dataset, '--plot']
        assert main([*command, str(file), '--json', str(tmp_path / 'all.json')]) == 0
        said = capsys.readouterr().err
        assert said == (
            f'1 picture of {dataset}\nfigures are in {tmp_path}/all.json\nplots are in {file}\n'
        )
        if suffix == 'png':
            picture = cv2.imread(str(file))
            assert picture.shape[1] == 1320
            assert picture.std() > 10  # something is drawn
        else:
            assert 'precision over recall' in re.sub(r'<!-- (.*?) -->', r'\1', file.read_text())
        assert main([*command, str(tmp_path / 'plot.doc')]) == 1
        assert main([*command, str(tmp_path / 'none' / 'plot.png')]) == 1

    def test_plot_of_masks(self, colors, tmp_path):
        dataset = TestEvaluate.dataset(tmp_path / 'set', [TestEvaluate.truth()])
        file = tmp_path / 'plot.png'
        assert (
            main(['evaluate', '--model', colors, '--dataset', dataset, '--plot', str(file)]) == 0
        )
        picture = cv2.imread(str(file))
        assert picture.std() > 10
        assert (picture[:, -40:] < 255).any()  # it reaches to the right edge

    @pytest.mark.parametrize(
        ('break_it', 'text'),
        [
            pytest.param(lambda f: (f / 'images' / '0.png').unlink(), r'0\.png', id='picture'),
            pytest.param(
                lambda f: (f / 'annotations' / 'objects.json').write_text('{\n]'),
                r'objects\.json cannot be read as JSON: line 2',
                id='json',
            ),
        ],
    )
    def test_broken_dataset(self, model, tmp_path, break_it, text, capsys):
        coco_folder(tmp_path / 'set', [coco_objects(self.RIGHT)])
        break_it(tmp_path / 'set')
        assert main(['evaluate', '--model', model, '--dataset', str(tmp_path / 'set')]) == 1
        err = capsys.readouterr().err
        assert re.search(text, err)
        assert err.count('\n') == 1

    def test_segmentation_model(self, colors, tmp_path, capsys):
        dataset = str(coco_folder(tmp_path / 'set', [coco_objects(self.RIGHT)]))
        assert main(['evaluate', '--model', colors, '--dataset', dataset]) == 1
        assert 'is a semantic segmentation model, and the dataset has' in capsys.readouterr().err
