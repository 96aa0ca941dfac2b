"""Guesses the roles of vectors: biases by length and by the matrix beside them in names, norms by what is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from forebear.anatomy.guesses import Guess, Shape, deal
from forebear.anatomy.hints import hinted
from forebear.anatomy.parts import Role

NORMS = (Role.ATTENTION_NORM, Role.FFN_NORM, Role.ATTENTION_POST_NORM, Role.FFN_POST_NORM)
OUTER_NORMS = (Role.FINAL_NORM, Role.EMBEDDING_NORM)
_BIASES = {role: Role(f"{role.value}_bias") for role in Role if f"{role.value}_bias" in {each.value for each in Role}}
_BIASED = (Role.Q, Role.K, Role.V, Role.O, Role.GATE, Role.UP, Role.DOWN, Role.ROUTER, Role.OUTPUT)


def guess_vectors(
    vectors: Mapping[str, int], shapes: Mapping[str, Shape], guesses: Mapping[str, Guess], hidden: int
) -> dict[str, Guess]:
    """Guesses the vectors of one layer.

    Args:
        vectors: name to length.
        shapes: logical shapes of the layer's matrices.
        guesses: what these are taken for.
        hidden: width of the residual stream.

    Returns:
        Guesses; ``roles`` is empty where a vector is left open without a choice.
    """
    found = {name: _beside(name, length, shapes, guesses) for name, length in vectors.items()}
    settled = {name: guess for name, guess in found.items() if guess is not None}
    options = {name: _options(length, shapes, guesses, hidden) for name, length in vectors.items()}
    taken = {role for guess in settled.values() for role in guess.roles}
    gated = any(Role.GATE in guess.roles for guess in guesses.values())
    for length in sorted(set(vectors.values())):
        names = [name for name, own in vectors.items() if own == length and name not in settled]
        roles = _choice(names, [role for role in options[names[0]] if role not in taken], gated) if names else {}
        for name in names:
            role = roles.get(name)
            settled[name] = Guess(() if role is None else (role,), options[name])
    fused = _fused(vectors, shapes, guesses)
    return {name: fused.get(name, guess) if not guess.roles else guess for name, guess in settled.items()}


def _module(name: str) -> str:
    return name.rpartition(".")[0]


def _biases(guess: Guess) -> tuple[Role, ...]:
    return tuple(_BIASES[role] for role in guess.roles if role in _BIASED)


def _beside(name: str, length: int, shapes: Mapping[str, Shape], guesses: Mapping[str, Guess]) -> Guess | None:
    """The bias of the one matrix in the same module, where the lengths agree."""
    module = _module(name)
    beside = [each for each in guesses if module and _module(each) == module and shapes[each][0] == length]
    if len(beside) != 1:
        return None
    owner = guesses[beside[0]]
    roles = _biases(owner)
    if not roles or len(roles) != len(owner.roles):
        return None
    return Guess(roles, frozenset(_BIASES[role] for role in owner.options if role in _BIASED), owner.split)


def _options(length: int, shapes: Mapping[str, Shape], guesses: Mapping[str, Guess], hidden: int) -> frozenset[Role]:
    options = {
        _BIASES[role]
        for name, guess in guesses.items()
        if shapes[name][0] == length
        for role in guess.options
        if role in _BIASED
    }
    if length == hidden:
        options |= {*NORMS, *(_BIASES[norm] for norm in NORMS)}
    rows = {role: shapes[name][0] for name, guess in guesses.items() for role in guess.roles}
    ranks = {shapes[name][1]: guess.input for name, guess in guesses.items() if guess.input is not None}
    if length in ranks:
        options |= {Role.Q_A_NORM, Role.KV_A_NORM}
    elif Role.Q in rows and length > 1:
        for role, norm in ((Role.Q, Role.Q_NORM), (Role.K, Role.K_NORM)):
            if role in rows and not rows[role] % length:
                options.add(norm)
    return frozenset(options)


def _choice(names: Sequence[str], options: Sequence[Role], gated: bool) -> dict[str, Role]:
    """Roles taken for vectors of equal length: by hints where there are any, else in the commonest order."""
    hints = {name: hinted(name, options) for name in names}
    if any(hints.values()):
        left = list(options)
        found: dict[str, Role] = {}
        for name in names:
            role = hinted(name, left)
            if role is not None:
                found[name] = role
                left.remove(role)
        return _fed(found, options)
    norms = [role for role in (*NORMS, Role.Q_NORM, Role.K_NORM, Role.Q_A_NORM, Role.KV_A_NORM) if role in options]
    heads = [role for role in norms if role in (Role.Q_NORM, Role.K_NORM)]
    if NORMS[0] in norms:
        block: list[Role] = list(NORMS[:2])
        if len(names) == 4:
            block = list(NORMS) if gated else [NORMS[0], _BIASES[NORMS[0]], NORMS[1], _BIASES[NORMS[1]]]
        return deal(names, block) if len(names) in (2, 4) else {}
    biases = [role for role in options if role not in norms]
    if heads and len(names) == len(heads) != len(biases):
        return deal(names, heads)
    rest = [role for role in norms if role not in heads] or biases
    ordered = sorted(rest, key=list(Role).index)
    return deal(names, ordered) if len(names) <= len(ordered) else {}


def _fed(found: dict[str, Role], options: Sequence[Role]) -> dict[str, Role]:
    """Where one norm feeds attention and none the FFN, the norm after attention is the one that feeds the FFN."""
    called = set(found.values())
    if Role.ATTENTION_NORM not in called or Role.FFN_NORM in called or Role.FFN_POST_NORM in called:
        return found
    renamed = {Role.ATTENTION_POST_NORM: Role.FFN_NORM, Role.ATTENTION_POST_NORM_BIAS: Role.FFN_NORM_BIAS}
    return {name: renamed[role] if renamed.get(role) in options else role for name, role in found.items()}


def _fused(vectors: Mapping[str, int], shapes: Mapping[str, Shape], guesses: Mapping[str, Guess]) -> dict[str, Guess]:
    """Biases of fused matrices, where one vector alone is as long as the matrix has rows."""
    found = {}
    for name, guess in guesses.items():
        roles = _biases(guess)
        alike = [each for each, length in vectors.items() if length == shapes[name][0]]
        if len(roles) > 1 and len(roles) == len(guess.roles) and len(alike) == 1:
            found[alike[0]] = Guess(roles, frozenset(roles), guess.split)
    return found


def guess_outer_vectors(vectors: Mapping[str, int], hidden: int, vocabulary: int, *, layered: bool) -> dict[str, Guess]:
    """Guesses the vectors outside the layers.

    Args:
        vectors: name to length.
        hidden: width of the residual stream.
        vocabulary: rows of the embedding.
        layered: norms have biases.
    """
    found = {}
    for name, length in vectors.items():
        if length == vocabulary:
            found[name] = Guess((Role.OUTPUT_BIAS,), frozenset((Role.OUTPUT_BIAS,)))
    names = [name for name, length in vectors.items() if length == hidden]
    options = frozenset((*OUTER_NORMS, *(_BIASES[norm] for norm in OUTER_NORMS)))
    order = [Role.FINAL_NORM, Role.FINAL_NORM_BIAS] if layered else [Role.FINAL_NORM]
    hints = {name: role for name in names if (role := hinted(name, options)) is not None}
    roles = hints if len(set(hints.values())) == len(names) else deal(names, order)
    found.update({name: Guess((roles[name],) if name in roles else (), options) for name in names})
    return found
