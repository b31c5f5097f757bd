"""The one kill-safe keyed store, and that it reads the files of every store it replaced."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from unmask.data.audit import images as audit_images
from unmask.data.audit.facts import FACTS
from unmask.data.face_index import FaceIndex
from unmask.data.fetch.journal import FetchLog
from unmask.data.manifest import Manifest
from unmask.errors import UsageError
from unmask.imaging.faces import FINDER_VERSION, FaceFinder, FacePolicy
from unmask.journal import Journal

A, B = "0a" * 16, "0b" * 16


def test_the_last_object_of_a_key_counts(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    with Journal(path) as journal:
        assert journal.fresh
        journal.note(A, {"n": 1})
        journal.note("any text é \udcff", {"n": 2})
        journal.note(A, {"n": 3})
        assert journal.get(A) == {"key": A, "n": 3}
        assert journal.get(B) is None
        assert len(journal) == 2
    with Journal(path) as journal:
        assert not journal.fresh
        assert journal.get(A) == {"key": A, "n": 3}
        assert journal.get("any text é \udcff") == {"key": "any text é \udcff", "n": 2}
    assert path.read_text().splitlines()[0] == f'{{"key": "{A}", "n": 1}}'


@pytest.mark.parametrize(
    ("tail", "mended"),
    [
        # a line that a kill cut short, anywhere
        (b'{"key"', b""),
        (b'{"key": "' + B.encode() + b'", "n": 1', b""),
        (b'{"key": "' + B.encode() + b'", "n": 1}', b""),
        # lines that are no objects, or have no key, stay and mean nothing
        (b"nonsense\n[]\n{}\n7\nnull\n\xff\xfe\n\n", b"nonsense\n[]\n{}\n7\nnull\n\xff\xfe\n\n"),
        (b'{"key": 7}\n', b'{"key": 7}\n'),
        # deeper than JSON is read
        (b"[" * 100_000 + b"\n", b"[" * 100_000 + b"\n"),
    ],
)
def test_damaged_lines_cost_only_themselves(tmp_path: Path, tail: bytes, mended: bytes) -> None:
    path = tmp_path / "j.jsonl"
    with Journal(path) as journal:
        journal.note(A, {"n": 1})
    whole = path.read_bytes()
    path.write_bytes(whole + tail)
    with Journal(path) as journal:
        assert journal.get(A) == {"key": A, "n": 1}
        assert journal.get(B) is None
        journal.note(B, {"n": 2})
        assert journal.get(B) == {"key": B, "n": 2}
    assert path.read_bytes() == whole + mended + f'{{"key": "{B}", "n": 2}}\n'.encode()


def test_a_damaged_object_is_as_good_as_none(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    path.write_bytes(f'{{"key": "{A}", "n": \n'.encode())
    with Journal(path) as journal:
        assert journal.get(A) is None
        journal.note(A, {"n": 1})
        assert journal.get(A) == {"key": A, "n": 1}


def test_a_shared_journal_is_appended_to_by_two_at_once(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    path.write_bytes(f'{{"key": "{A}", "n": 0}}\n{{"key": "0'.encode())
    with Journal(path, shared=True) as one, Journal(path, shared=True) as two:
        for n in range(3):
            one.note(A, {"n": n})
            two.note(B, {"n": -n})
            # each finds its own line behind those of the other
            assert one.get(A) == {"key": A, "n": n}
            assert two.get(B) == {"key": B, "n": -n}
    with Journal(path) as journal:
        assert journal.get(A) == {"key": A, "n": 2}
        assert journal.get(B) == {"key": B, "n": -2}


def test_one_process_at_a_time(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    with Journal(tmp_path / "j.jsonl"):
        with pytest.raises(UsageError) as caught:
            Journal(tmp_path / "j.jsonl")
        assert caught.value.code == "folder_in_use"
    Journal(tmp_path / "j.jsonl").close()


@pytest.mark.parametrize(("name", "code"), [("link", "outside_folder"), ("none/j", "cannot_write")])
def test_where_no_journal_can_be(tmp_path: Path, name: str, code: str) -> None:
    (tmp_path / "link").symlink_to("elsewhere")
    with pytest.raises(UsageError) as caught:
        Journal(tmp_path / name)
    assert caught.value.code == code
    assert not (tmp_path / "elsewhere").exists()


HEADER = b'{"version": 1}\n'


def test_a_header_is_written_once_the_journal_is_begun(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    Journal(path, header=HEADER).close()
    assert not path.exists(), "never begun"
    with Journal(path, header=HEADER) as journal:
        assert journal.fresh
        journal.begin()
    assert path.read_bytes() == HEADER
    with Journal(path, header=HEADER) as journal:
        assert not journal.fresh
        journal.note(A, {})
    path.write_bytes(path.read_bytes()[:-3])
    with Journal(path, header=HEADER) as journal:
        assert len(journal) == 0
    assert path.read_bytes() == HEADER
    # killed while writing the header
    path.write_bytes(HEADER[:5])
    with Journal(path, header=HEADER) as journal:
        assert not journal.fresh
    assert path.read_bytes() == HEADER


def test_a_file_of_another_kind_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    path.write_bytes(b'{"version": 2}\n')
    with pytest.raises(UsageError) as caught:
        Journal(path, header=HEADER)
    assert caught.value.code == "bad_journal"
    assert path.read_bytes() == b'{"version": 2}\n'


def test_lines_that_are_refused_do_not_hide_older_ones(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    with Journal(path) as journal:
        journal.note(A, {"n": 1})
        journal.note(A, {"n": -1})
    with Journal(path, accept=lambda found: found["n"] > 0) as journal:
        assert journal.get(A) == {"key": A, "n": 1}


_WRITER = """
import sys
from pathlib import Path
from unmask.journal import Journal
with Journal(Path(sys.argv[1])) as journal:
    for n in range(10**9):
        journal.note(f"{n:032x}", {"n": n, "padding": "x" * 500})
        print(n, flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_a_kill_loses_nothing_that_was_noted(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    process = subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(100):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    said = 100 + len([line for line in process.stdout.read().splitlines() if line])
    process.wait()
    with Journal(path) as journal:
        assert len(journal) >= said - 1  # the last number may be cut short
        found = [journal.get(f"{n:032x}") for n in range(len(journal))]
    assert [line and line["n"] for line in found] == list(range(len(found)))


_FULL_DISK = """
import resource, sys
from pathlib import Path
from unmask.errors import UsageError
from unmask.journal import Journal
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
with Journal(Path(sys.argv[1])) as journal:
    journal.note("a", {"n": 1})
    try:
        journal.note("b", {"padding": "x" * 5000})
    except UsageError as error:
        print(error.code)
"""


@pytest.mark.skipif(os.name == "nt", reason="needs a limit on file sizes")
def test_a_full_disk_loses_only_what_did_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    command = [sys.executable, "-c", _FULL_DISK, str(path)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "cannot_write\n"
    with Journal(path) as journal:
        assert journal.get("a") == {"key": "a", "n": 1}
        assert journal.get("b") is None
    assert path.read_bytes() == b'{"key": "a", "n": 1}\n'


# --- files of the stores that this one replaced, line by line as they were written then --------------------


@pytest.mark.parametrize(
    ("line", "facts"),
    [
        # data faces, data synthesize
        ('{"key": "%s", "crops": [], "miss": ["no_face", "None."]}', {"crops": [], "miss": ["no_face", "None."]}),
        # evaluate, calibrate, robustness
        ('{"key": "%s", "cells": {"fake_probability": "0.5"}}', {"cells": {"fake_probability": "0.5"}}),
        # check of evidence maps over a set
        ('{"key": "%s", "facts": {"path": "\\u00e9.png"}}', {"facts": {"path": "é.png"}}),
        # data audit: the key before the object
        ('%s{"sha256": "00", "values": [null, 1.5]}', {"sha256": "00", "values": [None, 1.5]}),
    ],
)
def test_lines_of_before(tmp_path: Path, line: str, facts: dict[str, Any]) -> None:
    path = tmp_path / "j.jsonl"
    path.write_text(line % A + "\n" + line % B + "\n")
    with Journal(path) as journal:
        assert journal.get(A) == {"key": A, **facts}
        assert journal.get(B) == {"key": B, **facts}


def test_a_fetch_journal_of_before(tmp_path: Path) -> None:
    record = (
        '{"key": "%s", "url": "http://a/1.jpg", "status": "%s", "fetched_at": "2026-01-02T03:04:05Z", "final_url": "", '
        '"http_status": 200, "sha256": "", "expected": "", "size": 9, "path": "%s", "error": ""}\n'
    )
    (tmp_path / "fetch-journal.jsonl").write_text(
        '{"unmask_fetch_journal": 1}\n'
        + record % (A, "ok", "images/1.jpg")
        + record % (A, "changed", "")
        + record % (B, "no such status", "images/2.jpg")
    )
    log = FetchLog(tmp_path)
    found = log.get(A)
    assert found is not None
    assert (found.status, found.url, found.size) == ("changed", "http://a/1.jpg", 9)
    assert log.get(B) is None
    # The image of a record that was replaced is still one that a fetch wrote.
    assert log.wrote("images/1.jpg")
    assert not log.wrote("images/2.jpg")
    log.close()


def test_a_face_index_of_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def find(self: FaceFinder, image: Image.Image) -> list[Any]:
        raise AssertionError("searched again")

    monkeypatch.setattr(FaceFinder, "find", find)
    paths = [tmp_path / "a.png", tmp_path / "é.png"]
    policy = FacePolicy()
    salt = hashlib.sha256(f"{FINDER_VERSION}:{policy.model_dump_json()}".encode()).hexdigest()[:16]
    lines = []
    for path in paths:
        Image.new("RGB", (8, 8)).save(path)
        key = f"{salt}:{path}:{path.stat().st_size}:{path.stat().st_mtime_ns}"
        face = {"box": [1.0, 2.0, 3.0, 4.5], "score": 0.75, "keypoints": [[0.5, 1.5]] * 6}
        lines.append(json.dumps({"key": key, "face": face if path == paths[0] else None, "error": None}))
    (tmp_path / "faces.jsonl").write_text("\n".join(lines) + "\n")
    found = FaceIndex(tmp_path / "faces.jsonl", policy).locate(paths)
    assert found[paths[0]].face is not None
    assert found[paths[0]].face.box == (1.0, 2.0, 3.0, 4.5)
    assert found[paths[1]].face is None


def test_a_facts_file_of_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(*_: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(audit_images, "measure", measure)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "m.csv").write_text("path,label\na.png,real\n")
    status = (tmp_path / "a.png").stat()
    salt = hashlib.sha256(json.dumps([1, FACTS, audit_images.COMMON_QUALITY, ""]).encode()).hexdigest()[:16]
    key = hashlib.sha256(f"{salt}:a.png:{status.st_size}:{status.st_mtime_ns}".encode()).hexdigest()[:32]
    values = [None, *(0.5 * n for n in range(1, len(FACTS)))]
    facts = {"sha256": "ab" * 32, "values": values, "hash": ["1", "2", "3", "f"], "thumb": "07" * 256, "error": None}
    (tmp_path / "facts.jsonl").write_text(key + json.dumps(facts) + "\n")
    found = audit_images.read_images(Manifest.open(tmp_path / "m.csv"), store=tmp_path / "facts.jsonl")
    assert found.sha256 == [b"\xab" * 32]
    assert found.facts[0, 1:].tolist() == values[1:]
    assert found.hashes.tolist() == [[1, 2, 3, 15]]
