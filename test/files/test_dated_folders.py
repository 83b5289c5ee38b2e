"""Names of folders by the time."""

import itertools
import re
from pathlib import Path

from jetson_perception.files.dated_folders import dated_folders


def test_names_sort_by_time_and_stay_apart():
    names = [path.name for path in itertools.islice(dated_folders(Path('a'), 86400.0), 3)]
    assert re.fullmatch(r'1970-01-0\d_\d\d-\d\d-\d\d', names[0])
    assert names[1:] == [f'{names[0]}_2', f'{names[0]}_3']
    assert next(dated_folders(Path('a'))).name > names[0]
