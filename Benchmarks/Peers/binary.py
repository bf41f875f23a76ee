"""Binary codes against a plain binary auto-encoder in numpy (after Tissier, Gravier, Habrard 2019): error and time.

The reference: bit = W x > 0, x rebuilt from the bits by the tied weights and a bias, trained by stochastic gradient with
the penalty |W W^T - I|^2 / 2, straight through the step, for 5 epochs; codes are the signs. Nothing is refitted or tuned.

With --reference, the implementation of that paper's authors (github.com/tca19/near-lossless-binarization, C over BLAS) on
the same table in the same run, in turns with dpq: its training and coding at its default settings and compiler flags, by
binary_reference.c. What it rebuilds rows to leaves their scale to its learning rate; so the error is also given that its
bits reach with the vectors that fit them best (least squares), which is what ours are compared with.

    git clone https://github.com/tca19/near-lossless-binarization reference
    OMP_NUM_THREADS=1 python3 Benchmarks/Peers/binary.py --dpq .build/release/dpq --table table.npy --bits 256 --reference reference
"""

import argparse
import json
import os
import pathlib
import resource
import statistics
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


class Reference:
    """The authors' program: binarize.c of a clone, without its reading and writing of text."""

    def __init__(self, clone, x, bits, blas, folder):
        self.x, self.bits = x, bits
        self.folder, self.program = folder, os.path.join(folder, "reference")
        source = pathlib.Path(__file__).with_name("binary_reference.c")
        subprocess.run(["gcc", "-I", clone, str(source), "-o", self.program, "-Wno-unused-result", "-Ofast", "-funroll-loops",
                        f"-l{blas}", "-lm"], check=True)
        x.tofile(os.path.join(folder, "table.f32"))

    def path(self, name):
        return os.path.join(self.folder, name)

    def run(self):
        """The processor's seconds of training and coding."""
        command = [self.program, self.path("table.f32"), *map(str, self.x.shape), str(self.bits), "5", self.path("codes")]
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        return float(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)

    def errors(self):
        """Of its own decoder, and of its bits with the vectors and the bias that fit them best."""
        rows, dimension = self.x.shape
        longs = self.bits // 64
        with open(self.path("codes"), "rb") as file:
            codes = np.fromfile(file, np.uint64, rows * longs).reshape(rows, longs)
            w = np.fromfile(file, np.float32, self.bits * dimension).reshape(self.bits, dimension)
            bias = np.fromfile(file, np.float32, dimension)
        places = np.arange(63, -1, -1, dtype=np.uint64)
        bits = (codes[:, :, None] >> places & np.uint64(1)).reshape(rows, self.bits).astype(np.float32)
        if (np.mean((self.x @ w.T > 0) == bits)) < 0.999:
            raise SystemExit("the weights are not those of the codes")
        known = np.hstack([bits, np.ones((rows, 1), np.float32)])
        moments = (known.T @ known).astype(np.float64) + 1e-3 * np.eye(self.bits + 1)
        vectors = np.linalg.solve(moments, (known.T @ self.x).astype(np.float64)).astype(np.float32)
        return relative(self.x, np.clip(bits @ w + bias, -1, 1)), relative(self.x, known @ vectors)


def relative(x, rebuilt):
    return float(((x - rebuilt) ** 2).sum() / (x**2).sum())


class Ours:
    def __init__(self, dpq, table, bits, folder):
        self.command = [dpq, "compress", table, "-o", os.path.join(folder, "bits.dpq"), "--force", "--method", "binary",
                        "--bits", str(bits), "--threads", "1", "--json", "--quiet"]
        self.report = None

    def run(self):
        """The processor's seconds of the whole command: training and coding, but also reading, measuring and writing."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.report = json.loads(subprocess.run(self.command, check=True, capture_output=True, text=True).stdout)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dpq", default=".build/release/dpq")
    parser.add_argument("--table", required=True)
    parser.add_argument("--bits", type=int, default=256)
    parser.add_argument("--reference", metavar="FOLDER", help="a clone of the authors' program")
    parser.add_argument("--blas", default="openblas", help="the library it is linked with")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-plain", action="store_true", help="leave the auto-encoder in numpy out")
    options = parser.parse_args()
    if options.reference and options.bits % 64:
        parser.error("the reference takes bits by the 64")
    x = np.load(options.table).astype(np.float32)
    result = {"table": os.path.basename(options.table), "shape": x.shape, "bits": options.bits}
    if not options.no_plain:
        start = time.process_time()
        rebuilt = auto_encoder(x, options.bits)
        result["plain"] = {"relative_error": relative(x, rebuilt), "processor_seconds": time.process_time() - start}
        del rebuilt
    with tempfile.TemporaryDirectory(prefix="dpq-binary-") as folder:
        ours = Ours(options.dpq, options.table, options.bits, folder)
        reference = Reference(options.reference, x, options.bits, options.blas, folder) if options.reference else None
        seconds = {"dpq": [], "reference": []}
        for _ in range(options.rounds):
            seconds["dpq"].append(ours.run())
            if reference:
                seconds["reference"].append(reference.run())
        median = {name: statistics.median(all_seconds) for name, all_seconds in seconds.items() if all_seconds}
        result["dpq"] = {"relative_error": ours.report["relative_error"], "seconds": ours.report["seconds"],
                         "processor_seconds": median["dpq"], "processor_seconds_all": seconds["dpq"]}
        if reference:
            own, refitted = reference.errors()
            result["reference"] = {"relative_error": own, "relative_error_refitted": refitted, "blas": options.blas,
                                   "processor_seconds": median["reference"],
                                   "processor_seconds_all": seconds["reference"]}
            result["times_as_fast"] = median["reference"] / median["dpq"]
            result["error_to_refitted"] = result["dpq"]["relative_error"] / refitted
    print(json.dumps(result))


if __name__ == "__main__":
    main()
