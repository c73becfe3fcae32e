"""The compiled module used in ways that the engine does not use it, and by several threads."""

import math
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import combinations, permutations
from threading import Barrier
from typing import Any

import numpy as np
import pytest
from scipy.linalg.cython_blas import __pyx_capi__ as blas

from trainer.grid.engine import Problem
from trainer.grid.engines import why_no_native
from trainer.grid.folds import Split
from trainer.models.svm import vote

MISSING = why_no_native()
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"no native engine: {MISSING}")

if not MISSING:
    from trainer.grid.native._native import Products, Run, Task, multiply
    from trainer.grid.native_engine import NativeEngine

ENDLESS = Problem("poly", 2.0**30, 2.0**9)


def hard_split(count: int = 600) -> Any:
    """Rows of rank 3 whose labels have nothing to do with them."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(count, 3)) @ rng.normal(size=(3, 20))
    return Split(X, X[:9], np.arange(count) % 2, np.arange(2), np.arange(9))


def made_products(count: int = 6, tested: int = 2) -> Any:
    rows = np.random.default_rng(1).normal(size=(count + tested, 3))
    training, testing = rows[:count], rows[count:]
    squares = np.square(testing).sum(axis=1)
    products = (training @ training.T)[np.tril_indices(count)]
    originals = (training, list(range(count)), testing)
    return [products, training @ testing.T, squares, [0, count // 2, count], originals]


def task(
    *,
    split: int = 0,
    pair: tuple[int, int] = (0, 1),
    gammas: Any = (0.5,),
    ballots: Any = (0,),
    path: Any = (1.0,),
    weights: Any = (1.0, 1.0),
) -> Any:
    rbf = True
    return Task(split, *pair, rbf, list(gammas), list(ballots), list(path), weights)


def made_run(tasks: Any, *, products: Any = None, **more: Any) -> Any:
    given = {
        "tolerance": 1e-3,
        "iterations": 1000,
        "keep": False,
        "name": "",
        "threads": 1,
        "dot": blas["ddot"],
    } | more
    saturate = True
    return Run(
        [Products(*made_products())] if products is None else products,
        tasks,
        given["tolerance"],
        given["iterations"],
        saturate,
        given["keep"],
        given["name"],
        given["threads"],
        given["dot"],
    )


def test_a_closed_run_refuses_every_call_and_may_be_closed_again() -> None:
    run = made_run([task()])
    run.close()

    for call in (
        lambda: run.wait(0.0),
        lambda: run.take(0),
        lambda: run.take_result(0),
        run.progress,
    ):
        with pytest.raises(ValueError, match="the run is closed"):
            call()
    run.close()


@pytest.mark.parametrize("number", [-1, 1, 2**40])
def test_what_there_is_not_cannot_be_taken(number: int) -> None:
    with closing(made_run([task()], keep=True)) as run:
        assert run.wait(60) == 0

        with pytest.raises(IndexError, match=f"there is no ballot {number}"):
            run.take(number)
        with pytest.raises(IndexError, match=f"there is no task {number}"):
            run.take_result(number)


def test_what_comes_of_a_ballot_or_a_task_can_be_taken_once() -> None:
    with closing(made_run([task()], keep=True)) as run:
        assert run.wait(60) == 0
        run.take(0)
        run.take_result(0)

        with pytest.raises(ValueError, match="ballot 0 was taken before"):
            run.take(0)
        with pytest.raises(ValueError, match="task 0 was taken before"):
            run.take_result(0)


def test_results_that_are_not_kept_cannot_be_taken() -> None:
    with closing(made_run([task()])) as run:
        assert run.wait(60) == 0

        with pytest.raises(ValueError, match="results of tasks are not kept"):
            run.take_result(0)


def test_what_is_being_solved_cannot_be_taken() -> None:
    split = hard_split()
    rows = split.training
    order = np.argsort(split.training_codes, kind="stable")
    given = (rows, order.tolist(), rows[:1], list(range(601)))
    products = Products(*multiply([given], "", 1)[0], [0, 300, 600], given[:3])
    endless = Task(0, 0, 1, False, [2.0**9], [0], [2.0**30], (1.0, 1.0))  # noqa: FBT003 - compiled
    with closing(made_run([endless], products=[products], iterations=10**12, keep=True)) as run:
        assert run.wait(0.01) is None

        with pytest.raises(ValueError, match="ballot 0 is not done"):
            run.take(0)
        with pytest.raises(ValueError, match="task 0 is not done"):
            run.take_result(0)


def three_classes() -> Any:
    products = made_products(9, 4)
    products[3] = [0, 3, 6, 9]
    return Products(*products)


def test_a_ballot_is_done_when_all_its_pairs_have_voted() -> None:
    pairs_ = [(0, 1), (0, 2), (1, 2)]
    tasks = [task(pair=pair, ballots=[number]) for number in (1, 0) for pair in pairs_]

    with closing(made_run(tasks, products=[three_classes()], keep=True)) as run:
        assert [run.wait(60), run.wait(60), run.wait(0.0)] == [1, 0, None]
        predicted, *_ = run.take(0)
        decisions = [run.take_result(3 + pair)[-1][0, 0] for pair in range(3)]

    assert predicted.tolist() == [vote(np.stack(decisions, axis=-1), 3).tolist()]


def test_every_pair_that_voted_in_a_ballot_can_be_taken_once_it_is_done() -> None:
    ballots = range(2000)
    tasks = [task(ballots=[ballot]) for ballot in ballots for _ in range(4)]

    with closing(made_run(tasks, threads=4, keep=True)) as run:
        for _ in ballots:
            ballot = run.wait(60)
            for pair in range(4):
                run.take_result(4 * ballot + pair)


@pytest.mark.parametrize("size", [1.0, 1e14])  # of rows of the last class: kernels overflow float32
@pytest.mark.parametrize("order", list(permutations(combinations(range(3), 2))))
def test_a_ballot_is_what_holds_for_all_its_pairs(order: Any, size: float) -> None:
    rows = np.random.default_rng(2).normal(size=(34, 3)) + 3 * np.arange(34)[:, None] // 10
    rows[20:30] *= size
    training, testing = rows[:30], rows[30:]
    below = (training @ training.T)[np.tril_indices(30)]
    squares = np.square(testing).sum(axis=1)
    originals = (training, list(range(30)), testing)
    products = Products(below, training @ testing.T, squares, [0, 10, 20, 30], originals)
    rbf, path = False, [4.0**c for c in range(-9, 4)]
    tasks = [
        Task(0, *pair, rbf, [0.5], [ballot], path, (1.0, 1.0))
        for number, pair in enumerate(order)
        for ballot in (0, 1 + number)
    ]

    with closing(made_run(tasks, products=[products])) as run:
        assert {run.wait(60) for _ in range(4)} == {0, 1, 2, 3}
        (_, *of_all), *of_pairs = (run.take(ballot) for ballot in range(4))

    _, solved_as, converged, finite = map(np.array, zip(*of_pairs, strict=True))
    for ours, expected in zip(
        of_all, (solved_as.max(axis=0), converged.all(axis=0), finite.all(axis=0)), strict=True
    ):
        np.testing.assert_array_equal(ours, expected)
    # The pairs differ in it, so that no one of them could stand for all:
    assert len({tuple(each) for each in (solved_as if size == 1.0 else finite)}) > 1


@pytest.mark.parametrize(
    ("tasks", "said"),
    [
        ([{"ballots": ()}], "a gamma without a ballot"),
        ([{"ballots": (0, 1)}], "a gamma without a ballot"),
        ([{"ballots": (-1,)}], "a ballot below 0"),
        ([{"ballots": (1,)}], "a ballot in which no task votes"),
        ([{"ballots": (2**40,)}], "a ballot in which no task votes"),
        ([{"ballots": (0,)}, {"ballots": (0,), "path": (1.0, 1.0)}], "splits or paths"),
        ([{"ballots": (0,)}, {"ballots": (0,), "split": 1}], "splits or paths"),
    ],
)
def test_ballots_that_make_no_sense_are_refused(tasks: Any, said: str) -> None:
    products = [Products(*made_products()) for _ in range(2)]

    with pytest.raises(ValueError, match=said):
        made_run([task(**one) for one in tasks], products=products)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"split": 1}, "a split that there is not"),
        ({"split": -1}, "a split that there is not"),
        ({"pair": (0, 2)}, "a pair of classes that there is not"),
        ({"pair": (-1, 1)}, "a pair of classes that there is not"),
        ({"pair": (1, 1)}, "a pair of classes that there is not"),
        ({"gammas": (), "ballots": ()}, "without a gamma or a C"),
        ({"path": ()}, "without a gamma or a C"),
        ({"gammas": (0.5, math.nan), "ballots": (0, 1)}, "a gamma that is not above 0"),
        ({"weights": (1.0, math.nan)}, "a C that is not above 0"),
        ({"path": (math.inf,)}, "or not finite"),
    ],
)
def test_a_task_that_makes_no_sense_is_refused(wrong: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        made_run([task(), task(**wrong)])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"threads": 0}, "at least one thread"),
        ({"threads": -1}, "at least one thread"),
        ({"iterations": -1}, "a cap on iterations below 0"),
        ({"tolerance": math.nan}, "a tolerance that is not above 0"),
        ({"name": "mmx"}, "no instruction set mmx"),
    ],
)
def test_a_run_that_makes_no_sense_is_refused(wrong: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        made_run([task()], **wrong)


def test_nothing_in_the_place_of_products_or_tasks_is_refused() -> None:
    with pytest.raises(ValueError, match="None instead of products"):
        made_run([task()], products=[None])
    with pytest.raises(ValueError, match="None instead of a task"):
        made_run([None])
    with pytest.raises(TypeError):
        made_run(["task"])


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -1.0, 1e300])
def test_a_time_that_cannot_be_waited_for_is_refused(seconds: float) -> None:
    with closing(made_run([task()])) as run, pytest.raises(ValueError, match="0 to 3600 seconds"):
        run.wait(seconds)


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (0, np.zeros((6, 5))),
        (0, np.zeros(36)),
        (1, np.zeros((2, 6))),
        (1, np.zeros(12)),
        (2, np.zeros(3)),
        (2, np.zeros((2, 1))),
        (3, []),
        (3, [0]),
        (3, [0, 9, 6]),
        (3, [3, 6]),
        (3, [0, 5]),
        (3, [-1, 6]),
        (4, (np.zeros((5, 3)), [*range(5)], np.zeros((2, 3)))),
        (4, (np.zeros((6, 3)), [*range(5)], np.zeros((2, 3)))),
        (4, (np.zeros((6, 3)), [*range(6)], np.zeros((3, 3)))),
        (4, (np.zeros((6, 3)), [*range(6)], np.zeros((2, 4)))),
        (4, (np.zeros(6), [*range(6)], np.zeros((2, 3)))),
        (4, (np.zeros((6, 3)), [0, 1, 2, 3, 4, 6], np.zeros((2, 3)))),
        (4, (np.zeros((6, 3)), [0, 1, 2, 3, 4, -1], np.zeros((2, 3)))),
    ],
)
def test_products_that_do_not_fit_are_refused(place: int, wrong: Any) -> None:
    given = made_products()
    given[place] = wrong

    with pytest.raises(ValueError, match=r"do not (fit|begin)|rows that there are not"):
        Products(*given)


def test_what_is_no_inner_product_of_doubles_is_refused() -> None:
    with pytest.raises(ValueError, match=r"not the inner product of scipy\.linalg\.cython_blas"):
        made_run([task()], dot=blas["sdot"])
    with pytest.raises(TypeError):
        made_run([task()], dot=None)


def test_products_live_as_long_as_the_run_that_reads_them() -> None:
    training, testing, squares, starts, (rows, order, tested) = made_products(400, 50)
    # Of another type, so that the module makes copies that nobody else knows of.
    products = Products(
        training.astype(np.float32),
        testing.T.copy().T,
        squares,
        starts,
        (rows.astype(np.float32), order, tested.T.copy().T),
    )
    tasks = [task(path=[1.0] * 20, ballots=[number]) for number in range(50)]
    run = made_run(tasks, products=[products])
    del products, training, testing, rows, tested

    with closing(run):
        assert sorted(run.wait(60) for _ in range(50)) == list(range(50))


def test_matrices_that_are_none_are_not_multiplied() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        multiply([(np.zeros(3), [0], np.zeros((1, 3)), [0])], "", 1)
    with pytest.raises(ValueError, match="rows that there are not"):
        multiply([(np.zeros((1, 3)), [-1], np.zeros((1, 3)), [0, 1])], "", 1)


def test_a_run_can_be_closed_while_another_thread_waits_for_it() -> None:
    split = hard_split(200)
    given = (split.training, list(range(200)), split.testing, list(range(209)))
    products = Products(*multiply([given], "", 1)[0], [0, 100, 200], given[:3])
    endless, *others = (
        Task(0, 0, 1, False, [2.0**9], [ballot], [2.0**30], (1.0, 1.0))  # noqa: FBT003 - compiled
        for ballot in range(4)
    )
    run = made_run([endless, *others], products=[products], iterations=10**12, threads=2)
    ready = Barrier(3)

    def waits() -> Any:
        ready.wait()
        return run.wait(0.3)

    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(waits) for _ in range(2)]
        ready.wait()
        run.close()

        for each in waiting:
            error = each.exception()
            assert error is None or "closed" in str(error)
            assert error or each.result() is None


def test_an_engine_can_be_used_by_several_threads_at_once() -> None:
    rng = np.random.default_rng(2)
    labels = np.arange(60) % 3
    values = rng.random((60, 8)) + 0.3 * labels[:, None]
    splits = [
        Split(values[rows], values[~rows], labels[rows], np.arange(3), np.flatnonzero(~rows))
        for rows in (np.arange(60) % 4 != fold for fold in range(4))
    ]
    problems = [Problem("rbf", c, g) for c in (0.5, 2.0) for g in (0.25, 1.0)]
    one = 4 * 45 * 46 + 8 * 45 * 15 + 8 * 60 * 8 + 2 * (4 * 45**2 + 8 * 45 * 15 + 8 * 30**2)
    together = NativeEngine(1).prepared(splits)
    in_turns = NativeEngine(1, memory=one).prepared(splits)
    ready = Barrier(6)

    def search(engine: Any) -> Any:
        ready.wait()
        found = []
        for _ in range(20):
            engine.scales_freely(splits, [0.5])
            found.append({s.problem: s.predicted.tolist() for s in engine.solve(problems, splits)})
        return found

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(search, [together, in_turns, NativeEngine(1)] * 2))

    assert all(one == found[0][0] for each in found for one in each)


class Enough(Exception):  # noqa: N818 - what was wanted
    """Progress was seen."""


def test_progress_comes_while_a_single_problem_of_one_pair_and_fold_is_solved() -> None:
    shares: list[float] = []

    def advanced(share: float) -> None:
        shares.append(share)
        if len(set(shares)) > 3:
            raise Enough

    with pytest.raises(Enough):
        list(
            NativeEngine(1, max_iterations=2**31 - 1).solve(
                [ENDLESS], [hard_split()], advanced=advanced
            )
        )

    assert shares == sorted(shares)
    assert 0 < shares[-1] < 1


def test_progress_ends_with_everything_in_one_turn_or_several() -> None:
    split = hard_split(60)
    rest = Split(
        split.training, split.testing, split.training_codes, np.arange(2), np.arange(9, 18)
    )
    problems = [Problem("rbf", c, 0.5) for c in (0.5, 2.0)]
    one = 4 * 60 * 61 + 8 * 60 * 9 + 8 * 69 * 20 + 4 * 60**2 + 8 * 60 * 9 + 8 * 60**2

    for memory in (2**30, one):
        shares: list[float] = []
        engine = NativeEngine(1, memory=memory)

        list(engine.solve(problems, [split, rest], advanced=shares.append))

        assert shares == sorted(shares)
        assert shares[-1] == 1
