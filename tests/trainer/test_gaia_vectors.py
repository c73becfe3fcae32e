"""Against what Gaia 2.4.6 itself computed: matrices, folds, predictions, probabilities."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from tests.trainer.gaia_vectors import GaiaVectors
from trainer.descriptors import Float32
from trainer.grid.engine import Engine
from trainer.grid.folds import assign_folds
from trainer.grid.project import Combination, Project
from trainer.grid.scores import score
from trainer.grid.search import search
from trainer.models.bundle import Model
from trainer.models.fitting import fit, with_probabilities
from trainer.models.probability import PairwiseSigmoids
from trainer.preprocessing.chain import Preprocessing, fit_inner, fit_recipe
from trainer.preprocessing.recipes import NAMES

CHAINS = NAMES
COMBINATIONS = (
    "basic_poly_C11_g3_unbal",
    "basic_poly_C1_g-3_unbal",
    "basic_rbf_C-1_g-7_bal",
    "basic_rbf_C1_g-5_unbal",
    "gaussianized_poly_C-3_g-3_unbal",
    "gaussianized_rbf_C3_g-7_unbal",
    "gaussianized_rbf_C9_g-11_bal",
    "lowlevel_poly_C-1_g-1_unbal",
    "lowlevel_rbf_C5_g-7_unbal",
    "mfcc_rbf_C5_g1_unbal",
    "nobands_poly_C3_g-5_unbal",
    "nobands_rbf_C7_g-9_unbal",
    "normalized_poly_C5_g-7_unbal",
    "normalized_rbf_C1_g-5_unbal",
)
MakeEngine = Callable[..., Engine]
Recorded = tuple["Chains", Any, Any]
FinalModel = tuple[Model, Any, Any]

EVERYTHING = Project(preprocessings=NAMES, balance_classes=(False, True))


@dataclass(frozen=True)
class Chains:
    """One chain fitted on the training items, and all it makes."""

    preprocessing: Preprocessing
    X: Float32
    H: Float32
    X_svm: Float32
    H_svm: Float32


@pytest.fixture(scope="module", params=CHAINS)
def recorded(request: pytest.FixtureRequest, gaia: GaiaVectors) -> Recorded:
    """Our chain, Gaia's matrices, and Gaia's description of them."""
    dataset = gaia.dataset
    arrays = np.load(gaia.folder / f"pre_{request.param}.npz")
    preprocessing, X = fit_recipe(dataset.values, dataset.layout, request.param, dataset.template)
    documents = [gaia.held_out[recording] for recording in arrays["heldout_ids"]]
    H = preprocessing.apply(dataset.layout.matrix(documents))
    inner = fit_inner(X, preprocessing.layout)
    ours = Chains(preprocessing, X, H, inner.apply(X), inner.apply(H))
    return ours, arrays, gaia.read(f"pre_{request.param}.json")


@pytest.mark.parametrize("matrix", ["X", "H", "X_svm", "H_svm"])
def test_matrix_equals_gaias_to_the_bit(recorded: Recorded, matrix: str) -> None:
    ours, arrays, _ = recorded

    assert getattr(ours, matrix).dtype == np.float32
    assert getattr(ours, matrix).tobytes() == arrays[matrix].tobytes()


def test_descriptors_and_their_order_equal_gaias(recorded: Recorded, gaia: GaiaVectors) -> None:
    ours, arrays, description = recorded

    layout = ours.preprocessing.layout

    assert list(gaia.dataset.recordings) == arrays["ids"].tolist()
    assert [(d.name, d.dimensions) for d in layout.descriptors] == [
        (d["name"], d["dim"]) for d in description["descriptors"]
    ]


def test_codes_of_text_equal_gaias(recorded: Recorded) -> None:
    ours, _, description = recorded

    for descriptor in ours.preprocessing.layout.descriptors:
        if not descriptor.is_real:
            assert descriptor.codes == description["enum_maps"][descriptor.name]


def test_descriptors_that_the_merge_removes_equal_gaias(gaia: GaiaVectors) -> None:
    history = gaia.read("pre_basic.json")["history"][0]
    recorded = set(history["Analyzer parameters"]["descriptorNames"])

    removed = {name for names in gaia.dataset.removed.values() for name in names}

    assert removed == {name for name in recorded if not name.startswith(".metadata")}


def test_folds_of_seed_1_equal_gaias(gaia: GaiaVectors) -> None:
    recorded = gaia.read("folds_seed1.json.gz")["folds"]

    folds = assign_folds(gaia.dataset.recordings, gaia.dataset.labels, 5, seed=1)

    assert dict(zip(gaia.dataset.recordings, folds.tolist(), strict=True)) == recorded


def combination_of(entry: dict[str, Any]) -> Combination:
    return Combination(
        entry["preprocessing"],
        entry["kernel"].lower(),
        entry.get("C", entry.get("C_exp")),
        entry.get("gamma", entry.get("gamma_exp")),
        entry["balanceClasses"],
    )


@pytest.mark.parametrize(
    "make_engine", ["native", pytest.param("sklearn", marks=pytest.mark.slow)], indirect=True
)
def test_predictions_equal_gaias_over_its_whole_grid(
    gaia: GaiaVectors, make_engine: MakeEngine
) -> None:
    recorded = gaia.read("grid_full.json.gz")
    folds = assign_folds(gaia.dataset.recordings, gaia.dataset.labels, 5, seed=1)

    found = search(gaia.dataset, EVERYTHING, folds, make_engine(), collapse=False)

    results = {result.combination: result for result in found}
    different = {}
    for entry in recorded["grid"]:
        predicted = results[combination_of(entry)].predicted
        items = sum(map(str.__ne__, entry["pred"], map(str, predicted.tolist())))
        if items:
            different[combination_of(entry)] = items

    assert len(recorded["grid"]) == len(results) == 1728
    assert not [c for c in different if c in set(Project().combinations())]
    assert len(different) <= 3
    assert set(different.values()) <= {1}


def test_predictions_with_equal_problems_solved_once_equal_gaias_720(
    gaia: GaiaVectors, make_engine: MakeEngine
) -> None:
    recorded = {combination_of(e): e["pred"] for e in gaia.read("grid_full.json.gz")["grid"]}
    folds = assign_folds(gaia.dataset.recordings, gaia.dataset.labels, 5, seed=1)

    engine = make_engine()

    found = search(gaia.dataset, Project(), folds, engine)

    planned, copied = 144 + 4 * 42, sum(result.same_as is not None for result in found)
    assert len(found) == 720
    # The native engine finds more that are the same: those whose larger C is never met.
    assert copied > planned if engine.name == "native" else copied == planned
    for result in found:
        digits = "".join(map(str, result.predicted.tolist()))
        assert digits == recorded[result.combination], result.combination


def test_figures_of_equal_predictions_equal_gaias(gaia: GaiaVectors) -> None:
    folds = assign_folds(gaia.dataset.recordings, gaia.dataset.labels, 5, seed=1)
    for entry in gaia.read("grid_full.json.gz")["grid"]:
        predicted = np.array([int(digit) for digit in entry["pred"]])

        ours = score(gaia.dataset.labels, predicted, folds)

        assert ours.accuracy == entry["accuracy"]
        assert ours.std == pytest.approx(entry["std"], abs=1e-9)
        assert ours.normalized_accuracy == pytest.approx(entry["normalized_accuracy"], abs=1e-9)
        assert ours.normalized_std == pytest.approx(entry["normalized_std"], abs=1e-9)


@pytest.mark.parametrize("name", COMBINATIONS)
def test_180_of_180_predictions_equal_gaias(
    gaia: GaiaVectors, make_engine: MakeEngine, name: str
) -> None:
    recorded = gaia.read(f"cv_{name}.json.gz")
    folds = assign_folds(gaia.dataset.recordings, gaia.dataset.labels, 5, seed=1)
    asked = combination_of(recorded["combo"])
    alone = Project(
        (asked.preprocessing,),
        (asked.kernel,),
        (asked.c_exponent,),
        (asked.gamma_exponent,),
        (asked.balance_classes,),
    )

    (result,) = search(gaia.dataset, alone, folds, make_engine())

    classes = gaia.dataset.classes
    predicted = [classes[label] for label in result.predicted]
    assert dict(zip(gaia.dataset.recordings, predicted, strict=True)) == recorded["predicted"]
    assert result.scores.accuracy == recorded["accuracy"]


@pytest.fixture(params=COMBINATIONS)
def final_model(
    request: pytest.FixtureRequest, gaia: GaiaVectors, make_engine: MakeEngine
) -> FinalModel:
    """Our final model, and what Gaia's says of the held-out items."""
    recorded = gaia.read(f"final_{request.param}.json.gz")
    spread = gaia.read("platt_seed_spread.json.gz").get(request.param)
    engine = make_engine()
    fitted = fit(gaia.dataset, combination_of(recorded["combo"]), engine)
    model = with_probabilities(fitted, gaia.dataset, seed=1, engine=engine).model
    return model, recorded, spread


def test_final_model_labels_and_probabilities_equal_gaias(
    gaia: GaiaVectors, final_model: FinalModel
) -> None:
    model, recorded, spread = final_model
    heldout = recorded["heldout"]

    ours = dict(zip(heldout, model.predict([gaia.held_out[r] for r in heldout]), strict=True))
    with_gaias_sigmoids = probabilities_with_recorded_sigmoids(model, recorded, gaia)

    assert {r: p.value for r, p in ours.items()} == {r: p["value"] for r, p in heldout.items()}
    assert largest_difference(with_gaias_sigmoids, heldout) < 1e-3
    own = {recording: prediction.all for recording, prediction in ours.items()}
    # Gaia's shuffles are emulated, so ours stay far inside of what Gaia's vary by.
    assert largest_difference(own, heldout) < min(1e-3, spread["max_abs"] if spread else 1)


def probabilities_with_recorded_sigmoids(model: Model, recorded: Any, gaia: GaiaVectors) -> Any:
    header = recorded["libsvm_header"]
    slope, offset = (np.array(header[key], dtype=float) for key in ("probA", "probB"))
    mapping = [recorded["classMapping"][int(code)] for code in header["label"]]
    assert mapping == list(model.labels)
    gaias = Model(
        model.name,
        model.layout,
        model.steps,
        model.svm,
        PairwiseSigmoids(slope, offset),
        model.labels,
    )
    ids = list(recorded["heldout"])
    predictions = gaias.predict([gaia.held_out[r] for r in ids])
    return {r: prediction.all for r, prediction in zip(ids, predictions, strict=True)}


def largest_difference(ours: Any, theirs: Any) -> float:
    return max(
        abs(probability - theirs[recording]["all"][name])
        for recording, everything in ours.items()
        for name, probability in everything.items()
    )
