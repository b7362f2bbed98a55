"""What the config of texts refuses, in one sentence."""

import pytest

from lightloop.config.compose import compose_config
from lightloop.errors import UsageError


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("preprocess.normalise=[lowercase,lowercase]", "preprocess.normalise names lowercase twice"),
        ("preprocess.normalise=[upper]", r"preprocess.normalise.0 is 'upper': input should be 'nfkc', 'lowercase'"),
        ("preprocess.vocabulary=wordpiece", "preprocess.vocabulary is 'wordpiece': input should be 'word', 'bpe' or"),
        ("preprocess.max_length=0", "preprocess.max_length is 0: input should be greater than or equal to 1"),
        ("augment.dropout=1.5", "augment.dropout is 1.5: input should be less than or equal to 1"),
        ("augment.delete=0.1", "augment.delete is unknown"),
        ("preprocess=image", "preprocess=image is not for data=spam, which is text: say preprocess=text"),
        ("network=cnn", "network=cnn takes image, not text"),
        ("data.columns.title=feature", "data.columns must name exactly one feature for texts, but names text, title"),
    ],
)
def test_faults_are_one_sentence(repository, override, message):
    with pytest.raises(UsageError, match=message):
        compose_config(repository, ["experiment=spam", override])


@pytest.mark.parametrize(("option", "vocabulary"), [("text", "word"), ("text_bpe", "bpe"), ("text_char", "char")])
def test_options_compose(repository, option, vocabulary):
    config = compose_config(repository, ["experiment=spam", f"preprocess={option}"])
    assert config.preprocess.vocabulary == vocabulary
