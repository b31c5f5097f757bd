"""What computes the graphs: CPU, CUDA, or what there is. No GPU is needed: ONNX Runtime's answers are replaced."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import onnxruntime as ort
import pytest

from unmask.errors import BundleError, UsageError
from unmask.imaging import session

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    # Set first, so that what a test writes is taken back as well.
    monkeypatch.setenv(session.DEVICE, "cpu")


class Opened:
    """A session that got some of the providers that were asked for."""

    def __init__(self, got: list[str]) -> None:
        self.get_providers = lambda: got


def replace_runtime(monkeypatch: pytest.MonkeyPatch, available: list[str], working: list[str]) -> list[list[str]]:
    asked: list[list[str]] = []

    def opened(model: bytes, options: Any, *, providers: list[str], **_: Any) -> Opened:
        asked.append(providers)
        return Opened([name for name in providers if name in working])

    monkeypatch.setattr(ort, "get_available_providers", lambda: available)
    monkeypatch.setattr(ort, "InferenceSession", opened)
    return asked


@pytest.mark.parametrize(
    ("device", "available", "asked"),
    [
        ("cpu", [CUDA, CPU], [CPU]),  # the default stays on the CPU although there is a GPU
        ("cuda", [CUDA, CPU], [CUDA, CPU]),
        ("auto", [CUDA, CPU], [CUDA, CPU]),
        ("auto", [CPU], [CPU]),
        ("auto", ["AzureExecutionProvider", CPU], [CPU]),  # others are never used
    ],
)
def test_providers(monkeypatch: pytest.MonkeyPatch, device: str, available: list[str], asked: list[str]) -> None:
    found = replace_runtime(monkeypatch, available, available)
    session.use_device(device)
    session.open_session(b"", session.session_options())
    assert found == [asked]
    assert os.environ[session.DEVICE] == device  # so child processes use it, too


def test_cuda_without_it_is_an_error_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    replace_runtime(monkeypatch, [CPU], [CPU])
    with pytest.raises(BundleError, match="onnxruntime-gpu") as raised:
        session.use_device("cuda")
    assert raised.value.code == "no_gpu"
    assert os.environ[session.DEVICE] == "cpu"
    monkeypatch.setenv(session.DEVICE, "cuda")  # as a child process finds it
    with pytest.raises(BundleError) as raised:
        session.open_session(b"", session.session_options())
    assert raised.value.code == "no_gpu"


def test_cuda_whose_libraries_are_missing_is_not_replaced_by_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = replace_runtime(monkeypatch, [CUDA, CPU], [CPU])
    session.use_device("cuda")
    with pytest.raises(BundleError, match="driver or libraries") as raised:
        session.open_session(b"", session.session_options())
    assert raised.value.code == "no_gpu"
    session.use_device("auto")
    session.open_session(b"", session.session_options())
    assert asked == [[CUDA, CPU]] * 2


@pytest.mark.parametrize("name", ["gpu", "CUDA", "cuda:1"])
def test_other_names_are_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with pytest.raises(UsageError, match="cpu, cuda or auto"):
        session.use_device(name)
    monkeypatch.setenv(session.DEVICE, name)
    with pytest.raises(UsageError, match="cpu, cuda or auto"):
        session.open_session(b"", session.session_options())


@pytest.mark.skipif(CUDA in ort.get_available_providers(), reason="CUDA is here")
def test_the_command_says_that_there_is_no_cuda() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "unmask", "detect", "none.jpg", "--device", "cuda"], capture_output=True, text=True
    )
    assert (run.returncode, run.stdout) == (3, "")
    assert run.stderr.startswith("unmask: ONNX Runtime has no CUDA here: install onnxruntime-gpu")
    assert run.stderr.count("\n") == 1
