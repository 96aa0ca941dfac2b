"""What attention leaves arbitrary: the order of its heads, and the basis inside each of them.

All act per key/value group: heads of a group share their keys and values, so they change together.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from forebear.anatomy.parts import Part, Role
from forebear.errors import UsageError
from forebear.zoo.folder import Arrays
from forebear.zoo.surgery.bench import Bench, Heads
from forebear.zoo.surgery.changed import Config, Floats, Tensors
from forebear.zoo.surgery.residual import orthogonal

Order = NDArray[np.int64]
_Draw = Callable[[], tuple[Floats, Floats]]


def permute_heads(tensors: Tensors, config: Config, *, seed: int = 0) -> Arrays:
    """Orders key/value groups anew, and the query heads inside each group: the same function, nothing rounded.

    Args:
        tensors: the model.
        config: for the numbers of heads.
        seed: of the orders, one a layer.

    Raises:
        UsageError: as `Heads`, or a tensor of unknown role.
    """
    bench = Bench(tensors)
    sizes, rng = Heads(bench, config), np.random.default_rng(seed)
    for layer in range(bench.layers):
        groups = rng.permutation(sizes.groups)
        heads = np.concatenate([group * sizes.inside + rng.permutation(sizes.inside) for group in groups])
        take_heads(bench, layer, heads, groups, sizes)
    return bench.assemble()


def mix_values(tensors: Tensors, config: Config, *, seed: int = 0, spread: float = 0.5) -> Arrays:
    """Mixes the value dimensions of each key/value head by a random invertible matrix, undone in the output matrix.

    Args:
        tensors: the model.
        config: for the numbers of heads.
        seed: of the matrices.
        spread: their singular values lie between exp(-spread) and exp(spread).

    Raises:
        UsageError: as `Heads`, or a tensor of unknown role.
    """
    bench = Bench(tensors)
    sizes, rng = Heads(bench, config), np.random.default_rng(seed)
    _change_values(bench, sizes, lambda: _invertible(sizes.value_dim, spread, rng))
    return bench.assemble()


def mix_queries(tensors: Tensors, config: Config, *, seed: int = 0, spread: float = 0.5) -> Arrays:
    """Mixes queries, and keys by the inverse adjoint, so that every score stays.

    With rotary positions each plane (i, i + dim/2) is turned and scaled by itself, all that commutes with them; with
    learned positions a whole invertible matrix is applied.

    Args:
        tensors: the model.
        config: for the numbers of heads.
        seed: of the matrices.
        spread: singular values lie between exp(-spread) and exp(spread).

    Raises:
        UsageError: as `Heads`, queries are normed or rotary in part (mixing then changes the function), or a tensor of
            unknown role.
    """
    bench = Bench(tensors)
    sizes, rng = Heads(bench, config), np.random.default_rng(seed)
    if sizes.rotary:
        _change_queries(bench, config, sizes, lambda: _planes(sizes.dim, spread, rng))
    else:
        _change_queries(bench, config, sizes, lambda: _adjoint(_invertible(sizes.dim, spread, rng)))
    return bench.assemble()


def rescale_heads(tensors: Tensors, config: Config, *, seed: int = 0, octaves: int = 2) -> Arrays:
    """Multiplies value dimensions and divides output columns by random powers of two; queries against keys alike.

    Queries are scaled by rotary plane, or by dimension where positions are learned. Nothing is rounded.

    Args:
        tensors: the model.
        config: for the numbers of heads.
        seed: of the exponents.
        octaves: largest exponent either way.

    Raises:
        UsageError: as `mix_queries`.
    """
    rng = np.random.default_rng(seed)
    return _diagonal(tensors, config, lambda size: np.exp2(rng.integers(-octaves, octaves + 1, size)))


def flip_heads(tensors: Tensors, config: Config, *, seed: int = 0) -> Arrays:
    """Negates about half the value dimensions with their output columns, half the planes of queries with those of keys.

    Planes are the rotary ones; where positions are learned, query and key dimensions are negated one by one. Nothing is
    rounded.

    Raises:
        UsageError: as `mix_queries`.
    """
    rng = np.random.default_rng(seed)
    return _diagonal(tensors, config, lambda size: rng.choice([-1.0, 1.0], size))


def take_heads(bench: Bench, layer: int, heads: Order, groups: Order, sizes: Heads) -> None:
    """Keeps some query heads and key/value groups of a layer, in the order given."""
    queries, keys, values = (
        _rows(*item) for item in ((heads, sizes.dim), (groups, sizes.dim), (groups, sizes.value_dim))
    )
    for roles, rows in (
        ((Role.Q, Role.Q_BIAS), queries),
        ((Role.K, Role.K_BIAS), keys),
        ((Role.V, Role.V_BIAS), values),
    ):
        for part in (Part(role, layer) for role in roles):
            if part in bench:
                bench[part] = bench[part][rows]
    output = Part(Role.O, layer)
    bench[output] = bench[output][:, _rows(heads, sizes.value_dim)]


def _rows(heads: Order, dim: int) -> Order:
    found: Order = (heads[:, None] * dim + np.arange(dim)).ravel()
    return found


def _diagonal(tensors: Tensors, config: Config, draw: Callable[[int], Floats]) -> Arrays:
    bench = Bench(tensors)
    sizes = Heads(bench, config)

    def values() -> tuple[Floats, Floats]:
        factors = draw(sizes.value_dim)
        return np.diag(factors), np.diag(1 / factors)

    def queries() -> tuple[Floats, Floats]:
        factors = np.tile(draw(sizes.dim // 2), 2) if sizes.rotary else draw(sizes.dim)
        return np.diag(factors), np.diag(1 / factors)

    _change_values(bench, sizes, values)
    _change_queries(bench, config, sizes, queries)
    return bench.assemble()


def _change_values(bench: Bench, sizes: Heads, draw: _Draw) -> None:
    """Applies (matrix, inverse) pairs, one a key/value head, to values and to the columns that read them."""
    for layer in range(bench.layers):
        pairs = [draw() for _ in range(sizes.groups)]
        _apply(bench, (Role.V, Role.V_BIAS), layer, [pair[0] for pair in pairs])
        inverses = np.repeat(np.stack([pair[1] for pair in pairs]), sizes.inside, axis=0)
        output = Part(Role.O, layer)
        columns = bench[output].reshape(-1, sizes.heads, sizes.value_dim)
        bench[output] = np.einsum("ohd,hde->ohe", columns, inverses).reshape(bench[output].shape)


def _change_queries(bench: Bench, config: Config, sizes: Heads, draw: _Draw) -> None:
    """Applies (matrix for queries, matrix for keys) pairs, one a key/value head."""
    if bench.of_roles(frozenset((Role.Q_NORM, Role.K_NORM)), 0):
        raise UsageError("queries and keys are normed: mixing or rescaling them would change the function")
    if config.get("partial_rotary_factor", 1) != 1:
        rule = "only models whose heads are rotary throughout are known"
        raise UsageError(rule, where="config.json", field="partial_rotary_factor")
    for layer in range(bench.layers):
        pairs = [draw() for _ in range(sizes.groups)]
        queries = [pair[0] for pair in pairs for _ in range(sizes.inside)]
        _apply(bench, (Role.Q, Role.Q_BIAS), layer, queries)
        _apply(bench, (Role.K, Role.K_BIAS), layer, [pair[1] for pair in pairs])


def _apply(bench: Bench, roles: tuple[Role, Role], layer: int, matrices: list[Floats]) -> None:
    for part in (Part(role, layer) for role in roles):
        if part in bench:
            values = bench[part]
            heads = values.reshape(len(matrices), matrices[0].shape[1], -1)
            bench[part] = np.matmul(np.stack(matrices), heads).reshape(values.shape)


def _invertible(size: int, spread: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    left, right = orthogonal(size, rng), orthogonal(size, rng)
    scales = np.exp(rng.uniform(-spread, spread, size))
    return (left * scales) @ right, (right.T / scales) @ left.T


def _adjoint(pair: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    return pair[0], pair[1].T


def _planes(dim: int, spread: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """A scaled turn of every rotary plane, and its inverse adjoint: the same turn with the inverse scale."""
    angles, scales = rng.uniform(0, 2 * np.pi, dim // 2), np.exp(rng.uniform(-spread, spread, dim // 2))
    cos, sin = np.diag(np.cos(angles)), np.diag(np.sin(angles))
    turn: Floats = np.block([[cos, -sin], [sin, cos]])
    both = np.tile(scales, 2)
    return turn * both, turn / both
