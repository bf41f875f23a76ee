"""The same work done by other libraries and by dpq, in turn in one run, with the results compared.

    peers.py --dpq PATH [--only assign,lookup,bag,dot,kmeans,train,scaling] [--shapes 300,50x256 512,128x16]
             [--threads 1,2] [--quick] [--out PREFIX] [--add]

`make bench-peers` builds the command, installs the peers and runs this. Each number of threads gets a process of its own,
because linear algebra libraries read it at start. Writes PREFIX.json, PREFIX.md and PREFIX.svg. A run can be cut into
parts: with --add results go beside those that PREFIX.json holds, in place of those of the same work.
"""

import argparse
import datetime
import importlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import report

HERE = pathlib.Path(__file__).resolve().parent
WORK = ["assign", "lookup", "bag", "dot", "kmeans", "train", "scaling"]


def worker(arguments):
    """Measures one kind of work at one number of threads; a line of JSON for each result."""
    import faiss
    import torch

    from common import Run

    (work,), (threads,) = arguments.only, arguments.threads
    faiss.omp_set_num_threads(threads)
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(arguments.dpq, threads, arguments.rounds, arguments.quick, folder, arguments.shapes)
        for result in importlib.import_module(work).run(run):
            print(json.dumps(result), flush=True)


def core_type():
    """The core faiss's OpenBLAS is to be told, where it does not know the processor and would fall back to that of 2004."""
    environment = dict(os.environ, OPENBLAS_VERBOSE="2")
    environment.pop("OPENBLAS_CORETYPE", None)
    told = subprocess.run([sys.executable, "-c", "import faiss"], env=environment, capture_output=True, text=True)
    flags = pathlib.Path("/proc/cpuinfo").read_text()
    if "Core: Prescott" not in told.stdout + told.stderr or " avx2 " not in flags:
        return None
    return "SkylakeX" if " avx512vl " in flags else "Haswell"


def start_worker(arguments, core, work, threads):
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    if core:
        environment["OPENBLAS_CORETYPE"] = core
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        environment[name] = str(threads)
    command = [sys.executable, __file__, "--worker", "--dpq", arguments.dpq, "--only", work, "--threads", str(threads)]
    command += ["--rounds", str(arguments.rounds)] + ["--quick"] * arguments.quick
    command += ["--shapes", *arguments.shapes] if arguments.shapes else []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        for line in process.stdout:
            yield json.loads(line)
    if process.returncode:
        sys.exit(f"{work} at {threads} threads failed")


def limits(threads):
    """What the machine can do at most, measured by limits.c; nothing where it cannot be built."""
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, "limits")
        build = [os.environ.get("CC", "cc"), "-O3", "-march=native", "-pthread", str(HERE / "limits.c"), "-o", program]
        if subprocess.run(build).returncode:
            return {}
        return {str(n): json.loads(subprocess.check_output([program, str(n)])) for n in threads}


def higher(one, other):
    """The higher of each limit: a limit is what was reached when nothing else ran."""
    return {name: max(value, one.get(name, 0)) for name, value in other.items()}


def identity(result):
    return result["work"], result.get("against"), result["threads"], sorted(result["shape"].items())


def machine():
    text = pathlib.Path("/proc/cpuinfo").read_text()
    name = re.search(r"model name\s*:\s*(.*)", text)
    family = [re.search(rf"{key}\s*:\s*(\d+)", text) for key in ("cpu family", "model", "stepping")]
    return {
        "cpu": name.group(1).strip() if name else "unknown",
        "family_model_stepping": [int(match.group(1)) for match in family if match],
        "processors": os.cpu_count(), "load_before": os.getloadavg(),
    }


def versions():
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in ("numpy", "faiss-cpu", "torch", "nanopq"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def save(document, out):
    document["machine"]["load_after"] = os.getloadavg()
    order = {work: place for place, work in enumerate(WORK)}
    document["results"].sort(key=lambda result: (result["threads"], order[result["work"]]))
    os.makedirs(os.path.dirname(os.path.abspath(out)), exist_ok=True)
    files = {".json": json.dumps(document, indent=1) + "\n", ".md": report.markdown(document, os.path.basename(out)),
             ".svg": report.bars(document)}
    if any(result["work"] == "scaling" for result in document["results"]):
        files["-scaling.svg"] = report.curves(document)
    for ending, text in files.items():
        pathlib.Path(out + ending).write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    numbers = lambda text: [int(part) for part in text.split(",")]
    parser.add_argument("--dpq", required=True, help="the dpq command, a release build")
    parser.add_argument("--only", type=lambda text: text.split(","), default=WORK, help=",".join(WORK))
    parser.add_argument("--threads", type=numbers, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5, help="times each contender's turn comes")
    parser.add_argument("--shapes", nargs="+", help="dimension,GROUPSxCODES: only these of assign, lookup, bag, dot and train")
    parser.add_argument("--add", action="store_true", help="keep what PREFIX.json holds of other work")
    parser.add_argument("--quick", action="store_true", help="fewer and smaller shapes")
    parser.add_argument("--out", help="where results go, without the ending; default results/DATE-CPU")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if unknown := set(arguments.only) - set(WORK):
        parser.error(f"no such work: {', '.join(unknown)}")
    if arguments.worker:
        return worker(arguments)

    about = machine()
    about["openblas_coretype"] = core = core_type()
    now = datetime.date.today().isoformat()
    name = re.sub(r"[^a-z0-9]+", "-", re.sub(r"\(.*?\)|processor|cpu", "", about["cpu"].lower())).strip("-")
    out = arguments.out or str(HERE / "results" / f"{now}-{name}")
    results, kept = [], {}
    if arguments.add and os.path.exists(out + ".json"):
        kept = json.loads(pathlib.Path(out + ".json").read_text())
        results = kept["results"]
        about["load_before"] = kept["machine"]["load_before"]
    measured = limits(arguments.threads)
    before = kept["machine"]["limits"] if kept else {}
    about["limits"] = {**before, **{n: higher(before.get(n, {}), limit) for n, limit in measured.items()}}
    document = {"date": now, "machine": about, "versions": versions(), "quick": arguments.quick, "results": results}
    for threads in arguments.threads:
        for work in arguments.only:
            for result in start_worker(arguments, core, work, threads):
                results[:] = [other for other in results if identity(other) != identity(result)] + [result]
                print(report.line(result), file=sys.stderr, flush=True)
            # After each kind of work, so that a run that is interrupted leaves what it measured.
            save(document, out)
    print(report.markdown(document, os.path.basename(out)))
    wrong = [result for result in results if not result.get("codes_equal", True) or not result.get("rows_equal", True)]
    if wrong:
        sys.exit(f"{len(wrong)} results are not the same work: " + "; ".join(map(report.line, wrong)))


if __name__ == "__main__":
    main()
