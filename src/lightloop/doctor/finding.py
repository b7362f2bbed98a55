"""What a check found."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

State = Literal["ok", "look", "broken"]


class Finding(BaseModel):
    """One line of the doctor.

    Attributes:
        area: what the loop rests on, such as machine, git or data.
        name: what was looked at; of one area no two are alike, but for several of a kind.
        state: `ok`; `look`: it works, and somebody should know; `broken`: something will fail.
        said: what is the case, in a sentence; never a secret.
        do: a command, or what else helps; None where there is nothing to do.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    area: str
    name: str
    state: State
    said: str
    do: str | None = None


class Area:
    """Makes the findings of one area."""

    def __init__(self, name: str) -> None:
        self.name = name

    def ok(self, name: str, said: str) -> Finding:
        return Finding(area=self.name, name=name, state="ok", said=said)

    def look(self, name: str, said: str, do: str | None = None) -> Finding:
        return Finding(area=self.name, name=name, state="look", said=said, do=do)

    def broken(self, name: str, said: str, do: str) -> Finding:
        return Finding(area=self.name, name=name, state="broken", said=said, do=do)
