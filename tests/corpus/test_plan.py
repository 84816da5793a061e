"""A plan tells what the run then does, without a single request."""

import json
import subprocess
import sys

import pytest

import veclab
from tests.fakes import FakeProvider
from tests.openai_server import KEY, OpenAIServer
from veclab import CostTooHigh, InputError, embed_file, open_source, plan_file
from veclab.model import Model

SMALL = "text-embedding-3-small"


@pytest.fixture(autouse=True)
def key(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def server():
    with OpenAIServer() as running:
        yield running


def write(path, texts):
    path.write_text("\n".join(json.dumps({"text": text}) for text in texts))
    return open_source(path)


@pytest.fixture
def source(tmp_path):
    texts = [f"text number {i % 4500}" for i in range(5000)] + ["", "cat " * 9000]
    return write(tmp_path / "corpus.jsonl", texts)


def set_price(home, server, dollars):
    home.mkdir(exist_ok=True)
    table = {"dollars_per_million_tokens": {f"{SMALL}@{server.url}": dollars}}
    (home / "prices.json").write_text(json.dumps({"as_of": "2030-01-01", **table}))


def test_tells_what_the_run_then_does(server, source, home, tmp_path):
    set_price(home, server, 2.0)
    model = veclab.load(f"openai:{SMALL}", base_url=server.url, dimensions=64)
    plan = plan_file(model, source)
    assert server.asked == []
    report = embed_file(model, source, tmp_path / "v.parquet")
    assert plan.requests == report.requests == len(server.asked) == 3
    assert plan.tokens == report.tokens_bought == server.tokens
    assert plan.dollars == pytest.approx(report.dollars) == pytest.approx(server.tokens * 2e-6)
    assert (plan.texts, plan.distinct, plan.empty) == (5002, 4501, 1)
    assert (report.texts, report.distinct, report.empty) == (5002, 4501, 1)
    assert plan.over_limit_ids == report.truncated_ids == ["5002"]
    assert plan.requests_one_by_one == 5001
    again = plan_file(model, source)
    assert (again.cached, again.requests, again.tokens, again.dollars) == (4501, 0, 0, 0)


def test_counts_a_text_of_two_blocks_once(tmp_path):
    provider = FakeProvider(max_tokens=None, block_texts=10)
    source = write(tmp_path / "c.jsonl", [f"word {i % 25}" for i in range(100)])
    plan = plan_file(Model(provider, None), source)
    assert plan.distinct == 25
    assert plan.tokens == 25 * 4
    assert provider.batches == []
    assert plan.dollars == 0


def test_needs_no_key_and_no_dimensions_of_an_unknown_model(server, source, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    plan = plan_file(veclab.load("openai:mine", base_url=server.url), source)
    assert server.asked == []
    assert plan.cached == 0
    assert plan.dollars is None
    assert any("estimates" in note for note in plan.notes)
    assert "its price is not known" in str(plan)


def test_time_is_not_known_until_the_account_has_told_its_limits(server, source):
    server.headers = {
        "x-ratelimit-limit-requests": "3000",
        "x-ratelimit-remaining-requests": "2999",
        "x-ratelimit-reset-requests": "20ms",
        "x-ratelimit-limit-tokens": "10000",
        "x-ratelimit-remaining-tokens": "9999",
        "x-ratelimit-reset-tokens": "6ms",
    }
    model = veclab.load(f"openai:{SMALL}", base_url=server.url, dimensions=64)
    assert plan_file(model, source).seconds is None
    model.embed(["a"])
    plan = plan_file(model, source)
    assert plan.seconds == pytest.approx(60 * plan.tokens / 10_000)
    assert "3,000 requests a minute and 10,000 tokens a minute" in str(plan)


class TestMaxCost:
    def test_refuses_before_anything_is_bought(self, server, source, home, tmp_path):
        set_price(home, server, 2.0)
        model = veclab.load(f"openai:{SMALL}", base_url=server.url, dimensions=64)
        cost = plan_file(model, source).dollars
        with pytest.raises(CostTooHigh, match=r"3 requests would cost .* Nothing was bought"):
            embed_file(model, source, tmp_path / "v.parquet", max_cost=cost * 0.99)
        assert server.asked == []
        report = embed_file(model, source, tmp_path / "v.parquet", max_cost=cost * 1.01)
        assert report.dollars <= cost * 1.01

    def test_stops_before_the_request_that_would_exceed_it(self, server, home):
        set_price(home, server, 1e6)  # a dollar a token
        model = veclab.load(f"openai:{SMALL}", base_url=server.url, dimensions=64)
        texts = [f"number {i}" for i in range(1000, 4000)]  # of four tokens each
        with pytest.raises(CostTooHigh, match=r"12056\.0000 dollars, over the limit of 9000"):
            model.embed(texts, max_cost=9000)
        assert server.tokens == 4 * 2042 + 56  # and the canary
        assert model.embed(texts).report.cached == 2042

    def test_counts_answers_that_had_to_be_thrown_away(self, server, home):
        set_price(home, server, 1e6)
        model = veclab.load(f"openai:{SMALL}", base_url=server.url, dimensions=64)
        server.script = ["nan"]
        report = model.embed(["one", "two"]).report
        assert report.dollars == 2 * server.tokens

    def test_cannot_be_held_to_without_a_price(self, server):
        model = veclab.load(f"openai:{SMALL}", base_url=server.url, dimensions=64)
        with pytest.raises(CostTooHigh, match=r"price of .* is not known.*prices\.json"):
            model.embed(["a"], max_cost=1)
        assert server.asked == []

    def test_must_be_a_sum(self, server):
        model = veclab.load(f"openai:{SMALL}", base_url=server.url, dimensions=64)
        for wrong in (-1, float("nan")):
            with pytest.raises(InputError, match="max_cost"):
                model.embed(["a"], max_cost=wrong)

    def test_of_a_local_model_is_nothing(self):
        assert len(Model(FakeProvider(), None).embed(["a"], max_cost=0)) == 1


def veclab_command(environment, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "veclab", *arguments],
        env=environment | {"OPENAI_API_KEY": KEY},
        capture_output=True,
        text=True,
    )


def test_the_command_line_plans_pays_and_searches(server, source, tmp_path, environment):
    options = ["-m", f"openai:{SMALL}", "--base-url", server.url, "--dimensions", "64"]
    planned = veclab_command(environment, "plan", "corpus.jsonl", *options, "--json")
    assert planned.returncode == 0, planned.stderr
    assert json.loads(planned.stdout)["requests"] == 3
    assert server.asked == []
    done = veclab_command(environment, "embed", "corpus.jsonl", *options, "-o", "v.parquet")
    assert done.returncode == 0, done.stderr
    assert "in 3 requests, price not known" in done.stdout
    found = veclab_command(
        environment, "similar", "text number 77", "--to", "v.parquet", "-k", "1", "--json"
    )
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)[0]["nearest"][0]["text"] == "text number 77"
    assert len(server.asked) == 3  # the query was in the cache


def test_the_command_line_says_in_one_line_what_is_wrong(server, source, environment):
    server.key = "another"
    wrong = veclab_command(
        environment, "embed", "corpus.jsonl", "-m", f"openai:{SMALL}", "--base-url", server.url,
        "-o", "v.parquet",
    )  # fmt: skip
    assert wrong.returncode == 1
    assert wrong.stderr.count("\n") == 1
    assert "401" in wrong.stderr
    assert KEY not in wrong.stderr
