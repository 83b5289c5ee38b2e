"""The packages of examples/, as they lie in the checkout."""

import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[3] / 'examples'

sys.path += [str(each.parent) for each in sorted(EXAMPLES.glob('*/setup.py'))]
