# Two commands matter: `make run` and `make test`. `make help` lists the rest.
# Everything real happens in scripts/ and CMakePresets.json.

.DEFAULT_GOAL := help
SHELL := /bin/bash

HOST = 127.0.0.1
PORT = 8080
JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 30
PATTERN ?=
DATA ?=
SHIP ?=
CASCADE_OPTIONS ?=
export HOST PORT FUZZ_SECONDS
export CMAKE_BUILD_PARALLEL_LEVEL ?= $(JOBS)
export CTEST_PARALLEL_LEVEL ?= $(JOBS)

# Warnings and errors still show: they go to standard error.
configure = cmake --preset $(1) --log-level=WARNING >/dev/null

.PHONY: help run test test-all instruction-sets build asan tsan fuzz format format-check tidy shellcheck bootstrap \
        fresh-machine peers load test-faults cascade-report clean

help: ## this table
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  Variables: HOST=$(HOST) PORT=$(PORT) (run), JOBS=$(JOBS), FUZZ_SECONDS=$(FUZZ_SECONDS), PATTERN=regex of files (tidy)"

run: build ## build, recognise the sample images, then serve in the foreground
	@scripts/run

test: build ## the fast tests, optimised, then again under the address sanitizer
	@scripts/bootstrap build test
	ctest --preset fast
	@$(call configure,asan)
	cmake --build --preset asan-fast
	ctest --preset asan-fast

test-all: build ## everything: every test, every sanitizer, the fuzzers, format, tidy, shellcheck
	@scripts/bootstrap build check
	$(MAKE) --no-print-directory format-check shellcheck tidy
	ctest --preset release
	$(MAKE) --no-print-directory instruction-sets fuzz tsan asan

instruction-sets: ## the kernels' tests for processors other than this one: emulated, and Arm under qemu
	@scripts/bootstrap build check
	@$(call configure,kernels-emulated)
	cmake --build --preset kernels-emulated --target kernels_test
	build/kernels-emulated/tests/bin/kernels_test --gtest_brief=1 --gtest_filter=-Peaks*
	@scripts/test-neon

build: bootstrap ## the program, at build/release/fovea
	@$(call configure,release)
	cmake --build --preset release

asan: bootstrap ## every test but release_only, address and undefined-behaviour sanitizers
	@$(call configure,asan)
	cmake --build --preset asan
	ctest --preset asan

tsan: bootstrap ## the tests of threaded code, thread sanitizer
	@$(call configure,tsan)
	cmake --build --preset tsan-threads
	ctest --preset tsan-threads

fuzz: bootstrap ## each fuzzer for FUZZ_SECONDS
	@$(call configure,fuzz)
	cmake --build --preset fuzz
	@scripts/fuzz

format: ## rewrite the C++ files in the project's format
	@scripts/bootstrap build check
	@scripts/format

format-check: ## fail where a C++ file is not in the project's format
	@scripts/bootstrap build check
	@scripts/format --check

tidy: build ## clang-tidy over src/ and apps/
	@scripts/bootstrap build check
	@scripts/tidy $(PATTERN)

shellcheck: ## check the shell scripts
	@scripts/bootstrap build check
	@scripts/shellcheck

bootstrap: ## install the packages of scripts/packages.txt that are missing (Debian 12)
	@scripts/bootstrap

fresh-machine: ## prove make test and make run on a bare Debian 12 in a chroot (root; needs a mirror)
	@scripts/fresh-machine.sh

test-faults: build ## services killed, the disk full, clients that leave or dawdle: is every request answered? (about 3 minutes)
	@scripts/bootstrap build test
	node benchmarks/load/faults.mjs

load: build ## the server's figures, then 30 minutes of mixed load with faults, as tables (about 45 minutes)
	@scripts/bootstrap build test
	node benchmarks/load/figures.mjs
	node benchmarks/load/soak.mjs

cascade-report: build ## accuracy against compute of fast, accurate, cascade, verify, ensemble; DATA=folder of pictures, SHIP=yes
	@scripts/bootstrap build test
	node benchmarks/cascade/report.mjs $(if $(DATA),--data "$(DATA)") $(if $(SHIP),--ship --docs) $(CASCADE_OPTIONS)

peers: build ## fovea beside ONNX Runtime and llama.cpp on this machine: installs, builds, measures (15 minutes and more)
	@benchmarks/peers/run

clean: ## remove build/
	rm -rf build
