"""All channels together: what is on, what is told once, and that a dead one stops no other."""

import pytest
from alerting import Heard, found
from small_project import REPOSITORY

from lightloop.config.compose import compose_config
from lightloop.config.schema import Config
from lightloop.errors import LightloopError
from lightloop.monitoring.alerts import send
from lightloop.project import Project

SECRET = "T0123/B4567/s3cr3t"


def hook(heard: Heard) -> dict[str, str]:
    return {"LIGHTLOOP_ALERT_WEBHOOK": f"{heard.address}/{SECRET}"}


def done(told: list) -> dict[str, str]:
    return {one.channel: one.done for one in told}


def quiet(_: str) -> None:
    pass


def test_without_variables_every_channel_is_off_and_says_what_it_lacks(project: Project, config: Config):
    said: list[str] = []
    told = send(project, config, found("issue", "obrat"), environ={}, say=said.append)
    assert set(done(told).values()) == {"off"}
    assert "alert by email: off, LIGHTLOOP_SMTP_HOST and LIGHTLOOP_ALERT_EMAIL not set" in said
    assert not project.scratch.exists()


def test_the_same_is_told_once_something_else_again_and_the_end_once(project: Project, config: Config, heard: Heard):
    rounds = [found("issue", "obrat"), found("issue", "obrat"), found("retrain", "obrat"), found("nothing")]
    rounds += [found("nothing"), found("retrain", "obrat")]
    told = [done(send(project, config, one, environ=hook(heard), say=quiet))["webhook"] for one in rounds]
    assert told == ["sent", "same", "sent", "well", "same", "sent"]
    assert len(heard.bodies) == 4
    assert "well again" in heard.bodies[2][2]["text"]


def test_all_well_from_the_start_calls_on_nobody(project: Project, config: Config, heard: Heard):
    assert done(send(project, config, found("nothing"), environ=hook(heard), say=quiet))["webhook"] == "same"
    assert heard.bodies == []


def test_a_dead_channel_stops_no_other_and_is_tried_again(project: Project, config: Config, heard: Heard):
    mail = {"LIGHTLOOP_SMTP_HOST": "127.0.0.1", "LIGHTLOOP_SMTP_PORT": "9", "LIGHTLOOP_ALERT_EMAIL": "a@example.org"}
    for round_, webhook in enumerate(("sent", "nothing new to tell")):
        said: list[str] = []
        with pytest.raises(LightloopError, match=r"no alert could be sent by email, .*; the other channels were told"):
            send(project, config, found("issue", "obrat"), environ=hook(heard) | mail, say=said.append)
        assert f"alert by webhook: {webhook}" in said, round_
        assert "the mail server 127.0.0.1:9 gives no answer" in "\n".join(said)
    assert len(heard.bodies) == 1


def test_a_dead_webhook_is_named_without_its_secret(project: Project, config: Config):
    said: list[str] = []
    dead = {"LIGHTLOOP_ALERT_WEBHOOK": f"http://127.0.0.1:9/{SECRET}"}
    with pytest.raises(LightloopError, match=r"no alert could be sent by webhook, as is said above$"):
        send(project, config, found("issue", "obrat"), environ=dead, say=said.append)
    text = "\n".join(said)
    assert "alert by webhook failed: the webhook of LIGHTLOOP_ALERT_WEBHOOK gives no answer (ConnectError)" in text
    assert SECRET not in text


def test_a_damaged_memory_tells_it_once_more(project: Project, config: Config, heard: Heard):
    send(project, config, found("issue", "obrat"), environ=hook(heard), say=quiet)
    (project.scratch / "monitoring" / "alerts.json").write_text('{"told": {"web')
    assert done(send(project, config, found("issue", "obrat"), environ=hook(heard), say=quiet))["webhook"] == "sent"


def test_a_busy_webhook_is_asked_again_and_one_that_says_no_is_not(project: Project, config: Config, heard: Heard):
    heard.answers = [503, 429]
    assert done(send(project, config, found("issue", "a"), environ=hook(heard), say=quiet))["webhook"] == "sent"
    heard.answers = [404]
    with pytest.raises(LightloopError, match="by webhook"):
        send(project, config, found("issue", "b"), environ=hook(heard), say=quiet)
    assert len(heard.bodies) == 1


@pytest.mark.parametrize("address", ["nonsense", "http://[broken", "ftp://127.0.0.1/x", "http://\udce4/x"])
def test_an_address_that_is_none_is_one_sentence(project: Project, config: Config, address: str):
    said: list[str] = []
    with pytest.raises(LightloopError, match=r"no alert could be sent by webhook, as is said above$"):
        send(project, config, found("issue", "a"), environ={"LIGHTLOOP_ALERT_WEBHOOK": address}, say=said.append)
    assert address not in "\n".join(said)


def test_the_message_in_the_format_of_slack(project: Project, heard: Heard):
    config = compose_config(
        Project(REPOSITORY), ["experiment=loans", "monitor.alerts.page=https://pages.example/monitoring.html"]
    )
    send(project, config, found("retrain", "<!channel>", "hrat"), environ=hook(heard), say=quiet)
    [(_, path, body)] = heard.bodies
    assert path == f"/{SECRET}"
    assert body["text"].startswith("loans v0.2.0: feature drift (&lt;!channel&gt;, hrat); the model is to be trained")
    section, context = body["blocks"]
    assert "• feature drift in 2 columns\n• &lt;!channel&gt; differs from training" in section["text"]["text"]
    assert "<!channel>" not in section["text"]["text"]
    assert context["elements"][0]["text"] == "<https://pages.example/monitoring.html|Monitoring page>"
