"""`veclab ask`: a question answered from a store, with checked citations."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING, Any

import click

from veclab.cli.console import (
    ask_line,
    echo,
    json_option,
    linked,
    print_facts,
    print_json,
    print_note,
    print_table,
    progress,
)
from veclab.cli.options import chat_model, chat_options, store_option
from veclab.report import group_notes, one_line

if TYPE_CHECKING:
    from veclab.rag.answer import Answer, Line
    from veclab.rag.evidence import Evidence
    from veclab.rag.followup import Turn
    from veclab.store.store import Store

_WIDTH = 100
_QUOTE = 160


@click.command()
@click.argument("question", required=False)
@store_option
@chat_options
@click.option(
    "--top",
    "-n",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="Passages to retrieve.",
)
@click.option(
    "--mode",
    type=click.Choice(["hybrid", "vector", "keyword"]),
    default="hybrid",
    show_default=True,
    help="Search mode.",
)
@click.option(
    "--where", metavar="FILTER", help="Filter, for example \"year >= 2020 and lang = 'en'\"."
)
@click.option("--rerank", metavar="NAME", help="Cross-encoder that orders the passages found.")
@click.option(
    "--threshold",
    type=float,
    help="Minimum evidence for an answer, 0 to 1; 0 always answers. Default: the store's.",
)
@click.option(
    "--explain", is_flag=True, help="Show passages, evidence, prompts and dropped claims."
)
@click.option("--chat", is_flag=True, help="Ask follow-up questions; an empty line ends the chat.")
@json_option
def ask(
    question: str | None,
    store: str,
    llm: dict[str, Any],
    explain: bool,
    chat: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Answer QUESTION from the documents of a store, with numbered citations.

    Every citation is checked: the quoted words must appear in the cited source, or the claim is
    dropped. A claim that differs from its source, or paraphrases it, is marked as unverified.
    """
    from veclab.store.store import Store

    if chat and as_json:
        raise click.UsageError("--chat is interactive and cannot be combined with --json")
    if question is None and not chat:
        raise click.UsageError("give a QUESTION, or --chat")
    options["llm"] = chat_model(llm)
    with Store.open(store) as opened:
        if chat:
            _converse(opened, question, explain, options)
            return
        assert question is not None
        answer = _ask(opened, question, options, None if as_json else _say)
    if as_json:
        print_json(answer.to_dict())
    else:
        _show(answer, explain)


def _ask(store: Store, question: str, options: dict[str, Any], say: Any, **more: Any) -> Answer:
    from veclab.rag.ask import ask as answer
    from veclab.rag.threshold import SAMPLE, stored

    if options["threshold"] is not None or not store.exists or stored(store) is not None:
        return answer(store, question, on_line=say, **options, **more)
    with progress("calibrating the threshold (once per store)", SAMPLE, "questions") as advance:
        from veclab.rag.threshold import find_threshold

        _, notes = find_threshold(store, advance)
    for note in notes:
        print_note(note)
    return answer(store, question, on_line=say, **options, **more)


def _converse(store: Store, question: str | None, explain: bool, options: dict[str, Any]) -> None:
    turns: list[Turn] = []
    while True:
        if question is None:
            try:
                question = ask_line("?")
            except click.Abort:
                break
        if not question.strip():
            break
        answer = _ask(store, question, options, _say, earlier=tuple(turns))
        _show(answer, explain)
        echo()
        turns.append((answer.searched, "\n".join(line.text for line in answer.lines)))
        question = None


def _say(line: Line) -> None:
    for row in textwrap.wrap(one_line(str(line)), _WIDTH):
        echo(row)
    sys.stdout.flush()


def _show(answer: Answer, explain: bool) -> None:
    """Print what follows the claims: sources, and how the answer came about."""
    from veclab.store.links import link

    if not answer.lines:
        echo(answer.text)
        if answer.outcome == "refused" and answer.threshold is not None:
            _why_refused(answer)
    for reference in answer.references:
        echo()
        place = one_line(reference.passage.place)
        echo(f"[{reference.number}] ", linked(place, link(reference.passage)))
        if answer.by is not None:
            for _, _, text in reference.quotes:
                quote = f"“{one_line(text, _QUOTE)}”"
                echo(textwrap.indent("\n".join(textwrap.wrap(quote, _WIDTH)), "    "))
    facts = [("note", one_line(note)) for note in group_notes(answer.notes)]
    if answer.by is None and answer.lines:
        facts.insert(0, ("extractive", "the documents' own sentences; no language model was used"))
    unsure = [line for line in answer.lines if line.verdict.status == "unverified"]
    for line in unsure:
        facts.append(("unverified", f"{one_line(line.text)}: {'; '.join(line.verdict.reasons)}"))
    if answer.dropped:
        said = f"{len(answer.dropped)} claim(s) whose quotations are not in the sources"
        facts.append(("dropped", said if explain else f"{said} (--explain shows them)"))
    if facts:
        echo()
        print_facts(facts)
    if explain:
        _explain(answer)


def _why_refused(answer: Answer) -> None:
    evidence, threshold = answer.evidence, answer.threshold
    assert threshold is not None
    if evidence.score >= threshold.value:
        echo(f"{answer.by} found no answer in the passages it was given.")
        return
    echo(f"The evidence score is {evidence.score:.3f}, the threshold {threshold.value:.3f}.")
    if absent := list(dict.fromkeys([*evidence.missing, *evidence.names])):
        echo(f"Not in the passages found: {one_line(', '.join(absent))}.")
    if evidence.foreign > 0 and evidence.foreign_word not in absent:
        echo(f"The documents come nearer to it without “{one_line(evidence.foreign_word)}”.")
    echo("--explain shows the closest passages, --threshold 0 answers from them.")


def _foreign(evidence: Evidence) -> str:
    """The word that fits the documents least, and by how much they are nearer without it."""
    if not evidence.foreign_word:
        return "none"
    return f"{one_line(evidence.foreign_word)}: {evidence.foreign:+.3f} nearer without it"


def _explain(answer: Answer) -> None:
    evidence = answer.evidence
    echo("\nFound:")
    rows = [
        [
            str(rank),
            one_line(hit.passage.place)[:80],
            f"{hit.score:.3f}",
            "" if hit.vector is None else f"{hit.vector:.3f}",
            "" if hit.keyword is None else f"{hit.keyword:.1f}",
        ]
        for rank, hit in enumerate(answer.hits, 1)
    ]
    print_table(["", "passage", "score", "cosine", "BM25"], rows, left=2)
    echo()
    tokens = f"{answer.tokens[0]:,} prompt, {answer.tokens[1]:,} completion"
    price = "price unknown" if answer.dollars is None else f"about ${answer.dollars:.6f}"
    facts = [
        ("searched", one_line(answer.searched)),
        (
            "evidence",
            f"{evidence.score:.3f}: cosine of the nearest passage {evidence.passage:.3f}, "
            f"{evidence.margin:.3f} above the others; of the nearest sentence "
            f"{evidence.sentence:.3f}",
        ),
        ("foreign word", _foreign(evidence)),
        ("names missing", ", ".join(evidence.names) or "none"),
        ("not in the store", ", ".join(evidence.missing) or "none"),
        ("threshold", str(answer.threshold)),
        ("answered by", answer.by or "the best sentences"),
    ]
    if answer.by is not None:
        facts += [("tokens", tokens), ("cost", price)]
    print_facts(facts)
    for verdict in answer.dropped:
        echo(f"\ndropped: {one_line(verdict.claim.text)}")
        for reason in verdict.reasons:
            echo(f"    {one_line(reason)}")
    for message in answer.messages:
        echo(f"\n--- {message['role']} ---")
        for line in message["content"].splitlines():
            echo(one_line(line))
