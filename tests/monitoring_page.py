"""A result of monitoring with something of everything, for the tests of its page."""

from datetime import UTC, datetime, timedelta

from lightloop.monitoring.findings import Burn, Distribution, Finding, Monitoring, Objective, WindowFindings

START = datetime(2026, 3, 2, tzinfo=UTC)
NASTY = '<b>town\'s</b> \\ "x"'


def look(kind: str, name: str, *, alarm: bool, value: float | None, p: float | None = None) -> Finding:
    sentence = f"{name or kind} is {value}"
    return Finding.model_validate(
        {"kind": kind, "name": name, "alarm": alarm, "sentence": sentence, "value": value, "limit": 0.05, "p_value": p}
    )


def result(windows: int = 3, act: str = "retrain") -> Monitoring:
    """Of three windows, in the last two of which `obrat` drifts."""
    found = [
        WindowFindings(
            start=START + timedelta(days=7 * place),
            end=START + timedelta(days=7 * place + 7),
            records=5000 + place,
            labelled=800,
            version="v0.2.0",
            findings=[
                look("feature_drift", "obrat", alarm=place > 0, value=0.02 + 0.1 * place, p=1e-5),
                look("feature_drift", NASTY, alarm=place > 1, value=0.07, p=0.01),
                look("performance", "accuracy", alarm=False, value=0.9),
                look("volume", "", alarm=False, value=None),
            ],
        )
        for place in range(windows)
    ]
    burns = [
        Burn(hours=1, rate=20.1, short_hours=1 / 12, short_rate=18, limit=13.44, urgent=True, alarm=True),
        Burn(hours=72, rate=None, short_hours=6, short_rate=None, limit=0.93, urgent=False, alarm=False),
    ]
    columns = [
        Distribution(
            name="obrat",
            of="input",
            edges=[0, 10, 20, 30],
            then=[0.5, 0.3, 0.2],
            now=[0.2, 0.3, 0.5],
            n_then=1600,
            n_now=5002,
        ),
        Distribution(
            name=NASTY,
            of="input",
            values=["Oslo", "O'Hara", "all others"],
            then=[0.5, 0.4, 0.1],
            now=[0.1, 0.4, 0.5],
            n_then=1600,
            n_now=5002,
        ),
        Distribution(
            name="label", of="answer", values=["no", "yes"], then=[0.1, 0.9], now=[0.3, 0.7], n_then=300, n_now=5002
        ),
        *(
            Distribution(
                name=f"c{n}",
                of="input",
                edges=[0, 1, 2],
                then=[0.5, 0.5],
                now=[0.5 - n / 99, 0.5 + n / 99],
                n_then=9,
                n_now=9,
            )
            for n in range(12)
        ),
    ]
    return Monitoring.model_validate(
        {
            "model": "loans",
            "version": "v0.2.0",
            "windows": found,
            "act": act,
            "reasons": ["Drift of features (obrat) in 2 of the last 3 windows: obrat moved"]
            if act != "nothing"
            else [],
            "objectives": [
                Objective(
                    name="availability",
                    target=0.995,
                    reached=0.9971,
                    budget_left=0.42,
                    sentence="a",
                    events=120_000,
                    burns=burns,
                ),
                Objective(name="latency", target=0.99, reached=0.984, budget_left=-0.6, sentence="l", events=119_000),
                Objective(name="quality", target=0.9, reached=None, budget_left=None, sentence="q"),
            ],
            "fingerprint": "ab",
            "distributions": columns,
        }
    )
