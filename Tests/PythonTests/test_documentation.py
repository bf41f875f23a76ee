"""Every example of the package and of docs/embedding.md runs as it stands."""

import builtins
import doctest
import importlib.util
import os
import re
from pathlib import Path

import numpy as np
import pytest

import dpq

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "embedding.md"


@pytest.mark.parametrize("name", ["dpq", "dpq._table", "dpq.torch"])
def test_doctests(name, words_folder):
    names = {"dpq": dpq, "np": np, "builtins": builtins}
    if name == "dpq.torch":
        names["torch"] = pytest.importorskip("torch")
    result = doctest.testmod(importlib.import_module(name), extraglobs=names)
    assert result.attempted > 0 and result.failed == 0


def test_document(words_folder, monkeypatch):
    np.save("table.npy", np.random.default_rng(1).standard_normal((400, 20)).astype(np.float32))
    if "DPQ_COMMAND" in os.environ:
        folder = str(Path(os.environ["DPQ_COMMAND"]).parent)
        monkeypatch.setenv("PATH", folder + os.pathsep + os.environ["PATH"])
    blocks = re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text(), re.M | re.S)
    assert blocks
    names = {}
    for block in blocks:
        if "dpq.torch" in block and importlib.util.find_spec("torch") is None:
            continue
        if "dpq.compress" in block and "DPQ_COMMAND" not in os.environ:
            continue
        exec(compile(block, str(DOCUMENT), "exec"), names)
