"""Data sets over the network: checked, resumed, whole or not at all."""

import http.client
import ssl
import sys
import zipfile

import numpy as np
import pytest

from onward.core import Damaged, InvalidInput, MissingExtra, NotFound, Unavailable
from onward.datasets import DATA_SETS, DataSet, Source, fetch, find
from onward.datasets._omniglot import convert
from onward.learners.meta.tasks import omniglot
from tests.datasets.mirror import Mirror, archive, drawing, md5, serving

BACKGROUND = archive("images_background", {"Latin": 3, "Greek": 2})
EVALUATION = archive("images_evaluation", {"Tibetan": 4})


@pytest.fixture
def mirror():
    with serving(Mirror({"/images_background.zip": BACKGROUND, "/images_evaluation.zip": EVALUATION})) as one:
        yield one


def small(mirror, **changed):
    """A little Omniglot from there."""
    sources = [
        Source(f"{mirror.url}/{name}.zip", md5(data), changed.get("most", 10**7))
        for name, data in (("images_background", BACKGROUND), ("images_evaluation", EVALUATION))
    ]
    return DataSet("omniglot", "", "", sources, DATA_SETS["omniglot"].files, convert)


def test_it_is_fetched_once_and_is_what_the_tasks_read(mirror, tmp_path):
    seen = []
    fetched = fetch(small(mirror), tmp_path, progress=lambda *step: seen.append(step))
    assert fetched.downloaded == len(BACKGROUND) + len(EVALUATION)
    assert find("omniglot", *DATA_SETS["omniglot"].files, folder=tmp_path) == fetched.files
    assert seen[-1][:3] == ("images_evaluation.zip", len(EVALUATION), len(EVALUATION))
    assert sorted(file.name for file in (tmp_path / "omniglot").iterdir()) == sorted(
        file.name for file in fetched.files
    )
    again = fetch(small(mirror), tmp_path)
    assert again.downloaded == 0
    assert len(mirror.asked) == 2
    assert fetch(small(mirror), tmp_path, force=True).downloaded == fetched.downloaded
    data = omniglot(2, 1, 15, protocol="background", validation=0, folder=tmp_path, rotations=False)
    assert data.classes == (
        "Greek/character01",
        "Greek/character02",
        "Latin/character01",
        "Latin/character02",
        "Latin/character03",
    )
    assert data.sample_batch(2).query_x.shape == (2, 30, 1, 28, 28)


def test_the_arrays_are_the_drawings_small_and_inverted(mirror, tmp_path):
    fetch(small(mirror), tmp_path)
    background = np.load(tmp_path / DATA_SETS["omniglot"].files[0])
    assert background["images"].shape == (5, 20, 28, 28)
    assert background["images"].dtype == np.uint8
    assert background["alphabet_names"].tolist() == ["Greek", "Latin"]
    assert background["alphabet"].tolist() == [0, 0, 1, 1, 1]
    assert background["character"].tolist() == [
        "character01",
        "character02",
        "character01",
        "character02",
        "character03",
    ]
    ink = background["images"][4] / 255
    assert ink.mean((1, 2)) == pytest.approx([15 * 5 * drawer / 105**2 for drawer in range(1, 21)], rel=0.05)
    assert ink[19, :3, :20].min() > 0.9
    assert ink[19, 8:].max() < 0.1


@pytest.mark.parametrize("ranges", [True, False])
def test_what_is_cut_off_goes_on(mirror, tmp_path, ranges):
    mirror.cuts, mirror.ranges = [1000, 500], ranges
    fetched = fetch(small(mirror), tmp_path)
    asked = [far for path, far in mirror.asked if path == "/images_background.zip"]
    assert asked == [None, "bytes=1000-", "bytes=1500-" if ranges else "bytes=500-"]
    assert fetched.downloaded == len(BACKGROUND) + len(EVALUATION)


def test_what_is_cut_off_too_often_goes_on_with_the_next_call(mirror, tmp_path):
    mirror.cuts = [1000, 500, 500]
    with pytest.raises(Unavailable, match=r"broke 3 times: 2000 of \d+ bytes came"):
        fetch(small(mirror), tmp_path)
    assert (tmp_path / "omniglot" / "images_background.zip.part").read_bytes() == BACKGROUND[:2000]
    assert fetch(small(mirror), tmp_path).downloaded == len(BACKGROUND) - 2000 + len(EVALUATION)


def test_a_connection_that_is_reset(mirror, tmp_path):
    mirror.cuts, mirror.rude = [10, 10, 10], True
    with pytest.raises(Unavailable, match="broke 3 times"):
        fetch(small(mirror), tmp_path)


@pytest.mark.parametrize("error", [ssl.SSLError(1, "record layer failure"), OSError(113, "No route to host")])
def test_whatever_breaks_a_connection_is_not_taken_for_a_full_disk(mirror, tmp_path, monkeypatch, error):
    def broken(*_):
        raise error

    monkeypatch.setattr(http.client.HTTPResponse, "read", broken)
    with pytest.raises(Unavailable, match=f"cannot be fetched.*broke 3 times.*{error.strerror}"):
        fetch(small(mirror), tmp_path)


def test_a_length_that_is_no_number(mirror, tmp_path):
    mirror.length = "many"
    assert fetch(small(mirror), tmp_path).downloaded == len(BACKGROUND) + len(EVALUATION)


def test_without_pillow(mirror, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingExtra, match=r"Pillow is not installed.*onward\[plots\]"):
        fetch(small(mirror), tmp_path)
    monkeypatch.undo()
    assert fetch(small(mirror), tmp_path).downloaded == len(EVALUATION)


def test_all_here_but_not_converted_yet(mirror, tmp_path):
    (tmp_path / "omniglot").mkdir()
    (tmp_path / "omniglot" / "images_background.zip.part").write_bytes(BACKGROUND)
    assert fetch(small(mirror), tmp_path).downloaded == len(EVALUATION)


def test_what_was_changed_is_thrown_away(mirror, tmp_path):
    mirror.files["/images_background.zip"] = BACKGROUND[:-1] + b"!"
    with pytest.raises(Damaged, match=f"not {md5(BACKGROUND)}; they were thrown away"):
        fetch(small(mirror), tmp_path)
    assert list((tmp_path / "omniglot").iterdir()) == []
    mirror.files["/images_background.zip"] = BACKGROUND
    fetch(small(mirror), tmp_path)


def test_too_much_is_refused_while_it_comes(mirror, tmp_path):
    with pytest.raises(Damaged, match="gives more than 1000 bytes"):
        fetch(small(mirror, most=1000), tmp_path)
    assert list((tmp_path / "omniglot").iterdir()) == []


def test_no_network_and_no_such_file(mirror, tmp_path):
    del mirror.files["/images_background.zip"]
    with pytest.raises(Unavailable, match="answers 404"):
        fetch(small(mirror), tmp_path)
    with pytest.raises(Unavailable, match=r"http://127.0.0.1:9/images_background.zip cannot be fetched.*refused"):
        fetch("omniglot", tmp_path, base="http://127.0.0.1:9/")


def test_a_mirror_is_checked_all_the_same(mirror, tmp_path):
    with pytest.raises(Damaged, match="not 68d2efa1b9178cc56df9314c21c6e718"):
        fetch("omniglot", tmp_path, base=mirror.url)


def test_wrong_names(tmp_path):
    with pytest.raises(NotFound, match=r"no data set 'omnigot'.*Known: omniglot"):
        fetch("omnigot", tmp_path)
    for base in ("file:///etc", "ftp://there", "here"):
        with pytest.raises(InvalidInput, match="no http or https URL"):
            fetch("omniglot", tmp_path, base=base)


def test_a_folder_that_cannot_be_written(mirror, tmp_path):
    (tmp_path / "omniglot").write_text("a file")
    with pytest.raises(Unavailable, match="cannot be written"):
        fetch(small(mirror), tmp_path)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"no zip", "no zip archive"),
        (archive("p", {"A": 1}, drawers=19), "1 characters, 1 of them without 20 drawings"),
        (archive("p", {}), "0 characters"),
        (archive("p", {"A": 1}, drawers=19, extra=[("p/A/character01/0001_20.png", b"no image")]), "no image"),
        (archive("p", {"A": 1}, drawers=19, extra=[("p/A/character01/0001_20.png", bytes(1_000_001))]), "without 20"),
    ],
)
def test_archives_that_are_not_omniglots(tmp_path, data, said):
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(Damaged, match=said):
        convert(tmp_path / "a.zip", tmp_path / "a.npz")


def test_paths_in_an_archive_lead_nowhere(tmp_path):
    evil = [("../../evil.png", b"x"), ("/p/A/character01/0001_21.png", b"x"), ("p/../character01/0001_21.png/x", b"x")]
    outward = ("../A/../character01/0001_21.png", drawing())
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.zip").write_bytes(archive("p", {"A": 1}, extra=[*evil, outward]))
    convert(tmp_path / "in" / "a.zip", tmp_path / "in" / "a.npz")
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["a.npz", "a.zip", "in"]
    assert np.load(tmp_path / "in" / "a.npz")["images"].shape[0] == 1


def test_a_zip_that_lies_about_its_bytes(tmp_path):
    data = bytearray(archive("p", {"A": 1}))
    middle = data.index(b"PK\x03\x04") + 60
    data[middle] ^= 0xFF
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(Damaged):
        convert(tmp_path / "a.zip", tmp_path / "a.npz")
    assert zipfile.is_zipfile(tmp_path / "a.zip")
