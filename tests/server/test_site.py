"""The page at / in a real browser, and the reference."""

import json

import pytest

from tests.rag.conftest import store_path, word_model  # noqa: F401
from tests.server.test_gate import KEY, keys  # noqa: F401
from tests.server.test_searching import FACT, OPENING, library  # noqa: F401
from veclab.server.documents import Documents
from veclab.store.store import Store

MARKUP = "<img src=x onerror=document.title='broken'><script>document.title='broken'</script>"


@pytest.fixture
def opened(browser):
    """A function that opens a server's page; it must ask nobody else, and report no error."""
    context = browser.new_context(viewport={"width": 900, "height": 900})
    context.set_default_timeout(180_000)  # for a busy machine; nothing here waits for time
    asked, said = [], []

    def open_page(server, path="/"):
        page = context.new_page()
        page.on("request", lambda request: asked.append((server.url, request.url)))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("console", lambda message: message.type == "error" and said.append(message.text))
        page.goto(server.url + path)
        if path == "/":
            page.wait_for_selector("html[data-ready]", state="attached")
        return page

    open_page.said = said
    yield open_page
    assert not [url for own, url in asked if not url.startswith((own, "data:"))]
    context.close()


def submit(page, section, field, text):
    page.fill(f"#{field}", text)
    page.click(f"#{section} button")


def test_similarity(opened, server):
    page = opened(server)
    assert page.text_content("#about") == "Serves fake"
    assert page.is_hidden("#search")
    assert page.is_hidden("#ask")
    submit(page, "similarity", "texts", f"the cat\n\n{MARKUP}\nthe cat")
    page.wait_for_selector("#similarity table")
    shown = page.locator("#similarity th").all_text_contents()
    assert shown == ["the cat", MARKUP, "the cat"]
    assert page.locator("#similarity td").nth(2).text_content() == "1.000"
    space = server.serving.models["fake"].model.space.id
    assert f"8 dimensions, space {space}" in page.text_content("#similarity .answer")
    assert page.title() == "veclab"
    assert opened.said == []


def test_a_problem_is_shown(opened, server):
    page = opened(server)
    submit(page, "similarity", "texts", "word " * 40)
    page.wait_for_selector("#similarity .problem:visible")
    assert "index 0 has 42 tokens" in page.text_content("#similarity .problem")
    assert page.is_enabled("#similarity button")


def test_search_and_ask(opened, library, word_model, tmp_path):  # noqa: F811
    with Store.open(tmp_path / "store", word_model, create=True) as store:
        store.add(
            [f"{FACT} {MARKUP}", "Cats sleep for sixteen hours a day."], ids=["library", "cats"]
        )
    library.serving.documents = Documents(Store.open(tmp_path / "store", word_model), None)
    page = opened(library)
    submit(page, "search", "query", "library opens")
    page.wait_for_selector("#search li")
    assert MARKUP in page.locator("#search li").first.text_content()
    submit(page, "ask", "question", OPENING)
    page.wait_for_selector("#ask .place")
    assert FACT in page.text_content("#ask .answer")
    assert "[1] library" in page.text_content("#ask .answer")
    submit(page, "ask", "question", "Who is the president of France?")
    page.get_by_text("Not in these documents.").wait_for()
    assert page.title() == "veclab"
    assert opened.said == []


def test_a_key_is_asked_for(opened, threaded, keys):  # noqa: F811
    page = opened(threaded(keys=keys))
    assert "API key" in page.text_content("#about")
    page.fill("#key", KEY)
    page.press("#key", "Tab")
    page.get_by_text("Serves fake").wait_for()
    page.click("#similarity button")
    page.wait_for_selector("#similarity table")


def test_the_reference(opened, server):
    page = opened(server, "/docs")
    described = server.get("/openapi.json").json()
    shown = page.locator("h2").all_text_contents()
    assert len(shown) == sum(map(len, described["paths"].values()))
    assert "POST /v1/embeddings" in shown
    assert json.dumps("fake") in page.text_content("main")
    assert opened.said == []


def test_nothing_from_elsewhere_may_run(server):
    policy = server.get("/").headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'")
    assert "unsafe" not in policy
