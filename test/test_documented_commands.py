"""Commands, options, paths and packages that pages, package.xml and comments name exist."""

from __future__ import annotations

import argparse
import ast
import re
import shlex
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import pytest

from jetson_perception import bringup
from jetson_perception.models import open_model

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    [*ROOT.glob('docs/*.md'), ROOT / 'README.md', ROOT / 'CONTRIBUTING.md'],
    key=lambda path: path.name,
)
SCENES = ROOT / 'scenes' / 'jetson_perception_scenes'
BUILT = {'.venv', '.docs-venv', 'build', 'install', 'log', 'demo_output', 'site'}
LAUNCH_ARGUMENTS = {
    'camera': bringup.CAMERA_ARGUMENTS,
    'seg': bringup.SEG_ARGUMENTS,
    'yolo': bringup.YOLO_ARGUMENTS,
    'concurrent': bringup.CONCURRENT_ARGUMENTS,
}


def commands_of(page):
    """Command lines of a page: indented blocks, fenced ones, and inline code."""
    text = page.read_text('utf-8')
    # Blocks, and no lines of lists, which begin with a line that is not indented.
    blocks = re.findall(r'(?:\A|(?<=\n\n))((?:    .*(?:\n|\Z))+)', text)
    lines = [line for block in blocks for line in block.splitlines()]
    fenced = re.compile(r'^```\w*\n(.*?)^```', re.MULTILINE | re.DOTALL)
    for block in fenced.findall(text):
        lines += block.splitlines()
    for paragraph in re.split(r'\n\s*\n|\n(?=\s*[-|])', fenced.sub('', text)):
        lines += [' '.join(code.split()) for code in re.findall(r'`([^`]+)`', paragraph)]
    for line in lines:
        line = re.sub(r'(^|\s)#\s.*$', '', line.strip())
        yield from re.split(r'\s*&&\s*', line)


def words_of(page, *begin):
    """Words after `begin` of every command that begins so."""
    for command in commands_of(page):
        try:
            words = shlex.split(command)
        except ValueError:
            continue
        while words and re.fullmatch(r'[A-Z_]+=\S*', words[0]):
            words = words[1:]
        if tuple(words[: len(begin)]) == begin:
            yield words[len(begin) :]


def test_the_search_finds_commands():
    readme = ROOT / 'README.md'
    assert len(list(words_of(readme, 'ros2', 'launch', 'jetson_perception'))) > 5
    assert len(list(words_of(readme, 'jetson-perception'))) > 5
    assert ['demo'] in list(words_of(readme, 'make'))


pages = pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)


@pages
def test_targets_of_make(page):
    makefile = (ROOT / 'Makefile').read_text('utf-8')
    for words in words_of(page, 'make'):
        for word in words:
            name, is_variable, _ = word.partition('=')
            if is_variable:
                assert f'$({name})' in makefile or f'{name}=' in makefile, word
            elif re.fullmatch(r'[a-z-]+', name):
                assert re.search(rf'^{name}:', makefile, re.MULTILINE), word


def parser_of(verb):
    parser = argparse.ArgumentParser()
    import_module(f'jetson_perception.commands.{verb.replace("-", "_")}').configure(parser)
    return parser


def options_of(parser):
    found = set()
    for action in parser._actions:
        found |= set(action.option_strings)
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                found |= options_of(each)
    return found


@pages
def test_verbs_and_their_options(page):
    renamed = {'--engine-a', '--engine-b', '--engine'} if page.name == 'names.md' else set()
    for words in words_of(page, 'jetson-perception'):
        if words and re.fullmatch(r'[a-z-]+', words[0]):
            named = {word.partition('=')[0] for word in words[1:] if word.startswith('--')}
            assert named <= options_of(parser_of(words[0])) | renamed, words


@pages
def test_launch_files_and_their_arguments(page):
    for words in words_of(page, 'ros2', 'launch', 'jetson_perception'):
        file, *arguments = words
        if file == '<file>':  # any of them
            continue
        assert (ROOT / 'launch' / file).is_file(), file
        known = {one.name for one in LAUNCH_ARGUMENTS[file.partition('.')[0]]}
        named = {word.partition(':=')[0] for word in arguments if ':=' in word}
        assert named <= known, words


@pages
def test_executables(page):
    cmake = (ROOT / 'CMakeLists.txt').read_text('utf-8')
    for words in words_of(page, 'ros2', 'run', 'jetson_perception'):
        assert re.search(rf'\b{words[0]}\b', cmake), words


@pages
def test_scripts_modules_and_tests_that_are_started(page):
    for begin in (['python'], ['python3'], ['pytest'], ['source']):
        for words in words_of(page, *begin):
            for word in words:
                if re.fullmatch(r'(?:tools|test|scenes)/[\w/.]+', word):
                    assert (ROOT / word).exists(), word
                elif re.fullmatch(r'jetson_perception[\w.]*', word):
                    assert find_spec(word) is not None, word


#: Files of this repository or folders of it that texts name.
FOLDERS = sorted(path.name for path in ROOT.iterdir() if path.is_dir() and path.name not in BUILT)
NAMED = re.compile(
    rf'(?<![\w/.<{{-])((?:{"|".join(map(re.escape, FOLDERS))})/[\w./@-]*\w)(?![\w*])'
)


def named_paths(text):
    """Paths that begin with a folder of the repository; a pattern is none."""
    return set(NAMED.findall(text))


@pytest.mark.parametrize(
    'path',
    [
        *PAGES,
        ROOT / 'package.xml',
        ROOT / 'Makefile',
        ROOT / 'pyproject.toml',
        ROOT / 'tools' / 'setup.sh',
        ROOT / 'test' / 'conftest.py',
    ],
    ids=lambda path: path.name,
)
def test_paths(path):
    made = {'models/people.pt', 'scenes/build'}  # by a training before, by pip
    named = named_paths(path.read_text('utf-8')) - made
    there = {
        each
        for each in named
        if any((folder / each).exists() for folder in (ROOT, ROOT / 'jetson_perception', SCENES))
        or (ROOT / 'msg' / f'{Path(each).name}.msg').is_file()
        or (ROOT / 'srv' / f'{Path(each).name}.srv').is_file()
    }
    assert named - there == set()


def test_folders_whose_tests_need_ros_exist():
    conftest = ast.parse((ROOT / 'test/conftest.py').read_text('utf-8'))
    (folders,) = [
        ast.literal_eval(node.value)
        for node in conftest.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == 'NEEDS_ROS'
    ]
    assert [name for name in folders if not (ROOT / 'test' / name).is_dir()] == []


def ros_imports():
    """First names of the modules that the package imports."""
    found = set()
    for path in [*(ROOT / 'jetson_perception').rglob('*.py'), *ROOT.glob('launch/*.py')]:
        found |= set(re.findall(r'^\s*(?:from|import) (\w+)', path.read_text('utf-8'), re.M))
    return found


def test_dependencies_of_the_package_match_its_imports():
    """Each is imported, or needed to build, start or link what is; none is only named."""
    package = ElementTree.parse(ROOT / 'package.xml').getroot()
    named = {each.text for each in package.iter() if each.tag.endswith('depend')}
    by_key = {'python3-numpy': 'numpy', 'python3-opencv': 'cv2', 'python3-yaml': 'yaml'}
    by_key |= {'python3-rich': 'rich', 'python3-pil': 'PIL', 'python3-scipy': 'scipy'}
    no_module = {'ament_cmake', 'ament_cmake_python', 'ros2launch'}
    no_module |= {'rosidl_default_generators', 'rosidl_default_runtime'}
    assert {by_key.get(name, name) for name in named - no_module} - ros_imports() == set()
    messages = {name for name in ros_imports() if name.endswith('_msgs')}
    assert messages - named == {'foxglove_msgs'}, 'used where it is installed'


def test_classes_that_the_readme_sets_are_those_of_the_model_that_it_starts():
    text = (ROOT / 'README.md').read_text('utf-8')
    (named,) = re.findall(r'ros2 param set \S+ det\.classes "\[(.*)\]"', text)
    with open_model('people_detect', runtime='onnxruntime_cpu') as model:
        assert set(named.split(', ')) <= set(model.class_names)


def test_members_that_a_guide_lists_are_those_of_a_task():
    from jetson_perception.models.task import Task

    text = (ROOT / 'CONTRIBUTING.md').read_text('utf-8')
    rows = re.findall(r'^\s+\| (`[^|]+`) \|', text, re.MULTILINE)
    names = {name for row in rows for name in re.findall(r'`(\w+)`', row)}
    assert len(names) > 10
    assert {
        name for name in names if not (hasattr(Task, name) or name in Task.__annotations__)
    } == set()
