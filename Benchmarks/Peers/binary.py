"""Binary codes against a plain binary auto-encoder in numpy (after Tissier, Gravier, Habrard 2019): error and time.

The reference: bit = W x > 0, x rebuilt from the bits by the tied weights and a bias, trained by stochastic gradient with
the penalty |W W^T - I|^2 / 2, straight through the step, for 5 epochs; codes are the signs. Nothing is refitted or tuned.

    OMP_NUM_THREADS=1 python3 Benchmarks/Peers/binary.py --dpq .build/release/dpq --table table.npy --bits 256
"""

import argparse
import json
import os
import resource
import subprocess
import tempfile
import time

import numpy as np


def auto_encoder(x, bits, epochs=5, batch=75, rate=0.1, penalty=1.0, seed=1):
    """Returns codes and what they are rebuilt to."""
    generator = np.random.default_rng(seed)
    rows, dimension = x.shape
    scale = x.std()
    y = (x - x.mean(0)) / scale
    blocks = [np.linalg.qr(generator.standard_normal((dimension, dimension)))[0] for _ in range(-(-bits // dimension))]
    w = np.vstack(blocks)[:bits].astype(np.float32)
    bias, length = np.zeros(dimension, np.float32), np.float32(0.8)
    steps, step = epochs * (rows // batch), 0
    for _ in range(epochs):
        order = generator.permutation(rows)
        for start in range(0, rows - batch + 1, batch):
            now = np.float32(rate * (1 - step / steps))
            step += 1
            part = y[order[start : start + batch]]
            signs = np.where(part @ w.T > 0, np.float32(1), np.float32(-1))
            sums = signs @ w
            rest = length * sums + bias - part
            gradient = length * (signs.T @ rest + (rest @ w.T).T @ part) / batch
            if bits <= dimension:
                gradient += penalty * ((w @ w.T - np.eye(bits, dtype=np.float32)) @ w) / dimension
            else:
                gradient += penalty * (w @ (w.T @ w - np.eye(dimension, dtype=np.float32))) / dimension
            w -= now * gradient / dimension * 10
            bias -= now * rest.mean(0)
            length -= now * (rest * sums).mean()
    signs = np.where(y @ w.T > 0, np.float32(1), np.float32(-1))
    return (length * (signs @ w) + bias) * scale + x.mean(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dpq", default=".build/release/dpq")
    parser.add_argument("--table", required=True)
    parser.add_argument("--bits", type=int, default=256)
    options = parser.parse_args()
    x = np.load(options.table).astype(np.float32)
    start = time.process_time()
    rebuilt = auto_encoder(x, options.bits)
    seconds = time.process_time() - start
    error = float(((x - rebuilt) ** 2).sum() / (x**2).sum())
    output = os.path.join(tempfile.mkdtemp(prefix="dpq-binary-"), "bits.dpq")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = json.loads(subprocess.run(
        [options.dpq, "compress", options.table, "-o", output, "--method", "binary", "--bits", str(options.bits),
         "--threads", "1", "--json", "--quiet"], check=True, capture_output=True, text=True).stdout)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(json.dumps({
        "table": os.path.basename(options.table), "shape": x.shape, "bits": options.bits,
        "plain": {"relative_error": error, "processor_seconds": seconds},
        "dpq": {"relative_error": result["relative_error"], "seconds": result["seconds"],
                "processor_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}}))


if __name__ == "__main__":
    main()
