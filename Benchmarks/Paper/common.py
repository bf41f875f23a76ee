"""Runs of `dpq train` that can be taken up again, their results as JSON and as Markdown."""

import argparse
import datetime
import json
import os
import pathlib
import platform
import resource
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
PACKAGE = HERE.parent.parent


def arguments(description, table):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--dpq", default=PACKAGE / ".build/release/dpq", help="the command (swift build -c release)")
    parser.add_argument("--data", type=pathlib.Path, default=PACKAGE.parent / "shared/data", help="folder of the data")
    parser.add_argument("--runs", type=pathlib.Path, default=PACKAGE / ".build/paper",
                        help="folder of the runs; those with a report.json are not run again, others go on")
    parser.add_argument("--results", type=pathlib.Path, default=HERE / "results" / table,
                        help="where results.json and results.md go")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--report-only", action="store_true", help="write the table of the runs that are there")
    return parser


def machine():
    model = platform.processor() or platform.machine()
    try:
        for line in open("/proc/cpuinfo", encoding="utf-8"):
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    return {"processor": model, "processors": os.cpu_count(), "system": platform.system()}


class Study:
    """The runs of one table."""

    def __init__(self, options):
        self.options = options
        self.made = []
        # What earlier sessions or other machines left: those runs are not made again.
        kept = options.results / "results.json"
        self.known = {run["name"]: run for run in json.loads(kept.read_text())} if kept.exists() else {}

    def run(self, name, command, only_known=False, prepare=lambda: None):
        """The report of a run, made now or earlier; None where it is not there and none is to be made.

        With `only_known` none is made, and one that results.json has counts whatever its command was. `prepare` is called
        before one is made.
        """
        folder = self.options.runs / name
        report, about = folder / "report.json", folder / "run.json"
        command = [str(part) for part in command]
        if (not self.options.report_only and about.exists() and about.stat().st_size
                and json.loads(about.read_text())["command"] != command):
            raise SystemExit(f"{folder} holds a run of another command: remove it, or choose another --runs")
        only_known = only_known or self.options.report_only
        known = self.known.get(name)
        if not report.exists() and known and (only_known or known["command"] == self.portable(command)):
            return self.add(known)
        if not report.exists():
            if only_known:
                return None
            folder.mkdir(parents=True, exist_ok=True)
            resumed = (folder / "checkpoint.safetensors").exists()
            about.write_text(json.dumps({"command": command}))
            print(name, file=sys.stderr, flush=True)
            prepare()
            start, before = time.time(), resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([self.options.dpq, "train", *command, "--output", folder, "--resume", "--quiet",
                            "--threads", str(self.options.threads)], check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            about.write_text(json.dumps({
                "command": command, "date": datetime.date.today().isoformat(), "wall_seconds": time.time() - start,
                # What an earlier, stopped process took is not known.
                "cpu_seconds": None if resumed else after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
                "machine": machine()}))
        run = {"name": name, **json.loads(report.read_text()), **json.loads(about.read_text())}
        run["command"] = self.portable(run["command"])
        return self.add(run)

    def add(self, run):
        self.made = [other for other in self.made if other["name"] != run["name"]] + [run]
        return run

    def portable(self, command):
        """The command with DATA and RUNS for the folders of the data and of the runs."""
        folders = {"DATA": str(self.options.data), "RUNS": str(self.options.runs)}
        for name, folder in folders.items():
            command = [name + part[len(folder):] if part.startswith(folder) else part for part in command]
        return command

    def write(self, title, lines):
        """results.json with all runs, one a line, results.md with the table and how it came about."""
        self.options.results.mkdir(parents=True, exist_ok=True)
        names = {run["name"] for run in self.made}
        # Earlier runs that were not come by yet, or not asked for this time, are kept: a stopped study loses nothing.
        runs = self.made + [run for name, run in self.known.items() if name not in names]
        (self.options.results / "results.json").write_text(
            "[\n" + ",\n".join(json.dumps(six_digits(without_curves(run))) for run in runs) + "\n]\n")
        dates = sorted({run["date"] for run in self.made if "date" in run})
        kinds = sorted({f"{run['machine']['processor']}, {run['machine']['processors']} processors, {run['isa']}"
                        for run in self.made if "machine" in run})
        cpu = sum(run.get("cpu_seconds") or 0 for run in self.made)
        wall = sum(run["seconds"] for run in self.made)
        stopped = sum(1 for run in self.made if run.get("cpu_seconds", 0) is None)
        about = (f"{len(self.made)} runs, {' to '.join(dict.fromkeys([dates[0], dates[-1]])) if dates else '-'}, on "
                 f"{'; '.join(kinds)}; {self.options.threads} thread a run; {cpu / 60:.0f} minutes of processor time"
                 + (f" but for {stopped} of which it is not known" if stopped else "")
                 + f", {wall / 60:.0f} by the clock (other work ran beside). One by one in `results.json`.")
        (self.options.results / "results.md").write_text("\n".join([f"# {title}", "", about, "", *lines, ""]))


CURVES = ("evaluated_steps", "train_losses", "dev_losses", "dev_accuracies", "changed_codes")


def without_curves(run):
    """A run of a classifier with the dev loss of the step that was tested in place of those of all steps, which would be half
    of the file; the run's own report.json has them."""
    if "evaluated_steps" not in run:
        return run
    tested = run["evaluated_steps"].index(run["best_step"])
    return {**{name: value for name, value in run.items() if name not in CURVES}, "dev_loss": run["dev_losses"][tested]}


def six_digits(value):
    """The same with numbers of six digits."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {name: six_digits(part) for name, part in value.items()}
    return [six_digits(part) for part in value] if isinstance(value, list) else value


def table(head, rows):
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(row) + " |" for row in rows)]


def mean_and_deviation(values, digits=2):
    text = f"{statistics.mean(values):.{digits}f}"
    return text if len(values) < 2 else f"{text} ± {statistics.stdev(values):.{digits}f}"


def layout(run):
    if run["groups"] is None:
        return "–"
    return f"{run['groups']} × {run['codes']}" + (", shared" if run["shared"] else "")
