"""Freed memory is kept, so that the system need not clear it again."""

from __future__ import annotations

import json
import platform
import subprocess
import sys

import pytest

_BLOCKS = """
import json, resource, sys
from unmask.training.memory import keep_freed_memory

kept = sys.argv[1] == "keep" and keep_freed_memory()
def blocks():
    for _ in range(5):
        b'x' * (64 * 2**20)
blocks()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
blocks()
print(json.dumps([kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before]))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc knows the setting")
def test_blocks_that_were_freed_are_taken_again_without_page_faults() -> None:
    def faults(way: str) -> tuple[bool, int]:
        command = [sys.executable, "-c", _BLOCKS, way]
        kept, count = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        return kept, count

    assert faults("keep")[0]
    # 64 MiB are 16,384 pages of 4 KiB, or 32 huge ones.
    assert faults("keep")[1] < 30 < faults("return")[1]
