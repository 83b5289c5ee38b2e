# What people type and what CI runs. Every target sets up what it needs, and works in the
# environment of tools/env.sh.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo demo-yolo test test-all test-slow soak lint docs clean

ready := tools/setup.sh --quiet && source tools/env.sh

# $(call option,--source,SOURCE): an option with a variable's text, if it is given. It is what was
# typed: neither make nor the shell finds anything in it, such as the $ of a password.
option = $(if $(value $2),$1 $(call quoted,$2))
quoted = '$(subst ','\'',$(value $1))'

# Options of `make demo`, those that are given.
demo_options = \
	$(call option,--source,SOURCE) \
	$(call option,--model,MODEL) \
	$(call option,--duration,DURATION) \
	$(call option,--output,OUTPUT) \
	$(if $(filter-out false,$(VIEW)),--view)

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Get what is missing, build the package: SCENES=OFF leaves the rendered scenes out
	@tools/setup.sh

demo: ## Run camera_node and seg_node: SOURCE=file://… MODEL=my.onnx DURATION=10 OUTPUT=folder VIEW=true
	@$(ready) && python -m jetson_perception.ros.demo $(demo_options) $(value ARGS)

demo-yolo: ## The same with yolo_node: a detector and a pose model on rendered people
	@$(ready) && python -m jetson_perception.ros.demo --node yolo $(demo_options) $(value ARGS)

# ROS and other packages bring pytest plugins that break with a newer pytest; the tests need one.
# It runs four files at a time, also on two processors, as tests of nodes mostly wait; beside a test
# that is marked `alone` nothing; ARGS='-n 0' runs one.
pytest := PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 pytest -p xdist -n 4 --dist loadfile --no-loadscope-reorder

test: lint ## Check the code, then run all but the slow tests: ARGS='-k yolo -x' goes to pytest
	@$(ready) && $(pytest) -m 'not slow' $(value ARGS)

test-all: lint ## The same with the slow tests
	@$(ready) && $(pytest) $(value ARGS)

test-slow: ## Run the slow tests alone, or a part of them: SLICE=1/4
	@$(ready) && $(pytest) -m slow $(call option,--slice,SLICE) $(value ARGS)

soak: ## Run two cameras and all engines for long, and see that nothing grows: MINUTES=120
	@$(ready) && python tools/soak.py $(call option,--minutes,MINUTES) $(value ARGS)

lint: ## Check style, layout and types of the code
	@$(ready) && ruff check . && ruff format --check . && mypy

# In an environment of its own: it needs neither ROS nor what the package needs.
docs_python := .docs-venv/bin/python

docs: ## Build the site of docs/ into site/; a link that leads nowhere is an error
	@[ -e .docs-venv/made ] || { $(if $(value PYTHON),$(call quoted,PYTHON),python3) -m venv --clear .docs-venv && \
		touch .docs-venv/made; }
	@$(docs_python) -m pip install --quiet --disable-pip-version-check -r docs/requirements.txt
	@NO_MKDOCS_2_WARNING=1 $(docs_python) -m mkdocs build --strict

clean: ## Remove what setup, build and tests left
	rm -rf .venv .docs-venv site build scenes/build install log dist out demo_output *.egg-info \
		.mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
