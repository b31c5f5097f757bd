"""Graphs made to read files, to run without end or to fill the memory: refused, or stopped in time."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask.bundle import graph_check
from unmask.bundle import session as session_module
from unmask.bundle.bundle import Bundle
from unmask.bundle.golden import GoldenCase
from unmask.bundle.graph_check import check_graph
from unmask.bundle.session import checked_session, within
from unmask.detect.detector import Detector
from unmask.errors import BundleError

onnx = pytest.importorskip("onnx")
helper, T = onnx.helper, onnx.TensorProto

MakeGraph = Callable[..., bytes]
MakeBundle = Callable[..., Bundle]
Change = Callable[[Any], object]
GOLDEN = (GoldenCase(seed=0, logit=0.0, evidence_mean=0.0),)


def external(tensor: Any) -> Any:
    """The tensor, with its data said to be in another file."""
    tensor.data_location = T.EXTERNAL
    tensor.external_data.add(key="location", value="secret.bin")
    return tensor


def vector(name: str, values: list[int], *, raw: bool = False) -> Any:
    if raw:
        return onnx.numpy_helper.from_array(np.array(values, np.int64), name)
    return helper.make_tensor(name, T.INT64, [len(values)], values)


def subgraph(*tensors: Any) -> Any:
    node = helper.make_node("Constant", [], ["inner"], value=tensors[0]) if tensors else None
    return helper.make_graph(
        [node] if node else [], "inner", [], [helper.make_tensor_value_info("inner", T.FLOAT, None)]
    )


def add(*nodes: Any, tensors: tuple[Any, ...] = ()) -> Change:
    def change(model: Any) -> None:
        model.graph.node.extend(nodes)
        model.graph.initializer.extend(tensors)

    return change


def node(operator: str, *inputs: str, domain: str = "", **attributes: Any) -> Any:
    return helper.make_node(operator, list(inputs), [f"of {operator}"], domain=domain, **attributes)


def functions(model: Any) -> None:
    model.functions.add(name="f", domain="mine")


def sparse(model: Any) -> None:
    values, indices = helper.make_tensor("w", T.FLOAT, [1], [1.0]), vector("i", [0])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [10**12]))


def located_only(model: Any) -> None:
    model.graph.initializer[0].data_location = T.EXTERNAL


def huge_dims(model: Any) -> None:
    model.graph.initializer[0].dims[:] = [2**40, 2**40]


ONE = helper.make_tensor("one", T.FLOAT, [1], [1.0])
REFUSED: dict[str, tuple[Change, str]] = {
    # data that no hash covers, wherever a tensor may be
    "external": (add(tensors=(external(helper.make_tensor("x", T.FLOAT, [1], [0.0])),)), "another file"),
    "external, by its location alone": (located_only, "another file"),
    "external in a constant": (
        add(node("Constant", value=external(helper.make_tensor("x", T.FLOAT, [1], [0.0])))),
        "file",
    ),
    "external in a list": (
        add(node("Identity", "pixels", x=[external(helper.make_tensor("x", T.FLOAT, [1], [0.0]))])),
        "file",
    ),
    "external in a subgraph": (
        add(node("Identity", "pixels", then=subgraph(external(helper.make_tensor("x", T.FLOAT, [1], [0.0]))))),
        "graphs inside",
    ),
    # control flow
    "Loop": (add(node("Loop", "n", "c", body=subgraph())), "'Loop'"),
    "Scan": (add(node("Scan", "n", body=subgraph(), num_scan_inputs=1)), "'Scan'"),
    "If": (add(node("If", "c", then_branch=subgraph(), else_branch=subgraph())), "'If'"),
    "functions": (functions, "functions"),
    # other things than arithmetic
    "random numbers": (add(node("RandomNormal", shape=[1])), "'RandomNormal'"),
    "image files": (add(node("ImageDecoder", "pixels")), "'ImageDecoder'"),
    "another domain": (add(node("Add", "a", "b", domain="com.microsoft")), "'com.microsoft'"),
    "no operator": (add(node("", "a")), "''"),
    "a name that commands terminals": (add(node("\x1b[2J" * 99, "a")), "\\x1b"),
    # 4 GB out of a few bytes
    "a filled constant": (add(node("ConstantOfShape", "s"), tensors=(vector("s", [10**9]),)), "ConstantOfShape"),
    "a filled constant, raw": (
        add(node("ConstantOfShape", "s"), tensors=(vector("s", [10**9], raw=True),)),
        "1024 MiB",
    ),
    "its shape from a node": (
        add(helper.make_node("Constant", [], ["s"], value=vector("", [10**5, 10**5])), node("Expand", "one", "s")),
        "Expand",
    ),
    "its shape from numbers": (
        add(helper.make_node("Constant", [], ["s"], value_ints=[2**20, 2**20]), node("Tile", "one", "s")),
        "Tile",
    ),
    "sparse": (sparse, "sparse"),
    "an impossible shape": (huge_dims, "impossible shape"),
    "too many nodes": (add(*[node("Identity", "pixels")] * 20_001), "20,000 nodes"),
    "too many tensors": (add(tensors=(ONE,) * 20_001), "20,000 tensors"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_graph_is_refused(case: str, make_graph: MakeGraph) -> None:
    change, part = REFUSED[case]
    model = onnx.load_model_from_string(make_graph())
    change(model)
    with pytest.raises(BundleError) as caught:
        check_graph(model.SerializeToString())
    assert caught.value.code == "bad_model"
    assert part in caught.value.message
    assert len(caught.value.message) < 240 and caught.value.message.isprintable()


def test_external_data_is_refused_before_onnx_runtime_reads_it(
    make_bundle: MakeBundle, make_graph: MakeGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = onnx.load_model_from_string(make_graph())
    next(item for item in model.graph.initializer if item.name == "offset").CopyFrom(
        external(helper.make_tensor("offset", T.FLOAT, [], [0.0]))
    )
    (tmp_path / "secret.bin").write_bytes(np.float32(9).tobytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(session_module, "open_session", lambda *_: pytest.fail("ONNX Runtime saw it"))
    bundle = make_bundle(tmp_path / "b", model=model.SerializeToString(), golden=GOLDEN)
    for use in (bundle.verify, lambda: Detector(bundle)):
        with pytest.raises(BundleError, match="another file") as caught:
            use()
        assert caught.value.code == "bad_model"


@pytest.mark.parametrize(
    "data",
    [
        b"\x3a\xff\xff\xff\xff\x0f",  # a graph longer than the file
        b"\x3a",  # cut after a key
        b"\x08",  # a number that is not there
        b"\x0d\0\0",  # half a fixed number
        b"\x3b",  # a group, which nothing writes
        b"\xba\x80\x80\x80\x10\0",  # a key whose upper bits other readers drop: to them, a graph
        b"\x08" + b"\xff" * 10,  # a number without end
    ],
)
def test_a_malformed_file(data: bytes) -> None:
    with pytest.raises(BundleError, match="malformed"):
        check_graph(data)


@settings(max_examples=200, deadline=1000)
@given(st.binary(max_size=200))
def test_any_bytes_are_accepted_or_refused(data: bytes) -> None:
    for content in (data, b"\x3a" + bytes([min(len(data), 127)]) + data[:127]):
        try:
            check_graph(content)
        except BundleError as error:
            assert error.code == "bad_model"


def test_the_shipped_graphs_pass() -> None:
    assets = Path(graph_check.__file__).parents[1] / "assets"
    found = sorted(assets.rglob("*.onnx"))
    assert len(found) >= 6
    for path in found:
        check_graph(path.read_bytes())


def slow_graph(make_graph: MakeGraph, *, fold: bool) -> bytes:
    """A long chain of large products, of allowed operators; constant (done on loading) or of the pixels."""
    model = onnx.load_model_from_string(make_graph())
    side, graph = 700, model.graph
    graph.initializer.extend([vector("side", [side, side]), helper.make_tensor("tiny", T.FLOAT, [], [1e-3])])
    graph.node.append(helper.make_node("Expand", ["tiny", "side"], ["big"]))
    if fold:
        graph.node.append(helper.make_node("Identity", ["big"], ["p0"]))
    else:
        graph.node.append(helper.make_node("ReduceMean", ["floats"], ["one"], keepdims=0))
        graph.node.append(helper.make_node("Mul", ["big", "one"], ["p0"]))
    count = 300 if fold else 2000
    for at in range(count):
        graph.node.append(helper.make_node("MatMul", [f"p{at}", "big"], [f"p{at + 1}"]))
    graph.node.append(helper.make_node("ReduceMean", [f"p{count}"], ["mean"], keepdims=0))
    last = next(item for item in graph.node if item.output[0] == "logit")
    last.output[0] = "plain"
    graph.node.append(helper.make_node("Add", ["plain", "mean"], ["logit"]))
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(("fold", "what"), [(True, "Loading"), (False, "A run")])
def test_a_graph_that_takes_too_long_is_stopped(
    fold: bool,
    what: str,
    make_bundle: MakeBundle,
    make_graph: MakeGraph,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session_module, "LOAD_SECONDS", 0.7 if fold else 60.0)
    monkeypatch.setattr(session_module, "RUN_SECONDS", 0.4)
    bundle = make_bundle(tmp_path / "b", model=slow_graph(make_graph, fold=fold), golden=GOLDEN)
    pixels = np.full((40, 40, 3), 128, np.uint8)
    for use in (bundle.verify, lambda: Detector(bundle).detect(pixels)):
        started = time.monotonic()
        with pytest.raises(BundleError, match=f"{what} .*was stopped") as caught:
            use()
        assert caught.value.code == "graph_deadline"
        assert time.monotonic() - started < 10
    monkeypatch.setattr(session_module, "LOAD_SECONDS", 60.0)
    monkeypatch.setattr(session_module, "RUN_SECONDS", 30.0)
    assert checked_session(make_graph()).run(["logit"], {"pixels": np.zeros((1, 32, 32, 3), np.uint8)})[0] == -8


def test_more_images_have_more_time(make_graph: MakeGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    inner = session_module.within
    monkeypatch.setattr(session_module, "within", lambda seconds, *rest: asked.append(seconds) or inner(seconds, *rest))
    session = checked_session(make_graph())
    for count in (1, 5):
        session.run(["logit"], {"pixels": np.zeros((count, 32, 32, 3), np.uint8)})
    assert asked == [60, 30, 38]


def test_what_cannot_be_stopped_is_left_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """One operator that takes too long: the caller gets an error, and its next call a new thread."""
    monkeypatch.setattr(session_module, "STOP_SECONDS", 0.1)
    stopped = []
    started = time.monotonic()
    with pytest.raises(BundleError) as caught:
        within(0.1, lambda: time.sleep(1), lambda: stopped.append(1), "It")
    assert (caught.value.code, stopped) == ("graph_deadline", [1])
    assert within(1, lambda: 7, lambda: None, "It") == 7
    assert time.monotonic() - started < 0.9


def test_errors_come_back_from_the_thread() -> None:
    with pytest.raises(ZeroDivisionError):
        within(1, lambda: 1 // 0, lambda: None, "It")


def test_memory_is_bounded(tiny_bundle: Path) -> None:
    """A constant whose size only the run knows, of 17 GB: refused where that is too much."""
    code = """
import numpy as np, onnx, sys
from onnx import helper, TensorProto as T
from unmask.bundle import session
session.MIN_MEMORY, session._machine_memory = 64 << 20, lambda: 0
from unmask.errors import BundleError
nodes = [helper.make_node("Cast", ["pixels"], ["side"], to=T.INT64),
    helper.make_node("ConstantOfShape", ["side"], ["y"])]
graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("pixels", T.UINT8, ["n"])],
    [helper.make_tensor_value_info("y", T.FLOAT, None)])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10).SerializeToString()
found = session.checked_session(model)
assert found.run(None, {"pixels": np.array([255, 255], np.uint8)})[0].shape == (255, 255)
try:
    found.run(None, {"pixels": np.array([255, 255, 255, 255], np.uint8)})
except BundleError as error:
    sys.exit(0 if error.code == "graph_memory" else error.message)
sys.exit("no error")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
