"""What only a person can say of a model: the sections of the model card that no evidence can fill."""

from lightloop.config.base import Frozen


class CardConfig(Frozen):
    """The sections of the model card that a person writes; null is listed as missing, and never guessed.

    Sections after Mitchell et al. 2019 (arXiv:1810.03993) and Annex IV of Regulation (EU) 2024/1689.

    Attributes:
        data: the data set that the text is about; a card of another data set takes none of it.
        provider: who made the model and answers for it.
        contact: where to send questions.
        licence: of the weights, as an identifier of the Hugging Face hub, such as apache-2.0.
        data_licence: of the data.
        languages: of texts, as ISO 639-1 codes.
        citation: how to cite the model.
        intended_use: for what the model is made.
        intended_users: by whom.
        out_of_scope: uses for which it was not made and not tested.
        factors: groups, instruments and environments that may change how well it works.
        metrics_why: why these metrics suit the use.
        data_origin: who collected the data, how, with whose consent, whom they represent.
        labels: who labelled the data, and by which rule.
        risks: who can be harmed by an error.
        mitigations: what was done about it.
        caveats: what else a reader must know before use.
        oversight: how people watch over and overrule the answers (Article 14).
        interaction: with which hardware, software and other systems the model works together.
        hardware: on which it is meant to run.
        risk_management: the risk management system (Article 9).
        changes: made to the model over its life.
        standards: harmonised standards that were applied, or what was done instead.
        declaration: where the EU declaration of conformity lies.
        monitoring: how performance is watched after release (Article 72).
    """

    data: str | None = None
    provider: str | None = None
    contact: str | None = None
    licence: str | None = None
    data_licence: str | None = None
    languages: tuple[str, ...] = ()
    citation: str | None = None
    intended_use: str | None = None
    intended_users: str | None = None
    out_of_scope: str | None = None
    factors: str | None = None
    metrics_why: str | None = None
    data_origin: str | None = None
    labels: str | None = None
    risks: str | None = None
    mitigations: str | None = None
    caveats: str | None = None
    oversight: str | None = None
    interaction: str | None = None
    hardware: str | None = None
    risk_management: str | None = None
    changes: str | None = None
    standards: str | None = None
    declaration: str | None = None
    monitoring: str | None = None

    def about(self, data: str) -> "CardConfig":
        """The same for the data set `data`; nothing where the text is about another one.

        Examples:
            >>> CardConfig(data="loans", risks="some").about("fashion").risks is None
            True
        """
        return self if self.data in (None, data) else CardConfig()
