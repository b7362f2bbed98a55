"""What names of columns say: words that stand for an identifier, a group, a time, a protected trait, an outcome."""

import re
from collections.abc import Iterable
from typing import Final

IDENTIFIER: Final = frozenset(
    [
        *("id", "ids", "uid", "uuid", "guid", "index", "idx", "rowid", "rownames", "rowname", "rownumber", "rownum"),
        *("key", "pk", "serial", "unnamed", "identifier", "recordid", "caseid", "obs", "observation", "casenum"),
        *("ssn", "vin", "isbn", "doi", "hash", "md5", "checksum", "url", "uri", "link", "email", "phone", "filename"),
        *("file", "path", "ticket", "filepath"),
    ]
)
# Of names of persons and things: nearly unique texts.
CALLED: Final = frozenset(["name", "title", "fullname", "surname", "lastname", "firstname", "address", "street"])
GROUPS: Final = frozenset(
    [
        *("subject", "patient", "person", "participant", "user", "customer", "client", "household", "hhid", "family"),
        *("speaker", "author", "student", "animal", "donor", "respondent", "litter", "mother", "account"),
        *("device", "session", "member", "employee", "subj", "individual", "mouse", "rat", "dog"),
        *("chick", "pig", "cow", "sheep", "monkey", "infant", "baby"),
    ]
)
TIMES: Final = frozenset(
    [
        *("date", "time", "datetime", "timestamp", "year", "month", "day", "week", "quarter", "yr", "dt", "ts", "hour"),
        *("days", "weeks", "months", "years", "hours", "minutes", "dates", "times", "quarters"),
        *("datum", "jahr", "monat", "tag", "zeit", "fecha", "period", "when", "created", "at", "minute", "decade"),
    ]
)
STRICT_TIMES: Final = frozenset(["date", "datetime", "timestamp", "time", "ts", "epoch", "unix", "created", "datum"])
YEARS: Final = frozenset(["year", "yr", "jahr", "date", "time", "period", "years", "datum", "ano", "annee"])
SENSITIVE: Final = frozenset(
    [
        *(
            "sex",
            "gender",
            "race",
            "ethnicity",
            "ethnic",
            "religion",
            "religious",
            "nationality",
            "caste",
            "disability",
        ),
        *(
            "disabled",
            "hispanic",
            "hispan",
            "latino",
            "black",
            "white",
            "afam",
            "orientation",
            "geschlecht",
            "nonwhite",
        ),
        *("minority", "citizenship", "nativity", "african", "female", "male", "foreign"),
    ]
)
# Protected in many laws, and an honest cause in many tables: they stay features, and a note says so.
MAYBE_SENSITIVE: Final = frozenset(
    ["age", "marital", "married", "pregnant", "pregnancies", "birthday", "birth", "alter"]
)
# By how strongly the name says that the column is what is predicted.
TARGETS: Final = {
    **dict.fromkeys(("target", "label", "labels", "y", "outcome", "response", "dependent", "output"), 3.0),
    **dict.fromkeys(("class", "classes", "category", "species", "diagnosis", "survived", "churn", "churned"), 2.2),
    **dict.fromkeys(("default", "fraud", "spam", "sentiment", "disease", "approved", "approve", "converted"), 2.2),
    **dict.fromkeys(("quality", "rating", "digit", "result", "medv", "exited", "attrition", "subscribed", "deny"), 1.8),
    **dict.fromkeys(("price", "income", "salary", "wage", "sales", "cost", "charges", "mpg", "rings", "lwage"), 1.5),
    **dict.fromkeys(("score", "grade", "type", "status", "event", "died", "death", "dead", "admitted", "admit"), 1.2),
    **dict.fromkeys(("progression", "value", "demand", "count", "cnt", "yield", "strength", "language", "topic"), 1.0),
    **dict.fromkeys(
        ("affair", "affairs", "success", "passed", "won", "win", "accident", "positive", "buy", "loss"), 1.0
    ),
    **dict.fromkeys(
        ("amount", "total", "weight", "duration", "rent", "bought", "purchase", "purchased", "visits"), 0.6
    ),
}
# What becomes known only with the outcome, or after it.
AFTERWARDS: Final = frozenset(
    [
        *("outcome", "result", "results", "after", "final", "finally", "post", "discharge", "discharged", "cancelled"),
        *(
            "canceled",
            "cancellation",
            "resolution",
            "resolved",
            "closed",
            "closing",
            "followup",
            "eventually",
            "actual",
        ),
        *("died", "dead", "alive", "survival", "relapse", "censored"),
        *("refund", "refunded", "recovered", "recovery", "settlement", "settled", "returned", "death", "deceased"),
        *("predicted", "prediction", "forecast", "residual", "fitted", "leaving", "termination", "exit", "churndate"),
    ]
)
# How long something was followed until an event, or until nobody looked any more.
DURATIONS: Final = ("time", "duration", "followup", "follow", "week", "weeks", "days", "months", "tenure", "rectime")
EVENTS: Final = ("status", "stat", "event", "cens", "censor", "censored", "death", "dead", "died", "arrest", "relapse")
# Names of numbers that are codes of kinds.
CODES: Final = frozenset(
    [
        *("type", "code", "class", "category", "cat", "region", "zip", "zipcode", "postcode", "plz", "status", "state"),
        *("kind", "cd", "county", "country", "district", "sector", "industry", "occupation", "department", "dept"),
        *("cluster", "model", "brand", "make", "store", "shop", "school", "site", "location", "channel", "origin"),
        *("station", "city", "treatment", "treat", "arm", "method", "colour", "color", "variety", "genotype", "ward"),
    ]
)
# Numbers so called are amounts, though few of them be different.
AMOUNTS: Final = frozenset(
    [
        *("count", "cnt", "number", "num", "quality", "score", "rating", "rings", "rank", "level", "degree", "stars"),
        *("visits", "children", "kids", "affairs", "doctor", "points", "size", "years", "grade", "age", "education"),
        *("price", "wage", "income", "amount", "sum", "total", "rate", "percent", "length", "width", "height"),
    ]
)
KINDS: Final = frozenset(
    [
        *(
            "target",
            "class",
            "label",
            "labels",
            "species",
            "type",
            "digit",
            "category",
            "diagnosis",
            "survived",
            "group",
        ),
        *("outcome", "disease", "churn", "y", "kind", "status", "choice", "mode", "cluster", "admit", "cultivar"),
    ]
)
FAVOURABLE: Final = frozenset(
    [
        *("approved", "accepted", "granted", "admitted", "hired", "passed", "paid", "good", "promoted", "eligible"),
        *("accept", "approve", "admit", "pass"),
    ]
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z\u00df-\u00ff]+|\d+")


def words(name: str) -> tuple[str, ...]:
    """The words of a name in small letters.

    Examples:
        >>> words("PassengerId"), words("date_of-birth"), words("HHID2")
        (('passenger', 'id'), ('date', 'of', 'birth'), ('hhid', '2'))
    """
    return tuple(word.lower() for word in _WORD.findall(name))


def says(name: str, these: Iterable[str]) -> str | None:
    """The first word of the name that is one of these; None where none is."""
    known = frozenset(these)
    found = [*words(name), name.casefold()]
    return next((word for word in found if word in known), None)


def ends_with(name: str, these: Iterable[str]) -> bool:
    """Whether a word of the name ends with one of these, which names of few letters run together.

    Examples:
        >>> ends_with("pgtime", ("time",)), ends_with("timer", ("time",))
        (True, False)
    """
    return any(word.endswith(tuple(these)) for word in words(name))


def target_weight(name: str) -> float:
    """How strongly a name says that the column is what is predicted, 0 to 3; half where it says more besides.

    Examples:
        >>> target_weight("target"), target_weight("is_fraud"), target_weight("petal_width")
        (3.0, 2.2, 0.0)
    """
    parts = [word for word in words(name) if not word.isdigit()]
    if len(parts) > 1 and parts[0] in ("is", "has", "was", "did", "will"):
        return max(1.5, max((TARGETS.get(word, 0.0) for word in parts), default=0.0))
    best = max((TARGETS.get(word, 0.0) for word in [*parts, name.casefold()]), default=0.0)
    return best if len(parts) <= 1 else 0.6 * best
