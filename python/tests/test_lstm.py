"""Language models of LSTMs: against float64 NumPy and PyTorch, with what is dropped in
compact and masked programs; what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import sparsedrop
from lstm_reference import Reference
from sparsedrop.lstm import Lstm
from sparsedrop.models import Dropout

# At most 3 layers of 6 words, each with sums of at most 13 numbers below 1, one rounding
# of f64 each.
BOUND = 3 * 6 * 13 * 2.0**-53

# As BOUND, for 2 layers of 4 words; roundings of either sign add up to the root of
# their number, of which this is 3 times.
BOUND_F32 = 3 * (2 * 4 * 13) ** 0.5 * 2.0**-24

MODELS = {
    "one layer, one word": Lstm(7, 5, 3, 1, layers=1, dtype="f64"),
    "one text": Lstm(5, 3, 1, 6, layers=1, embedding=4, dtype="f64"),
    "one unit": Lstm(4, 1, 2, 3, layers=2, dtype="f64", clip=1e-3),
    "two layers": Lstm(13, 6, 3, 4, layers=2, embedding=5, dtype="f64", decay=0.1),
    "three layers": Lstm(11, 7, 2, 5, layers=3, dtype="f64", clip=0.05),
    "tied": Lstm(17, 8, 3, 4, layers=2, dtype="f64", tied=True, clip=100.0),
}


def make_values(model, seed):
    rng = np.random.default_rng(seed)
    values = {}
    for name, shape in model.arguments:
        kind = {"i32": np.int32, "f32": np.float32, "f64": np.float64}[model.type_of(name)]
        if kind is np.int32:
            values[name] = rng.integers(0, model.vocabulary, shape).astype(kind)
        else:
            values[name] = rng.uniform(-0.8, 0.8, shape).astype(kind)
    values["learning_rate"] = values["learning_rate"] * 0 + 0.5
    return values


def run_step(compiled, model, values, **where):
    """The loss and the new values; the old ones stay as they are."""
    arguments = [value.copy() for value in values.values()]
    results = compiled(*arguments, **where)
    return float(results[0]), {name: np.asarray(array) for (name, _), array in zip(model.updated(), results[1:])}


def compare(found, expected, bound):
    for name, array in expected.items():
        assert np.abs(found[name] - array).max() <= bound, name


@pytest.mark.parametrize("name", MODELS)
def test_steps_without_dropout(name):
    model = MODELS[name]
    values = make_values(model, 1)
    step = sparsedrop.compile(model.mlir(), entry="step", mode="dense")
    for _ in range(2):
        loss, new = run_step(step, model, values)
        expected_loss, expected = Reference(model, values).step()
        assert abs(loss - expected_loss) <= BOUND
        compare(new, expected, BOUND)
        values.update(new)


def test_loss_and_state_of_prediction():
    model = MODELS["two layers"]
    values = make_values(model, 2)
    predict = sparsedrop.compile(model.mlir(), entry="predict", mode="dense")
    names = [name for name, _ in [*model.words(), *model.parameters(), *model.carried()]]
    results = predict(*(values[name].copy() for name in names))
    reference = Reference(model, values)
    assert abs(float(results[0]) - reference.run()) <= BOUND
    for (name, _), array in zip(model.carried(), results[1:]):
        assert np.abs(array - reference.values[f"new_{name}"]).max() <= BOUND, name


DROPOUTS = {
    "vertical": dict(dropout=Dropout(0.5)),
    "recurrent": dict(recurrent=Dropout(0.4)),
    "both": dict(dropout=Dropout(0.6, granularity=2), recurrent=Dropout(0.5)),
    "tiles": dict(dropout=Dropout(0.5, tile=(3, 2)), recurrent=Dropout(0.5, tile=(4, 3), order="linear")),
    "per word": dict(dropout=Dropout(0.5), recurrent=Dropout(0.5), per_word=True),
    "tiles per word": dict(dropout=Dropout(0.5, tile=(3, 2)), recurrent=Dropout(0.5, tile=(4, 3), order="linear"), per_word=True),
    "tied": dict(dropout=Dropout(0.5), tied=True, embedding=None),
    "tied tiles": dict(dropout=Dropout(0.5, tile=(2, 2)), tied=True, embedding=None),
}


def draws_of(model, seed, step):
    """Masks of units and of weights of each site, times their scale."""
    masks, weights = {}, {}
    sites = [(f"input{i}", model.dropout, model.inputs(i), 4 * model.units) for i in range(1, model.layers + 1)]
    sites += [(f"recurrent{i}", model.recurrent, model.units, 4 * model.units) for i in range(1, model.layers + 1)]
    sites.append(("output", model.dropout, model.units, model.vocabulary))
    for site, dropout, inputs, outputs in sites:
        if not dropout:
            continue
        dropout, where = dropout.fit(outputs, inputs), dict(seed=seed, step=step, rate=dropout.rate)
        words = [{}] if not model.per_word or site == "output" else [dict(index=t) for t in range(model.steps)]
        if dropout.tile:
            drawn = [sparsedrop.sample_tile(site, (outputs, inputs), tile=dropout.tile, order=dropout.order, **where, **word) for word in words]
            found = [pattern.mask * pattern.scale for pattern in drawn]
            found = found if model.tied and site == "output" else [mask.T for mask in found]
            weights[site] = np.array(found) if len(words) > 1 else found[0]
            continue
        where.update(granularity=dropout.granularity)
        drawn = [sparsedrop.sample_row(site, inputs, **where, **word) for word in words]
        found = [pattern.mask * pattern.scale for pattern in drawn]
        masks[site] = np.array(found) if len(words) > 1 else found[0]
    return masks, weights


@pytest.mark.parametrize("name", DROPOUTS)
@pytest.mark.parametrize("shape", [(13, 12, 3, 4, 2), (9, 7, 1, 3, 1), (11, 8, 2, 2, 3)])
def test_steps_with_dropout(name, shape):
    vocabulary, units, batch, steps, layers = shape
    options = {"embedding": units + 1, **DROPOUTS[name]}
    model = Lstm(vocabulary, units, batch, steps, layers, dtype="f64", clip=1.0, **options)
    values, text = make_values(model, 3), model.mlir()
    compiled = [sparsedrop.compile(text, entry="step", mode=mode) for mode in ("compact", "masked")]
    for number in range(3):
        (loss, compact), (other, masked) = (run_step(one, model, values, seed=11, step=number) for one in compiled)
        assert abs(loss - other) <= BOUND
        compare(compact, masked, BOUND)
        expected_loss, expected = Reference(model, values, *draws_of(model, 11, number)).step()
        assert abs(loss - expected_loss) <= BOUND
        compare(compact, expected, BOUND)
        values.update(compact)


@pytest.mark.parametrize("name", DROPOUTS)
def test_steps_on_the_interpreter(name):
    """The code for a GPU, in f32."""
    model = Lstm(9, 6, 2, 3, 2, clip=1.0, **{"embedding": 7, **DROPOUTS[name]})
    values = {n: v.astype(np.float32) if v.dtype == np.float64 else v for n, v in make_values(replace(model, dtype="f64"), 8).items()}
    expected_loss, expected = Reference(model, values, *draws_of(model, 5, 2)).step()
    for mode in ("compact", "masked"):
        step = sparsedrop.compile(model.mlir(), entry="step", mode=mode, target="interp", chip="sm_90a")
        results = step(*(value.copy() for value in values.values()), seed=5, step=2)
        # What was updated in place is the caller's own array.
        results = [array.numpy() if isinstance(array, sparsedrop.DeviceArray) else array for array in results]
        assert abs(float(results[0]) - expected_loss) <= BOUND_F32
        compare({n: array for (n, _), array in zip(model.updated(), results[1:])}, expected, BOUND_F32)


@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_optimizers_have_compact_and_masked_steps_alike(optimizer):
    model = replace(MODELS["two layers"], dropout=Dropout(0.5), optimizer=optimizer, clip=0.5)
    values, text = make_values(model, 4), model.mlir()
    for name, _ in model.state():
        values[name] = np.abs(values[name])
    found = [run_step(sparsedrop.compile(text, entry="step", mode=mode), model, values, seed=1, step=2) for mode in ("compact", "masked")]
    assert abs(found[0][0] - found[1][0]) <= BOUND
    compare(found[0][1], found[1][1], BOUND)


# A new weight below 1 is rounded once, 2^-12; so was what its gradient is made of, which
# together is no more than another three.
@pytest.mark.parametrize("recurrent", [None, Dropout(0.5)])
@pytest.mark.parametrize("dtype, bound", [("f32", BOUND_F32), ("f16", 4 * 2.0**-12)])
def test_other_types(dtype, bound, recurrent):
    model = replace(MODELS["two layers"], dtype=dtype, dropout=Dropout(0.5), recurrent=recurrent)
    wide, narrow = replace(model, dtype="f64"), {"f32": np.float32, "f16": np.float16, "i32": np.int32}
    values = {name: v.astype(narrow[model.type_of(name)]) for name, v in make_values(wide, 5).items()}
    compiled = sparsedrop.compile(model.mlir(), entry="step", mode="compact")
    loss, new = run_step(compiled, model, values, seed=3, step=1)
    expected_loss, expected = Reference(wide, values, *draws_of(wide, 3, 1)).step()
    assert abs(loss - expected_loss) <= bound
    compare({name: array.astype(np.float64) for name, array in new.items()}, expected, bound)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_against_pytorch(layers):
    torch = pytest.importorskip("torch")
    model = Lstm(11, 6, 3, 5, layers, embedding=4, dtype="f64")
    values = make_values(model, 6)
    lstm = torch.nn.LSTM(4, 6, layers, dtype=torch.float64)
    tensors = {name: torch.tensor(values[name], requires_grad=name in dict(model.parameters())) for name in values}
    names = {"input_weight": "weight_ih_l", "recurrent_weight": "weight_hh_l", "bias": "bias_ih_l"}
    pairs = [(f"{ours}{i}", f"{theirs}{i - 1}") for ours, theirs in names.items() for i in range(1, layers + 1)]
    replaced = {theirs: tensors[ours].permute(*reversed(range(tensors[ours].ndim))) for ours, theirs in pairs}
    replaced.update({f"bias_hh_l{i}": torch.zeros(24, dtype=torch.float64) for i in range(layers)})
    state = tuple(torch.stack([tensors[f"{what}{i}"] for i in range(1, layers + 1)]) for what in "hc")
    x = tensors["embedding"][tensors["tokens"].long()]
    y, (h, c) = torch.func.functional_call(lstm, replaced, (x, state))
    logits = y.reshape(-1, 6) @ tensors["output_weight"] + tensors["output_bias"]
    expected = torch.nn.functional.cross_entropy(logits, tensors["target"].long().ravel())
    expected.backward()
    loss, new = run_step(sparsedrop.compile(model.mlir(), entry="step", mode="dense"), model, values)
    assert abs(loss - expected.item()) <= BOUND
    for name, _ in model.parameters():
        gradient = tensors[name].grad.numpy()
        assert np.abs((values[name] - new[name]) / 0.5 - gradient).max() <= BOUND, name
    for i in range(1, layers + 1):
        assert np.abs(new[f"h{i}"] - h[i - 1].detach().numpy()).max() <= BOUND
        assert np.abs(new[f"c{i}"] - c[i - 1].detach().numpy()).max() <= BOUND


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Lstm(0, 4, 2, 3), "vocabulary in"),
        (lambda: Lstm(5, 0, 2, 3), "units in"),
        (lambda: Lstm(5, 4, 0, 3), "batch in"),
        (lambda: Lstm(5, 4, 2, 0), "steps in [1, 2147483648), but got 0"),
        (lambda: Lstm(5, 4, 2, 3, 0), "layers in"),
        (lambda: Lstm(5, 4, 2, 3, embedding=0), "embedding in"),
        (lambda: Lstm(5, 4, 2, 3, embedding=3, tied=True), "an embedding of 4 units with tied weights, but got 3"),
        (lambda: Lstm(5, 4, 2, 3, clip=0), "a clip above 0"),
        (lambda: Lstm(5, 4, 2, 3, optimizer="best"), "optimizer to be one of"),
    ],
)
def test_bad_options(make, message):
    with pytest.raises(ValueError, match="expected") as raised:
        make()
    assert message in str(raised.value)


def test_bad_arguments():
    model = MODELS["two layers"]
    values = make_values(model, 7)
    step = sparsedrop.compile(model.mlir(), entry="step", mode="dense")
    for name in ("tokens", "target"):
        for word in (13, -1):
            bad = {n: v.copy() for n, v in values.items()}
            bad[name][2, 1] = word
            with pytest.raises(sparsedrop.Error, match=rf"expected {name} in \[0, 13\)"):
                step(*bad.values())
    for name, shape in (("h1", (3, 7)), ("c2", (2, 6)), ("tokens", (0, 3)), ("tokens", (5, 3))):
        bad = {n: v.copy() for n, v in values.items()}
        bad[name] = np.zeros(shape, bad[name].dtype)
        with pytest.raises(sparsedrop.Error):
            step(*bad.values())
