"""Guesses the roles of tensors from their shapes: what is settled, what is open, and what is taken meanwhile.

Matrices come as logical ``(out, in)`` shapes. A reader takes the residual stream in, a writer puts it out; widths tell
an FFN from attention, and what shapes leave open is decided by hints in names, then by order: a claim, no more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from forebear.anatomy.hints import hinted
from forebear.anatomy.parts import Role

Shape = tuple[int, ...]
Roles = tuple[Role, ...]

GATED = (Role.GATE, Role.UP, Role.DOWN)
SHARED = (Role.SHARED_GATE, Role.SHARED_UP, Role.SHARED_DOWN)
_ATTENTION = (Role.Q, Role.K, Role.V)


@dataclass(frozen=True, slots=True)
class Guess:
    """What a tensor is taken for.

    Attributes:
        roles: in stored order.
        split: how several roles share the rows (as in the family tables).
        input: role whose rows it reads, where that is not the residual stream.
        options: every role its shape allows, those taken included.
    """

    roles: Roles
    options: frozenset[Role]
    split: str | None = None
    input: Role | None = None


@dataclass(slots=True)
class Block:
    """The matrices of one layer, or of one expert, that are still to be guessed.

    Attributes:
        hidden: width of the residual stream.
        shapes: name to logical shape; taken out as they are guessed.
        wide: width of the FFN where attention might be as wide, and what its writer was called.
        guesses: so far.
    """

    hidden: int
    shapes: dict[str, Shape]
    wide: tuple[int, Role] | None = None
    guesses: dict[str, Guess] = field(default_factory=dict)

    def readers(self, rows: int | None = None) -> list[str]:
        """Names of matrices ``(rows, hidden)``, square ones only where ``rows`` is the hidden size."""
        return [
            name
            for name, (out, into) in self.shapes.items()
            if into == self.hidden and (out != self.hidden if rows is None else out == rows)
        ]

    def writers(self, columns: int | None = None) -> list[str]:
        """Names of matrices ``(hidden, columns)``, square ones only where ``columns`` is the hidden size."""
        return [
            name
            for name, (out, into) in self.shapes.items()
            if out == self.hidden and (into != self.hidden if columns is None else into == columns)
        ]

    def take(self, names: Sequence[str], roles: Sequence[Role], options: Iterable[Role] | None = None) -> None:
        """Gives as many roles to as many tensors: by hints, then in order; all of them are options of each."""
        allowed = frozenset(roles if options is None else options)
        for name, role in deal(names, roles).items():
            self.hold(name, Guess((role,), allowed))

    def hold(self, name: str, guess: Guess) -> None:
        """Settles one tensor."""
        self.guesses[name] = guess
        del self.shapes[name]


def deal(names: Sequence[str], roles: Sequence[Role]) -> dict[str, Role]:
    """One role each: the hinted one where a name hints at one that is left, then in order."""
    left, found = list(roles), {}
    for name in names:
        role = hinted(name, left)
        if role is not None:
            found[name] = role
            left.remove(role)
    for name in names:
        if name not in found and left:
            found[name] = left.pop(0)
    return found


def guess_ffn(block: Block, roles: tuple[Role, Role, Role]) -> bool:
    """Guesses one FFN: a writer, and one or two readers of its width, or one of twice its width.

    Args:
        block: changed where an FFN is found.
        roles: what to call gate, up and down.

    Returns:
        Whether there was one. Gated FFNs are looked for first, then the widest.
    """
    gate, up, down = roles
    widths = Counter(block.shapes[name][1] for name in block.writers())
    ranked = sorted(widths, key=lambda width: (len(block.readers(width)) == 2, bool(block.readers(2 * width)), width))
    for width in reversed(ranked):
        readers, fused = block.readers(width), block.readers(2 * width)
        if not fused and len(readers) < (2 if roles is SHARED else 1):
            continue  # a shared expert is gated like the others; what is not is attention
        writers = block.writers(width)
        writer = next(iter(deal(writers, [down])), writers[0])
        if len(writers) > 1:
            writer = next((name for name in writers if hinted(name, [down])), writer)
        if readers:
            chosen = readers if len(readers) < 3 else list(deal(readers, [gate, up]))
            block.take(chosen[:2], [gate, up] if len(chosen) > 1 else [up], _wider(readers, writers, (gate, up)))
        else:
            block.hold(fused[0], Guess((gate, up), frozenset((gate, up)), "equal"))
        if len(writers) > 1:
            block.wide = (width, down)
        block.hold(writer, Guess((down,), _open_writer(block, down)))
        return True
    return False


def _wider(readers: Sequence[str], writers: Sequence[str], roles: Roles) -> Roles:
    """Roles open to an FFN's readers: where as wide an attention could be, its roles too."""
    if len(readers) == 2 and len(writers) == 1:
        return roles
    return (*roles, *_ATTENTION) if len(readers) > 2 or len(writers) > 1 else (roles[1], Role.Q)


def _open_writer(block: Block, down: Role) -> frozenset[Role]:
    return frozenset((down, Role.O)) if block.writers() or not block.readers(block.hidden) else frozenset((down,))


def guess_routers(block: Block, experts: int) -> None:
    """Guesses the router of a layer with so many experts, and the one-row gate of a shared expert."""
    for rows, role in ((experts, Role.ROUTER), (1, Role.SHARED_ROUTER)):
        found = block.readers(rows)
        if experts and len(found) == 1:
            block.take(found, [role])


def guess_latent(block: Block) -> None:
    """Guesses attention through compressed streams: matrices that read what another one wrote, not the stream."""
    hidden = block.hidden
    both = (Role.KV_A, Role.K_ROTARY)
    inner = {name: shape for name, shape in block.shapes.items() if hidden not in shape}
    for name, (_, rank) in sorted(inner.items(), key=lambda item: (bool(block.readers(item[1][1])), item[0])):
        exact = block.readers(rank)
        wider = [each for each in block.readers() if rank < block.shapes[each][0] < 2 * rank]
        if exact:
            block.hold(exact[0], Guess((Role.Q_A,), frozenset((Role.Q_A, *both))))
            block.hold(name, Guess((Role.Q,), frozenset((Role.Q, Role.K, Role.V)), None, Role.Q_A))
        elif wider:
            low = min(wider, key=lambda each: block.shapes[each])
            block.hold(low, Guess(both, frozenset((Role.Q_A, *both)), "latent"))
            block.hold(name, Guess((Role.K, Role.V), frozenset(_ATTENTION), "latent_heads", Role.KV_A))


def guess_attention(block: Block) -> None:
    """Guesses q, k, v and o, also where several of them are fused."""
    hidden = block.hidden
    writers, squares = block.writers(), block.readers(hidden)
    if not writers and not squares:
        return
    if writers:
        output = next((name for name in writers if block.readers(block.shapes[name][1])), writers[0])
        width = block.shapes[output][1]
        options = {Role.O, Role.DOWN} if len(block.readers(width)) == 1 else {Role.O}
        if block.wide is not None and block.wide[0] == width:
            options.add(block.wide[1])
        block.hold(output, Guess((Role.O,), frozenset(options)))
        _readers(block, width, squares_open=False)
        return
    width = hidden
    thin = [name for name in block.readers() if block.shapes[name][0] < hidden]
    if len(squares) in (2, 4) or (len(squares) > 2 and not thin):
        roles = [Role.Q, Role.O] if len(squares) == 2 else [Role.Q, Role.K, Role.V, Role.O]
        block.take(squares[:4], roles)
        if len(squares) == 2:
            _pair(block)
        return
    block.take([next((name for name in squares if hinted(name, [Role.O])), squares[0])], [Role.O])
    _readers(block, width, squares_open=True)


def _readers(block: Block, width: int, *, squares_open: bool) -> None:
    """Guesses what reads the stream for attention whose output reads ``width`` numbers."""
    known = {role for guess in block.guesses.values() for role in guess.roles}
    if Role.V in known:
        if Role.Q not in known and len(block.readers()) == 1:
            block.take(block.readers(), [Role.Q])
        return
    equal = block.readers(width)
    if len(equal) >= 3:
        block.take(equal[:3], _ATTENTION)
        return
    if equal:
        query = next((name for name in equal if hinted(name, [Role.Q])), equal[0])
        block.take([query], [Role.Q])
        _pair(block)
        return
    fused = [name for name in block.readers() if block.shapes[name][0] > width]
    if len(fused) == 1 and (block.shapes[fused[0]][0] - width) % 2 == 0:
        options = frozenset((*_ATTENTION, *((Role.O,) if squares_open else ())))
        block.hold(fused[0], Guess(_ATTENTION, options, "grouped"))


def _pair(block: Block) -> None:
    """Guesses k and v: two readers of equal height, or one that holds both."""
    left = [name for name, shape in block.shapes.items() if shape[1] == block.hidden]
    heights = Counter(block.shapes[name][0] for name in left)
    two = [height for height, count in heights.items() if count == 2]
    if two:
        block.take(block.readers(max(two)), [Role.K, Role.V])
    elif len(left) == 1 and block.shapes[left[0]][0] % 2 == 0:
        block.hold(left[0], Guess((Role.K, Role.V), frozenset((Role.K, Role.V)), "equal"))


def transposed_mostly(shapes: Iterable[Shape], hidden: int) -> bool | None:
    """Whether matrices are stored ``(in, out)``.

    More tensors read the residual stream than write it (gates, keys and values have no writer of their width), so the
    widths that occur oftener on one side tell.

    Args:
        shapes: stored shapes of the layers' matrices.
        hidden: width of the residual stream.

    Returns:
        None where as many stand on either side.
    """
    first = Counter(shape[-2] for shape in shapes if len(shape) > 1 and shape[-1] == hidden != shape[-2])
    last = Counter(shape[-1] for shape in shapes if len(shape) > 1 and shape[-2] == hidden != shape[-1])
    votes = sum((first[width] > last[width]) - (last[width] > first[width]) for width in first | last)
    return None if votes == 0 else votes < 0
