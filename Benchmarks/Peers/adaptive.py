"""Adaptive code lengths against fixed ones and tiers by frequency, at equal file bytes: weighted error of a bare table.

Rows weigh 1 / rank, rank being the row number + 1 (GloVe's rows are sorted by frequency; the ids of a sub-word vocabulary
follow the order of its merges, which is near to it). Every contestant is trained with these weights by the same command.

    python3 Benchmarks/Peers/adaptive.py --dpq .build/release/dpq --table glove.npy --sizes 600000,1060000 -o result.json

* fixed: the best of 16, 64, 256, 1024 and 4096 codes, each with the most groups that fit the size.
* frequency: tiers cut by rank alone, longer codes for the more frequent rows; cuts and layouts chosen by dynamic
  programming from measured errors at the given bytes, then codebooks trained on each tier, in turns, as the adaptive one.
* adaptive: dpq compress --adaptive, the target such that its whole file is no larger than the size.
"""

import argparse
import json
import os
import subprocess
import tempfile

import numpy as np


def run(dpq, *arguments):
    out = subprocess.run([dpq, *map(str, arguments), "--json", "--quiet"], check=True, capture_output=True, text=True)
    return json.loads(out.stdout)


class Bench:
    def __init__(self, options):
        self.codes = options.codes
        self.dpq, self.folder = options.dpq, tempfile.mkdtemp(prefix="dpq-adaptive-")
        self.x = np.load(options.table).astype(np.float32)
        self.rows, self.dimension = self.x.shape
        self.weights = 1 / np.arange(1, self.rows + 1)
        self.norm = float((self.weights * (self.x**2).sum(1)).sum())
        self.table = self.save("table.npy", self.x)
        self.weight_file = self.save("weights.npy", self.weights.astype(np.float32))

    def path(self, name):
        return os.path.join(self.folder, name)

    def save(self, name, values):
        np.save(self.path(name), values)
        return self.path(name)

    def groups(self):
        width = lambda g: -(-self.dimension // g)
        return [g for g in range(1, self.dimension + 1) if (g - 1) * width(g) < self.dimension]

    def bytes(self, groups, codes, rows=None):
        bits = (codes - 1).bit_length()
        rows = self.rows if rows is None else rows
        return rows * -(-groups * bits // 8) + 4 * codes * groups * -(-self.dimension // groups)

    def row_bytes(self, groups):
        return -(-groups * (self.codes - 1).bit_length() // 8)

    # ---- contestants

    def fixed(self, size):
        best = None
        for codes in (16, 64, 256, 1024, 4096):
            fitting = [g for g in self.groups() if self.bytes(g, codes) + 1600 <= size]
            if not fitting:
                continue
            result = run(self.dpq, "compress", self.table, "-o", self.path("fixed.dpq"), "--force", "--groups",
                         fitting[-1], "--codes", codes, "--weights", self.weight_file)
            entry = {"weighted_error": result["weighted_relative_error"], "file_bytes": result["file_bytes"],
                     "layout": f"{fitting[-1]}x{codes}"}
            if best is None or entry["weighted_error"] < best["weighted_error"]:
                best = entry
        return best

    def adaptive(self, size, tiers):
        target, best = 8 * size / self.rows * 0.8, None
        for _ in range(4):
            result = run(self.dpq, "compress", self.table, "-o", self.path("adaptive.dpq"), "--force", "--adaptive",
                         "--target-bits", round(target, 2), "--weights", self.weight_file, *tiers)
            if result["file_bytes"] <= size and (best is None or result["file_bytes"] > best["file_bytes"]):
                best = {"weighted_error": result["weighted_relative_error"], "file_bytes": result["file_bytes"],
                        "target_bits": round(target, 2), "bits_per_row": result["bits_per_row"],
                        "seconds": result["seconds"],
                        "tiers": [(t["rows"], f'{t["groups"]}x{t["codes"]}') for t in result["tiers"]]}
                if result["file_bytes"] > 0.995 * size:
                    break
            target += 8 * (0.998 * size - result["file_bytes"]) / self.rows
        return best

    def errors(self, model):
        """Squared error of every row of the table under a model's codebooks."""
        coded, rebuilt = self.path("coded.dpq"), self.path("rebuilt.npy")
        run(self.dpq, "encode", self.table, "--with", model, "-o", coded, "--force")
        run(self.dpq, "decode", coded, "-o", rebuilt, "--force")
        return ((self.x - np.load(rebuilt)) ** 2).sum(1)

    def train(self, rows, groups, name):
        table, weights = self.save("part.npy", self.x[rows]), self.save("part-weights.npy", self.weights[rows].astype(np.float32))
        run(self.dpq, "compress", table, "-o", self.path(name), "--force", "--groups", groups, "--codes", self.codes,
            "--weights", weights)
        return self.path(name)

    def cut(self, errors, layouts, size):
        """Cuts by rank: places and layouts with the least weighted error within the bytes."""
        edges = np.unique(np.concatenate([[0], np.geomspace(256, self.rows, 64).astype(int), [self.rows]]))
        counts = np.diff(edges)
        profile = [np.add.reduceat(self.weights * e, edges[:-1]) for e in errors]
        row_bytes = [self.row_bytes(g) for g in layouts]
        best = None
        low, high = 0.0, self.norm
        for _ in range(60):
            rate = (low * high) ** 0.5 if low else high / 1e9
            cost = np.array([p + rate * counts * b for p, b in zip(profile, row_bytes)])
            # Longer codes first: state = layout of the bin, which may only get shorter.
            table, back = np.full(cost.shape, np.inf), np.zeros(cost.shape, int)
            for i in range(len(counts)):
                for t in range(len(layouts)):
                    before = table[t:, i - 1] if i else np.zeros(len(layouts) - t)
                    k = int(before.argmin())
                    table[t, i], back[t, i] = before[k] + cost[t, i], t + k
            t = int(table[:, -1].argmin())
            chosen = [t]
            for i in range(len(counts) - 1, 0, -1):
                t = back[t, i]
                chosen.append(t)
            chosen = np.array(chosen[::-1])
            used = sorted(set(chosen.tolist()))
            total = sum(row_bytes[t] * c for t, c in zip(chosen, counts))
            total += sum(4 * self.codes * layouts[t] * -(-self.dimension // layouts[t]) for t in used)
            total += self.rows * max(1, (len(used) - 1).bit_length()) // 8 + 3200
            if total <= size:
                high = rate
                best = (edges, chosen, total)
            else:
                low = rate
        return best

    def frequency(self, size):
        per_row = 8 * size / self.rows / (self.codes - 1).bit_length()
        wanted = [f * per_row for f in (0.25, 0.5, 0.75, 1, 1.5, 2, 4, 8)]
        layouts = sorted({min(self.groups(), key=lambda g: abs(g - w)) for w in wanted})
        models = [self.train(slice(0, self.rows), g, f"f{i}.dpq") for i, g in enumerate(layouts)]
        errors, best = [self.errors(m) for m in models], None
        for _ in range(4):
            found = self.cut(errors, layouts, size)
            if found is None:
                break
            edges, chosen, total = found
            of_row = np.repeat(chosen, np.diff(edges))
            weighted, tiers = 0.0, []
            for t in sorted(set(chosen.tolist())):
                rows = np.flatnonzero(of_row == t)
                if len(rows) < self.codes:
                    weighted += float((self.weights * errors[t])[rows].sum())
                    continue
                errors[t] = self.errors(self.train(rows, layouts[t], f"f{t}.dpq"))
                weighted += float((self.weights * errors[t])[rows].sum())
                tiers.append((len(rows), f"{layouts[t]}x{self.codes}"))
            if best is None or weighted / self.norm < best["weighted_error"]:
                best = {"weighted_error": weighted / self.norm, "file_bytes": int(total), "tiers": tiers}
        return best


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dpq", default=".build/release/dpq")
    parser.add_argument("--table", required=True)
    parser.add_argument("--sizes", required=True, help="file bytes, with commas between")
    parser.add_argument("--tiers", help="given to dpq compress --adaptive")
    parser.add_argument("--codes", type=int, default=256, help="codes of the tiers by frequency")
    parser.add_argument("-o", "--output", required=True)
    options = parser.parse_args()
    bench = Bench(options)
    results = []
    for size in map(int, options.sizes.split(",")):
        entry = {"table": os.path.basename(options.table), "rows": bench.rows, "dimension": bench.dimension, "size": size}
        entry["fixed"] = bench.fixed(size)
        entry["adaptive"] = bench.adaptive(size, ["--tiers", options.tiers] if options.tiers else [])
        entry["frequency"] = bench.frequency(size)
        for other in ("fixed", "frequency"):
            entry[f"adaptive_to_{other}"] = entry["adaptive"]["weighted_error"] / entry[other]["weighted_error"]
        results.append(entry)
        print(json.dumps(entry), flush=True)
        with open(options.output, "w") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
