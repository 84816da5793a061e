// Tries similarity, search and answers. Texts are put on the page as texts, never as markup.
"use strict";

const $ = (id) => document.getElementById(id);

function make(tag, text, className) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
}

async function call(path, body) {
  const headers = {};
  if ($("key").value) headers.authorization = `Bearer ${$("key").value}`;
  const options = { headers };
  if (body !== undefined) {
    headers["content-type"] = "application/json";
    options.method = "POST";
    options.body = JSON.stringify(body);
  }
  const answer = await fetch(path, options);
  if (!answer.ok) {
    const told = await answer.json().catch(() => ({}));
    if (answer.status === 401) document.querySelector(".key").hidden = false;
    throw new Error(told.error?.message ?? `The server answered ${answer.status}.`);
  }
  return answer;
}

function form(id, answer) {
  const section = $(id);
  const problem = section.querySelector(".problem");
  const button = section.querySelector("button");
  section.querySelector("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const place = section.querySelector(".answer");
    place.replaceChildren();
    problem.hidden = true;
    button.disabled = true;
    try {
      await answer(place);
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    } finally {
      button.disabled = false;
    }
  });
}

form("similarity", async (place) => {
  const texts = $("texts").value.split("\n").filter((line) => line.trim());
  const answer = await call("/v1/embeddings", { model: $("model").value, input: texts });
  const space = answer.headers.get("x-veclab-space");
  const vectors = (await answer.json()).data.map((one) => one.embedding);
  const length = (v) => Math.sqrt(v.reduce((sum, x) => sum + x * x, 0));
  const cosine = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0) / (length(a) * length(b));
  const table = make("table");
  texts.forEach((text, i) => {
    const row = table.insertRow();
    row.append(make("th", text));
    texts.forEach((_, j) => {
      const value = cosine(vectors[i], vectors[j]);
      const cell = make("td", value.toFixed(3));
      const share = Math.round(Math.max(0, Math.min(1, value)) * 60);
      cell.style.background = `color-mix(in srgb, var(--accent) ${share}%, transparent)`;
      row.append(cell);
    });
  });
  place.append(table, make("p", `${vectors[0].length} dimensions, space ${space}`, "quiet"));
});

form("search", async (place) => {
  const answer = await call("/v1/search", { query: $("query").value });
  const hits = (await answer.json()).data;
  if (!hits.length) place.append(make("li", "Nothing found."));
  for (const hit of hits) {
    const item = make("li");
    const where = [hit.document, hit.page && `p. ${hit.page}`, ...hit.heading].filter(Boolean);
    const head = make("span", where.join(" › ") + " ", "place");
    head.append(make("span", hit.score.toFixed(3), "score"));
    item.append(head, make("span", hit.text));
    place.append(item);
  }
});

// Server-sent events of an answer to POST, which EventSource cannot read.
async function* events(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const [, kind, data] = part.match(/^event: (.*)\ndata: (.*)$/s);
      yield [kind, JSON.parse(data)];
    }
  }
}

form("ask", async (place) => {
  const answer = await call("/v1/ask", { question: $("question").value, stream: true });
  for await (const [kind, data] of events(answer)) {
    if (kind === "error") throw new Error(data.message);
    if (kind === "claim") {
      const marks = data.citations.map((n) => `[${n}]`).join("");
      const unsure = data.status === "supported" ? "" : " (unverified)";
      place.append(make("p", `${data.text} ${marks}${unsure}`));
      continue;
    }
    if (!data.claims.length) place.append(make("p", data.answer));
    for (const source of data.sources) {
      const where = [source.document, source.page && `p. ${source.page}`].filter(Boolean);
      place.append(make("p", `[${source.number}] ${where.join(", ")}`, "place"));
    }
  }
});

async function begin() {
  const about = $("about");
  try {
    const { data } = await (await call("/v1/models")).json();
    $("model").replaceChildren(...data.map((one) => make("option", one.id)));
    about.textContent = `Serves ${data.map((one) => one.id).join(", ")}`;
    const { store } = await (await call("/v1/about")).json();
    $("search").hidden = $("ask").hidden = !store;
  } catch (error) {
    about.textContent = error.message;
  }
  document.documentElement.dataset.ready = "true";
}

$("key").addEventListener("change", begin);
begin();
