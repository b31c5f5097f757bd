"""Images per second that one thread trains on, with freed memory kept or returned, in single precision or bf16.

    python benchmarks/training_step.py --out benchmarks/results/training-step.json

Forward pass, backward pass and optimiser step of ``unmask-single``'s network on a batch of random pixels. The four ways
alternate, each time in a new process, because the handling of memory cannot be changed back. The baseline is the first
one: single precision with the defaults of glibc. Rates are images per second of CPU time, so that other work on the
machine matters little.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from _report import argument_parser, describe_run, write_json

_PACKAGES = ("unmask", "torch", "timm")
_WAYS = {
    "returned": ("32-true", False),
    "kept": ("32-true", True),
    "returned-bf16": ("bf16-mixed", False),
    "kept-bf16": ("bf16-mixed", True),
}
_BATCH = 32


def main() -> None:
    """Measure and write the result."""
    parser = argument_parser(__doc__)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--way", choices=_WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--smoke", action="store_true", help="mark the result as a trial run")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if arguments.way:
        print(json.dumps(_train(*_WAYS[arguments.way], arguments.steps)))
        return
    found: dict[str, list[dict[str, float]]] = {name: [] for name in _WAYS}
    for _ in range(arguments.rounds):
        for name, answers in found.items():
            command = [sys.executable, __file__, "--way", name, "--steps", str(arguments.steps)]
            answers.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
            print(name, answers[-1], file=sys.stderr, flush=True)
    ways = {name: _summary(answers) for name, answers in found.items()}
    result: dict[str, Any] = {"batch": _BATCH, "steps": arguments.steps, "rounds": arguments.rounds, "ways": ways}
    for figures in ways.values():
        figures["ratio"] = round(figures["pictures_per_cpu_s"] / ways["returned"]["pictures_per_cpu_s"], 2)
    write_json(arguments.out, {"run": describe_run(_PACKAGES, "", smoke=arguments.smoke), **result})


def _summary(answers: list[dict[str, float]]) -> dict[str, float]:
    return {key: round(statistics.median(answer[key] for answer in answers), 2) for key in answers[0]}


def _train(precision: str, keep: bool, steps: int) -> dict[str, float]:
    import resource

    import torch

    from unmask import Recipe
    from unmask.models.network import FaceNetwork
    from unmask.training.memory import keep_freed_memory

    if keep and not keep_freed_memory():
        raise SystemExit("this C library has no such setting")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    recipe = Recipe.load("unmask-single", ("backbone.weights=[none]",))
    network = FaceNetwork(recipe).train()
    optimizer = torch.optim.AdamW(network.parameters())
    side = recipe.preprocessing.size
    pixels = torch.randint(0, 256, (_BATCH, side, side, 3), dtype=torch.uint8)
    target = torch.arange(_BATCH).remainder(2).float()

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
            logit = network(pixels)[0]
        torch.nn.functional.binary_cross_entropy_with_logits(logit.float(), target).backward()
        optimizer.step()

    step()
    before = resource.getrusage(resource.RUSAGE_SELF)
    for _ in range(steps):
        step()
    after = resource.getrusage(resource.RUSAGE_SELF)
    user, system = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
    return {
        "pictures_per_cpu_s": _BATCH * steps / (user + system),
        "system_share": system / (user + system),
        "peak_mib": after.ru_maxrss / 1024,
    }


if __name__ == "__main__":
    main()
