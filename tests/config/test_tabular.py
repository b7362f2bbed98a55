"""What the config says of tables, cleaning and balance is checked before anything is read."""

import pytest

from lightloop.config.compose import compose_config
from lightloop.config.tabular import TabularSpec
from lightloop.errors import UsageError


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (
            ["preprocess.outliers=isolation_forest"],
            r"isolation_forest, which judges whole records .*outlier_action=flag",
        ),
        (["preprocess.scale_range=[1,0]"], r"preprocess\.scale_range is \[1\.0, 0\.0\]: expected \[low, high\]"),
        (["preprocess.missing=guess"], r"preprocess\.missing is 'guess': input should be 'mean', 'median'"),
        (["preprocess.mising=mean"], r"preprocess\.mising is unknown: did you mean 'preprocess\.missing'\?"),
        (["preprocess.log=[apinc]"], r"preprocess\.log names 'apinc', .* of data=loans: did you mean 'appinc'\?"),
        (["preprocess.log=[occ]"], r"preprocess\.log names 'occ', which is no number feature .* they are loanamt"),
        (["preprocess.selected=0"], r"preprocess\.selected is 0"),
        (["augment.swap=1.5"], r"augment\.swap is 1\.5"),
        (["balance=reweighing", "balance.by=apr"], r"balance\.by is 'apr', which is no sensitive column .* black, his"),
        (["+balance.by=black"], r"balance\.by is for balance=reweighing, not for balance=none"),
        (["data.favourable=granted"], r"data\.favourable is 'granted', which is none of data\.classes \(rejected"),
        (["+data.bins.price=[1]"], r"data\.bins names 'price', which data\.columns calls neither sensitive nor"),
        (["+data.bins.old=[2,1]"], r"data\.bins\.old is \[2\.0, 1\.0\]: expected rising numbers"),
        (["balance.name=smote"], r"balance\.name is 'smote'"),
        (["data.columns.prop.kind=text"], r"data\.columns\.prop\.kind is 'text'"),
        (["data.columns.typur=label"], r"data\.columns\.typur is 'label': input should be 'feature'"),
        (["data.id=price"], r"data\.id is 'price', which data\.columns gives a role too"),
        (["+data.columns.part=feature"], r"data\.columns has a column 'part', a name that is taken"),
        (["+data.orders.prop=[a]"], r"data\.orders names 'prop', which data\.columns does not call an ordered feature"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(repository, overrides, sentence):
    with pytest.raises(UsageError, match=sentence):
        compose_config(repository, ["experiment=loans", *overrides])


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (
            ["experiment=fashion", "clean=strict"],
            r"clean\.missing=drop is for tables, but data=fashion is image: say clean\.missing=keep",
        ),
        (["experiment=fashion", "clean.outliers=iqr"], r"clean\.outliers=iqr is for tables"),
        (
            ["experiment=co2", "clean.duplicates=near"],
            r"clean\.duplicates=near is not for data=co2, whose windows",
        ),
        (
            ["experiment=fashion", "balance=reweighing"],
            r"balance=reweighing is by a sensitive column, but data=fashion has none",
        ),
        (["experiment=co2", "balance=oversample"], r"balance=oversample is for classes, but data=co2 is forecasting"),
        (["experiment=co2", "clean=duplicates"], r"clean\.duplicates=exact is not for data=co2, whose windows"),
    ],
)
def test_cleaning_and_balance_fit_the_data(repository, overrides, sentence):
    with pytest.raises(UsageError, match=sentence):
        compose_config(repository, overrides)


def test_a_table_needs_a_feature():
    with pytest.raises(ValueError, match=r"must name at least one feature for tables, but names none"):
        TabularSpec(
            name="x",
            modality="tabular",
            problem="regression",
            path="x",
            expectations="x",
            files={"train": "x.csv"},
            columns={"y": "target"},
            split={"test": 0.5},
        )


def test_what_is_known_after_the_decision_is_no_feature_of_loans_and_says_why(repository):
    columns = compose_config(repository, ["experiment=loans"]).data.columns
    late = ("action", "reject", "typur", "review", "inson", "inss", "gdlin", "unver")
    assert all(columns[name].role == "ignored" and columns[name].why for name in late)
    assert {name for name, column in columns.items() if column.role == "sensitive"} == {
        "black",
        "hispan",
        "male",
        "married",
        "old",
    }
