"""Texts that stand in several columns: joined wherever a column is named, none of them lost."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import veclab
from veclab import InputError
from veclab.corpus import open_source
from veclab.corpus.embed_file import embed_file
from veclab.evaluation.recognize import Choice, read_dataset

MAILS = [
    {"id": "a", "subject": "Invoice", "body": "Please pay.", "year": 2024},
    {"id": "b", "subject": "", "body": "No subject here.", "year": 2025},
    {"id": "c", "subject": "Only a subject", "body": None, "year": 2026},
    {"id": "d", "subject": " ", "body": None, "year": 2026},
]
JOINED = ["Invoice\n\nPlease pay.", "No subject here.", "Only a subject", None]


@pytest.fixture(params=["jsonl", "parquet"])
def mails(request, tmp_path):
    path = tmp_path / f"mails.{request.param}"
    if request.param == "jsonl":
        path.write_text("".join(json.dumps(mail) + "\n" for mail in MAILS))
    else:
        pq.write_table(pa.Table.from_pylist(MAILS), path)
    return path


def blocks(path, **options):
    source = open_source(path, **options)
    return source, list(source.blocks())


def test_joined_in_the_order_given(mails):
    source, (block,) = blocks(mails, column=["subject", "body"])
    assert block.texts == JOINED and source.text_columns == ("subject", "body")
    assert any("'subject', 'body'" in note for note in source.notes)
    assert block.columns.column_names == ["subject", "body", "year"]  # still the caller's own
    _, (block,) = blocks(mails, column=["body", "subject"], join=" | ")
    assert block.texts[0] == "Please pay. | Invoice"


def test_a_part_called_text_does_not_clash_with_the_whole(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("title,text\nOne,Two\n")
    _, (block,) = blocks(path, column=["title", "text"])
    assert block.texts == ["One\n\nTwo"] and block.columns.column_names == ["title"]


def test_what_cannot_be_joined_is_refused(mails):
    for options, reason in [
        ({"column": ["subject", "nothing"]}, "no column 'nothing'"),
        ({"column": ["subject", "subject"]}, "named twice"),
        ({"column": ["subject", "year"]}, "holds an integer|int"),
        ({"column": ["id", "body"], "id_column": "id"}, "both the text and the id"),
        ({"column": ["subject", "body"], "drop": ["body"]}, "to be dropped"),
        ({"column": "subject", "join": " "}, "leave join"),
    ]:
        with pytest.raises(InputError, match=reason):
            blocks(mails, **options)


def test_halves_of_pairs_are_repaired_in_the_parts(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": "x \\ud83d", "b": "y"}\n')
    source, (block,) = blocks(path, column=["a", "b"])
    assert block.columns["a"].to_pylist() == ["x \ufffd"]
    assert any("became U+FFFD" in note for note in source.notes)


def test_embedded_in_python(mails, model, tmp_path):
    report = embed_file(model, mails, tmp_path / "out.parquet", column=["subject", "body"])
    vectors = veclab.read(tmp_path / "out.parquet")
    assert list(vectors.texts) == JOINED[:3] and report.empty == 1
    np.testing.assert_array_equal(vectors.array, model.embed(JOINED[:3]).array)


def test_audit_joins_the_texts_of_others(tmp_path):
    rng = np.random.default_rng(0)
    table = pa.table(
        {
            "title": ["same", "same", "other"] * 20,
            "abstract": ["one", "two", "three"] * 20,
            "emb": list(rng.normal(size=(60, 8)).astype(np.float32)),
        }
    )
    pq.write_table(table, tmp_path / "third.parquet")
    found = veclab.audit(tmp_path / "third.parquet", text_column=["title", "abstract"])
    # Three different texts; by their titles alone they would be two.
    assert found["same text"].figures["repeated_texts"] == 57


def test_labeled_texts_are_joined_and_pairs_are_not(tmp_path):
    path = tmp_path / "mails.csv"
    body = "The body of a mail goes on. And it ends here, {n}"
    classes = ["work", "home"] * 10
    rows = "".join(f'Title {n},"{body}",{known}\n' for n, known in enumerate(classes))
    path.write_text("subject,body,class\n" + rows)
    data = read_dataset(path, Choice("labels", ("subject", "body"), "class"))
    assert data.sides[0][0] == f"Title 0\n\n{body}" and "subject + body" in data.reason
    data = read_dataset(path, Choice("self-retrieval", ("subject", "body")))
    assert [side[0] for side in data.sides] == ["Title 0", body]
    joined = read_dataset(path, Choice("self-retrieval", ("subject", "body"), join=": "))
    assert joined.sides[0][0].startswith("Title 0: The body")
    with pytest.raises(InputError, match="several columns can be joined"):
        read_dataset(path, Choice("labels", ("body",), "class", join=" "))


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["map", "v.parquet", "-o", "m.html", "--color", "a", "--color", "b"], "--color"),
        (["embed", "a.csv", "-o", "x.parquet", "--output", "y.parquet"], "--output"),
        (["picture", "heatmap", "a.csv", "-o", "x.png", "--title", "a", "--title", "b"], "--title"),
    ],
)
def test_no_option_silently_keeps_the_last_of_two(words, option, capsys):
    from veclab.cli.app import main

    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert f"{option} is given twice" in capsys.readouterr().err


def test_every_command_that_names_a_column_of_texts_takes_several():
    from veclab.cli.app import app

    def commands(group, path=()):
        for name, command in group.commands.items():
            inner = getattr(command, "commands", None)
            yield from commands(command, (*path, name)) if inner else [((*path, name), command)]

    texts = {"column", "text_column"}
    single = [
        " ".join(path)
        for path, command in commands(app)
        for option in command.params
        if option.name in texts and not option.multiple
    ]
    assert single == ["audit"]  # whose --column is that of the vectors
