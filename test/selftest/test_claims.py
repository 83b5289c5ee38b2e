"""What the documentation promises to check is what is checked."""

import re
from pathlib import Path

from jetson_perception.selftest import checks
from jetson_perception.selftest.claims import CLAIMS

PAGE = Path(__file__).resolve().parents[2] / 'docs' / 'tensorrt.md'


def test_the_table_of_claims_is_that_of_the_code():
    table = PAGE.read_text().partition('| check | claim |')[2]
    rows = re.findall(r'^\| (\w+) \| (.+?) \|', table, flags=re.MULTILINE)
    assert dict(rows) == CLAIMS


def test_the_limits_that_the_page_names_are_those_of_the_code():
    text = PAGE.read_text()
    assert f'mIoU below {checks.LEAST_MIOU:g}, or fewer than {checks.LEAST_RECALL:g}' in text
    shares = [f'{checks.LIMITS[name].matched:.2f}' for name in ('fp32', 'fp16', 'int8')]
    assert f'{shares[0]} (FP32), {shares[1]} (FP16) or {shares[2]} (INT8)' in text
    assert f'fewer than {checks._ALIKE:g} of boxes or pixels' in text
    assert f'ends within {checks.CANCEL_WITHIN_S:g} s' in text


def test_every_claim_but_the_machine_has_a_check():
    assert set(checks._CHECKS) == set(CLAIMS) - {'machine'}
