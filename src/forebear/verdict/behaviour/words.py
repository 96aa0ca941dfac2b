"""What figures on behaviour assume, and what a reader must not conclude from them, in words."""

from __future__ import annotations

EQUAL_DIFFICULTY = (
    "log10_p_equal_difficulty assumes that all items are equally hard; where some are harder than others, strangers "
    "share errors too, and it says nothing"
)
NO_CONTROLS = (
    "without the same items answered by strangers (--controls) nothing tells shared errors from hard items: no verdict"
)
NEEDS_CONTROLS = "needs controls: strangers that answered the same items"
NEEDS_THREE_CONTROLS = "needs three controls or more, whose figures have a spread"
NOT_THEIR_KIND = (
    "the controls are of neither model's kind: they answer alike more, or less, than they answer like either; bring "
    "strangers trained as the reference was, of its size and on data like its own"
)
NEEDS_GOLD = "needs right answers: in the files, or with --gold"
ONLY_COUNTS = "counts alone tell neither which items were missed nor what was answered"
NO_KAPPA = "not defined where both models are always right or always wrong"
NO_INTERVAL = "too many draws of the bootstrap have no kappa"
UNSCORED = (
    "without right answers able models agree because they are right, so that no likeness counts as related; give the "
    "right answers with --gold"
)
UNSCORED_KIN = (
    "they answer alike more than the controls, but without right answers two able strangers among weaker ones do too"
)
STEADIER = (
    "the one that controls stand in for parts hard items from easy ones more sharply than they do, so they tell little "
    "of difficulty: shared errors were left out of log10_p; bring controls as able as it is"
)
HABIT = (
    "they agree more than difficulty and popular answers explain, but by one answer alone, such as a preferred letter "
    "or a refusal; where it was not given they agree as strangers do"
)
INNOCENT = (
    "distillation, training on the same data, on the other's output, or on the test itself also make strangers agree; "
    "behaviour alone does not tell these from inherited weights"
)
LIMITS = "behaviour gives no direction, and depends on the items asked and on the controls being strangers"


def few_controls(given: int, needed: int) -> str:
    """Why there is no verdict."""
    return (
        f"{given} control{'' if given == 1 else 's'}: a verdict needs {needed} strangers that answered the same items"
    )


def chance(log10_p: float) -> str:
    """A p-value as a reader sees it."""
    return f"10^{log10_p:.0f}" if log10_p < -3 else f"{10**log10_p:.2g}"


def seen(figure: str, value: float, highest: float) -> str:
    """A pair's figure beside the highest of strangers."""
    return f"{figure}: {value:.2g}, strangers {highest:.2g} at most"


def of_the_models_kind(model: str, reference: str) -> str:
    """That controls stand in for the model rather than for the reference."""
    return f"the controls are not of the kind of {reference}, so they stand in for {model}"


def letter_case(many: int, items: int) -> str:
    """That answers differ by letter case."""
    return f"{many} of {items} answers differ by letter case alone, which counts; write all files alike"


def one_answer(value: str, many: int, of: int) -> str:
    """That equal answers are mostly one answer."""
    shown = value if len(value) <= 40 else value[:37] + "..."
    habit = "a habit of both, such as a preferred letter or a refusal, would do that between strangers too"
    return f"{many} of {of} equal answers are {shown!r}: {habit}"
