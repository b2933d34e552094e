"""Images in folders, blobs and digits."""

import sys

import numpy as np
import pytest
import torch
from PIL import Image

from onward.core import InvalidInput, MissingExtra, NotFound
from onward.learners.meta.tasks import GaussianBlobs, cifar_fs, digits, image_folder


def draw(folder, count=3, colour=(255, 0, 0), size=(40, 30), kind="png"):
    folder.mkdir(parents=True)
    for number in range(count):
        Image.new("RGB", size, colour).save(folder / f"{number}.{kind}")


@pytest.fixture
def mini(tmp_path):
    for split in ("train", "val", "test"):
        for number in range(3):
            draw(tmp_path / split / f"n{number}", colour=(255, 100 * number, 0))
    (tmp_path / "train" / "n0" / "readme.txt").touch()
    (tmp_path / "train" / "empty").mkdir()
    return tmp_path


def test_folders_as_mini_imagenet(mini):
    data = image_folder(mini, 3, 1, 2, size=16)
    assert data.splits == ("train", "validation", "test")
    assert data.classes == ("train/n0", "train/n1", "train/n2")
    batch = data.split("validation").sample_batch(4)
    assert batch.query_x.shape == (4, 6, 3, 16, 16)
    for task in batch:
        for x, y in zip(*task.support_set, strict=True):
            number = int(task.metadata["classes"][int(y)].removeprefix("validation/n"))
            assert x.mean((1, 2)).tolist() == pytest.approx([1.0, 100 * number / 255, 0.0])
    with pytest.raises(InvalidInput, match="divided already: train, validation, test"):
        image_folder(mini, split=(1, 2))


def test_folders_of_classes(tmp_path):
    for name, kind in (("a", "png"), ("b", "jpg"), ("c", "JPEG")):
        draw(tmp_path / name, kind=kind)
    data = image_folder(tmp_path, 2, 1, 1, size=8, colours="L", split={"mine": ["a", "c"]})
    assert data.classes == ("a", "c")
    assert data.sample_batch(1).support_x.shape == (1, 2, 1, 8, 8)


def test_cifar_fs(tmp_path):
    for name in ("apple", "bear", "crab", "otter"):
        draw(tmp_path / "data" / name)
    lists = tmp_path / "splits" / "bertinetto"
    lists.mkdir(parents=True)
    for name, members in (("train", "bear\napple\n"), ("val", "otter"), ("test", "crab")):
        (lists / f"{name}.txt").write_text(members)
    data = cifar_fs(tmp_path, 2, 1, 1)
    assert data.classes == ("bear", "apple")
    assert data.sample_batch(1).support_x.shape == (1, 2, 3, 32, 32)
    assert data.split("validation", ways=1).classes == ("otter",)
    assert data.split("test", ways=1).classes == ("crab",)
    with pytest.raises(NotFound, match="no lists of classes"):
        cifar_fs(tmp_path, lists="other")
    (lists / "test.txt").write_text("whale")
    with pytest.raises(NotFound, match="whale"):
        cifar_fs(tmp_path)


def test_folders_that_cannot_be_used(mini, tmp_path):
    with pytest.raises(NotFound, match="no folder"):
        image_folder(tmp_path / "nowhere")
    (tmp_path / "blank").mkdir()
    with pytest.raises(NotFound, match="no images"):
        image_folder(tmp_path / "blank")
    (mini / "test" / "n1" / "9.png").write_bytes(b"no image")
    with pytest.raises(InvalidInput, match=r"9.png is no image"):
        image_folder(mini)
    with pytest.raises(InvalidInput, match="size is 0"):
        image_folder(mini, size=0)
    with pytest.raises(InvalidInput, match=r"colours is 'rgb'.*Known: L, RGB"):
        image_folder(mini, colours="rgb")


def test_classes_with_few_images_may_be_left_out(tmp_path):
    for name, count in (("a", 3), ("b", 1), ("c", 3)):
        draw(tmp_path / name, count)
    with pytest.raises(InvalidInput, match=r"'b' has 1\..*drop_small=True"):
        image_folder(tmp_path, 2, 1, 2, size=8)
    assert image_folder(tmp_path, 2, 1, 2, size=8, drop_small=True).classes == ("a", "c")


def test_without_pillow(mini, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingExtra, match="Pillow is not installed"):
        image_folder(mini)


def test_digits():
    data = digits(5, 5, 15, seed=3)
    batch = data.sample_batch(4)
    assert batch.support_x.shape == (4, 25, 1, 8, 8)
    assert batch.support_x.min() == 0
    assert batch.support_x.max() == 1
    assert set(data.classes) | set(data.split("test").classes) == set(range(10))


def test_blobs_are_around_their_centres():
    data = GaussianBlobs(4, 50, 150, dimensions=3, spread=2.0, noise=0.5, seed=2)
    batch = data.sample_batch(300)
    assert batch.support_x.shape == (300, 200, 3)
    assert batch.query_y.shape == (300, 600)
    centres = torch.tensor([told["centres"] for told in batch.metadata])
    for x, y in ((batch.support_x, batch.support_y), (batch.query_x, batch.query_y)):
        away = x - centres.gather(1, y[..., None].expand(-1, -1, 3))
        assert away.std().item() == pytest.approx(0.5, rel=0.01)
        assert away.mean().item() == pytest.approx(0.0, abs=0.01)
    assert centres.std().item() == pytest.approx(2.0, rel=0.05)
    assert batch.support_y[0].bincount().tolist() == [50] * 4


def test_blobs_under_a_seed():
    one, two = GaussianBlobs(seed=2), GaussianBlobs(seed=2)
    assert torch.equal(one.sample_batch(2).query_x, two.sample_batch(2).query_x)
    state = one.state_dict()
    after = one.sample_batch(2)
    two = GaussianBlobs(seed=3)
    two.load_state_dict(state)
    assert torch.equal(two.sample_batch(2).query_x, after.query_x)
    assert not torch.equal(one.split("test").sample_batch(2).query_x, one.split("train").sample_batch(2).query_x)
    assert not torch.equal(one.split("test").sample_batch(2).query_x, one.split("test", seed=1).sample_batch(2).query_x)


@pytest.mark.parametrize(
    "wrong", [{"ways": 0}, {"dimensions": 0}, {"spread": -1.0}, {"noise": np.nan}, {"noise": np.inf}]
)
def test_blobs_that_cannot_be(wrong):
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        GaussianBlobs(**wrong)
