"""Proposes the anatomy of a model whose names no table knows, from shapes, numbers in names and position.

Nothing is read. What shapes leave open (gate or up, q or o, which norm) is kept beside the choice made.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from forebear.anatomy.agreement import settle
from forebear.anatomy.anatomy import Anatomy
from forebear.anatomy.assemble import Candidate, assemble
from forebear.anatomy.claims import Claims
from forebear.anatomy.guesses import (
    GATED,
    SHARED,
    Block,
    Guess,
    guess_attention,
    guess_ffn,
    guess_latent,
    guess_routers,
    transposed_mostly,
)
from forebear.anatomy.hints import hinted
from forebear.anatomy.names import Found, Match, Names
from forebear.anatomy.parts import Role
from forebear.anatomy.series import Layout, Shape, Spot, lay_out, touches
from forebear.anatomy.shapes import draft
from forebear.anatomy.tables import VECTORS, Entry, Family
from forebear.anatomy.vectors import guess_outer_vectors, guess_vectors
from forebear.checkpoint.store import TensorStore

UNNAMED = "unnamed"

_CLAIMS: Mapping[str, tuple[str, ...]] = {
    "hidden": ("hidden_size", "n_embd", "d_model"),
    "layers": ("num_hidden_layers", "n_layer", "n_layers", "num_layers"),
    "vocabulary": ("vocab_size",),
    "heads": ("num_attention_heads", "n_head", "n_heads"),
    "kv_heads": ("num_key_value_heads", "n_kv_heads"),
    "head_dim": ("head_dim",),
    "neurons": ("intermediate_size", "n_inner"),
    "expert_neurons": ("moe_intermediate_size",),
    "positions": ("max_position_embeddings", "n_positions"),
}


@dataclass(slots=True)
class _Sketch:
    """Guesses by tensor, as they are made."""

    hidden: int
    shapes: dict[str, Shape]
    transposed: bool
    guesses: dict[str, Guess] = field(default_factory=dict)
    spots: dict[str, Spot] = field(default_factory=dict)
    stacked: set[str] = field(default_factory=set)
    turned: set[str] = field(default_factory=set)

    def logical(self, name: str) -> Shape:
        """Shape as ``(out, in)``, of one expert where several are stacked."""
        shape = self.shapes[name][-2:]
        return shape[::-1] if name in self.turned else shape

    def add(self, guesses: Mapping[str, Guess]) -> None:
        self.guesses.update(guesses)


def propose(store: TensorStore, config: Mapping[str, Any] | None = None) -> Anatomy | None:
    """The anatomy that shapes propose, whatever the tensors are called.

    Layers are read from the numbers in names where there are any, else dealt out among equal shapes. Roles come from
    shapes; names only hint where shapes leave a choice, and order decides the rest, which ``candidates`` keeps open.

    Args:
        store: the model's tensors; none is read.
        config: config.json as read; None where there is none.

    Returns:
        An anatomy of family ``unnamed``; None where no stack of layers with an FFN is found.
    """
    shapes = {name: store.info(name).shape for name in store.names()}
    usable = {name: shape for name, shape in shapes.items() if shape and 0 not in shape and len(shape) < 4}
    hidden = hidden_size(usable.values())
    layout = lay_out(usable, hidden) if hidden > 1 else None
    if layout is None:
        return None
    sketch = _sketch(usable, layout, hidden)
    return _finish(store, sketch, layout, Claims.of(config))


def hidden_size(shapes: Iterable[Shape]) -> int:
    """The width most matrices touch; of equally common ones the one the tallest matrix has, then the larger."""
    matrices = [shape[-2:] for shape in shapes if len(shape) > 1]
    votes = Counter(width for shape in matrices for width in set(shape))
    tallest: Shape = max(matrices, key=max, default=())
    return max(votes, key=lambda width: (votes[width], width in tallest, width), default=0)


def _sketch(shapes: dict[str, Shape], layout: Layout, hidden: int) -> _Sketch:
    inside = [spot for spot in layout.spots if spot.layer is not None]
    matrices = [shapes[spot.name] for spot in inside if touches(shapes[spot.name], hidden)]
    sketch = _Sketch(hidden, shapes, transposed=bool(transposed_mostly(_singles(matrices), hidden)))
    sketch.spots = {spot.name: spot for spot in layout.spots}
    sketch.stacked = {spot.name for spot in inside if len(shapes[spot.name]) == 3}
    stacks = transposed_mostly([shapes[name][-2:] for name in sketch.stacked], hidden)
    for spot in inside:
        turned = bool(stacks) if spot.name in sketch.stacked else sketch.transposed
        if turned and len(shapes[spot.name]) > 1:
            sketch.turned.add(spot.name)
    layers: dict[int, list[Spot]] = defaultdict(list)
    for spot in inside:
        layers[spot.layer or 0].append(spot)
    for layer in sorted(layers):
        _guess_layer(sketch, layers[layer])
    _guess_outside(sketch, [spot.name for spot in layout.spots if spot.layer is None])
    return sketch


def _singles(matrices: Sequence[Shape]) -> list[Shape]:
    return [shape for shape in matrices if len(shape) == 2]


def _guess_layer(sketch: _Sketch, spots: Sequence[Spot]) -> None:
    experts = _guess_experts(sketch, spots)
    plain = [spot.name for spot in spots if spot.expert is None and spot.name not in sketch.stacked]
    matrices = {name: sketch.logical(name) for name in plain if len(sketch.shapes[name]) == 2}
    block = Block(sketch.hidden, dict(matrices))
    guess_routers(block, experts)
    guess_latent(block)
    guess_ffn(block, SHARED if experts else GATED)
    guess_attention(block)
    sketch.add(block.guesses)
    vectors = {name: sketch.shapes[name][0] for name in plain if len(sketch.shapes[name]) == 1}
    sketch.add(guess_vectors(vectors, matrices, block.guesses, sketch.hidden))


def _guess_experts(sketch: _Sketch, spots: Sequence[Spot]) -> int:
    """Guesses the experts of a layer; returns how many there are."""
    groups: dict[int | None, dict[str, Shape]] = defaultdict(dict)
    for spot in spots:
        if spot.name in sketch.stacked or (spot.expert is not None and len(sketch.shapes[spot.name]) == 2):
            groups[spot.expert][spot.name] = sketch.logical(spot.name)
    for shapes in groups.values():
        block = Block(sketch.hidden, shapes)
        guess_ffn(block, GATED)
        sketch.add(block.guesses)
    stacks = {sketch.shapes[name][0] for name in groups.get(None, {}).keys() | sketch.guesses.keys() & sketch.stacked}
    numbered = len([expert for expert in groups if expert is not None])
    return numbered or (max(stacks) if stacks and None in groups else 0)


def _guess_outside(sketch: _Sketch, names: Sequence[str]) -> None:
    hidden = sketch.hidden
    matrices = {name: sketch.shapes[name] for name in names if len(sketch.shapes[name]) == 2}
    for name, shape in matrices.items():
        if shape[1] != hidden and shape[0] == hidden:
            sketch.turned.add(name)
    tall = {name: sketch.logical(name)[0] for name, shape in matrices.items() if hidden in shape}
    vocabulary = max(tall.values(), default=0)
    both = frozenset((Role.EMBEDDING, Role.OUTPUT))
    tops = sorted((name for name in tall if tall[name] == vocabulary), key=lambda name: hinted(name, both) is None)
    if len(tops) == 1:
        sketch.add({tops[0]: Guess((Role.EMBEDDING,), frozenset((Role.EMBEDDING,)))})
    elif tops:
        first = hinted(tops[0], both) or Role.EMBEDDING
        second = Role.OUTPUT if first is Role.EMBEDDING else Role.EMBEDDING
        sketch.add({tops[0]: Guess((first,), both), tops[1]: Guess((second,), both)})
    rest = sorted((name for name in tall if name not in tops), key=lambda name: -tall[name])
    for name, role in zip(rest, (Role.POSITION_EMBEDDING, Role.TYPE_EMBEDDING), strict=False):
        sketch.add({name: Guess((role,), frozenset((Role.POSITION_EMBEDDING, Role.TYPE_EMBEDDING)))})
    vectors = {name: sketch.shapes[name][0] for name in names if len(sketch.shapes[name]) == 1}
    sketch.add(guess_outer_vectors(vectors, hidden, vocabulary, layered=_layered(sketch)))


def _layered(sketch: _Sketch) -> bool:
    """Whether norms have biases, as LayerNorm has."""
    return any(role.value.endswith("norm_bias") for guess in sketch.guesses.values() for role in guess.roles)


def _finish(store: TensorStore, sketch: _Sketch, layout: Layout, claims: Claims) -> Anatomy | None:
    matches = [_match(sketch, name, guess) for name, guess in sketch.guesses.items() if guess.roles]
    roles = Counter(role for match in matches for role in match.entry.parts)
    ffns = {match.layer for match in matches if {Role.DOWN, Role.SHARED_DOWN} & set(match.entry.parts)}
    if 2 * len(ffns) < layout.layers or not {Role.UP, Role.SHARED_UP} & roles.keys():
        return None
    family = _family(sketch, roles, claims, tuple(match.entry for match in matches))
    found = Found(family, "", matches)
    settled = draft(store, family, "", matches)
    settle(settled)
    open_roles = {name: guess.options for name, guess in sketch.guesses.items() if guess.options}
    notes = ["no table knows these names: roles were read from shapes, and names only hinted where shapes leave open"]
    several = sum(len(options) > 1 for options in open_roles.values())
    if several:
        notes.append(f"shapes leave the role of {several} tensors open; a reference's content decides them")
    anatomy = assemble(Names(store.names(), [family]), claims, Candidate(found, settled, favoured=True))
    return replace(anatomy, notes=(*notes, *layout.notes, *anatomy.notes), candidates=open_roles)


def _match(sketch: _Sketch, name: str, guess: Guess) -> Match:
    spot = sketch.spots[name]
    vector = guess.roles[0] in VECTORS
    entry = Entry(
        pattern=name,
        head=False,
        parts=guess.roles,
        split=guess.split,
        transposed=name in sketch.turned and not vector,
        stacked=name in sketch.stacked,
        input=guess.input,
    )
    return Match(name, entry, "", spot.layer, spot.expert)


def _family(sketch: _Sketch, roles: Counter[Role], claims: Claims, entries: tuple[Entry, ...]) -> Family:
    block = "pre"
    if not roles[Role.ATTENTION_NORM] and not roles[Role.FFN_NORM] and roles[Role.FFN_POST_NORM]:
        block = "residual" if roles[Role.EMBEDDING_NORM] else "output"
    spans = {role: sketch.shapes[name][0] for name, guess in sketch.guesses.items() for role in guess.roles}
    whole = Role.Q_NORM in spans and spans[Role.Q_NORM] != spans.get(Role.K_NORM)
    keys = {quantity: next((key for key in known if key in claims.values), "") for quantity, known in _CLAIMS.items()}
    return Family(
        name=UNNAMED,
        model_types=(),
        norm="layer" if _layered(sketch) else "rms",
        block=block,
        gain_offset=0.0,
        qk_norm=None if Role.Q_NORM not in roles else "whole" if whole else "head",
        always=frozenset(),
        yields_to=frozenset(),
        entries=entries,
        extra={},
        extra_layers=(),
        buffers=(),
        config={quantity: key for quantity, key in keys.items() if key},
    )
