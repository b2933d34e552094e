"""Split CIFAR-10 as in the DER paper: images, augmentation, network."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from benchmarks.real_data import folder
from onward.core import NotFound
from onward.learners.continual import Experience

LOSSY = "JPEG copies of the images, mean absolute error 5.8 of 255; the papers' figures are of the originals"
MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2615)
PAD, SIDE, TASKS, CLASSES = 4, 32, 5, 10


def images(part: str, each: int) -> tuple[Tensor, Tensor]:
    """(n, 3, 32, 32) uint8 and (n,) classes.

    Args:
        part: "train" or "test".
        each: the first so many of each class.

    Raises:
        NotFound: the data are not there.
    """
    root = folder()
    file = None if root is None else root / "cifar10" / "cifar10_jpeg_all.npz"
    if file is None or not file.exists():
        raise NotFound("CIFAR-10 is not there.", mend="Set ONWARD_DATA to a folder with cifar10/cifar10_jpeg_all.npz.")
    with np.load(file) as held:
        data, offset, y = (held[f"{name}_{part}"] for name in ("jpeg", "offset", "y"))
    rows = np.sort(np.concatenate([np.flatnonzero(y == number)[:each] for number in range(CLASSES)]))
    decoded = [np.asarray(Image.open(io.BytesIO(data[offset[at] : offset[at + 1]].tobytes()))) for at in rows]
    return torch.from_numpy(np.stack(decoded)).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(y[rows]).long()


def tasks(x: Tensor, y: Tensor) -> list[Experience]:
    """Two classes at a time, in their order."""
    found = []
    for task in range(TASKS):
        rows = y // 2 == task
        found.append(Experience(x[rows], y[rows], task, f"classes {2 * task} and {2 * task + 1}"))
    return found


def scaled(x: Tensor) -> Tensor:
    """(n, 3, 32, 32) numbers around 0, of bytes."""
    mean, deviation = (torch.tensor(values, device=x.device).view(3, 1, 1) for values in (MEAN, DEVIATION))
    return (x.float() / 255 - mean) / deviation


def augmented(x: Tensor) -> Tensor:
    """(n, 3, 32, 32) each cropped at random from a padded copy, and flipped half the time."""
    count, span = len(x), torch.arange(SIDE, device=x.device)
    up, left = torch.randint(2 * PAD + 1, (2, count, 1), device=x.device).unbind()
    flipped = torch.rand(count, 1, device=x.device) < 0.5
    rows = up + span
    columns = left + torch.where(flipped, SIDE - 1 - span, span)
    padded = nn.functional.pad(x, (PAD, PAD, PAD, PAD))
    example = torch.arange(count, device=x.device).view(-1, 1, 1)
    return padded.permute(0, 2, 3, 1)[example, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


class Block(nn.Module):
    """Two convolutions and a way around them."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(before, width, 3, stride, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(width),
        )
        around = (nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width))
        self.around = nn.Sequential(*(around if stride != 1 or before != width else ()))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.around(x))


def resnet18(width: int = 64) -> nn.Module:
    """ResNet-18 for 32 x 32 images, without pooling at the entrance (He et al. 2016): 11.2 million parameters."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    before = width
    for at in range(4):
        for stride in (1 if at == 0 else 2, 1):
            layers.append(Block(before, width * 2**at, stride))
            before = width * 2**at
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, CLASSES))
