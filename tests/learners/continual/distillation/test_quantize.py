from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from onward.core import InvalidInput
from onward.learners.continual import Experience
from onward.learners.continual.distillation import Int8Layer, compress, prune, quantize_int8

from .networks import convolutional, digits, teacher

LAYERS = (
    nn.Linear(5, 4),
    nn.Conv1d(4, 6, 3, stride=2, dilation=2, groups=2),
    nn.Conv2d(2, 3, 3, padding="same"),
    nn.Conv3d(1, 2, 2),
)


@settings(deadline=None)
@given(st.integers(0, 2**31), st.sampled_from(LAYERS), st.floats(1e-6, 1e6))
def test_a_weight_is_off_by_at_most_half_a_scale(seed, layer, size):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        layer.weight.normal_(std=size, generator=generator)
    made = Int8Layer(layer)
    assert made.quantized.dtype == torch.int8
    assert ((made.weight - layer.weight).abs() <= made.scale * 0.5001).all()
    assert (made.quantized.flatten(1).abs().amax(1) == 127).all()


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_computes_with_its_rounded_weights(layer):
    made = Int8Layer(layer)
    x = (
        torch.randn(2, 5)
        if isinstance(layer, nn.Linear)
        else torch.randn(2, layer.in_channels, *[7] * (layer.weight.ndim - 2))
    )
    with torch.no_grad():
        layer.weight.copy_(made.weight)
    torch.testing.assert_close(made(x), layer(x))


def test_digits_keep_their_accuracy_in_a_quarter_of_the_bytes():
    _, held_out = digits()
    found = quantize_int8(teacher(), held_out)
    assert abs(found.loss_of_accuracy) < 0.01
    weights, biases, outputs = 64 * 128 + 128 * 64 + 64 * 10, 202, 202
    assert found.bytes == weights + 4 * (biases + outputs)
    assert found.ratio > 3.6
    zeros = sum(int((layer.quantized == 0).sum()) for layer in found.student if isinstance(layer, Int8Layer))
    assert found.parameters == found.teacher_parameters - zeros
    assert type(teacher()[0]) is nn.Linear


def test_a_state_dict_goes_into_another_copy():
    network, x = convolutional().eval(), torch.randn(4, 1, 8, 8)
    data = Experience(x, torch.zeros(4).long())
    one = quantize_int8(network, data).student
    other = quantize_int8(convolutional(), data).student
    with torch.no_grad():
        for buffer in other.buffers():
            buffer.zero_()
    other.load_state_dict(one.state_dict())
    assert torch.equal(one(x), other(x))


def test_a_transformer_goes_on_working():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), nn.Flatten(), nn.Linear(24, 2)
    ).eval()
    x = torch.randn(6, 3, 8)
    student = quantize_int8(network, Experience(x, torch.zeros(6).long())).student
    with torch.no_grad():
        torch.testing.assert_close(student(x), network(x), atol=0.05, rtol=0)


def test_a_layer_used_twice_stays_one():
    layer = nn.Linear(4, 4)
    found = quantize_int8(nn.Sequential(layer, nn.ReLU(), layer), Experience(torch.randn(5, 4), torch.zeros(5).long()))
    assert found.student[0] is found.student[2]


def test_a_unit_without_weights_stays_silent():
    layer = nn.Linear(3, 2)
    nn.init.zeros_(layer.weight)
    assert torch.equal(Int8Layer(layer)(torch.ones(1, 3))[0], layer.bias)


def test_one_layer_is_a_network():
    found = quantize_int8(nn.Linear(4, 2), Experience(torch.randn(5, 4), torch.randn(5, 2)))
    assert isinstance(found.student, Int8Layer)


@pytest.mark.parametrize("network", [nn.ReLU(), nn.Sequential(nn.Conv1d(2, 2, 3, padding=1, padding_mode="circular"))])
def test_refuses_what_has_no_such_weights(network):
    with pytest.raises(InvalidInput, match="int8"):
        quantize_int8(network, Experience(torch.zeros(5, 2, 4), torch.zeros(5).long()))


def test_a_block_that_is_used_twice_stays_one_block():
    block = nn.Sequential(nn.Linear(64, 64), nn.ReLU())
    model = nn.Sequential(block, block, nn.Linear(64, 10))
    student = quantize_int8(model, Experience(torch.randn(20, 64), torch.arange(20) % 10)).student
    assert isinstance(student[0][0], Int8Layer)
    assert student[0] is student[1]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (lambda: Experience(torch.zeros(0, 3), torch.zeros(0).long()), "no examples"),
        (lambda: Experience(torch.zeros(4, 3), torch.full((4,), 7)), "Class 7 has no output"),
        (lambda: Experience(torch.full((4, 3), torch.nan), torch.zeros(4).long()), "no finite number"),
        (lambda: Experience(torch.zeros(4, 2), torch.zeros(4).long()), r"takes no examples of shape \(2,\)"),
        (lambda: (torch.zeros(4, 3), torch.zeros(4)), "A tuple is no experience"),
    ],
)
@pytest.mark.parametrize("remedy", [quantize_int8, compress, lambda model, data: prune(model, 0.5, data)])
def test_every_remedy_refuses_examples_that_do_not_fit(remedy, data, said):
    with pytest.raises(InvalidInput, match=said):
        remedy(nn.Sequential(nn.Linear(3, 8), nn.Linear(8, 4)), data())


@pytest.mark.parametrize(
    "layer", [nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect"), nn.Embedding(3, 4), nn.ReLU()]
)
def test_refuses_a_layer_that_computes_something_else(layer):
    with pytest.raises(InvalidInput, match="int8"):
        Int8Layer(layer)


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf])
def test_weights_that_diverged_do_not_become_zeros(wrong):
    layer = nn.Linear(3, 4)
    layer.weight.data[1, 2] = wrong
    with pytest.raises(InvalidInput, match="no finite numbers"):
        quantize_int8(nn.Sequential(layer), Experience(torch.zeros(5, 3), torch.zeros(5).long()))
