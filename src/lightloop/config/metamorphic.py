"""What a change of a record must do to the answer: the metamorphic checks that a data spec declares."""

from typing import Any, Literal, Self

from pydantic import model_validator

from lightloop.config.base import Fraction, Frozen, NotNegative

Change = Literal["shift", "flip", "brighten", "swap", "set", "add", "scale", "append", "prepend", "forget"]
# What each modality knows, and which of `amount`, `column` and `text` a change needs.
OF_MODALITY: dict[str, tuple[Change, ...]] = {
    "image": ("shift", "flip", "brighten"),
    "tabular": ("swap", "set", "add", "scale"),
    "text": ("append", "prepend"),
    "series": ("add", "scale", "forget"),
}
AMOUNT = ("shift", "brighten", "add", "scale", "forget")


class Metamorphic(Frozen):
    """A change of a raw record, and what it must do to the answer (Chen et al. 2018, doi:10.1145/3143561).

    Changes: `shift` an image by `amount` pixels to the right, `flip` it, `brighten` it by the factor `amount`; of a
    table's `column` `swap` the value for another one that the column has, `set` it to `text`, `add` `amount`, `scale`
    by `amount`; `append` or `prepend` a `text`; of a series `add` or `scale` every step, or `forget` the `amount`
    oldest ones.

    Attributes:
        name: what is claimed, in words.
        change: see above.
        column, amount, text: of the change.
        expect: `same`: the answer stays; `higher` or `lower`: the probability of `label`, or the predicted number,
            moves that way or not at all, in nearly every record, and on average not surely the other way.
        label: the class that a direction is about.
        tolerance: a smaller change of a probability (or of a number, in the target's unit) is none. Null, for `same`
            and classes, means that the most probable class decides.
        bound: the share of records that may violate it.
    """

    name: str
    change: Change
    column: str | None = None
    amount: float | None = None
    text: str | None = None
    expect: Literal["same", "higher", "lower"] = "same"
    label: str | None = None
    tolerance: NotNegative | None = None
    bound: Fraction = 0.0

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needs = {"amount": self.change in AMOUNT, "text": self.change in ("set", "append", "prepend")}
        for field, needed in needs.items():
            if needed and getattr(self, field) is None:
                raise ValueError(f"data.metamorphic: {self.name!r} has the change {self.change}, which needs {field}")
        if self.change == "shift" and not round(self.amount or 0):
            raise ValueError(
                f"data.metamorphic: {self.name!r} shifts by {self.amount} pixels, which is none: say amount: 1"
            )
        return self


def check_metamorphic(spec: Any) -> None:
    """Refuse checks that say nothing about a data set.

    Raises:
        ValueError: in one sentence.
    """
    modality = str(getattr(spec, "modality", ""))
    names = [check.name for check in spec.metamorphic]
    for check in spec.metamorphic:
        where = f"data.metamorphic: {check.name!r}"
        if names.count(check.name) > 1:
            raise ValueError(f"{where} stands there twice: each check needs a name of its own")
        if check.change not in OF_MODALITY.get(modality, ()):
            known = ", ".join(OF_MODALITY.get(modality, ())) or "none"
            raise ValueError(f"{where} has the change {check.change}, but those of {modality} are {known}")
        if modality == "tabular" and check.column not in spec.with_role("feature", "sensitive", "slice"):
            raise ValueError(f"{where} names the column {check.column!r}, which is neither a feature nor sensitive")
        classes = spec.problem == "classification"
        if classes and check.expect != "same" and check.label not in spec.classes:
            raise ValueError(f"{where} needs label: one of {', '.join(spec.classes)}, whose probability moves")
        if not classes and check.tolerance is None:
            raise ValueError(f"{where} needs tolerance: which difference of the answer is none, in the target's unit")
