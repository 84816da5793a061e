"""OpenAI-compatible endpoints: the real client, real sockets, and a server that misbehaves.

Where a test is about flow, the server's vectors are a fast function of the text; where it is about
vectors, a real model makes them.
"""

import gc
import itertools
import json
import os
import signal
import threading
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

import veclab
from tests.models.openai.hanging import let_hanging_time_out
from tests.openai_server import (
    FAULTS,
    KEY,
    WRONGS,
    OpenAIServer,
    hash_vectors,
    in_http_date,
    model_vectors,
    some_faults,
)
from tests.waiting import wait_until
from veclab import BadVectors, InputError, ModelUnavailable, ProviderError, SpaceMismatch
from veclab.cache import Cache
from veclab.models.openai.failures import SUSPICIOUS, TRIES_FAULT, TRIES_TROUBLE
from veclab.models.openai.model import OpenAIModel

SMALL = "text-embedding-3-small"


@pytest.fixture(autouse=True)
def key(monkeypatch, tmp_path):
    """The right key, no endpoint, and no .env file above the working directory."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def server():
    with OpenAIServer() as running:
        yield running


def load(server, model=SMALL, *, dimensions=64, batch_texts=None, **options):
    """A model at the server; small vectors, so that tests are quick."""
    loaded = veclab.load(f"openai:{model}", base_url=server.url, dimensions=dimensions, **options)
    if batch_texts is not None:
        loaded.provider.limits = replace(loaded.provider.limits, batch_texts=batch_texts)
    return loaded


class TestVectors:
    """Backed by a real model."""

    @pytest.fixture
    def real(self, tiny_bert):
        return veclab.load(str(tiny_bert), cache=False)

    def test_are_those_of_the_model_behind_the_endpoint(self, server, real):
        server.vectors, server.models = model_vectors(real), {"tiny": 32}
        texts = ["the cat sits on the mat", "stock markets fell", "a feline rests"]
        vectors = load(server, "tiny", dimensions=None).embed(texts)
        np.testing.assert_allclose(vectors.array, real.embed(texts).array, atol=1e-6)

    def test_shortened_by_the_endpoint_have_unit_length_and_a_space_of_their_own(
        self, server, real
    ):
        server.vectors, server.models = model_vectors(real), {"tiny": 32}
        texts = ["the cat sits on the mat", "stock markets fell"]
        short = load(server, "tiny", dimensions=8).embed(texts)
        np.testing.assert_allclose(np.linalg.norm(short.array, axis=1), 1, atol=1e-6)
        np.testing.assert_allclose(short.array, real.embed(texts).truncate(8).array, atol=1e-6)
        full = load(server, "tiny", dimensions=None).embed(texts)
        with pytest.raises(SpaceMismatch, match="dimensions"):
            veclab.similarity(short, full)

    def test_are_the_same_in_base64_and_as_numbers(self, server, real, monkeypatch):
        server.vectors, server.models = model_vectors(real), {"tiny": 32}
        packed = load(server, "tiny", dimensions=None, cache=False).embed("the cat")
        answer = OpenAIServer._answer
        plain = lambda self, asked, texts, body: answer(  # noqa: E731 - some servers know no base64
            self, asked, texts, body | {"encoding_format": "float"}
        )
        monkeypatch.setattr(OpenAIServer, "_answer", plain)
        floats = load(server, "tiny", dimensions=None, cache=False).embed("the cat")
        np.testing.assert_array_equal(packed.array, floats.array)
        assert [asked.body["encoding_format"] for asked in server.asked[-2:]] == ["base64"] * 2


class TestSpace:
    def test_names_the_endpoint_unless_it_is_openais_own(self, server):
        assert load(server).space.endpoint == server.url
        assert veclab.load(f"openai:{SMALL}").space.endpoint is None
        explicit = veclab.load(f"openai:{SMALL}", base_url="https://API.openai.com:443/v1/")
        assert explicit.space == veclab.load(f"openai:{SMALL}").space

    def test_of_an_unknown_model_is_asked_once_and_remembered(self, server):
        server.models["mine"] = 48
        first = load(server, "mine", dimensions=None)
        assert first.embed(["a"]).dimensions == 48
        assert [asked.texts for asked in server.asked] == [["hello"], ["a"]]
        again = load(server, "mine", dimensions=None)
        assert again.embed(["a"]).dimensions == 48
        assert len(server.asked) == 2

    def test_a_model_that_changes_its_dimensions_is_another_space(self, server):
        server.models["mine"] = 48
        load(server, "mine", dimensions=None).embed(["a"])
        server.models["mine"] = 40
        model = load(server, "mine", dimensions=None)
        with pytest.raises(SpaceMismatch, match=r"40 dimensions for 'mine', 6 times.*has 48"):
            model.embed(["b"])
        # What is meant is said by running again: a new space, and nothing mixed.
        assert load(server, "mine", dimensions=None).embed(["a", "b"]).dimensions == 40

    def test_a_file_of_vectors_loads_the_model_that_made_it(self, server):
        server.models["mine"] = 48
        for name, dimensions in (("mine", None), ("mine", 16), (SMALL, None), (SMALL, 64)):
            space = load(server, name, dimensions=dimensions).space
            assert veclab.load_for(space).space == space

    def test_a_file_cannot_send_the_key_to_an_endpoint_never_used(self, server):
        stranger = veclab.Space("openai", SMALL, 1536, endpoint=server.url)
        with pytest.raises(
            ModelUnavailable, match=f"Your key would go there.*--base-url {server.url}"
        ):
            veclab.load_for(stranger)
        assert server.asked == []
        assert veclab.load_for(stranger, base_url=server.url).space == stranger


class TestOptions:
    @pytest.mark.parametrize(
        ("name", "options", "complaint"),
        [
            (SMALL, {"dimensions": 1537}, "1,536 dimensions; 1,537 is too many"),
            (SMALL, {"dimensions": 0}, "1 or more"),
            ("text-embedding-ada-002", {"dimensions": 256}, "always gives 1,536"),
            (SMALL, {"base_url": "api.example.org"}, "must look like"),
            (SMALL, {"base_url": "https://me:secret@example.org/v1"}, "must not hold a name"),
            (SMALL, {"base_url": "https://example.org/v1?key=secret"}, r"no '\?'"),
            (SMALL, {"device": "cuda"}, "device does not go with it"),
            (SMALL, {"normalize": False}, "unit length"),
        ],
    )
    def test_that_cannot_be_are_refused_before_anything_is_sent(self, name, options, complaint):
        with pytest.raises(InputError, match=complaint) as raised:
            veclab.load(f"openai:{name}", **options)
        assert "secret" not in str(raised.value)

    def test_for_endpoints_do_not_go_with_local_models(self, tiny_bert):
        with pytest.raises(InputError, match="base_url goes with names like openai:MODEL"):
            veclab.load(str(tiny_bert), base_url="http://127.0.0.1:1/v1")

    def test_local_vectors_are_shortened_as_well(self, tiny_bert):
        full, short = veclab.load(str(tiny_bert)), veclab.load(str(tiny_bert), dimensions=8)
        texts = ["the cat sits on the mat", "stock markets fell"]
        expected = full.embed(texts).truncate(8)
        vectors = short.embed(texts)
        np.testing.assert_allclose(vectors.array, expected.array, atol=1e-6)
        assert vectors.space == expected.space
        assert "trained for it" in vectors.report.notes[0]
        with pytest.raises(InputError, match="32 dimensions; it cannot give 33"):
            veclab.load(str(tiny_bert), dimensions=33)


class TestPacking:
    def test_requests_are_filled_to_the_limits_and_never_over(self, server):
        model = load(server)
        texts = [f"a text of some words, number {i}" for i in range(4100)]
        texts += [f"{i} " + "and so on " * 600 for i in range(400)]
        vectors = model.embed(texts)
        assert all(asked.status == 200 for asked in server.asked)
        assert server.bought == Counter(texts)
        # 400 texts of 1,803 tokens take 3 requests by tokens, 4,100 of 10 take 3 by number;
        # the texts between fill up.
        assert len(server.asked) == 5
        assert vectors.report.requests == 5
        assert vectors.report.tokens_bought == server.tokens
        assert vectors.report.tokens == sum(asked.tokens for asked in server.asked)

    def test_texts_over_the_limit_are_cut_here_as_the_api_would_refuse_them(self, server):
        texts = ["cat " * 20_000, "one two"]
        vectors = load(server).embed(texts)
        (asked,) = server.asked
        assert asked.tokens == 8191 + 2
        assert vectors.truncated.tolist() == [True, False]
        assert vectors.report.tokens_lost == 20_001 - 8191
        assert texts[0].startswith(next(text for text in asked.texts if text != "one two"))

    def test_texts_over_the_limit_are_split_when_asked(self, server):
        vectors = load(server).embed(["cat " * 20_000], on_long="split")
        assert vectors.report.split == 1
        assert sum(asked.tokens for asked in server.asked) == pytest.approx(20_001, abs=5)

    def test_duplicates_and_cached_texts_are_never_sent(self, server):
        model = load(server)
        model.embed(["a", "b", "a"])
        model.embed(["b", "c"])
        assert server.bought == Counter("abc")

    def test_a_cached_text_needs_no_key(self, server, monkeypatch):
        expected = load(server).embed(["a"])
        monkeypatch.delenv("OPENAI_API_KEY")
        np.testing.assert_array_equal(load(server).embed(["a"]).array, expected.array)
        assert len(server.asked) == 1


class TestTrouble:
    """What may pass is asked again; what will not is said at once."""

    @pytest.mark.parametrize("fault", FAULTS)
    def test_of_every_kind_passes_unseen(self, server, fault, monkeypatch):
        let_hanging_time_out(server, monkeypatch)
        server.script = [fault]
        vectors = load(server).embed(["a", "b"])
        np.testing.assert_allclose(vectors.array, hash_vectors(["a", "b"], 64), atol=1e-6)
        assert [asked.fault for asked in server.asked] == [fault, None]
        assert server.bought == Counter("ab")
        assert vectors.report.requests == 2
        first = server.asked[0].tokens + server.asked[0].canary
        wasted = first if server.wasted and fault not in NO_COUNT else 0
        assert vectors.report.tokens_bought == server.tokens + wasted

    def test_of_a_server_that_never_answers_ends_with_the_time_it_had(self, server, monkeypatch):
        monkeypatch.setattr("veclab.models.openai.requests.backoff", lambda number: 0.01)
        model = load(server)
        model.provider.requests.timeout = 0.05
        server.faults = lambda asked: "hang"
        with pytest.raises(ProviderError, match=r"tries: no answer within 0\.05 seconds"):
            model.embed(["a"])

    def test_in_a_fifth_of_all_answers_changes_nothing(self, server):
        texts = [f"text {i}" for i in range(3000)]
        quiet = load(server, cache=False).embed(texts)
        server.asked.clear()
        server.faults = some_faults(0.2, kinds=[fault for fault in FAULTS if fault != "hang"])
        noisy = load(server, batch_texts=30).embed(texts)
        np.testing.assert_array_equal(noisy.array, quiet.array)
        assert {asked.fault for asked in server.asked} >= {"429", "cut", "nan", None}
        # Each text is in exactly one sound answer.
        bought = server.bought
        bought.pop("hello", None)  # asked where three in a row failed
        assert bought == Counter(texts)

    @pytest.mark.parametrize("fault", [*WRONGS, "429", "500", "cut"])
    def test_without_end_is_reported_and_nothing_of_it_stored(self, server, fault, monkeypatch):
        monkeypatch.setattr("veclab.models.openai.requests.backoff", lambda number: 0.01)
        model = load(server)
        model.embed(["good"])
        server.asked.clear()
        server.faults = lambda asked: fault
        if fault in ("nan", "zero"):  # one text's own trouble
            assert model.embed(["bad"]).report.refused_ids == ["0"]
        else:
            with pytest.raises((BadVectors, ProviderError, SpaceMismatch), match=r"times|tries"):
                model.embed(["bad"])
        tries = [asked for asked in server.asked if asked.texts == ["bad"]]
        most = TRIES_FAULT if fault in WRONGS else TRIES_TROUBLE
        # First with the canary in one request, then alone.
        assert most <= len(tries) <= 2 * most
        server.faults = lambda asked: None
        model.embed(["bad", "good"])
        assert server.bought == Counter(["bad"])

    @pytest.mark.parametrize("fault", [*WRONGS, "500", "502", "503", "cut", "hang"])
    def test_of_one_text_without_end_does_not_stop_the_others(self, server, fault, monkeypatch):
        """A text that makes a server fail, each time: Ollama answers some with a 500 for ever."""
        monkeypatch.setattr("veclab.models.openai.requests.backoff", lambda number: 0.01)
        let_hanging_time_out(server, monkeypatch)
        model = load(server, batch_texts=250)
        server.faults = lambda asked: fault if "bad" in asked.texts else None
        texts = [f"text {i}" for i in range(1000)]
        texts[617] = "bad"
        with pytest.warns(UserWarning, match=r"1 refused by the model's endpoint \(617\)"):
            vectors = model.embed(texts)
        good = [text for text in texts if text != "bad"]
        assert list(vectors.texts) == good
        np.testing.assert_allclose(vectors.array, hash_vectors(good, 64), atol=1e-6)
        assert any("refused: " in note for note in vectors.report.notes)
        # What was good is bought once; the harmless text proves that the bad one is to blame.
        bought = server.bought
        assert bought.pop("hello", 0) <= 4
        assert bought == Counter(good)
        # Found in halves of 250: eight sizes, a few tries each, and the last word on it.
        tries = TRIES_FAULT if fault in ("nan", "zero") else SUSPICIOUS
        asked = sum("bad" in asked.texts for asked in server.asked)
        assert asked <= 8 * tries + TRIES_TROUBLE + 1

    def test_in_another_row_each_time_blames_no_text(self, server, monkeypatch):
        monkeypatch.setattr("veclab.models.openai.requests.backoff", lambda number: 0.01)
        rows = itertools.count()
        monkeypatch.setattr("random.randrange", lambda n: next(rows) % n)
        server.faults = lambda asked: "nan"
        with pytest.raises(BadVectors, match="NaN or zeros came, 6 times"):
            load(server).embed(["a", "b", "c"])

    @pytest.mark.parametrize(
        ("broken", "complaint"),
        [
            ({"key": "another"}, "refused the key from the environment: 401 Incorrect API key"),
            ({"models": {}}, "refused the model 'text-embedding-3-small': 404 .* does not exist"),
            ({"shortens": False}, "400 This model does not support specifying dimensions"),
        ],
    )
    def test_that_will_not_pass_is_said_at_once_in_one_line(self, server, broken, complaint):
        for name, value in broken.items():
            setattr(server, name, value)
        with pytest.raises(ProviderError, match=complaint) as raised:
            load(server).embed([f"text {i}" for i in range(100)])
        assert "\n" not in str(raised.value)
        # A 400 is asked about once more, with a harmless text: is it the text, or all of it?
        assert len(server.asked) == (2 if "shortens" in broken else 1)

    def test_no_money_left_is_not_asked_again(self, server, monkeypatch):
        refuse = OpenAIServer._no
        monkeypatch.setattr(
            OpenAIServer,
            "_no",
            lambda self, *a, **k: refuse(self, *a[:2], code="insufficient_quota"),
        )
        server.faults = lambda asked: "429"
        with pytest.raises(ProviderError, match="429"):
            load(server).embed(["a"])
        assert len(server.asked) == 1

    def test_nobody_there(self):
        with pytest.raises(ProviderError, match=r"127\.0\.0\.1:9/v1 did not answer, after 3 tries"):
            veclab.load(f"openai:{SMALL}", base_url="http://127.0.0.1:9/v1").embed(["a"])

    def test_a_web_page_is_not_taken_for_an_answer(self, server):
        server.faults = lambda asked: "html"
        with pytest.raises(BadVectors, match=r"a web page came.*--base-url"):
            load(server).embed(["a"])

    def test_an_untrusted_certificate_is_said_and_can_be_vouched_for(self, tmp_path, monkeypatch):
        trustme = pytest.importorskip("trustme")
        authority = trustme.CA()
        issued = authority.issue_cert("127.0.0.1")
        issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        pem = str(tmp_path / "server.pem")
        with OpenAIServer(tls=(pem, pem)) as server:
            with pytest.raises(ProviderError, match=r"not trusted.*SSL_CERT_FILE"):
                load(server).embed(["a"])
            assert server.asked == []
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
            assert len(load(server).embed(["a"])) == 1

    def test_a_proxy_that_is_not_there_is_named(self, monkeypatch):
        monkeypatch.setenv("HTTP_PROXY", "http://user:hunter2@127.0.0.1:9")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        with pytest.raises(ProviderError, match="HTTP_PROXY is set") as raised:
            veclab.load(f"openai:{SMALL}", base_url="http://example.invalid/v1").embed(["a"])
        assert "hunter2" not in str(raised.value)


NO_COUNT = ("truncated", "html", "empty")  # answers that do not tell what they cost


class TestRefusedTexts:
    @pytest.mark.parametrize("bad", [[0], [517], [999], [3, 4, 700], list(range(0, 1000, 100))])
    def test_are_found_and_reported_and_all_others_embedded(self, server, bad):
        texts = [f"text {i}" for i in range(1000)]
        server.reject = {texts[i] for i in bad}
        with pytest.warns(UserWarning, match=rf"left out.* {len(bad)} refused by .*\({bad[0]}"):
            vectors = load(server).embed(texts)
        assert vectors.report.refused == len(bad)
        assert vectors.report.refused_ids == [str(i) for i in bad]
        assert "400 '$.input' is invalid" in vectors.report.notes[-1]
        good = [text for text in texts if text not in server.reject]
        assert list(vectors.texts) == good
        bought = server.bought
        assert bought.pop("hello") <= 2 * len(bad)  # the harmless text that proves the others bad
        assert bought == Counter(good)
        np.testing.assert_allclose(vectors.array, hash_vectors(good, 64), atol=1e-6)

    def test_take_a_few_requests_to_find(self, server):
        texts = [f"text {i}" for i in range(2048)]
        server.reject = {"text 77"}
        load(server).embed(texts)
        proofs = [asked for asked in server.asked if asked.texts == ["hello"]]
        # Two requests (the canary takes room in the first) and 11 halvings. One proof at the first
        # refusal, one for the last word; a slow machine asks again where the first is old by then.
        assert len(server.asked) - len(proofs) <= 2 + 2 * 11
        assert 1 <= len(proofs) <= 12

    def test_are_not_blamed_for_what_all_requests_are_refused_for(self, server):
        model = load(server)
        model.embed(["fine"])  # a proof, but an old one by the time the next text is refused
        server.shortens = False  # from now on every request is a 400
        with pytest.raises(ProviderError, match="400 This model does not support"):
            model.embed(["innocent"])
        with pytest.raises(ProviderError, match="400 This model does not support"):
            model.embed(["as innocent", "as this"])

    def test_repeated_are_all_reported(self, server):
        server.reject = {"bad"}
        vectors = load(server).embed(["a", "bad", "b", "bad"])
        assert list(vectors.ids) == ["0", "2"]
        assert vectors.report.refused_ids == ["1", "3"]

    def test_in_windows_take_the_whole_text_out(self, server):
        model = load(server, max_tokens=8)
        server.faults = lambda asked: None
        long = "one two three four five six seven eight nine ten"
        model.embed([long], on_long="split")
        windows = [text for asked in server.asked for text in asked.texts]
        assert len(windows) == 2
        server.reject = {windows[1]}
        other = load(server, max_tokens=8, cache=False).embed([long, "fine"], on_long="split")
        assert list(other.ids) == ["1"]
        assert other.report.refused_ids == ["0"]


class TestKeys:
    def test_none_says_which_variable_and_which_files(self, tmp_path, monkeypatch):
        monkeypatch.delenv("OPENAI_API_KEY")
        with pytest.raises(ModelUnavailable, match=f"OPENAI_API_KEY is not set.*{tmp_path}"):
            veclab.load(f"openai:{SMALL}").embed(["a"])
        (tmp_path / ".env").write_text("OTHER=1\n")
        with pytest.raises(ModelUnavailable, match=f"{tmp_path / '.env'} has no OPENAI_API_KEY"):
            veclab.load(f"openai:{SMALL}").embed(["a"])

    def test_come_from_the_nearest_env_file(self, server, tmp_path, monkeypatch):
        monkeypatch.delenv("OPENAI_API_KEY")
        (tmp_path / ".env").write_text(f"OPENAI_API_KEY={KEY}\nOPENAI_BASE_URL={server.url}/\n")
        (tmp_path / "deep" / "er").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / "deep" / "er")
        vectors = veclab.load(f"openai:{SMALL}", dimensions=64).embed(["a"])
        assert vectors.space.endpoint == server.url
        assert "OPENAI_API_KEY" not in os.environ

    def test_of_the_environment_are_not_sent_where_an_env_file_says(self, tmp_path):
        (tmp_path / ".env").write_text("OPENAI_BASE_URL=https://evil.example/v1\n")
        assert veclab.load(f"openai:{SMALL}").space.endpoint is None

    def test_are_written_nowhere(self, server, tmp_path, home, caplog, capsys):
        caplog.set_level("DEBUG")
        model = load(server)
        vectors = model.embed(["a", "b"])
        vectors.save(tmp_path / "v.parquet")
        server.key = "another"  # the server now repeats the key in its answer
        with pytest.raises(ProviderError) as raised:
            model.embed(["c"])
        said = [repr(model), repr(model.provider), repr(model.provider.access)]
        said += [repr(raised.value), caplog.text, *capsys.readouterr(), str(vectors.report)]
        said += [json.dumps(vectors.report.to_dict()), vectors.space.to_json()]
        assert KEY not in " ".join(said)
        assert "[key]" in str(raised.value)
        written = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert {path.name for path in written} >= {"v.parquet", "endpoints.json"}
        assert any("cache" in str(path) for path in written)
        for path in written:
            assert KEY.encode() not in path.read_bytes(), path


class TestTogether:
    def test_a_storm_of_refusals_is_waited_out_by_all(self, server):
        """After a 429 with retry-after: 2 nobody sends for two seconds."""
        model = load(server, batch_texts=10)
        server.retry_after = {"retry-after": "2"}
        server.delay = 0.3  # so that the four first requests are on their way together
        server.script = ["429"] * 4
        texts = [f"text {i}" for i in range(400)]
        vectors = model.embed(texts)
        assert len(vectors) == 400
        assert server.bought == Counter(texts)
        first, rest = server.asked[:4], server.asked[4:]
        assert {asked.status for asked in first} == {429}
        assert {asked.status for asked in rest} == {200}
        last_refusal = max(asked.at for asked in first) + server.delay
        assert min(asked.at for asked in rest) - last_refusal > 1.99

    @pytest.mark.parametrize(
        "header",
        [
            lambda: {"retry-after": "1"},
            lambda: {"retry-after-ms": "1000"},
            lambda: {"retry-after": in_http_date(2)},  # whole seconds: one or two from now
        ],
    )
    def test_every_form_of_retry_after_is_kept_to(self, server, header):
        server.retry_after = header()
        server.script = ["503"]
        load(server).embed(["a"])
        refused, answered = server.asked
        assert answered.at - refused.at > 0.9

    def test_tokens_left_are_not_overspent(self, server):
        server.headers = {
            "x-ratelimit-limit-requests": "6000",
            "x-ratelimit-remaining-requests": "5999",
            "x-ratelimit-reset-requests": "10ms",
            "x-ratelimit-limit-tokens": "100",
            "x-ratelimit-remaining-tokens": "0",
            "x-ratelimit-reset-tokens": "1s",
        }
        model = load(server, batch_texts=10)
        model.embed(["a"])
        model.embed([f"text {i}" for i in range(10)])  # 30 tokens or so: 0.3 s at 100 a second
        first, second = server.asked
        assert second.at - first.at > 0.8 * second.tokens / 100
        assert model.provider.facts.tokens_per_minute == 100

    def test_sixteen_requests_are_on_their_way_at_most(self, server):
        server.delay = 0.3
        flying = []
        server.faults = lambda asked: flying.append(sum(not a.status for a in server.asked))
        load(server, batch_texts=5).embed([f"text {i}" for i in range(300)])
        assert 4 < max(flying) <= 16  # it begins with four and grows


def test_what_is_in_flight_at_an_interruption_is_kept_and_the_rest_not_sent(server):
    """Ctrl-C, sent as the terminal sends it."""
    server.delay = 0.5
    sent = threading.Event()

    def press(asked):
        if len(server.asked) == 4 and not sent.is_set():
            sent.set()
            os.kill(os.getpid(), signal.SIGINT)

    server.faults = press
    texts = [f"text {i}" for i in range(1000)]
    model = load(server, batch_texts=10)
    with pytest.raises(KeyboardInterrupt):
        model.embed(texts)
    asked = len(server.asked)  # some may have been sent before the key was noticed
    assert 4 <= asked < 50
    assert len(server.answered) == asked
    server.delay = 0
    again = load(server, batch_texts=10).embed(texts)
    assert again.report.cached == 10 * asked
    assert server.bought == Counter(texts)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")
def test_a_child_forked_with_requests_in_flight_embeds(server):
    """With as many in flight as the server bears, and the lock of the loop held by a thread."""
    provider = OpenAIModel(SMALL, base_url=server.url, dimensions=64)
    provider.space, provider.canary.seen = provider.space, True  # as after a first batch
    arrived, let_go = threading.Semaphore(0), threading.Event()

    def hold(asked):
        if asked.texts != ["child"]:
            arrived.release()
            return "hang"
        return None

    server.faults = hold
    flying = [
        threading.Thread(
            target=lambda: provider.embed_batch(provider.tokenize(["a"], None), None), daemon=True
        )
        for _ in range(4)  # as many as go at first
    ]
    for thread in flying:
        thread.start()
    for _ in flying:
        arrived.acquire()
    with provider.requests._lock:
        child = os.fork()
        if not child:
            code = 1
            try:
                answer = provider.embed_batch(provider.tokenize(["child"], None), None)
                code = 0 if answer.vectors.shape == (1, 64) else 2
            finally:
                os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    let_go.set()


def test_a_model_that_nobody_holds_leaves_no_thread(server):
    """A thread, a loop and its files for each would end at the limit of open files."""
    before = set(threading.enumerate())
    model = load(server)
    model.embed(["a"])
    client = model.provider.requests._client
    begun = [one for one in threading.enumerate() if one not in before and "veclab" in one.name]
    assert begun
    del model
    gc.collect()
    wait_until(lambda: not any(one.is_alive() for one in begun) and client.is_closed())


class TestUnanswered:
    """Requests that were sent and not answered may be billed."""

    @pytest.mark.parametrize("fault", ["hang", "cut", "truncated", "html", "empty"])
    def test_are_in_the_report(self, server, fault, monkeypatch):
        let_hanging_time_out(server, monkeypatch)
        server.script = [fault]
        report = load(server).embed(["one two three", "four"]).report
        assert (report.unanswered, report.tokens_unanswered) == (1, 4 + 56)  # the canary's
        assert "1 requests sent, not answered: up to 60 tokens billed" in str(report)
        assert report.tokens_bought == 4 + 56

    @pytest.mark.parametrize("fault", ["429", "500", "nan"])
    def test_are_not_those_that_were_refused_or_told_their_cost(self, server, fault):
        server.script = [fault]
        report = load(server).embed(["one two three", "four"]).report
        assert (report.unanswered, report.tokens_unanswered) == (0, 0)
        assert "not answered" not in str(report)

    def test_are_not_those_of_a_server_that_was_never_reached(self):
        with pytest.raises(ProviderError, match="did not answer") as raised:
            veclab.load(f"openai:{SMALL}", base_url="http://127.0.0.1:9/v1").embed(["a"])
        assert "billed" not in str(raised.value)

    def test_count_against_the_cost_limit(self, server, home, monkeypatch):
        let_hanging_time_out(server, monkeypatch)
        home.mkdir(exist_ok=True)
        name = f"{SMALL}@{server.url}"
        table = {"as_of": "2030-01-01", "dollars_per_million_tokens": {name: 1e6}}
        (home / "prices.json").write_text(json.dumps(table))
        provider = OpenAIModel(SMALL, base_url=server.url, dimensions=64, concurrency=1)
        provider.limits = replace(provider.limits, batch_texts=1)
        model = veclab.Model(provider, Cache.open())
        server.script = ["hang", "hang"]
        texts = ["one two", "three", "four", "five"]  # five tokens at a dollar each
        with pytest.raises(veclab.CostTooHigh):
            model.embed(texts, max_cost=6.0 + 3 * 56)
        # Two requests of two tokens hung; with the answer that came they are six, and three
        # times the canary.
        assert server.tokens <= 2 + 56 + 1  # one more may have been allowed before that was known
        server.script = []
        assert model.embed(texts, max_cost=6.0 + 28).report.cached in (1, 2)
        assert server.bought == Counter(texts)

    def test_without_end_are_told_with_the_error(self, server, monkeypatch):
        monkeypatch.setattr("veclab.models.openai.requests.backoff", lambda number: 0.01)
        server.faults = lambda asked: "cut"
        with pytest.raises(ProviderError, match=r"10 requests of 458 tokens in all were sent, not"):
            load(server).embed(["a"])
