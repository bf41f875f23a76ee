"""Compressing through the `dpq` command: one compressor, the same file byte for byte.

The kernels that encode and train need OpenBLAS and OpenMP, and the plan, the training and the writing around them are
Swift: a wheel that carried them would be a hundred times the size of one that reads. The command runs the same kernels.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ._errors import ArgumentError, Error, FileError, FileMissingError, FormatError

# Exit codes of the command (sysexits).
_CLASSES: dict[int, type[Error]] = {
    64: ArgumentError,
    65: FormatError,
    66: FileMissingError,
    73: FileError,
    74: FileError,
}


def compress(
    table: ArrayLike | os.PathLike[str] | str,
    path: os.PathLike[str] | str,
    *,
    words: Iterable[str] | None = None,
    weights: ArrayLike | None = None,
    force: bool = False,
    command: str = "dpq",
    **options: Any,
) -> dict[str, Any]:
    """Compresses an array [rows, dimension] of float16, float32 or float64, or a table file, to the file `path`.

    `words`: one a row. `weights`: how much each row counts. `force` replaces a file that exists. Further options are
    those of `dpq compress`, with underscores: groups=10, codes=256, shared=True, ratio=40, target_size="1MB",
    method="vq", metric="cosine", seed=1, threads=2, ... Returns the command's report: ratio, relative_error, seconds
    and so on. The array passes through a temporary file beside `path`.

    Training and encoding are the work of the `dpq` command, which is installed apart and must be on PATH (or named by
    `command`); without it this raises FileMissingError. Reading needs nothing but this package.
    """
    program = shutil.which(command)
    if program is None:
        raise FileMissingError(
            f"the command {command!r} is not on PATH: dpq.compress runs it; install it, or name it with command=..."
        )
    target = Path(path)
    arguments = [program, "compress", "--json", "--quiet", "-o", os.fspath(target)]
    if force:
        arguments.append("--force")
    for name, value in options.items():
        if value is None or value is False:
            continue
        arguments.append("--" + name.replace("_", "-"))
        if value is not True:
            arguments.append(str(value))

    if not target.parent.is_dir():
        raise FileMissingError(f"no such folder: {target.parent}")
    with tempfile.TemporaryDirectory(prefix=".dpq-", dir=target.parent) as folder:
        if words is not None:
            vocabulary = Path(folder, "words.txt")
            _write_words(words, vocabulary)
            arguments += ["--vocabulary", str(vocabulary)]
        if weights is not None:
            np.save(Path(folder, "weights.npy"), np.asarray(weights, np.float32))
            arguments += ["--weights", str(Path(folder, "weights.npy"))]
        if isinstance(table, (str, os.PathLike)):
            source = os.path.abspath(table)
        else:
            array = np.asarray(table)
            if array.ndim != 2 or array.dtype.kind != "f" or array.dtype.itemsize > 8:
                raise ArgumentError(
                    f"a table is a two-dimensional array of float16, float32 or float64, not {array.dtype} {array.shape}"
                )
            source = str(Path(folder, "table.npy"))
            np.save(source, array)
        done = subprocess.run([*arguments, source], capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"dpq compress ended with code {done.returncode}"]
        raise _CLASSES.get(done.returncode, Error)(lines[0])
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def _write_words(words: Iterable[str], path: Path) -> None:
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        for word in words:
            if "\n" in word or "\r" in word:
                raise ArgumentError(f"the word {word!r} holds a line break")
            file.write(word + "\n")
