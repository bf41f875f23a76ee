"""Learning codebooks by k-means: faiss's `ProductQuantizer.train` over all rows, dpq with the first third of its sweeps over
every fourth row. Rates count all rows in every sweep of both; the share of the limit what dpq goes over."""

import faiss
import numpy as np

from assign import by_products
from common import in_turn, record


def run(run):
    rows, dimension, groups, codes, sweeps = (10_000 if run.quick else 100_000), 300, 50, 256, (5 if run.quick else 25)
    generator = np.random.default_rng(7)
    # Rows around 2000 centres: neither without structure nor made of clusters alone.
    centres = generator.standard_normal((2000, dimension), np.float32)
    table = centres[generator.integers(0, 2000, rows)] + generator.standard_normal((rows, dimension), np.float32)
    np.save(run.path("rows.npy"), table)
    quantizers = []

    def with_faiss():
        pq = faiss.ProductQuantizer(dimension, groups, codes.bit_length() - 1)
        pq.cp.niter = sweeps
        pq.cp.max_points_per_centroid = 1 << 30  # all rows; the default silently takes a sample
        pq.cp.min_points_per_centroid = 1
        pq.train(table)
        quantizers[:] = [pq]

    reports = []

    def with_dpq():
        reports.append(run.bench(
            "kmeans", "--input", run.path("rows.npy"), "--groups", groups, "--codes", codes, "--epochs", sweeps, repeat=1))
        return run.seconds(reports[-1])

    contenders = {"faiss by products": run.timed(lambda: by_products(with_faiss)), "dpq": with_dpq}
    if run.quick:
        contenders = {"faiss": run.timed(with_faiss), **contenders}  # minutes a run on all rows
    seconds = in_turn(min(run.rounds, 2), contenders)
    decoded = quantizers[0].decode(quantizers[0].compute_codes(table))
    error = float(np.mean((table.astype(np.float64) - decoded) ** 2))
    operations = reports[-1]["gflops"] * reports[-1]["seconds"]
    yield record(
        "kmeans", {"rows": rows, "dimension": dimension, "groups": groups, "codes": codes, "sweeps": sweeps}, run, seconds,
        rows * sweeps / 1e6, "million row sweeps/s", "dpq", mse={"faiss": error, "dpq": reports[-1]["mse"]},
        error_ratio=reports[-1]["mse"] / error, gflops_per_rate=operations / (rows * sweeps / 1e6))
