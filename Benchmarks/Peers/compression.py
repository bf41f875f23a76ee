"""Compresses tables with faiss's ProductQuantizer and with `dpq compress`, the same work, in one run.

For each table and setting, with the same groups and codes, 25 iterations over all rows:
  error   mean squared error of the reconstruction, mean over the seeds, computed here in float64 from what each wrote
  whole   seconds of the whole process, from start to written file, medians, the two in turn

Usage: compression.py --dpq PATH [--threads 2] [--seeds 5] [--json FILE] TABLE.npy GROUPSxCODES [GROUPSxCODES ...] [TABLE.npy ...]
Needs numpy and faiss-cpu. Tables are .npy, f32 or f16.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

FAISS = """
import sys, numpy as np, faiss
table, groups, codes, seed, threads, out = sys.argv[1], *map(int, sys.argv[2:6]), sys.argv[6]
faiss.omp_set_num_threads(threads)
x = np.ascontiguousarray(np.load(table).astype(np.float32))
bits = (codes - 1).bit_length()
assert 1 << bits == codes, "faiss wants a power of two"
pq = faiss.ProductQuantizer(x.shape[1], groups, bits)
pq.cp.niter, pq.cp.seed = 25, seed
pq.cp.max_points_per_centroid = 1 << 30  # all rows; the default silently takes a sample
pq.cp.min_points_per_centroid = 1
pq.train(x)
codes = pq.compute_codes(x)
np.savez(out, codes=codes, codebook=faiss.vector_to_array(pq.centroids))
if len(sys.argv) > 7:
    np.save(sys.argv[7], pq.decode(codes))
"""


def run(command, environment=None):
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(f"{command[0]} failed: {done.stderr}")
    return time.perf_counter() - start, done.stdout


def mean_squared_error(table, decoded):
    total = 0.0
    for first in range(0, len(table), 8192):
        a = table[first : first + 8192].astype(np.float64)
        total += ((a - decoded[first : first + 8192]) ** 2).sum()
    return total / table.size


def compare(arguments, path, setting, folder):
    groups, codes = map(int, setting.split("x"))
    table = np.load(path, mmap_mode="r")
    peers = {k: v for k, v in os.environ.items() if k != "OPENBLAS_CORETYPE"}
    if arguments.faiss_coretype:
        peers["OPENBLAS_CORETYPE"] = arguments.faiss_coretype
    ours, theirs = [], []
    seconds = {"dpq": [], "faiss": []}
    decoded = os.path.join(folder, "decoded.npy")
    for seed in range(1, arguments.seeds + 1):
        model = os.path.join(folder, "model.dpq")
        command = [arguments.dpq, "compress", path, "-o", model, "--groups", str(groups), "--codes", str(codes)]
        command += ["--seed", str(seed), "--threads", str(arguments.threads), "--force", "--quiet"] + arguments.option
        seconds["dpq"].append(run(command)[0])
        run([arguments.dpq, "decode", model, "-o", decoded, "--force", "--quiet"])
        ours.append(mean_squared_error(table, np.load(decoded, mmap_mode="r")))
        written = os.path.join(folder, "faiss.npz")
        script = [sys.executable, "-c", FAISS, path, groups, codes, seed, arguments.threads, written]
        script = [str(part) for part in script]
        seconds["faiss"].append(run(script, peers)[0])
        run(script + [decoded], peers)
        theirs.append(mean_squared_error(table, np.load(decoded, mmap_mode="r")))
    return {
        "table": os.path.basename(path), "rows": table.shape[0], "dimension": table.shape[1], "groups": groups,
        "codes": codes, "threads": arguments.threads, "seeds": arguments.seeds,
        "mse_dpq": statistics.mean(ours), "mse_faiss": statistics.mean(theirs),
        "error_ratio": statistics.mean(ours) / statistics.mean(theirs),
        "spread_dpq": (max(ours) - min(ours)) / statistics.mean(ours),
        "spread_faiss": (max(theirs) - min(theirs)) / statistics.mean(theirs),
        "seconds_dpq": statistics.median(seconds["dpq"]), "seconds_faiss": statistics.median(seconds["faiss"]),
        "seconds_dpq_all": seconds["dpq"], "seconds_faiss_all": seconds["faiss"],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dpq", required=True, help="the dpq command, a release build")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", help="write the results here as well")
    parser.add_argument("--faiss-coretype", help="OPENBLAS_CORETYPE for faiss, whose OpenBLAS may not know the processor")
    parser.add_argument("--option", action="append", default=[], help="one more word for dpq compress; repeatable")
    parser.add_argument("work", nargs="+", metavar="TABLE SETTING…", help="a table, then its settings; tables end in .npy")
    arguments = parser.parse_args()
    jobs = []
    for word in arguments.work:
        if word.endswith(".npy"):
            table = word
        else:
            jobs.append((table, word))
    results = []
    print("| table | setting | mse dpq | mse faiss | ratio | seconds dpq | seconds faiss | times faster |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for table, setting in jobs:
            r = compare(arguments, table, setting, folder)
            results.append(r)
            print(f"| {r['table']} | {setting} | {r['mse_dpq']:.6g} | {r['mse_faiss']:.6g} | {r['error_ratio']:.4f} "
                  f"| {r['seconds_dpq']:.2f} | {r['seconds_faiss']:.2f} "
                  f"| {r['seconds_faiss'] / r['seconds_dpq']:.1f} |", flush=True)
            if arguments.json:
                with open(arguments.json, "w") as file:
                    json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
