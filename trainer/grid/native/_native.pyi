from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from typing_extensions import CapsuleType

Float64: TypeAlias = NDArray[np.float64]
Indices: TypeAlias = NDArray[np.intp]
Flags: TypeAlias = NDArray[np.bool_]

def instruction_sets() -> list[str]: ...
def check_inner_product(shared: CapsuleType) -> None: ...
def multiply(
    sets: list[tuple[Float64, list[int], Float64, list[int]]], instruction_set: str, threads: int
) -> list[tuple[Float64, Float64, Float64]]: ...
def common_columns(
    sets: list[tuple[Float64, list[int], Float64, list[int]]], threads: int
) -> list[tuple[list[int], list[int]]]: ...

class Products:
    def __init__(
        self,
        training: Float64,
        testing: Float64,
        testing_squares: Float64,
        starts: list[int],
        rows: tuple[Float64, list[int], Float64],
    ) -> None: ...
    def smallest_distances(self) -> Float64: ...
    def cubic_range(self, margin: float) -> tuple[bool, float, float]: ...

class Task:
    def __init__(
        self,
        split: int,
        first: int,
        second: int,
        rbf: bool,
        gammas: list[float],
        ballots: list[int],
        path: list[float],
        weights: tuple[float, float],
    ) -> None: ...

class Run:
    def __init__(
        self,
        splits: list[Products],
        tasks: list[Task],
        tolerance: float,
        iterations: int,
        saturate: bool,
        keep: bool,
        instruction_set: str,
        threads: int,
        dot: CapsuleType,
    ) -> None: ...
    def wait(self, seconds: float) -> int | None: ...
    def progress(self) -> float: ...
    def take(self, ballot: int) -> tuple[Indices, Indices, Flags, Flags]: ...
    def take_result(self, task: int) -> tuple[Float64, float, int, bool, bool, Float64]: ...
    def close(self) -> None: ...
