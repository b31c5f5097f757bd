"""Time, memory and recall of the near-duplicate search, on synthetic hashes with known difficulties.

    python benchmarks/near_duplicates.py --n 1000000 --out benchmarks/results/near-duplicates.json

One hash in ten has independent bits. The others resemble aligned faces: biased bits, correlated through shared factors,
with the distances (mean 121.5, deviation 10.5) of the shared FFHQ and CelebA images (120.3, 10). Planted among them are
copies at every distance from 0 to four above the threshold, 2 % identical hashes (black images), and 2 % in cliques of
50 (video frames). Recall is against an exhaustive comparison of sampled hashes.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from _report import argument_parser, describe_run, write_json
from unmask.data.audit.duplicates import DEFAULT_MAX_DISTANCE, Hashes, clusters, distances, near_duplicates
from unmask.data.audit.hashing import HASH_BITS, HASH_WORDS

FRAMES = 50


def make_hashes(n: int, max_distance: int, rng: np.random.Generator) -> tuple[Hashes, np.ndarray]:
    """``n`` hashes, uint64 ``[n, 4]``, in random order, and the rows that were planted, ascending."""
    copies, black, frames = n // 50, n // 50, n // 50 // FRAMES * FRAMES
    base = n - copies - black - frames
    faces = base * 9 // 10
    parts = [rng.integers(0, 1 << 64, (base - faces, HASH_WORDS), dtype=np.uint64)]
    bias, loadings = rng.normal(0, 0.35, HASH_BITS), rng.normal(0, 0.2, (12, HASH_BITS))
    for start in range(0, faces, 20_000):
        count = min(20_000, faces - start)
        latent = rng.normal(size=(count, 12)) @ loadings + bias + rng.normal(size=(count, HASH_BITS))
        parts.append(np.packbits(latent > 0, axis=1).view(np.uint64))
    plain = np.concatenate(parts)
    parts = [plain, np.zeros((black, HASH_WORDS), np.uint64)]
    apart = np.arange(copies) % (max_distance + 5)
    parts.append(flip(plain[rng.integers(0, base, copies)], apart, rng))
    keys = np.repeat(plain[rng.integers(0, base, frames // FRAMES)], FRAMES, axis=0)
    parts.append(flip(keys, rng.integers(0, max_distance // 2 + 1, frames), rng))
    order = rng.permutation(n)
    return np.concatenate(parts)[order], np.flatnonzero(order >= base + black)


def flip(hashes: Hashes, counts: np.ndarray, rng: np.random.Generator) -> Hashes:
    """Flip the given number of random bits of each hash."""
    ranks = np.argsort(np.argsort(rng.random((len(hashes), HASH_BITS)), axis=1), axis=1)
    return hashes ^ np.packbits(ranks < counts[:, None], axis=1).view(np.uint64)


def recall(hashes: Hashes, rows: np.ndarray, max_distance: int, pairs: np.ndarray, complete: bool) -> dict[str, Any]:
    """Of all near pairs of the given rows (equal hashes as one), how many were found; or else are connected."""
    _, first, inverse = np.unique(hashes, axis=0, return_index=True, return_inverse=True)
    speaker = first[inverse.reshape(-1)]
    is_speaker = speaker == np.arange(len(hashes))
    columns = [np.ascontiguousarray(hashes[:, word]) for word in range(HASH_WORDS)]
    found = set(map(tuple, pairs.tolist()))
    labels = clusters(len(hashes), pairs)
    true = hit = connected = 0
    for row in np.unique(speaker[rows]):
        apart = sum(np.bitwise_count(column ^ column[row]).astype(np.int16) for column in columns)
        near = np.flatnonzero((apart <= max_distance) & is_speaker)
        near = near[near != row]
        true += len(near)
        hit += sum((min(row, other), max(row, other)) in found for other in near.tolist())
        connected += int((labels[near] == labels[row]).sum())
    share = (hit if complete else connected) / true if true else None
    return {
        "queries": len(rows), "true_pairs": true, "found": hit, "connected": connected, "recall": share,
        "recall_of": "pairs" if complete else "connections",
    }  # fmt: skip


def peak_mib() -> float:
    """The process's largest resident memory so far, MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def main() -> None:
    """Run the benchmark and write or print its result as JSON."""
    parser = argument_parser(__doc__)
    parser.add_argument("--n", type=int, default=1_000_000, help="hashes (default: %(default)s)")
    parser.add_argument("--max-distance", type=int, default=DEFAULT_MAX_DISTANCE)
    parser.add_argument("--max-pairs", type=int, default=5_000_000)
    parser.add_argument(
        "--queries", type=int, default=2000, help="hashes compared with all others, half of them planted"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="the JSON file to write (default: standard output)")
    args = parser.parse_args()

    rng = np.random.default_rng(args.seed)
    hashes, planted = make_hashes(args.n, args.max_distance, rng)
    sample = hashes[rng.integers(0, args.n, (2, 100_000))]
    made_mib = peak_mib()
    started, worked = time.perf_counter(), time.process_time()
    result = near_duplicates(hashes, args.max_distance, args.max_pairs)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - worked
    search_mib = peak_mib()
    started = time.perf_counter()
    labels = clusters(args.n, result.pairs)
    cluster_seconds = time.perf_counter() - started
    rows = np.concatenate([rng.choice(planted, args.queries // 2), rng.integers(0, args.n, args.queries // 2)])
    report = {
        "run": describe_run(("unmask", "numpy", "Pillow"), "", smoke=args.n < 1_000_000),
        "threads": 1,
        "hashes": args.n,
        "max_distance": args.max_distance,
        "mean_distance": round(float(distances(sample[0], sample[1]).mean()), 2),
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu_seconds, 2),
        "cluster_seconds": round(cluster_seconds, 2),
        "peak_mib": round(search_mib),
        "peak_mib_before_search": round(made_mib),
        "pairs": len(result.pairs),
        "complete": result.complete,
        "clusters_of_two_or_more": int((np.bincount(labels) > 1).sum()),
        "largest_cluster": int(np.bincount(labels).max()),
        "recall": recall(hashes, rows, args.max_distance, result.pairs, result.complete),
    }  # fmt: skip
    if args.out:
        write_json(args.out, report)
    else:
        print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
