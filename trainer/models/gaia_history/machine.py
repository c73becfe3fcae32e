"""libsvm's text model: a header of named numbers, then a line for each support vector.

Its numbers are written by ``%g`` with 6, 8 and 16 significant digits, its values were float32.
What is not exactly as libsvm writes it is refused: in text, that is how damage shows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.models.gaia_history.faults import DamagedError, UnsupportedError, require
from trainer.models.svm import DEGREE
from trainer.wording import shown

Float64 = NDArray[np.float64]

_KERNELS = {"rbf": "rbf", "polynomial": "poly"}
# What else libsvm writes; every other word is damage.
_OTHER_KERNELS = frozenset({"linear", "sigmoid", "precomputed"})
_OTHER_TYPES = frozenset({"nu_svc", "one_class", "epsilon_svr", "nu_svr"})
_ALWAYS = frozenset(
    {"svm_type", "kernel_type", "gamma", "nr_class", "total_sv", "rho", "label", "nr_sv"}
)
_PROBABILITY = frozenset({"probA", "probB"})
_POLYNOMIAL = frozenset({"degree", "coef0"})

# Without trailing zeros, and never longer than 16 digits and the zeros in front of them.
_NUMBER = rb"-?(?:0|[1-9][0-9]{0,15})(?:\.[0-9]{0,20}[1-9])?(?:e[+-][0-9]{2,3})?"
_WHOLE = re.compile(r"0|[1-9][0-9]{0,8}")
_HEADER_NUMBER = re.compile(_NUMBER.decode())

_SHOWN_LINE = 60

# A model in which nearly every value is zero would unfold to many times its size. Gaia's have few
# zeros, their columns being scaled measurements: they have some 14 bytes a value.
_FEWEST_BYTES_PER_VALUE = 1

_HEADER_DIGITS, _VALUE_DIGITS = 6, 8


@dataclass(frozen=True, eq=False)
class Machine:
    """A text model as numbers.

    Attributes
    ----------
    kernel : {"poly", "rbf"}
    gamma : float
    labels : tuple of int
        The class of each internal position, as an index into the class mapping.
    counts : ndarray of intp, shape (k,)
    rho, slope, offset : ndarray of float64, shape (k (k-1) / 2,)
        ``slope`` and ``offset`` are probA and probB.
    coefficients : ndarray of float64, shape (k - 1, n_vectors)
    vectors : ndarray of float32, shape (n_vectors, width)
    """

    kernel: str
    gamma: float
    labels: tuple[int, ...]
    counts: NDArray[np.intp]
    rho: Float64
    slope: Float64
    offset: Float64
    coefficients: Float64
    vectors: NDArray[np.float32]


def read_machine(text: bytes, *, n_classes: int, width: int) -> Machine:
    """Read a text model.

    Parameters
    ----------
    text : bytes
    n_classes : int
        Number of classes of the history.
    width : int
        Number of columns of its layout.

    Raises
    ------
    DamagedError, UnsupportedError
        It is no model that libsvm can have written for Gaia with these classes and columns.
    """
    head, found, body = text.partition(b"\nSV\n")
    require(found, "the machine has no line 'SV'")
    header = _header(head)
    kernel = _kernel(header)
    require(header["nr_class"] == str(n_classes), "the machine has another number of classes")
    pairs = n_classes * (n_classes - 1) // 2
    counts = np.array(_wholes(header, "nr_sv", n_classes), dtype=np.intp)
    lines = _lines(body, int(counts.sum()))
    total = _wholes(header, "total_sv", 1)[0]
    require(total == len(lines), f"the machine has {len(lines):,} support vectors of {total:,}")
    require(counts.min() > 0, "the machine has a class without support vectors")
    rho, slope, offset = (_numbers(header, key, pairs) for key in ("rho", "probA", "probB"))
    _check_size(len(body), values=len(lines) * width, coefficients=len(lines) * (n_classes - 1))
    coefficients, vectors = _vectors(lines, n_classes - 1, width)
    return Machine(
        kernel=kernel,
        gamma=_gamma(header),
        labels=_labels(header, n_classes),
        counts=counts,
        rho=rho,
        slope=slope,
        offset=offset,
        coefficients=coefficients,
        vectors=vectors,
    )


def _header(head: bytes) -> dict[str, str]:
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise DamagedError("the machine's header is no plain text") from error
    header: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition(" ")
        require(key not in header, f"the machine's header has {shown(key)} twice")
        header[key] = value
    _check_type(header)
    _kernel(header)
    missing = sorted((_PROBABILITY | _ALWAYS) - header.keys())
    require(not missing, f"the machine has no {' and no '.join(missing)}")
    extra = _POLYNOMIAL if header["kernel_type"] == "polynomial" else frozenset()
    odd = sorted(header.keys() ^ (_ALWAYS | _PROBABILITY | extra))
    require(
        not odd, f"the machine's header should not have, or lacks, {shown(odd[0] if odd else '')}"
    )
    return header


def _check_type(header: Mapping[str, str]) -> None:
    kind = _word(header, "svm_type")
    if kind in _OTHER_TYPES:
        raise UnsupportedError(f"the machine is of the type {kind}, not c_svc")
    require(kind == "c_svc", f"the machine's svm_type is {shown(kind)}, no word of libsvm's")


def _kernel(header: Mapping[str, str]) -> str:
    kernel = _word(header, "kernel_type")
    if kernel in _OTHER_KERNELS:
        raise UnsupportedError(f"the machine has the kernel {kernel}, not rbf or polynomial")
    require(
        kernel in _KERNELS, f"the machine's kernel_type is {shown(kernel)}, no word of libsvm's"
    )
    if kernel == "polynomial":
        _check_polynomial(header)
    return _KERNELS[kernel]


def _check_polynomial(header: Mapping[str, str]) -> None:
    degree, coef0 = _word(header, "degree"), _word(header, "coef0")
    for key, value in (("degree", degree), ("coef0", coef0)):
        require(_is_number(value), f"the machine's {key} is {shown(value)}, no number")
    if (degree, coef0) != (str(DEGREE), "0"):
        raise UnsupportedError(
            f"the machine has a polynomial of degree {degree} with coef0 {coef0}, and only degree "
            f"{DEGREE} with coef0 0 is known"
        )


def _word(header: Mapping[str, str], key: str) -> str:
    require(key in header, f"the machine has no {key}")
    return header[key]


def _gamma(header: Mapping[str, str]) -> float:
    gamma = float(_numbers(header, "gamma", 1)[0])
    require(gamma > 0, f"the machine has the gamma {gamma}")
    return gamma


def _labels(header: Mapping[str, str], n_classes: int) -> tuple[int, ...]:
    labels = tuple(_wholes(header, "label", n_classes))
    is_permutation = sorted(labels) == list(range(n_classes))
    require(is_permutation, f"the machine's labels are {shown(header['label'])}, no permutation")
    return labels


def _wholes(header: Mapping[str, str], key: str, count: int) -> list[int]:
    parts = _parts(header, key, count)
    odd = [part for part in parts if not _WHOLE.fullmatch(part)]
    require(not odd, f"the machine's {key} has {shown(odd[0] if odd else '')}, no whole number")
    return [int(part) for part in parts]


def _numbers(header: Mapping[str, str], key: str, count: int) -> Float64:
    parts = _parts(header, key, count)
    odd = [part for part in parts if not _is_number(part)]
    require(not odd, f"the machine's {key} has {shown(odd[0] if odd else '')}, no number")
    return np.array([float(part) for part in parts])


def _parts(header: Mapping[str, str], key: str, count: int) -> list[str]:
    parts = header[key].split(" ")
    require(len(parts) == count, f"the machine's {key} has {len(parts)} numbers instead of {count}")
    return parts


def _is_number(part: str) -> bool:
    """Whether `part` is a finite number as C's ``%g`` writes it."""
    return bool(_HEADER_NUMBER.fullmatch(part)) and f"{float(part):.{_HEADER_DIGITS}g}" == part


def _lines(body: bytes, expected: int) -> list[bytes]:
    require(body.endswith(b"\n"), "the machine's last line is not ended")
    lines = body[:-1].split(b"\n")
    require(
        len(lines) == expected,
        f"the machine has {len(lines):,} support vectors instead of the {expected:,} of nr_sv",
    )
    return lines


def _check_size(size: int, *, values: int, coefficients: int) -> None:
    """Refuse a machine that would unfold to much more than its text."""
    fits = values * _FEWEST_BYTES_PER_VALUE <= size and 2 * coefficients <= size
    require(fits, f"the machine's {size:,} bytes cannot hold {values:,} values, but for zeros")


def _vectors(
    lines: Sequence[bytes], n_coefficients: int, width: int
) -> tuple[Float64, NDArray[np.float32]]:
    as_written = re.compile(
        rb"(?:%b ){%d}+(?:[1-9][0-9]{0,8}:%b )*+" % (_NUMBER, n_coefficients, _NUMBER)
    )
    coefficients = np.empty((n_coefficients, len(lines)))
    vectors = np.zeros((len(lines), width), dtype=np.float32)
    for number, line in enumerate(lines):
        if not as_written.fullmatch(line):
            raise DamagedError(f"support vector {number + 1} {_fault(line)}")
        numbers = np.fromstring(line.replace(b":", b" ").decode(), sep=" ")
        coefficients[:, number] = numbers[:n_coefficients]
        try:
            columns = _columns(numbers[n_coefficients::2], width)
            vectors[number, columns] = _float32(numbers[n_coefficients + 1 :: 2])
        except DamagedError as error:
            raise DamagedError(f"support vector {number + 1} {error}") from error
    require(np.isfinite(coefficients).all(), "a coefficient of the machine is not finite")
    return coefficients, vectors


def _fault(line: bytes) -> str:
    if b"nan" in line.lower() or b"inf" in line.lower():
        return "holds a value that is not finite"
    return f"is no line of libsvm's: {shown(line[:_SHOWN_LINE].decode('ascii', 'replace'))}"


def _columns(indices: Float64, width: int) -> NDArray[np.intp]:
    require((np.diff(indices) > 0).all(), "has columns out of order")
    fits = not len(indices) or indices[-1] <= width
    require(fits, f"has more columns than the {width:,} of its descriptors")
    return indices.astype(np.intp) - 1


def _float32(values: Float64) -> NDArray[np.float32]:
    """Return the float32 values that were written with eight digits."""
    with np.errstate(over="ignore"):
        exact = values.astype(np.float32)
    require(np.isfinite(exact).all(), "holds a value that is not finite")
    require(((exact == 0) == (values == 0)).all(), "holds a value that no float32 is written as")
    sizes = np.abs(np.where(values == 0, 1.0, exact.astype(np.float64)))
    unit = _unit(sizes)
    # Half a unit of the last digit, and what computing it in binary costs.
    nearest = np.abs(values - exact) <= 0.500001 * unit
    in_units = values / unit
    nearest &= np.abs(in_units - np.rint(in_units)) < 1e-4  # noqa: PLR2004 - of a unit
    require(nearest.all(), "holds a value that no float32 is written as")
    return exact


def _unit(sizes: Float64) -> Float64:
    """Return the unit of the last digit that is written of each number."""
    return 10.0 ** (np.floor(np.log10(sizes)) - (_VALUE_DIGITS - 1))
