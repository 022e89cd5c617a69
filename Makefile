# Needs make, and npx (of Node.js) or Deno 2.9.6. Everything else is installed here on first use.
# The logic is in scripts/*.ts; `make help` lists what there is.
DENO_VERSION := 2.9.6
SOAK_MINUTES ?= 30
PREFIX ?= /usr/local
# Where a company's proxy signs TLS itself, its certificate is in the system's store only.
export DENO_TLS_CA_STORE ?= mozilla,system
SYSTEM_CERTIFICATES := $(wildcard /etc/ssl/certs/ca-certificates.crt)
ifneq ($(SYSTEM_CERTIFICATES),)
export NODE_EXTRA_CA_CERTS ?= $(SYSTEM_CERTIFICATES)
endif
export DENO_NO_UPDATE_CHECK := 1

# Deno itself, found once: npx would be a process more, and slow.
DENO := .cache/deno-$(DENO_VERSION)
FIND_DENO = $(or $(if $(filter $(DENO_VERSION),$(shell command -v deno >/dev/null 2>&1 && deno --version)),deno),$(if $(shell command -v npx 2>/dev/null),npx --yes --loglevel=error --update-notifier=false deno@$(DENO_VERSION)),$(error Needs npx (of Node.js) or Deno $(DENO_VERSION)))
RUN := $(DENO) run --quiet --allow-all
# FILE=text keeps the test files with that in their path; TALLY=file adds the counts to a file.
TEST = $(RUN) scripts/test.ts $(if $(FILE),--file $(FILE)) $(if $(TALLY),--tally $(TALLY))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo build dist install test test-all test-unit test-selftest test-platform test-integration test-integration-deno test-integration-user test-fault test-system test-long test-servers test-kernels kernel-docs server-docs test-containers container-docs test-systemd-next bench bench-peers bench-envoy soak clean fmt check ci

help: ## Show this list
	@while IFS= read -r line; do case $$line in ([a-z]*:*"## "*) printf '  %-22s %s\n' "$${line%%:*}" "$${line##*## }";; esac; done < Makefile

demo: build ## Reload a Node server five times under load, and count what was lost
	@$(RUN) scripts/demo.ts

build: dist/baton ## Build dist/baton, and the bundles for Bun and Deno

dist: node_modules/.installed ## Build dist/release/: archives, Debian and npm packages, SHA256SUMS, SBOM (ONLY=linux-x64: for that)
	@$(RUN) scripts/dist/main.ts $(addprefix --only ,$(ONLY))

install: dist/baton ## Install baton, its manual, completions and unit below PREFIX (/usr/local), in DESTDIR
	@$(RUN) scripts/dist/main.ts --install "$(PREFIX)" --destdir "$(DESTDIR)"

test: build ## Run all checks, and every promise once (FILE=text: only some files)
	@$(TEST) gate

test-all: build ## Run everything on Bun and Deno, as root and as a user, newer systemd, long tests (2 hours)
	@BATON_TEST_FULL=1 $(TEST) all

test-unit: node_modules/.installed ## Run the unit tests on Bun and on Deno
	@$(TEST) unit unit-deno

test-selftest: build ## Test the test tools, and note in the tree that they have passed
	@BATON_TEST_FULL=1 $(TEST) selftest selftest-deno $(if $(FILE),,&& $(RUN) scripts/test_selftest.ts)

test-platform: node_modules/.installed ## Test the system call wrappers on Bun and on Deno
	@$(TEST) platform platform-deno

test-integration: build ## Test the promises with real servers, and the protocols
	@$(TEST) protocol integration

test-integration-deno: build ## The same, with baton running on Deno
	@$(TEST) protocol-deno integration-deno

test-integration-user: build ## The same on both, as an ordinary user (if you are root)
	@$(TEST) integration-user integration-user-deno

test-fault: build ## Test what happens when things go wrong, with baton on Bun, and on Deno what the runtime has a part in
	@$(TEST) fault-deno fault fault-keep-alive

test-system: build ## Test rolling updates of simulated pods (2 minutes, alone on the machine)
	@$(TEST) system

test-long: build ## Test kept connections on all servers, with baton on Bun and on Deno (half an hour)
	@$(TEST) long long-deno

test-servers: build ## Run every server of docs/servers.md under baton (FILE=word: some; INSTALL=1: install them)
	@node_modules/.bin/bun test/servers/main.ts $(if $(FILE),--file "$(FILE)") $(if $(INSTALL),--install)

test-kernels: build ## Boot the kernels of Debian 11 to 13 under QEMU, x64 and arm64 (FILE=word: some; INSTALL=1: install QEMU)
	@node_modules/.bin/bun test/kernels/main.ts $(if $(FILE),--file "$(FILE)") $(if $(INSTALL),--install)

kernel-docs: build ## The same, and write the table of docs/kernels.md
	@node_modules/.bin/bun test/kernels/main.ts --write-docs

server-docs: node_modules/.installed ## Write the tables of docs/servers.md from test/servers/table/
	@node_modules/.bin/bun test/servers/main.ts --write-docs

test-containers: build ## Run baton in real containers, with the profiles of Docker and others (FILE=word; needs root, runc)
	@node_modules/.bin/bun test/containers/main.ts $(if $(FILE),--file "$(FILE)")

container-docs: build ## The same, and write the tables of docs/containers.md
	@node_modules/.bin/bun test/containers/main.ts --write-docs

test-systemd-next: build ## Test with the systemd of a newer Debian, fetched into .cache (SYSTEMD_NEXT=all: everything)
	@$(TEST) $(if $(SYSTEMD_NEXT),systemd-next-all systemd-next-all-deno,systemd-next)

bench: build ## Measure against the previous build and the targets (BENCH='--quick --only start,reload')
	@$(RUN) scripts/bench/main.ts $(BENCH)

bench-peers: build ## Measure baton beside other restarters, 10 minutes (PEERS='--quick --only nginx', --write-docs)
	@$(RUN) scripts/bench/peers/main.ts $(PEERS)

bench-envoy: build ## Measure Envoy under baton beside hot-restarter.py, 12 minutes (ENVOY='--quick --only HUP', --write-docs)
	@$(RUN) scripts/bench/envoy/main.ts $(ENVOY)

soak: build ## Repeat integration and fault tests for SOAK_MINUTES (30)
	@BATON_TEST_FULL=1 $(TEST) --minutes $(SOAK_MINUTES) integration fault integration-deno fault-deno-all

check: node_modules/.installed ## Check format, lint, types and import directions
	@$(TEST) checks

fmt: node_modules/.installed ## Format the sources
	@$(DENO) fmt --quiet

ci: ## What the CI runs: install servers with apt-get, all tests, fault and system tests
	@.ci/run

clean: ## Remove everything that was built or installed here
	@rm -rf node_modules .cache $(filter-out dist/README.md,$(wildcard dist/* dist/.[!.]*))

dist/baton: node_modules/.installed deno.json tsconfig.json scripts/build.ts $(wildcard scripts/binary/*) $(wildcard src src/* src/*/* src/*/*/* src/*/*/*/*)
	@echo "building dist/baton"
	@$(RUN) scripts/build.ts

node_modules/.installed: deno.lock | $(DENO)
	@echo "installing what deno.lock names into node_modules"
	@$(DENO) install --frozen --quiet && touch $@

$(DENO):
	@echo "looking for Deno $(DENO_VERSION)"
	@mkdir -p .cache && path="$$($(FIND_DENO) eval 'console.log(Deno.execPath())')" && ln -sf "$$path" $@
