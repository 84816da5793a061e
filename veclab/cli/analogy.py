"""`veclab analogy`: king - man + woman, and sets of such questions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from veclab.cli.completing import complete_models
from veclab.cli.console import echo, json_option, print_json, print_table, progress
from veclab.cli.options import loading_options, picture_option
from veclab.models.names import WORD_MODEL
from veclab.report import one_line

if TYPE_CHECKING:
    from veclab.analogies.analogy import Method, Vocabulary
    from veclab.analogies.question_sets import Category


class _Signs(click.Command):
    """Says what is wrong with `king -man`, which would otherwise be the option -m with `an`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for word in args[: args.index("--")] if "--" in args else args:
            if re.fullmatch(r"[-+][^\W\d]{2,}", word):
                raise click.UsageError(
                    f"{word!r}: put spaces around each sign: king - man + woman",
                    ctx,
                )
        return super().parse_args(ctx, args)


@click.command(cls=_Signs)
@click.argument("words", metavar="WORD - WORD + WORD ...", nargs=-1)
@click.option(
    "--model",
    "-m",
    shell_complete=complete_models,
    metavar="NAME",
    default=WORD_MODEL,
    show_default=True,
    help="Word vectors by name or path; any other model requires --vocabulary.",
)
@click.option(
    "--vocabulary",
    "-v",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="File of candidate words, one per line.",
)
@click.option(
    "--method",
    type=click.Choice(["add", "mul"]),
    default="add",
    show_default=True,
    help="3CosAdd (Mikolov et al. 2013) or 3CosMul (Levy and Goldberg 2014).",
)
@click.option(
    "--top",
    "-k",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Number of answers.",
)
@click.option(
    "--evaluate",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Evaluate on a question set in questions-words.txt format; accuracy by category.",
)
@click.option(
    "--restrict",
    metavar="N",
    type=click.IntRange(min=2),
    default=300_000,
    show_default=True,
    help="With --evaluate: use only the N most frequent words.",
)
@picture_option
@loading_options
@json_option
def analogy(
    words: tuple[str, ...],
    model: str,
    vocabulary: Path | None,
    method: Method,
    top: int,
    evaluate: Path | None,
    restrict: int,
    output: Path | None,
    loading: dict[str, Any],
    as_json: bool,
) -> None:
    """Solve an analogy by adding and subtracting vectors.

    For example: veclab analogy king - man + woman

    The words of the question are excluded from the answers. --evaluate FILE runs a whole question
    set instead.
    """
    if (not words) == (evaluate is None):
        raise click.UsageError("give an analogy (king - man + woman), or --evaluate FILE")
    if output is not None:
        from veclab.pictures import check_picture

        if evaluate is not None or method != "add":
            raise click.UsageError("--output requires a single analogy and --method add")
        check_picture(output)
    if evaluate is not None:
        _evaluate(evaluate, _vocabulary(model, vocabulary, loading), method, restrict, as_json)
        return
    from veclab.analogies.analogy import parse_analogy, solve

    positive, negative = parse_analogy(words)
    candidates = _vocabulary(model, vocabulary, loading, [*positive, *negative])
    found = solve(candidates, positive, negative, k=top, method=method)
    if output is not None:
        from veclab.pictures import analogy

        analogy(candidates, positive, negative, k=top).write(output)
    answers = list(zip(found.words, map(float, found.scores), strict=True))
    if as_json:
        print_json(
            {
                "positive": found.positive,
                "negative": found.negative,
                "method": method,
                "answers": [{"word": word, "score": round(score, 6)} for word, score in answers],
            }
        )
        return
    echo(f"{' '.join(words)} =")
    rows = [[f"{score:.4f}", one_line(word, 60)] for word, score in answers]
    print_table(["score", "word"], rows, left=2)
    asked = zip([*positive, *negative], [*found.positive, *found.negative], strict=True)
    if other := [f"{mine} as {read}" for mine, read in asked if mine != read]:
        echo(f"looked up {', '.join(other)}", err=True)
    if output is not None:
        echo(f"\nwritten  {output}")


def _vocabulary(
    name: str, file: Path | None, loading: dict[str, Any], asked: Sequence[str] = ()
) -> Vocabulary:
    """Open the words that may be an answer; those asked for need not be among them."""
    from veclab.analogies.analogy import vocabulary_of
    from veclab.model import load

    words = None if file is None else _words(file)
    if words is not None:
        there = {word.strip() for word in words}
        words += [word for word in asked if word not in there and word.lower() not in there]
    model = load(name, **loading)
    with progress("embedding the vocabulary", None if words is None else len(words)) as advance:
        return vocabulary_of(model, words, on_done=advance)


def _words(file: Path) -> list[str]:
    from veclab.errors import InputError

    try:
        return file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the vocabulary {file} cannot be read: {error}") from None


def _evaluate(
    file: Path, vocabulary: Vocabulary, method: Method, restrict: int, as_json: bool
) -> None:
    from veclab.analogies.question_sets import evaluate, read_questions

    questions = read_questions(file)
    with progress("answering", sum(map(len, questions.values()))) as advance:
        result = evaluate(vocabulary, questions, method=method, restrict=restrict, on_done=advance)
    if as_json:
        print_json({"model": vocabulary.space.to_dict(), **result.to_dict()})
        return
    rows = [_row(category) for category in (*result.categories, *result.totals())]
    print_table(["category", "accuracy", "correct", "answered", "skipped"], rows)
    if result.missing:
        shown = ", ".join(result.missing[:5]) + (", …" if len(result.missing) > 5 else "")
        echo(
            f"skipped {result.total().skipped:,} questions whose words are not in the vocabulary "
            f"of {result.vocabulary:,}: {shown}",
            err=True,
        )


def _row(category: Category) -> list[Any]:
    accuracy = "none answered" if category.accuracy is None else f"{category.accuracy:.2%}"
    counts = (category.correct, category.asked, category.skipped)
    return [category.name, accuracy, *(f"{count:,}" for count in counts)]
