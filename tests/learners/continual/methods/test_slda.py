"""Linear layers over fixed features, learned in closed form."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import Ridge
from tests.learners.continual.streams import digits, network, same
from torch import nn

from onward.core import InvalidInput
from onward.learners.continual import ContinualLearner, Experience, FineTuning
from onward.learners.continual.methods._features import Features
from onward.learners.continual.methods._moments import Moments
from onward.learners.continual.methods._slda import SLDA, StreamingRidge

ALL = [SLDA(), SLDA(0.01, priors=True), StreamingRidge(1.0), StreamingRidge(projection=50), StreamingRidge()]


def whole(stream):
    return Experience(torch.cat([one.x for one in stream]), torch.cat([one.y for one in stream]))


def taught(method, stream, net=None, **options):
    learner = ContinualLearner(nn.Linear(64, 10) if net is None else net, [method], **options)
    for one in stream:
        learner.learn(one)
    return learner


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=5),
    groups=st.integers(1, 4),
    far=st.sampled_from([0.0, 1e4]),
    seed=st.integers(0, 99),
)
def test_moments_join_and_part_in_any_order(sizes, groups, far, seed):
    generator = torch.Generator().manual_seed(seed)
    rows = far + torch.randn(sum(sizes), 3, generator=generator, dtype=torch.float64)
    group = torch.randint(groups, (len(rows),), generator=generator)
    parts = [Moments.of(r, g, groups) for r, g in zip(rows.split(sizes), group.split(sizes), strict=True)]
    total = parts[0]
    for part in parts[1:]:
        total = part.joined(total)
    expected = Moments.of(rows, group, groups)
    left = rows - torch.stack([rows[group == g].mean(0).nan_to_num() for g in range(groups)])[group]
    assert torch.allclose(expected.scatter, left.T @ left, atol=1e-7)
    for name in ("count", "mean", "scatter"):
        assert torch.allclose(getattr(total, name), getattr(expected, name), atol=1e-7)
    rest = total.without(parts[0])
    again = Moments.of(rows[sizes[0] :], group[sizes[0] :], groups)
    for name in ("count", "mean", "scatter"):
        assert torch.allclose(getattr(rest, name), getattr(again, name), atol=1e-6)
    with pytest.raises(InvalidInput, match="More rows are taken away"):
        rest.without(total)


def test_slda_is_linear_discriminant_analysis():
    data = whole(digits())
    learner = taught(SLDA(priors=True), digits())
    x, y = data.x.numpy().astype(float), data.y.numpy()
    left = x - np.stack([x[y == number].mean(0) for number in range(10)])[y]
    covariance = (1 - 1e-4) * left.T @ left / len(x) + 1e-4 * np.eye(64)
    means = np.stack([x[y == number].mean(0) for number in range(10)])
    inverse = np.linalg.inv(covariance)
    logs = np.log(np.bincount(y) / len(y))
    expected = x @ inverse @ means.T - 0.5 * np.einsum("cd,de,ce->c", means, inverse, means) + logs
    assert np.allclose(learner.scores(data.x).numpy(), expected, atol=0.05)
    peer = LinearDiscriminantAnalysis(solver="svd").fit(x, y)
    assert (learner.predict(data.x).numpy() == peer.predict(x)).mean() > 0.99


def test_ridge_is_ridge_regression():
    generator = torch.Generator().manual_seed(0)
    x = 5 + torch.randn(200, 6, generator=generator)
    y = torch.stack([x[:, 0] - 2 * x[:, 1], x[:, 2]], 1) + 0.1 * torch.randn(200, 2, generator=generator)
    stream = [Experience(a, b) for a, b in zip(x.split(70), y.split(70), strict=True)]
    learner = taught(StreamingRidge(3.0), stream, nn.Linear(6, 2), scenario="domain", loss="mse")
    peer = Ridge(alpha=3.0).fit(x.numpy(), y.numpy())
    assert np.allclose(learner.scores(x).numpy(), peer.predict(x.numpy()), atol=1e-3)
    one = taught(StreamingRidge(3.0), [Experience(x, y[:, 0])], nn.Linear(6, 1), scenario="domain", loss="mse")
    assert np.allclose(
        one.scores(x)[:, 0].numpy(), Ridge(alpha=3.0).fit(x.numpy(), y[:, 0].numpy()).predict(x.numpy()), atol=1e-3
    )


@pytest.mark.parametrize("method", [SLDA(), StreamingRidge(1.0)])
def test_neither_the_order_nor_the_number_of_experiences_matters(method):
    data = whole(digits())
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(1))
    shuffled = [Experience(data.x[part], data.y[part]) for part in order.split(97)]
    expected = taught(method, [data]).scores(data.x)
    for stream in (digits(), digits()[::-1], digits(1), shuffled):
        assert torch.allclose(taught(method, stream).scores(data.x), expected, atol=1e-2, rtol=1e-4)


def test_nothing_is_forgotten_where_fine_tuning_forgets_all():
    for method in (SLDA(), StreamingRidge(1.0), StreamingRidge()):
        assert taught(method, digits()).evaluate(whole(digits()))["accuracy"] > 0.93
    wide = taught(StreamingRidge(projection=400), digits()).evaluate(whole(digits()))["accuracy"]
    assert wide > 0.98
    tuned = ContinualLearner(nn.Linear(64, 10), [FineTuning()], rate=0.01)
    for one in digits():
        tuned.learn(one, epochs=2)
    assert tuned.evaluate(whole(digits()))["accuracy"] < 0.6


def test_the_ridge_that_predicts_what_was_held_out_is_chosen():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(60, 40, generator=generator)
    noise = torch.randn(60, 1, generator=generator)
    chosen = []
    for y in (x[:, :1] * 3, noise):
        learner = ContinualLearner(nn.Linear(40, 1), [StreamingRidge()], scenario="domain", loss="mse")
        learner.learn(Experience(x, y))
        chosen.append(learner.state_dict()["methods"][0]["chosen"])
    assert chosen[0] <= 1e-3
    assert chosen[1] >= 10


def test_features_are_what_the_last_layer_sees_and_nothing_is_trained():
    net = network()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    learner = taught(SLDA(), digits(), net)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    x = digits()[0].x
    assert torch.equal(Features(net.eval())(x), net[:3](x))
    body = nn.Sequential(*list(network().eval())[:3])
    other = taught(SLDA(encoder=body), digits(), nn.Linear(64, 10))
    assert torch.allclose(learner.scores(x), other.scores(x), atol=1e-3)
    assert learner.evaluate(whole(digits()))["accuracy"] > 0.85
    assert not net[3]._forward_pre_hooks
    with pytest.raises(InvalidInput, match=r"no linear layer.*encoder="):
        ContinualLearner(nn.Identity(), [SLDA()])


@pytest.mark.parametrize("scenario", ["task", "domain", "class"])
@pytest.mark.parametrize("method", ALL[1:4])
def test_every_scenario(method, scenario):
    stream = digits()
    if scenario == "domain":
        stream = [Experience(one.x, one.y % 2, one.task) for one in stream]
    learner = taught(method, stream, nn.Linear(64, 10), scenario=scenario)
    accuracy = np.mean([learner.evaluate(one)["accuracy"] for one in stream])
    assert accuracy > {"task": 0.95, "domain": 0.8, "class": 0.85}[scenario]


@pytest.mark.parametrize("method", ALL)
def test_going_on_from_a_folder_is_never_having_stopped(method, tmp_path: Path):
    stream = digits()
    through = taught(method, stream[:3])
    through.save(tmp_path)
    fresh = ContinualLearner(nn.Linear(64, 10), [method])
    assert fresh.resume(tmp_path) == 3
    same(through, fresh)
    for one in stream[3:]:
        through.learn(one)
        fresh.learn(one)
    same(through, fresh)
    assert torch.equal(through.scores(stream[4].x), fresh.scores(stream[4].x))
    fresh.load_state_dict(ContinualLearner(nn.Linear(64, 10), [method]).state_dict())
    assert fresh.learned == 0


@pytest.mark.parametrize("make", [SLDA, lambda **more: StreamingRidge(1.0, projection=20, **more)])
def test_a_person_can_be_forgotten_where_features_were_kept(make):
    data = whole(digits())
    keys = [f"user {number % 7}" for number in range(len(data))]
    keyed = Experience(data.x, data.y, keys=keys)
    learner = ContinualLearner(nn.Linear(64, 10), [make(keep_features=True)])
    for rows in torch.arange(len(data)).split(600):
        learner.learn(Experience(data.x[rows], data.y[rows], keys=[keys[row] for row in rows.tolist()]))
    assert learner.forget(["user 3", "user 8"]) == keys.count("user 3")
    assert learner.forget(["user 3"]) == 0
    left = torch.tensor([number for number, key in enumerate(keys) if key != "user 3"])
    without = taught(make(), [Experience(data.x[left], data.y[left])])
    assert torch.allclose(learner.scores(data.x), without.scores(data.x), atol=2e-2, rtol=1e-3)
    again = ContinualLearner(nn.Linear(64, 10), [make(keep_features=True)])
    again.load_state_dict(learner.state_dict())
    assert again.forget(["user 1"]) == learner.forget(["user 1"]) > 0
    same(again, learner)
    plain = taught(make(), [keyed])
    assert plain.forget(["user 3"]) == 0


def in_kind(kind):
    return [Experience(one.x.to(kind), one.y, one.task) for one in digits()]


@pytest.mark.parametrize("method", ALL)
def test_answers_have_the_precision_of_the_network(method, tmp_path: Path):
    double = taught(method, in_kind(torch.float64), nn.Linear(64, 10).double())
    x = in_kind(torch.float64)[0].x
    answers = double.scores(x)
    assert answers.dtype == torch.float64
    assert not torch.equal(answers, answers.float().double())
    single = taught(method, digits(), nn.Linear(64, 10)).scores(x.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single, answers.float(), atol=2e-2, rtol=1e-3)
    double.save(tmp_path)
    fresh = ContinualLearner(nn.Linear(64, 10).double(), [method])
    fresh.resume(tmp_path)
    assert torch.equal(fresh.scores(x), answers)


@pytest.mark.parametrize("method", ALL)
def test_a_network_of_half_precision_answers_in_single(method):
    torch.manual_seed(0)
    learner = taught(method, in_kind(torch.bfloat16), nn.Linear(64, 10).bfloat16())
    assert learner.scores(in_kind(torch.bfloat16)[0].x).dtype == torch.float32
    assert np.mean([learner.evaluate(one)["accuracy"] for one in in_kind(torch.bfloat16)]) > 0.85


class Counts(nn.Module):
    """Features that are whole numbers."""

    def forward(self, x):
        return (20 * x).long()


def test_features_that_are_whole_numbers_are_projected_as_such():
    learner = taught(StreamingRidge(1.0, projection=50, encoder=Counts()), digits())
    assert learner.state_dict()["methods"][0]["projection"].dtype == torch.float32
    assert learner.evaluate(whole(digits()))["accuracy"] > 0.85


def test_bytes_are_prepared_and_examples_of_one_class_are_learned():
    x = torch.randint(256, (30, 2, 4), dtype=torch.uint8)
    net = nn.Sequential(nn.Flatten(), nn.Linear(8, 3))
    learner = ContinualLearner(net, [SLDA()], prepare=lambda x: x.float() / 255)
    learner.learn(Experience(x, torch.ones(30, dtype=torch.int64)))
    assert learner.predict(x).tolist() == [1] * 30
    learner.learn(Experience(x[:1], torch.zeros(1, dtype=torch.int64)))
    assert learner.predict(x[:1]).tolist() == [0]


@pytest.mark.parametrize(
    "make",
    [
        lambda: SLDA(0),
        lambda: SLDA(1.5),
        lambda: StreamingRidge(0),
        lambda: StreamingRidge([]),
        lambda: StreamingRidge([1.0, float("nan")]),
        lambda: StreamingRidge(projection=-1),
    ],
)
def test_settings_out_of_range(make):
    with pytest.raises(InvalidInput):
        make()


def test_what_cannot_be_learned():
    with pytest.raises(InvalidInput, match=r"SLDA learns one class.*StreamingRidge"):
        taught(
            SLDA(), [Experience(torch.zeros(3, 2), torch.zeros(3, 1))], nn.Linear(2, 1), loss="mse", scenario="domain"
        )


def test_real_targets_of_any_shape():
    torch.manual_seed(0)
    x = torch.randn(200, 6)
    y = (x @ torch.randn(6, 6)).view(-1, 3, 2)
    net = nn.Sequential(nn.Linear(6, 6), nn.Unflatten(1, (3, 2)))
    learner = ContinualLearner(net, [StreamingRidge(1e-6)], loss="mse", scenario="domain")
    learner.learn(Experience(x, y))
    assert torch.allclose(learner.scores(x), y, atol=1e-2)


def test_fewer_examples_than_features_of_any_scale_are_learned():
    torch.manual_seed(60)
    x, rule = torch.randn(30, 60) * 1e4, torch.randn(60, 1) / 1e4
    new = torch.randn(500, 60) * 1e4
    for method in (StreamingRidge(), StreamingRidge(1e-8)):
        learner = taught(method, [Experience(x, x @ rule)], nn.Linear(60, 1), loss="mse", scenario="domain")
        assert learner.evaluate(Experience(x, x @ rule))["loss"] < 0.1
        assert learner.evaluate(Experience(new, new @ rule))["loss"] < (new @ rule).var()


@pytest.mark.parametrize("scale", [1.0, 1e4, 1e7])
def test_features_that_go_together_change_no_class(scale):
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(200) % 4
    x = 2 * torch.randn(4, 3, generator=generator)[y] + torch.randn(200, 3, generator=generator)
    mixed = scale * (x.double() @ torch.randn(3, 12, generator=generator, dtype=torch.float64))
    expected = taught(SLDA(), [Experience(x, y)], nn.Linear(3, 4)).predict(x)
    found = taught(SLDA(), [Experience(mixed.float(), y)], nn.Linear(12, 4)).predict(mixed.float())
    assert (found == expected).double().mean() > 0.97


class Overflowing(nn.Module):
    """Features that are too large for their precision where an input is."""

    def forward(self, x):
        return 1e38 * x


@pytest.mark.parametrize("method", [SLDA, StreamingRidge])
def test_what_could_not_be_solved_was_not_counted(method):
    first, second = digits()[:2]
    learner = taught(method(encoder=Overflowing(), keep_features=True), [])
    wrong = Experience(1e3 + second.x, second.y, keys=["user"] * len(second))
    for _ in range(2):
        with pytest.raises(InvalidInput, match="features of these examples hold what is no finite number"):
            learner.learn(wrong)
    assert learner.state_dict()["methods"] == [{}]
    learner = taught(method(keep_features=True), [first])
    before = learner.state_dict()["methods"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.linalg, "cholesky_ex", fail)
        with pytest.raises(RuntimeError, match="no"):
            learner.learn(Experience(second.x, second.y, keys=["user"] * len(second)))
    found = learner.state_dict()["methods"]
    assert torch.equal(found[0]["sums"]["count"], before[0]["sums"]["count"])
    assert found[0]["kept"] is None


def fail(*given):
    raise RuntimeError("no")
