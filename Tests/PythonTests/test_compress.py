"""dpq.compress: what it asks of the command; with DPQ_COMMAND (the path of `dpq`) also what comes of it."""

import os
import stat
import sys

import numpy as np
import pytest

import dpq


def test_without_the_command(tmp_path):
    with pytest.raises(FileNotFoundError, match="not on PATH"):
        dpq.compress(np.zeros((4, 4)), tmp_path / "a.dpq", command="no-such-command")


@pytest.fixture
def stand_in(tmp_path):
    """A command that records how it was called and fails when told to."""
    path = tmp_path / "stand-in"
    path.write_text(
        f"#!{sys.executable}\n"
        "import json, sys, numpy\n"
        "arguments = sys.argv[1:]\n"
        "if '--fail' in arguments: sys.exit(print('dpq: row 3: a NaN', file=sys.stderr) or 65)\n"
        "words = open(arguments[arguments.index('--vocabulary') + 1]).read() if '--vocabulary' in arguments else ''\n"
        "print(json.dumps({'arguments': arguments, 'words': words, 'sum': float(numpy.load(arguments[-1]).sum())}))\n"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_how_the_command_is_called(tmp_path, stand_in):
    out = tmp_path / "a.dpq"
    table = np.ones((3, 4), np.float16)
    report = dpq.compress(table, out, words=["a", "é b", ""], command=stand_in, groups=2, target_size="1MB", shared=True,
                          force=True, seed=None)
    arguments = report["arguments"]
    assert arguments[0] == "compress" and arguments[arguments.index("-o") + 1] == str(out)
    assert arguments[arguments.index("--target-size") + 1] == "1MB" and arguments[arguments.index("--groups") + 1] == "2"
    assert "--shared" in arguments and "--force" in arguments and "--seed" not in arguments
    assert report["words"] == "a\né b\n\n" and report["sum"] == 12
    assert os.listdir(tmp_path) == ["stand-in"], "temporary files stay"
    with pytest.raises(dpq.FormatError, match="row 3: a NaN"):
        dpq.compress(table, out, command=stand_in, fail=True)
    for bad in (np.zeros(3), np.zeros((2, 2), int), [["a"]]):
        with pytest.raises(ValueError):
            dpq.compress(bad, out, command=stand_in)
    with pytest.raises(ValueError, match="line break"):
        dpq.compress(table, out, words=["a\nb"], command=stand_in)
    with pytest.raises(FileNotFoundError):
        dpq.compress(table, tmp_path / "none" / "a.dpq", command=stand_in)


@pytest.mark.skipif("DPQ_COMMAND" not in os.environ, reason="DPQ_COMMAND does not name the dpq command")
def test_compress(tmp_path):
    random = np.random.default_rng(5)
    table = random.standard_normal((600, 16)).astype(np.float32)
    words = [f"w{i}" for i in range(600)]
    out = tmp_path / "a.dpq"
    report = dpq.compress(table, out, words=words, weights=np.ones(600), groups=8, codes=64, seed=2,
                          command=os.environ["DPQ_COMMAND"])
    assert report["rows"] == 600 and report["file_bytes"] == out.stat().st_size
    with dpq.open(out) as compressed:
        compressed.verify()
        assert compressed.shape == (600, 16) and compressed.words[17] == "w17"
        error = ((compressed[:] - table) ** 2).sum() / (table**2).sum()
        assert np.isclose(error, report["relative_error"], rtol=1e-3) and error < 0.2
    with pytest.raises(dpq.FileError):
        dpq.compress(table, out, groups=8, codes=64, command=os.environ["DPQ_COMMAND"])
    table[3, 3] = np.nan
    with pytest.raises(dpq.Error, match="3"):
        dpq.compress(table, out, force=True, command=os.environ["DPQ_COMMAND"])
