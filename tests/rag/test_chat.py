"""A chat model behind a real endpoint: what is sent, what it costs, and what can go wrong."""

import json
import os

import httpx
import pytest

from tests.chat_server import KEY, ChatServer, Fault
from tests.waiting import HANG_S, wait_until
from veclab.errors import CostTooHigh, InputError, ModelUnavailable, ProviderError
from veclab.rag import chat as module
from veclab.rag.chat import BrokenOff, ChatModel

MESSAGES = [{"role": "user", "content": "Hello?"}]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    waits = []
    monkeypatch.setattr(module, "sleep", waits.append)
    return waits


def model(server, **options):
    return ChatModel("openai:small", base_url=server.url, **options)


def price(home, server, entry):
    home.mkdir(exist_ok=True)
    table = {"chat_dollars_per_million_tokens": {f"small@{server.url}": entry}}
    (home / "prices.json").write_text(json.dumps(table))


def test_an_answer_comes_in_pieces(server):
    server.answers = ["Hello, who is there?"]
    chat = model(server)
    assert list(chat.stream(MESSAGES)) == ["Hello, ", "who is ", "there?"]
    assert server.asked[0]["messages"] == MESSAGES
    assert server.asked[0]["model"] == "small"
    assert chat.tokens == (1000, 100)
    assert chat.dollars is None


def test_tokens_are_counted_here_where_the_endpoint_does_not_tell(server):
    server.usage, server.answers = False, ["12345678"]
    chat = model(server)
    list(chat.stream(MESSAGES))
    assert chat.tokens == (11, 4)


@pytest.mark.parametrize("refused", [{"stream_options"}, {"temperature"}, {"max_tokens"},
                                     {"stream_options", "temperature", "max_tokens"}])  # fmt: skip
def test_what_an_endpoint_does_not_know_is_left_out(server, refused):
    server.refused, server.answers = refused, ["yes"]
    assert list(model(server).stream(MESSAGES)) == ["yes"]
    assert not refused & set(server.asked[-1])
    assert ("max_completion_tokens" in server.asked[-1]) == ("max_tokens" in refused)


def test_an_endpoint_that_takes_neither_name_of_the_limit_gets_none(server):
    server.refused = {"max_tokens", "max_completion_tokens"}
    server.answers = ["yes"]
    assert list(model(server).stream(MESSAGES)) == ["yes"]
    assert not server.refused & set(server.asked[-1])


def test_trouble_that_passes_is_waited_for(server, no_waiting):
    server.answers = [Fault("429", headers={"retry-after": "7"}), Fault("503"), "yes"]
    assert list(model(server).stream(MESSAGES)) == ["yes"]
    assert no_waiting[0] == 7
    assert 0 < no_waiting[1] <= 1


def test_trouble_that_stays_is_an_error(server):
    server.answers = [Fault("500")] * 20
    with pytest.raises(ProviderError, match="did not answer: 500 this is a 500"):
        list(model(server).stream(MESSAGES))
    assert len(server.asked) == module.TRIES


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault("404"), "refused the model 'small'.*Are model and base URL right"),
        (Fault("403"), "refused the model 'small': 403"),
        (Fault("html"), "a web page. Are model and base URL right"),
        (Fault("400", param="messages"), "400 this is a 400"),
    ],
)
def test_a_refusal_is_told_with_the_way_out(server, fault, message):
    server.answers = [fault]
    with pytest.raises(ProviderError, match=message):
        list(model(server).stream(MESSAGES))
    assert len(server.asked) == 1


def test_a_wrong_key_is_not_repeated(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong-99999")
    with pytest.raises(ProviderError, match="refused the key from the environment") as caught:
        list(model(server).stream(MESSAGES))
    assert "99999" not in str(caught.value)


def test_nobody_there(monkeypatch):
    with ChatServer() as server:
        url = server.url
    with pytest.raises(ProviderError, match="did not answer"):
        list(ChatModel("small", base_url=url).stream(MESSAGES))


def test_openai_itself_needs_a_key(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(ModelUnavailable, match="there is no key"):
        list(ChatModel("gpt-4o-mini").stream(MESSAGES))


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("broken", "."),
        ("unfinished", "ended before the answer did"),
        ("length", "limit of 800 tokens"),
        ("error", "the GPU is gone"),
    ],
)
def test_what_came_before_an_answer_broke_off_is_handed_on(server, fault, reason):
    server.answers = [Fault(fault, "the beginning")]
    pieces = []
    with pytest.raises(BrokenOff, match=reason) as broken:
        for piece in model(server).stream(MESSAGES):
            pieces.append(piece)
    assert "".join(pieces) == "the beginning"
    assert KEY not in str(broken.value)


def test_costs_are_summed_and_limited(server, home):
    price(home, server, {"input": 1.0, "output": 10.0})
    server.answers = ["yes", "yes"]
    chat = model(server, max_cost=0.0095)
    list(chat.stream(MESSAGES))
    assert chat.dollars == pytest.approx(0.002)
    with pytest.raises(CostTooHigh, match=r"over the limit of 0.0095. Nothing was sent"):
        list(chat.stream(MESSAGES))
    assert len(server.asked) == 1


def test_an_endpoint_that_never_answers_has_the_time_it_was_given(server):
    server.answers = [Fault("hang")] * 6
    with pytest.raises(ProviderError, match=r"did not answer: no answer within 0\.05 seconds"):
        list(model(server, timeout=0.05).stream(MESSAGES))


def test_a_request_that_was_not_answered_counts_against_the_limit(server, home, monkeypatch):
    price(home, server, {"input": 1.0, "output": 10.0})
    server.answers = [Fault("hang"), "yes", "no"]
    chat = model(server, max_cost=0.0195)  # a question may cost 0.008 dollars
    chat._get_client().timeout = httpx.Timeout(HANG_S, read=0.05)

    def wait_for_the_server(seconds):
        wait_until(lambda: server.asked)
        chat._get_client().timeout = HANG_S  # the second request has all the time it needs

    monkeypatch.setattr(module, "sleep", wait_for_the_server)
    assert list(chat.stream(MESSAGES)) == ["yes"]
    assert "were sent, not answered, and may be billed" in chat.notes[-1]
    with pytest.raises(CostTooHigh, match="Nothing more was sent"):
        list(chat.stream(MESSAGES * 500))
    assert len(server.asked) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")
def test_a_forked_child_has_connections_of_its_own(server):
    server.answers = ["yes", "yes"]
    chat = model(server)
    list(chat.stream(MESSAGES))
    used = chat._get_client()
    child = os.fork()
    if not child:
        code = 2
        try:
            code = int(chat._get_client() is used)
        finally:  # nothing of the parent's, the running of tests least of all, goes on here
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert chat._get_client() is used


def test_a_limit_needs_a_price(server):
    with pytest.raises(CostTooHigh, match="price of small is not known"):
        list(model(server, max_cost=1).stream(MESSAGES))
    assert server.asked == []


@pytest.mark.parametrize("entry", [1.0, {"input": -1, "output": 2}, {"input": 1}, "cheap"])
def test_a_price_that_is_none_is_refused(server, home, entry):
    price(home, server, entry)
    with pytest.raises(InputError, match="must look like"):
        model(server)


@pytest.mark.parametrize("options", [{"window": 10}, {"max_cost": -1}, {"base_url": "ftp://x"}])
def test_options_that_cannot_be_used_are_refused(options, monkeypatch):
    with pytest.raises(InputError):
        ChatModel("small", **options)


def test_an_unknown_window_is_told(server):
    assert "taken to be 8,192 tokens" in model(server).notes[0]
    assert model(server, window=4096).notes == []
