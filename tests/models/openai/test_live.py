"""`make live`, tried on the tests' server: it tells what holds from what does not, and its cost."""

import json

import pytest

from benchmarks import live_openai as live
from tests.openai_server import KEY, OpenAIServer
from veclab.models.openai.endpoint import find_access

HEADERS = {
    f"x-ratelimit-{name}-{kind}": value
    for kind in ("requests", "tokens")
    for name, value in (("limit", "3000"), ("remaining", "2999"), ("reset", "20ms"))
}


def shortenable(texts, dim):
    """Vectors whose first numbers are the shorter vector, as a Matryoshka model's are."""
    from tests.openai_server import hash_vectors

    full = hash_vectors(texts, 3072)[:, :dim]
    return full / (full**2).sum(axis=1, keepdims=True) ** 0.5


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    with OpenAIServer(headers=HEADERS, vectors=shortenable) as running:
        yield running


def outcomes(server):
    return {o.claim: o for o in live.check(find_access(server.url))}


def test_all_claims_hold_at_a_server_that_keeps_them_for_less_than_a_cent(server, tmp_path, capsys):
    page, results = tmp_path / "openai.md", tmp_path / "live.json"
    page.write_text("# A page\n\nChecked against OpenAI's own endpoint: never so far.\n\nMore.\n")
    assert live.main(["--base-url", server.url], page, results) == 0, capsys.readouterr().out
    assert (
        f"{len(live.CLAIMS)} of {len(live.CLAIMS)} claims hold (`make live`)." in page.read_text()
    )
    assert page.read_text().endswith("\n\nMore.\n")
    assert {c["outcome"] for c in json.loads(results.read_text())["claims"]} == {"holds"}
    billed = {name: sum(a.tokens for a in server.answered if a.body["model"] == name)
              for name in server.models}  # fmt: skip
    spent = sum(live.dollars(model, tokens) for model, tokens in billed.items())
    assert spent <= sum(claim.dollars for claim in live.CLAIMS) < live.MOST_DOLLARS
    assert KEY not in capsys.readouterr().out + page.read_text() + results.read_text()


@pytest.mark.parametrize(
    ("change", "claim"),
    [
        (lambda s: s.models.update({live.SMALL: 1024}), "the models' dimensions"),
        (lambda s: setattr(s, "headers", {}), "x-ratelimit headers tell the limits"),
        (
            lambda s: setattr(s, "habit", lambda a: a | {"usage": {"total_tokens": 999}}),
            "tokens are those of cl100k_base",
        ),
        (
            lambda s: setattr(s, "habit", lambda a: a | {"data": a["data"][:2047]}),
            "2,048 texts a request, not more",
        ),
    ],
)
def test_a_claim_that_does_not_hold_is_named(server, change, claim, monkeypatch):
    change(server)
    monkeypatch.setattr(live, "CLAIMS", [c for c in live.CLAIMS if c.words == claim])
    [outcome] = live.check(find_access(server.url), live.CLAIMS)
    assert (outcome.claim, outcome.outcome) == (claim, "does not hold")
    assert outcome.why


def test_nothing_is_sent_that_could_cost_more_than_a_cent(server):
    dear = live.Claim("dear", live.order, {live.SMALL: 600_000})
    with pytest.raises(live.OverBudget, match=r"could cost 0\.0120 dollars, over 0\.01"):
        list(live.check(find_access(server.url), [dear]))
    assert server.asked == []


def test_what_is_billed_beyond_what_was_planned_stops_it(server):
    server.habit = lambda answer: answer | {"usage": {"total_tokens": 400_000}}
    cheap = [live.Claim(f"claim {i}", live.unit_length, {live.SMALL: 150_000}) for i in range(3)]
    with pytest.raises(live.OverBudget, match="claim 1 not asked"):
        list(live.check(find_access(server.url), cheap))
    assert len(server.asked) == 1


def test_an_account_that_may_not_ask_so_much_is_told_apart(server):
    limit = server._no(429, "Request too large for tokens per min: Limit 150000, Requested 290000")
    server.refuse = lambda asked: limit if asked.tokens > 150_000 else None
    [claim] = [c for c in live.CLAIMS if c.check is live.request_tokens]
    [outcome] = live.check(find_access(server.url), [claim])
    assert outcome.outcome == "not checked" and "Request too large" in outcome.why


def test_without_a_key_nothing_is_sent(server, monkeypatch, capsys):
    monkeypatch.delenv("OPENAI_API_KEY")
    assert live.main([]) == 2
    assert "nothing was sent: OPENAI_API_KEY is not set" in capsys.readouterr().err


def test_the_page_has_the_line_that_is_replaced():
    assert sum(line.startswith(live.MARK) for line in live.DOCS.read_text().splitlines()) == 1
