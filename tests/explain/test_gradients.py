"""Maps against autograd: our closed form, saliency and SmoothGrad give what captum gives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")
attr = pytest.importorskip("captum.attr", reason="captum, of the extra dev, is the oracle")

from unmask.bundle.bundle import ask_graph  # noqa: E402
from unmask.errors import UsageError  # noqa: E402
from unmask.explain.gradients import gradient_maps, saliency, smoothgrad, strongest_features  # noqa: E402
from unmask.imaging.session import single_thread_session  # noqa: E402
from unmask.models.network import FaceNetwork  # noqa: E402
from unmask.recipes import Recipe  # noqa: E402
from unmask.training.export import export_onnx  # noqa: E402
from unmask.training.fit import load_run  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("ignore:Input Tensor 0 did not already require")]

SIZE = 64


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Networks this small are fastest on one thread, above all on a machine that is busy with something else."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


HEADS = {
    "linear": {},
    "dense": {"kind": "dense", "units": [24, 12], "batch_norm": True},
    "softmax": {"kind": "dense", "units": [16], "output": "softmax"},
    "mirrored": {"mirror": True},
}


def network(head: dict[str, Any]) -> FaceNetwork:
    torch.manual_seed(4)
    backbone = {"name": "test_efficientnet", "weights": ["none"]}
    made = FaceNetwork(
        Recipe.model_validate({"name": "t", "backbone": backbone, "preprocessing": {"size": SIZE}, "head": head})
    )
    torch.nn.init.normal_(made.head.linear.weight, std=0.5)
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean, std=0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    return made.eval()


def pixels() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (SIZE, SIZE, 3), np.uint8)


class Logit(torch.nn.Module):
    def __init__(self, inner: FaceNetwork) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, batch: Any) -> Any:
        return self.inner(batch)[0]


@pytest.mark.parametrize("kind", ["linear", "dense", "softmax"])
def test_the_closed_form_is_grad_cam(kind: str) -> None:
    """captum weighs channels by the mean of their gradient and leaves out the constant; ReLU is left out of both."""
    made = network(HEADS[kind])
    batch = torch.from_numpy(pixels())[None]
    oracle = attr.LayerGradCam(Logit(made), made.branches[0]).attribute(batch.float())[0, 0].detach().numpy()
    height, width = oracle.shape
    oracle = oracle * height * width
    logit, evidence = (each[0].detach().numpy() for each in made(batch))
    oracle += logit - oracle.mean()
    assert np.ptp(oracle) > 0.01
    np.testing.assert_allclose(evidence, oracle, atol=1e-4)
    if kind == "dense":  # the exported graph, in which there is no autograd, says the same
        answer = ask_graph(single_thread_session(export_onnx(made, SIZE)), pixels()[None])
        np.testing.assert_allclose(answer.evidence[0], oracle, atol=1e-4)


def test_the_map_of_a_mirroring_network_is_the_mean_over_both_sides() -> None:
    made = network(HEADS["mirrored"])
    plain = network(HEADS["linear"])
    plain.load_state_dict(made.state_dict())
    grad_cam = attr.LayerGradCam(Logit(plain), plain.branches[0])
    sides = []
    for side in (pixels(), pixels()[:, ::-1].copy()):
        batch = torch.from_numpy(side)[None]
        cam = grad_cam.attribute(batch.float())[0, 0].detach().numpy() * (SIZE // 32) ** 2
        sides.append(cam + float(plain(batch)[0].detach()) - cam.mean())
    evidence = made(torch.from_numpy(pixels())[None])[1][0].detach().numpy()
    np.testing.assert_allclose(evidence, (sides[0] + sides[1][:, ::-1]) / 2, atol=1e-4)


@pytest.mark.parametrize("kind", ["linear", "dense", "mirrored"])
def test_saliency_is_captums(kind: str) -> None:
    made = network(HEADS[kind])
    oracle = attr.Saliency(Logit(made)).attribute(torch.from_numpy(pixels())[None].float())[0].amax(2).numpy()
    np.testing.assert_allclose(saliency(made, pixels()), oracle, atol=1e-4 * oracle.max())
    assert oracle.max() > 0


def test_smoothgrad_is_the_mean_gradient_over_noise() -> None:
    made = network(HEADS["linear"])
    plain = torch.from_numpy(pixels())[None].float()
    generator = torch.Generator().manual_seed(7)
    noisy = torch.cat([plain + 25.5 * torch.randn(plain.shape, generator=generator) for _ in range(6)])
    oracle = attr.Saliency(Logit(made)).attribute(noisy, abs=False).mean(0).abs().amax(2).numpy()
    ours = smoothgrad(made, pixels(), seed=7, samples=6)
    np.testing.assert_allclose(ours, oracle, atol=1e-4 * oracle.max())
    np.testing.assert_array_equal(ours, smoothgrad(made, pixels(), seed=7, samples=6))
    assert not np.array_equal(ours, smoothgrad(made, pixels(), seed=8, samples=6))
    # Without noise it is saliency.
    np.testing.assert_allclose(smoothgrad(made, pixels(), samples=2, noise=0), saliency(made, pixels()), rtol=1e-5)


def test_the_strongest_features_add_up_to_a_linear_logit() -> None:
    made = network(HEADS["linear"])
    found = strongest_features(made, pixels(), made.feature_width)
    logit = float(made(torch.from_numpy(pixels())[None])[0].detach())
    assert sum(each.share for each in found) + float(made.head.linear.bias.detach()) == pytest.approx(logit, abs=1e-4)
    sizes = [abs(each.share) for each in found]
    assert sizes == sorted(sizes, reverse=True)
    weight = made.head.linear.weight[0].detach().numpy()
    for each in found[:5]:
        assert float(weight[each.channel] * each.activation.mean()) == pytest.approx(each.share, abs=1e-5)


def test_all_of_it_leaves_the_network_as_it_was() -> None:
    made = network(HEADS["linear"])
    before = {key: value.clone() for key, value in made.state_dict().items()}
    maps = gradient_maps(made, pixels())
    assert maps.saliency.shape == maps.smoothgrad.shape == (SIZE, SIZE)
    assert len(maps.features) == 8
    assert all(torch.equal(value, before[key]) for key, value in made.state_dict().items())
    assert all(parameter.grad is None for parameter in made.parameters())


def test_a_folder_without_a_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run"):
        load_run(tmp_path)
