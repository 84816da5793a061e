"""The house: where modules may import from, and how large they may grow.

CONTRIBUTING.md shows the plan; these tests hold it.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "veclab"
FILES = sorted(PACKAGE.rglob("*.py"))

# From the top floor to the ground floor. At module level a room imports from its own floor's
# neighbors never, from floors below freely.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("__main__",),
    ("cli",),
    ("server", "cluster", "integrations", "teaching", "testing", "doctor"),
    ("tuning", "pictures"),
    ("maps",),
    ("rag",),
    ("store",),
    ("documents",),
    ("auditing", "bias", "analogies"),
    ("similarities",),
    ("evaluation",),
    ("corpus",),
    ("model",),
    ("models",),
    ("pipeline",),
    ("cache",),
    ("provider",),
    ("vectorfiles",),
    ("vectors",),
    ("report",),
    ("space",),
    ("unit_length", "fingerprint", "atomic", "home", "hints", "jsontext", "processes", "languages"),
    ("errors",),
)
FLOOR = {room: -level for level, rooms in enumerate(FLOORS) for room in rooms}

# Methods for convenience go up by one import inside the function.
CONVENIENCE = {
    ("vectors", "vectorfiles"),  # Vectors.save
    ("vectors", "maps"),  # Vectors.map
    ("model", "corpus"),
    ("store", "rag"),  # Store.ask
    ("evaluation", "pictures"),  # the report of a comparison
    ("maps", "pictures"),  # Map.save("map.png")
    ("models", "corpus"),  # a fetched batch becomes a file
    ("models", "model"),
}

# Heavy or optional: only inside functions, so that `import veclab` and `--help` stay quick.
HEAVY = {
    "torch", "transformers", "sentence_transformers", "openvino", "nncf", "model2vec", "gensim",
    "lancedb", "lance", "psycopg", "pandas", "polars", "duckdb", "sklearn", "matplotlib", "openai",
    "pypdfium2", "selectolax", "starlette", "uvicorn", "ray", "mteb", "jinja2", "anywidget",
    "manifolds_rs", "openTSNE", "pptx", "mammoth", "semantic_text_splitter", "watchfiles", "scipy",
    "msgspec", "orjson", "prometheus_client", "uvloop", "httptools", "langchain_core",
    "llama_index", "haystack", "obstore", "boto3",
}  # fmt: skip

# A room or a module that is made of such libraries, and imported as a whole when it is used.
MADE_OF = {
    "server": {"starlette", "uvicorn", "msgspec", "orjson", "prometheus_client"},
    "integrations": {
        "langchain_core", "llama_index", "haystack", "sklearn", "duckdb", "polars", "pandas",
    },
    "veclab.tuning.trainer_parts": {"sentence_transformers", "transformers"},
}  # fmt: skip


def module_of(path: Path) -> str:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


def room_of(module: str) -> str | None:
    """The room of a module of ours: the word after `veclab.`; None for the front door."""
    words = module.split(".")
    return words[1] if len(words) > 1 else None


MODULES = {module_of(path) for path in FILES}


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Modules that a file imports, and whether it does at module level; types do not count."""

    def visit(node: ast.AST, top: bool) -> Iterator[tuple[str, bool]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            if isinstance(child, ast.Import):
                yield from ((alias.name, top) for alias in child.names)
            elif isinstance(child, ast.ImportFrom) and child.module:
                for alias in child.names:
                    inner = f"{child.module}.{alias.name}"
                    yield (inner if inner in MODULES else child.module), top
            inside = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            yield from visit(child, top and not inside)

    yield from visit(ast.parse(path.read_text(encoding="utf-8")), True)


def test_every_room_has_its_floor():
    rooms = {room_of(module) for module in MODULES} - {None}
    assert rooms <= set(FLOOR), f"give {sorted(rooms - set(FLOOR))} a floor"


def test_contributing_shows_every_room_and_no_other():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    plan = text.partition("## The house")[2].partition("No room is called")[0]
    names = [re.split(" {2,}", line.strip())[0] for line in re.findall(r"^ {4}\S.*", plan, re.M)]
    shown = {room for line in names for room in re.findall(r"(\w+)(?:/|\.py)(?= |$)", line)}
    rooms = {room_of(module) for module in MODULES} - {None, "__main__"}
    assert shown == rooms


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_go_down(path):
    here = room_of(module_of(path))
    if here is None:
        return
    for module, top in imports(path):
        there = room_of(module) if module.split(".")[0] == "veclab" else None
        if there is None or there == here:
            continue
        down = FLOOR[there] < FLOOR[here]
        allowed = not top and (here, there) in CONVENIENCE
        assert down or allowed, f"{module_of(path)} imports {module}, which stands above it"


def test_no_circles():
    graph = {
        module_of(path): {m for m, top in imports(path) if top and m in MODULES} for path in FILES
    }
    done: set[str] = set()

    def visit(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " -> ".join((*way[way.index(module) :], module))
        if module in done:
            return
        for other in graph[module]:
            visit(other, (*way, module))
        done.add(module)

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_heavy_libraries_are_imported_when_needed(path):
    name = module_of(path)
    heavy = HEAVY - MADE_OF.get(room_of(name) or "", set()) - MADE_OF.get(name, set())
    for module, top in imports(path):
        assert not (top and module.split(".")[0] in heavy), f"{module} at module level"


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_no_file_is_long(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= 400, f"{path.relative_to(ROOT)} has {lines} lines; 400 are allowed"


def test_importing_veclab_is_light():
    code = (
        "import sys, veclab, veclab.cli.app; "
        f"print(sorted(set({sorted(HEAVY)!r}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_extra_that_is_named_exists():
    """In other extras, and in the messages that say what to install."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    lines = [line for lines in extras.values() for line in lines]
    named = {name for line in lines for name in re.findall(r"veclab\[([^\]]*)\]", line)}
    for path in FILES:
        code = path.read_text(encoding="utf-8")
        named |= set(re.findall(r"MissingExtra\(\s*\"([a-z0-9]+)\"", code))
        named |= set(re.findall(r"'veclab\[([a-z0-9,]+)\]'", code))
    assert {name for group in named for name in group.split(",")} <= set(extras)


def test_the_lock_holds_what_is_required():
    """`make lock` writes it anew; it names no registry."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in text
    exact = re.compile(r"^([\w.-]+)==([\w.+!]+)", re.MULTILINE)

    def plain(name: str) -> str:
        return name.lower().replace("_", "-")

    locked = {plain(name): version for name, version in exact.findall(text)}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    required = [*project["dependencies"], *(line for lines in extras for line in lines)]
    names = {plain(re.match(r"[\w.-]+", line)[0]) for line in required} - {"veclab"}
    assert names <= set(locked), "run make lock"
    held = exact.findall((ROOT / "constraints.txt").read_text(encoding="utf-8"))
    assert {name: locked[plain(name)] for name, _ in held} == dict(held), "run make lock"
