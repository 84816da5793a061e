"""Jobs from end to end: the real client on real sockets, the real cache, and what embed buys."""

import json
import re

import numpy as np
import pytest

import veclab
from tests.models.openai.batch.conftest import MODEL
from tests.openai_batches import hashed_vector
from veclab import InputError, TextTooLong
from veclab.errors import CostTooHigh, ModelUnavailable, ProviderError, VeclabError
from veclab.models.openai.batch import jobs
from veclab.models.openai.batch.job_folder import JobFolder
from veclab.models.openai.batch.order import Order
from veclab.models.openai.batch.pack import Packing
from veclab.models.openai.canary import TWICE
from veclab.vectorfiles.files import read

TEXTS = [f"text number {i}" for i in range(40)]
LONG = " ".join(f"word{i}" for i in range(30))


@pytest.fixture
def order(corpus, server):
    """A function: an order for some texts."""

    def make(texts=TEXTS, name="corpus.txt", loading=None, **policies):
        return Order.of(
            corpus(texts, name),
            MODEL,
            loading=loading or {},
            policies={"on_empty": "skip"} | policies,
        )

    return make


@pytest.fixture
def job(tmp_path):
    return tmp_path / "job"


def finish(server, job):
    """Let the server do its work and fetch what it made."""
    server.finish()
    return jobs.fetch(job).progress


def embed(order, tmp_path, server):
    """What `veclab embed` gives now, and what that cost."""
    calls = len(server.calls)
    report = veclab.embed_file(
        order.load(), order.open(), tmp_path / "out.parquet", **order.policies, max_cost=0.0
    )
    assert server.calls[calls:] == []
    assert report.tokens_bought == report.embedded == 0
    return read(tmp_path / "out.parquet"), report


def same(vectors, texts=None):
    """Each vector is the one the server has for its text."""
    for row in vectors:
        expected = hashed_vector("text-embedding-3-small", row.text, vectors.dimensions)
        np.testing.assert_allclose(row.embedding, expected, atol=1e-6)
    if texts is not None:
        assert list(vectors.texts) == texts


class TestTheWholeWay:
    @pytest.mark.parametrize("request_inputs", [1, 7, 2048])
    def test_embed_takes_every_vector_from_the_cache(
        self, order, job, server, tmp_path, request_inputs
    ):
        texts = [*TEXTS, TEXTS[3], "", TEXTS[0]]
        made = order(texts)
        jobs.submit(job, made, packing=Packing(request_inputs=request_inputs))
        progress = finish(server, job)
        assert progress.complete
        assert (progress.asked, progress.there, progress.failed) == (40, 40, 0)
        assert sorted(server.bought) == sorted(TEXTS)
        vectors, report = embed(made, tmp_path, server)
        same(vectors, [text for text in texts if text])
        assert report.empty == 1

    def test_what_is_in_the_cache_is_not_sent(self, order, job, server, tmp_path):
        first = order(TEXTS[:10], "first.txt")
        jobs.submit(tmp_path / "first", first)
        finish(server, tmp_path / "first")
        server.bought.clear()
        made = order(TEXTS)
        plans = []
        jobs.submit(job, made, on_plan=plans.append)
        assert finish(server, job).complete
        assert server.bought == TEXTS[10:]
        assert plans[0].report.cached == 10
        same(embed(made, tmp_path, server)[0], TEXTS)

    def test_nothing_to_send_makes_no_batch(self, order, job, server, tmp_path):
        made = order(TEXTS)
        jobs.submit(job, made)
        finish(server, job)
        again = tmp_path / "again"
        assert jobs.submit(again, made).parts == []
        assert len(server.batches) == 1
        assert jobs.fetch(again).progress.complete

    def test_texts_of_two_blocks_that_are_the_same_are_sent_once(self, order, job, server):
        texts = [f"text {i % 30_000}" for i in range(70_000)]  # a block has 65,536
        made = order(texts)
        now = jobs.submit(job, made, packing=Packing(request_inputs=2048))
        assert sum(part.inputs for part in now.parts) == 30_000

    def test_shorter_vectors_are_their_own_space(self, order, job, server, tmp_path):
        made = order(TEXTS, loading={"dimensions": 256})
        jobs.submit(job, made)
        assert finish(server, job).complete
        vectors, _ = embed(made, tmp_path, server)
        assert vectors.dimensions == 256
        same(vectors)

    def test_the_output_can_be_written_at_once(self, order, job, server, tmp_path):
        made = order(TEXTS)
        jobs.submit(job, made)
        with pytest.raises(VeclabError, match="still missing"):
            jobs.write(job, tmp_path / "out.parquet")
        finish(server, job)
        jobs.write(job, tmp_path / "out.parquet")
        same(read(tmp_path / "out.parquet"), TEXTS)


class TestLongTexts:
    LOADING = {"max_tokens": 10}  # noqa: RUF012

    def test_are_cut_as_embed_cuts_them(self, order, job, server, tmp_path):
        made = order(["short", LONG], loading=self.LOADING)
        jobs.submit(job, made)
        assert finish(server, job).complete
        vectors, report = embed(made, tmp_path, server)
        cut = server.bought[1]
        assert LONG.startswith(cut)
        assert server.count(cut) <= 10 < server.count(LONG)
        expected = hashed_vector("text-embedding-3-small", cut, 1536)
        np.testing.assert_allclose(vectors.array[1], expected, atol=1e-6)
        assert vectors.truncated.tolist() == [False, True]
        assert report.tokens_lost == server.count(LONG) - 10

    def test_are_refused_when_asked(self, order, job):
        with pytest.raises(TextTooLong):
            jobs.submit(job, order(["short", LONG], loading=self.LOADING, on_long="error"))

    @pytest.mark.parametrize("request_inputs", [1, 3])
    def test_windows_are_pooled_by_their_tokens(self, order, job, server, tmp_path, request_inputs):
        made = order(["short", LONG, LONG], loading=self.LOADING, on_long="split")
        jobs.submit(job, made, packing=Packing(request_inputs=request_inputs))
        assert finish(server, job).complete
        windows = server.bought[1:]
        assert "".join(windows) == LONG
        pooled = sum(
            server.count(w) * hashed_vector("text-embedding-3-small", w, 1536) for w in windows
        )
        vectors, report = embed(made, tmp_path, server)
        np.testing.assert_allclose(vectors.array[1], pooled / np.linalg.norm(pooled), atol=1e-6)
        np.testing.assert_array_equal(vectors.array[1], vectors.array[2])
        assert vectors.tokens.tolist() == [1, server.count(LONG), server.count(LONG)]
        assert report.split == 2

    def test_a_window_that_failed_is_the_only_one_bought_again(self, order, job, server, tmp_path):
        made = order([LONG], loading=self.LOADING, on_long="split")
        server.faults.fail = ("word13 ",)
        jobs.submit(job, made)
        progress = finish(server, job)
        assert (progress.failed, progress.complete) == (1, False)
        first = list(server.bought)
        server.faults.fail = ()
        jobs.submit(job)
        assert finish(server, job).complete
        (window,) = server.bought[len(first) :]
        assert "word13 " in window
        embed(made, tmp_path, server)

    def test_a_text_whose_windows_are_all_there_already_is_only_pooled(
        self, order, job, server, tmp_path
    ):
        jobs.submit(job, order([LONG], loading=self.LOADING, on_long="split"))
        finish(server, job)
        windows = [window.strip() for window in server.bought]
        server.bought.clear()
        twice = " ".join(windows + windows)
        made = order([twice], "twice.txt", loading=self.LOADING, on_long="split")
        jobs.submit(tmp_path / "twice", made)
        assert finish(server, tmp_path / "twice").complete
        embed(made, tmp_path, server)


class TestMoney:
    def test_it_costs_half(self, order, job, server):
        plans = []
        jobs.submit(job, order(TEXTS), on_plan=plans.append)
        finish(server, job)
        (plan,) = plans
        assert plan.bill.tokens == server.tokens == sum(map(server.count, (*TEXTS, *TWICE)))
        assert plan.full_dollars == pytest.approx(server.tokens * 0.02 / 1e6)
        assert plan.dollars == plan.full_dollars / 2

    def test_nothing_is_sent_beyond_the_limit(self, order, job, server):
        texts = [f"{text} " + "and so on " * 100 for text in TEXTS]
        made = order(texts)
        with pytest.raises(CostTooHigh, match=r"over the limit of 0\.0001\. Nothing was sent"):
            jobs.submit(job, made, max_cost=0.0001)
        assert server.calls == []
        jobs.submit(job, max_cost=0.01)
        assert finish(server, job).complete

    def test_a_limit_without_a_price_sends_nothing(self, order, job, server, home):
        (home / "prices.json").unlink()
        with pytest.raises(CostTooHigh, match="price"):
            jobs.submit(job, order(TEXTS), max_cost=1000)
        assert server.calls == []

    def test_no_answer_to_the_question_sends_nothing(self, order, job, server):
        now = jobs.submit(job, order(TEXTS), confirm=lambda: False)
        assert server.calls == []
        assert now.unsent == 1


class TestGoingOn:
    def test_submitting_twice_sends_once(self, order, job, server):
        made = order(TEXTS)
        jobs.submit(job, made)
        jobs.submit(job, made)
        jobs.submit(job)
        assert len(server.batches) == len(server.uploads) == 1

    def test_fetching_twice_is_harmless(self, order, job, server, tmp_path):
        made = order(TEXTS)
        jobs.submit(job, made)
        finish(server, job)
        calls = len(server.calls)
        assert jobs.fetch(job).progress.complete
        assert server.calls[calls:] == [("GET", "/v1/batches")]  # a look at the list, no download
        same(embed(made, tmp_path, server)[0])

    def test_a_cache_that_was_lost_is_filled_again_from_the_server(
        self, order, job, server, tmp_path, cache
    ):
        made = order(TEXTS)
        jobs.submit(job, made)
        finish(server, job)
        bought = list(server.bought)
        cache.clear()
        assert jobs.fetch(job).progress.complete
        assert server.bought == bought
        same(embed(made, tmp_path, server)[0])

    def test_another_job_in_the_same_folder_is_refused(self, order, job):
        jobs.submit(job, order(TEXTS))
        with pytest.raises(InputError, match="another one: on_long truncate and split"):
            jobs.submit(job, order(TEXTS, on_long="split"))

    def test_a_request_file_that_was_changed_is_not_sent(self, order, job, server):
        jobs.submit(job, order(TEXTS), confirm=lambda: False)
        path = job / "requests-0001.jsonl"
        path.write_text(path.read_text().replace("number 3", "number 8"))
        with pytest.raises(InputError, match=r"requests-0001\.jsonl was changed"):
            jobs.submit(job)
        assert server.batches == {}

    def test_a_copy_of_the_folder_submits_nothing_twice(self, order, job, server, tmp_path):
        import shutil

        jobs.submit(job, order(TEXTS), confirm=lambda: False)
        shutil.copytree(job, tmp_path / "copy")
        jobs.submit(job)
        now = jobs.submit(tmp_path / "copy")
        assert len(server.batches) == 1
        assert now.cancelled == []
        assert finish(server, tmp_path / "copy").complete

    def test_another_endpoint_is_refused(self, order, job, monkeypatch):
        jobs.submit(job, order(TEXTS))
        monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
        with pytest.raises(InputError, match="was submitted to"):
            jobs.status(job)


class TestTroubleWhileSending:
    @pytest.mark.parametrize("status", [500, 503, 429, 408])
    @pytest.mark.parametrize("path", ["/files", "/batches"])
    def test_what_may_pass_is_tried_again(self, order, job, server, status, path):
        server.faults.answers = [("POST", path, status)] * 2
        jobs.submit(job, order(TEXTS))
        assert len(server.batches) == len(server.uploads) == 1

    def test_an_upload_that_breaks_off_is_repeated(self, order, job, server):
        server.faults.drop_uploads = 2
        jobs.submit(job, order(TEXTS))
        assert len(server.batches) == len(server.uploads) == 1

    def test_a_batch_whose_answer_was_lost_is_found(self, order, job, server):
        server.faults.lose_created = 1
        now = jobs.submit(job, order(TEXTS))
        assert list(server.batches) == [now.parts[0].batch_id]

    def test_a_twin_is_noticed_and_cancelled(self, order, job, server):
        # The list does not show the batch yet when its answer is lost: it is made a second time.
        server.faults.lose_created = 1
        server.faults.hide_lists = 1
        now = jobs.submit(job, order(TEXTS))
        first, second = server.batches.values()
        assert now.parts[0].batch_id == second["id"]
        assert now.cancelled == [first["id"]]
        assert first["status"] == "cancelled"
        assert finish(server, job).complete
        assert len(server.bought) == len(TEXTS)

    def test_a_twin_that_shows_up_later_is_noticed_by_every_command(self, order, job, server):
        server.faults.lose_created = 1
        server.faults.hide_lists = 2
        assert jobs.submit(job, order(TEXTS)).cancelled == []
        assert jobs.status(job).cancelled == [next(iter(server.batches))]

    @pytest.mark.parametrize("status", [400, 401, 403, 404])
    def test_what_will_not_pass_is_said_once(self, order, job, server, status):
        server.faults.answers = [("POST", "/batches", status)]
        with pytest.raises(ProviderError, match=f"{status} fault {status}"):
            jobs.submit(job, order(TEXTS))
        assert server.batches == {}
        jobs.submit(job)
        assert len(server.batches) == len(server.uploads) == 1

    def test_a_wrong_key_is_said_without_showing_it(self, order, job, monkeypatch):
        monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong-and-secret")
        with pytest.raises(ProviderError, match="401 Incorrect API key") as caught:
            jobs.submit(job, order(TEXTS))
        assert "wrong-and-secret" not in str(caught.value)

    def test_no_key_is_said_before_any_work(self, order, job, monkeypatch):
        monkeypatch.delenv("OPENAI_API_KEY")
        monkeypatch.delenv("OPENAI_BASE_URL")
        with pytest.raises(ModelUnavailable, match="OPENAI_API_KEY"):
            jobs.submit(job, order(TEXTS))

    def test_no_key_is_written(self, order, job, server, home):
        jobs.submit(job, order(TEXTS))
        finish(server, job)
        for path in [*job.rglob("*"), *home.rglob("*")]:
            assert path.is_dir() or server.key.encode() not in path.read_bytes(), path


class TestQueue:
    def test_files_wait_until_there_is_room(self, order, job, server):
        server.queue_tokens = 100
        packing = Packing(batch_tokens=100)
        now = jobs.submit(job, order(TEXTS), packing=packing)
        rounds = 0
        while now.unsent or now.running:
            assert sum(part.tokens for part in now.parts if part.running) <= 100
            server.finish()
            now = jobs.submit(job, packing=packing)
            rounds += 1
        assert rounds > 1
        assert jobs.fetch(job).progress.complete
        assert sorted(server.bought) == sorted(TEXTS)
        assert {batch["status"] for batch in server.batches.values()} == {"completed"}

    def test_a_batch_the_queue_refused_is_made_again_from_the_same_file(self, order, job, server):
        server.queue_tokens = 50
        jobs.submit(job, order(TEXTS))
        progress = finish(server, job)
        assert progress.failed == len(TEXTS)
        ((_, reason),) = progress.reasons
        assert "Enqueued token limit reached" in reason
        server.queue_tokens = None
        now = jobs.submit(job)
        assert len(now.parts) == len(server.uploads) == 1
        assert now.parts[0].earlier == (next(iter(server.batches)),)
        assert finish(server, job).complete

    def test_a_file_too_large_for_the_queue_is_packed_anew(self, order, job, server):
        server.queue_tokens = 100
        jobs.submit(job, order(TEXTS))
        finish(server, job)
        packing = Packing(batch_tokens=100)
        now = jobs.submit(job, packing=packing)
        assert len(now.parts) > 2
        while now.unsent or now.running:
            server.finish()
            now = jobs.submit(job, packing=packing)
        assert jobs.fetch(job).progress.complete
        assert sorted(server.bought) == sorted(TEXTS)


class TestAnswersThatAreNot:
    def test_lines_in_another_order(self, order, job, server, tmp_path):
        server.faults.shuffle = True
        made = order(TEXTS)
        jobs.submit(job, made, packing=Packing(request_inputs=3))
        assert finish(server, job).complete
        same(embed(made, tmp_path, server)[0], TEXTS)

    def test_a_batch_that_expired_half_way(self, order, job, server, tmp_path):
        server.faults.expire_after = 0.5
        made = order(TEXTS)
        jobs.submit(job, made)
        progress = finish(server, job)
        assert (progress.there, progress.failed) == (19, 21)  # and the canary
        ((code, _),) = progress.reasons
        assert code == "batch_expired"
        server.faults.expire_after = None
        plans = []
        jobs.submit(job, on_plan=plans.append)
        assert plans[0].again == plans[0].bill.inputs == 21
        assert finish(server, job).complete
        assert sorted(server.bought) == sorted(TEXTS)  # nothing bought twice
        same(embed(made, tmp_path, server)[0], TEXTS)

    def test_a_cancelled_batch_is_sent_again(self, order, job, server):
        now = jobs.submit(job, order(TEXTS))
        server.batches[now.parts[0].batch_id]["status"] = "cancelled"
        assert finish(server, job).failed == len(TEXTS)
        jobs.submit(job)
        assert finish(server, job).complete

    def test_single_failures_are_named_and_sent_again(self, order, job, server):
        server.faults.fail = ("number 17", "number 23")
        jobs.submit(job, order(TEXTS))
        progress = finish(server, job)
        assert (progress.failed, progress.refused) == (2, 0)
        (((code, message), ids),) = progress.reasons.items()
        assert (code, sorted(ids)) == ("500", ["18", "24"])  # lines, as an editor counts them
        assert "server had an error" in message
        server.faults.fail = ()
        jobs.submit(job)
        assert finish(server, job).complete
        assert sorted(server.bought) == sorted(TEXTS)

    def test_what_is_refused_alone_is_not_sent_again_unless_asked(self, order, job, server):
        server.faults.refuse = ("number 17",)
        jobs.submit(job, order(TEXTS))
        progress = finish(server, job)
        assert (progress.there, progress.failed, progress.refused) == (39, 1, 1)
        plans = []
        jobs.submit(job, on_plan=plans.append)
        assert (plans[0].again, plans[0].refused, plans[0].bill.files) == (0, 1, 0)
        server.faults.refuse = ()
        jobs.submit(job, refused=True)
        assert finish(server, job).complete

    def test_a_refused_text_in_company_is_found_by_asking_alone(self, order, job, server):
        server.faults.refuse = ("number 17",)
        jobs.submit(job, order(TEXTS), packing=Packing(request_inputs=10))
        assert finish(server, job).failed == 10
        jobs.submit(job, packing=Packing(request_inputs=10))
        progress = finish(server, job)
        assert (progress.there, progress.failed, progress.refused) == (39, 1, 1)
        assert next(iter(progress.reasons.values())) == ["18"]
        assert sorted(server.bought) == sorted(set(TEXTS) - {"text number 17"})

    @pytest.mark.parametrize("fault", ["nan", "zeros", "dimension", "index", "short", "twice"])
    @pytest.mark.parametrize("request_inputs", [1, 10])
    def test_what_is_no_vector_is_never_cached(
        self, order, job, server, tmp_path, fault, request_inputs
    ):
        server.faults.poison = {"number 17": fault}
        made = order(TEXTS)
        jobs.submit(job, made, packing=Packing(request_inputs=request_inputs))
        progress = finish(server, job)
        # Of an answer with single bad vectors the others are used; a confused one is not.
        lost = 1 if fault in ("nan", "zeros") else request_inputs
        assert (progress.failed, progress.there) == (lost, 40 - lost)
        ((code, _),) = progress.reasons
        assert code == "bad_vectors"
        server.faults.poison = {}
        jobs.submit(job)
        assert finish(server, job).complete
        same(embed(made, tmp_path, server)[0], TEXTS)

    def test_a_download_that_ends_early_is_repeated(self, order, job, server, tmp_path):
        server.faults.cut_downloads = 2
        made = order(TEXTS)
        jobs.submit(job, made)
        assert finish(server, job).complete
        same(embed(made, tmp_path, server)[0], TEXTS)

    def test_answers_that_are_not_there_yet_are_waited_for(self, order, job, server, tmp_path):
        server.faults.late_output = 2
        made = order(TEXTS)
        jobs.submit(job, made)
        progress = finish(server, job)
        assert (progress.waiting, progress.failed) == (40, 0)
        assert "not there yet" in progress.notes[0]
        jobs.submit(job)  # still not: nothing is sent a second time
        assert len(server.batches) == 1
        assert jobs.fetch(job).progress.complete
        same(embed(made, tmp_path, server)[0], TEXTS)

    def test_a_file_that_is_itself_cut_gives_what_it_has(self, order, job, server, tmp_path):
        made = order(TEXTS)
        jobs.submit(job, made)
        server.finish()
        output = next(file for file in server.files.values() if file.purpose == "batch_output")
        output.data = output.data[: len(output.data) * 3 // 4 - 100]
        progress = jobs.fetch(job).progress
        assert (progress.there, progress.failed) == (28, 12)
        assert any("30" in note and "skipped" in note for note in progress.notes)
        assert {code for code, _ in progress.reasons} == {"not_answered"}
        jobs.submit(job)
        assert finish(server, job).complete
        same(embed(made, tmp_path, server)[0], TEXTS)

    def test_answers_to_questions_nobody_asked_are_passed_over(self, order, job, server, tmp_path):
        made = order(TEXTS)
        jobs.submit(job, made)
        server.finish()
        output = next(file for file in server.files.values() if file.purpose == "batch_output")
        lines = [json.loads(line) for line in output.data.splitlines()]
        second = lines[0] | {"custom_id": lines[1]["custom_id"]}
        strange = [{**lines[0], "custom_id": "x"}, second, [], 7, {"custom_id": ["y"]}]
        output.data = (
            b"".join(json.dumps(line).encode() + b"\n" for line in [*lines, *strange]) + b"\xff\n"
        )
        progress = jobs.fetch(job).progress
        assert progress.complete
        assert re.search(r"6 line\(s\).*42, 43, 44", progress.notes[0])
        same(embed(made, tmp_path, server)[0], TEXTS)


def test_the_request_file_is_what_was_uploaded(order, job, server):
    jobs.submit(job, order(TEXTS))
    (file,) = server.uploads
    assert file.data == (job / "requests-0001.jsonl").read_bytes()
    with JobFolder.open(job) as folder:
        assert folder.manifest.job in file.name


@pytest.mark.parametrize("quantize", [None, "binary"])
def test_passages_are_bought_and_written_with_their_spans(corpus, job, server, tmp_path, quantize):
    texts = [LONG, "short", LONG.replace("word", "thing")]
    writing = {"chunks": True, "quantize": quantize}
    order = Order.of(corpus(texts), MODEL, loading={"max_tokens": 16}, writing=writing)
    status = jobs.submit(job, order)
    assert sum(part.inputs for part in status.parts) > len(texts)
    assert finish(server, job).complete
    calls = len(server.calls)
    report = jobs.write(job, tmp_path / "out.parquet")
    assert server.calls[calls:] == [] and report.truncated == 0
    vectors = read(tmp_path / "out.parquet")
    own = vectors.columns.to_pydict()
    for text, start, end, document in zip(
        vectors.texts, own["start"], own["end"], own["document"], strict=True
    ):
        assert text == texts[int(document) - 1][start:end]
    assert vectors.space.quantization == quantize
    if quantize is None:
        same(vectors)
    words = ["--max-tokens", "16", "--chunks", *(["--quantize", quantize] if quantize else [])]
    assert " ".join(words) in order.command()
    assert Order.from_dict(order.to_dict()) == order
    with pytest.raises(InputError, match="chunks True and None"):
        jobs.submit(job, Order.of(corpus(texts), MODEL, loading={"max_tokens": 16}))


def test_passages_that_cannot_be_are_refused_before_anything_is_sent(corpus, job, server):
    order = Order.of(corpus(TEXTS), MODEL, policies={"on_long": "split"}, writing={"chunks": True})
    with pytest.raises(InputError, match="leave on_long='split' out"):
        jobs.submit(job, order)
    assert not server.batches


def test_a_job_of_before_there_were_passages_is_read(order):
    kept = order().to_dict()
    del kept["writing"]
    assert Order.from_dict(kept) == order()
