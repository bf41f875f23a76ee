"""Nearest codes of all rows: faiss (its default and its fastest mode), numpy, torch, nanopq, dpq."""

import faiss
import numpy as np
import torch

from common import compare_codes, in_turn, record

# dimension, groups, codes
SHAPES = [(300, 50, 256), (768, 96, 256), (128, 16, 256), (512, 32, 256), (300, 100, 32), (512, 128, 16)]


def faiss_quantizer(codebook, dimension):
    groups, codes, _ = codebook.shape
    pq = faiss.ProductQuantizer(dimension, groups, codes.bit_length() - 1)
    faiss.copy_array_to_vector(np.ascontiguousarray(codebook, np.float32).ravel(), pq.centroids)
    return pq


def unpack(packed, groups, codes):
    """Codes of faiss, least significant bit first, one element each."""
    bits = codes.bit_length() - 1
    if bits == 8:
        return packed
    flat = np.unpackbits(packed, axis=1, bitorder="little")[:, : groups * bits]
    return (flat.reshape(len(packed), groups, bits) << np.arange(bits, dtype=np.uint8)).sum(axis=2).astype(np.uint8)


def by_products(function):
    """Runs `function` with faiss's searches by fused or matrix products, ten times as fast as its default: since 1.15 that
    default is one query after another below 128 000 of them."""
    usual = faiss.cvar.distance_compute_blas_threshold
    faiss.cvar.distance_compute_blas_threshold = 20
    try:
        function()
    finally:
        faiss.cvar.distance_compute_blas_threshold = usual


def with_index(pq, rows):
    """faiss's other way: a flat index for each group's codewords."""
    index = faiss.IndexFlatL2(pq.dsub)
    pq.assign_index = index
    result = np.empty((len(rows), pq.code_size), np.uint8)

    def run():
        by_products(lambda: pq.compute_codes_with_assign_index(
            faiss.swig_ptr(rows), faiss.swig_ptr(result), len(rows)))

    run.keep = (pq, index)
    return run, result


def contenders(rows, codebook):
    """Functions that do the work, and where each leaves its codes."""
    groups, codes, width = codebook.shape
    count, dimension = rows.shape
    work, results = {}, {}

    plain = faiss_quantizer(codebook, dimension)
    results["faiss"] = np.empty((count, plain.code_size), np.uint8)
    work["faiss"] = lambda: plain.compute_codes_c(faiss.swig_ptr(rows), faiss.swig_ptr(results["faiss"]), count)

    turned = faiss_quantizer(codebook, dimension)
    turned.sync_transposed_centroids()
    results["faiss transposed"] = np.empty((count, turned.code_size), np.uint8)
    work["faiss transposed"] = lambda: turned.compute_codes_c(
        faiss.swig_ptr(rows), faiss.swig_ptr(results["faiss transposed"]), count)

    work["faiss index"], results["faiss index"] = with_index(faiss_quantizer(codebook, dimension), rows)

    half_norms = (codebook.astype(np.float64) ** 2).sum(axis=2).astype(np.float32) / 2
    columns = [np.ascontiguousarray(codebook[g].T) for g in range(groups)]
    results["numpy"] = np.empty((count, groups), np.uint8)
    block = max(64, (1 << 18) // codes)  # a megabyte of scores stays in the cache
    scores = np.empty((block, codes), np.float32)

    def with_numpy():
        for first in range(0, count, block):
            part = rows[first : first + block]
            space = scores[: len(part)]
            for g in range(groups):
                np.matmul(part[:, g * width : (g + 1) * width], columns[g], out=space)
                np.subtract(space, half_norms[g], out=space)
                results["numpy"][first : first + block, g] = space.argmax(axis=1)

    work["numpy"] = with_numpy

    tensor = torch.from_numpy(rows)
    keys = torch.from_numpy(np.ascontiguousarray(codebook.transpose(0, 2, 1)))
    shift = -torch.from_numpy(half_norms)[:, None, :]
    results["torch"] = np.empty((count, groups), np.uint8)
    torch_block = max(64, (1 << 20) // (codes * groups))

    def with_torch():
        for first in range(0, count, torch_block):
            part = tensor[first : first + torch_block].view(-1, groups, width).transpose(0, 1)
            best = torch.baddbmm(shift, part, keys).argmax(dim=2)
            results["torch"][first : first + torch_block] = best.t().numpy()

    work["torch"] = with_torch

    try:
        import nanopq

        pq = nanopq.PQ(M=groups, Ks=codes, verbose=False)
        pq.Ds, pq.codewords = width, codebook

        def with_nanopq():
            results["nanopq"] = pq.encode(rows)

        work["nanopq"] = with_nanopq
    except ImportError:
        pass
    return work, results


def measure(run, count, dimension, groups, codes, names=None):
    """One shape at this worker's number of threads; `names` limits the peers."""
    generator = np.random.default_rng(dimension * 1000 + groups)
    rows = generator.standard_normal((count, dimension), np.float32)
    codebook = generator.standard_normal((groups, codes, dimension // groups), np.float32)
    np.save(run.path("rows.npy"), rows)
    np.save(run.path("codebook.npy"), codebook)
    work, results = contenders(rows, codebook)
    given = ["--input", run.path("rows.npy"), "--codebook", run.path("codebook.npy"), "--codes-out"]
    isa = []

    def dpq(*option, out):
        report = run.bench("assign", *given, run.path(out), *option)
        isa.append(report["isa"])
        return run.seconds(report)

    ways = {name: run.timed(function) for name, function in work.items() if not names or name in names}
    ways["dpq"] = lambda: dpq(out="fast.npy")
    ways["dpq exact"] = lambda: dpq("--exact", out="exact.npy")
    seconds = in_turn(run.rounds, ways)

    exact = np.load(run.path("exact.npy"))
    checks = {"dpq": compare_codes(rows, codebook, exact, np.load(run.path("fast.npy")))}
    for name in ways:
        if name in results:
            theirs = unpack(results[name], groups, codes) if name.startswith("faiss") else results[name]
            checks[name] = compare_codes(rows, codebook, exact, theirs)
    # Every other coding may differ where float32 cannot tell two codewords apart, but never be nearer than ours.
    equal = all(check["nearer"] < 1e-12 and check["farther"] < 1e-4 for check in checks.values())
    width = dimension // groups
    return record(
        "assign", {"rows": count, "dimension": dimension, "groups": groups, "codes": codes}, run, seconds, count / 1e6,
        "million rows/s", "dpq", isa=isa[0], checks=checks, codes_equal=equal,
        gflops_per_rate=2e-3 * dimension * codes, bound=width / (width + 1))


def run(run):
    for shape in filter(lambda shape: run.wants(*shape), SHAPES[:2] if run.quick else SHAPES):
        yield measure(run, 4096 if run.quick else 12288, *shape)
