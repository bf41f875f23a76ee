import pytest
from tables import Sample, random_table, words_table

import dpq


@pytest.fixture(scope="session", params=[False, True], ids=["l2", "cosine"])
def sample(request, tmp_path_factory) -> Sample:
    return random_table(tmp_path_factory.mktemp("tables") / "table.dpq", cosine=request.param)


@pytest.fixture
def table(sample):
    with dpq.open(sample.path) as table:
        yield table


@pytest.fixture
def words_folder(tmp_path, monkeypatch):
    """A working directory with words.dpq, which doctests and documentation open."""
    words_table(tmp_path / "words.dpq")
    monkeypatch.chdir(tmp_path)
    return tmp_path
