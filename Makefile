# What people type. `make help` lists it.

SHELL := /bin/bash
.DEFAULT_GOAL := help
CARGO ?= cargo
UP_ARGS ?=

.PHONY: help
help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

.PHONY: deps
deps: node_modules/.installed ## Install the pinned codex and PostgreSQL binaries (npm)
node_modules/.installed: package.json package-lock.json
	npm ci --ignore-scripts --no-audit --no-fund --workspaces=false --omit=dev
	@touch $@

# The same, and what the TypeScript parts are built and tested with.
node_modules/.workspaces: package-lock.json $(wildcard */package.json)
	npm ci --ignore-scripts --no-audit --no-fund
	@touch node_modules/.installed $@

.PHONY: build
build: deps ## Build every program
	$(CARGO) build --locked --workspace --bins

# Where the web client is built from; what is made of it is left out.
WEB_SOURCES := $(shell find sdk/src view/src web/app web/src web/public web/scripts web/package.json web/tsconfig.json web/next.config.ts web/postcss.config.mjs -type f 2>/dev/null)

.PHONY: web
web: web/out/.built ## Build the web client
web/out/.built: node_modules/.workspaces $(WEB_SOURCES)
	npm run build -w sdk -w view
	NEXT_TELEMETRY_DISABLED=1 npm run build -w web
	@touch $@

# Expo has a React and hundreds of packages of its own, which nobody needs who types `make up`.
mobile/node_modules/.installed: mobile/package.json mobile/package-lock.json
	npm ci --prefix mobile --ignore-scripts --no-audit --no-fund
	@touch $@

.PHONY: mobile
mobile: node_modules/.workspaces mobile/node_modules/.installed ## Build the phone client as a page (mobile/dist/web)
	npm run build -w sdk -w view
	npm run export --prefix mobile -- web

.PHONY: test-mobile
test-mobile: node_modules/.workspaces mobile/node_modules/.installed ## Check and test the phone client, without a stack
	npm run build -w sdk -w view
	npx eslint --max-warnings 0 mobile e2e/mobile
	npm test --prefix mobile

.PHONY: e2e-mobile
e2e-mobile: build mobile test-tools ## Run the phone client in Chromium at the size of a phone, against the real stack
	npx tsc --noEmit -p e2e/mobile
	npx playwright test -c e2e/mobile

# The web client takes less time than the programs, so it is built beside them.
.PHONY: up
up: node_modules/.workspaces ## Run everything on this machine; pass options with UP_ARGS="--repository PATH"
	$(MAKE) --no-print-directory -j2 build web
	target/debug/codex-remote up $(UP_ARGS)

.PHONY: test
test: node_modules/.workspaces build web test-tools ## Run all tests, end to end ones included
	$(CARGO) test --locked --workspace --doc
	CODEX_REQUIRE_STACK=1 $(CARGO) test --locked --workspace --all-targets
	npm test --workspaces

.PHONY: test-js
test-js: node_modules/.workspaces build web test-tools ## Run the tests of the TypeScript parts, against the real stack
	npm test --workspaces

.PHONY: e2e
e2e: build test-tools ## Run only the end-to-end scenarios
	$(CARGO) test --locked -p codex-e2e

.PHONY: test-tools
test-tools: ## Install what the tests need beyond `make deps` (kubectl, a browser)
	scripts/install-test-tools

.PHONY: chart-test
chart-test: ## Test the Helm chart (needs Go; the first time builds Helm and the API server's validation, some minutes)
	scripts/install-chart-tools
	cd charts/tests && go test -count=1 -parallel 16 ./...
	charts/tests/lint

.PHONY: test-kubernetes
test-kubernetes: build test-tools ## Test on a real Kubernetes API (needs Go; the first time builds kube-apiserver and etcd, some minutes)
	scripts/install-kubernetes-tools
	CODEX_REQUIRE_KUBERNETES=1 $(CARGO) test --locked -p codex-e2e --test kubernetes
	CODEX_TEST_KUBERNETES=1 $(CARGO) test --locked -p codex-e2e --test scenarios --test restarts --test kubernetes_away

.PHONY: kind-up
kind-up: ## A kind cluster with the chart in it (needs Docker, kind, helm and OPENAI_API_KEY); options with KIND_ARGS="--repository PATH"
	scripts/kind-up $(KIND_ARGS)

.PHONY: kind-down
kind-down: ## Remove that cluster
	scripts/kind-down

.PHONY: bench
bench: build ## Measure submit -> first frame against the bare start of codex
	$(CARGO) run --locked -p codex-e2e --bin bench-start

.PHONY: bench-streams
bench-streams: ## Measure streams next to their peers and limits (20 minutes, a machine without other work); writes bench/results/streams.md
	scripts/install-bench-peers
	$(CARGO) run --locked --release -p codex-bench -- streams

.PHONY: bench-web
bench-web: build web test-tools ## Measure the web client in Chromium next to limits (10 minutes, a machine without other work); writes bench/results/web.md
	npm run measure -w e2e/browser

.PHONY: bench-mobile
bench-mobile: build mobile test-tools ## Measure the phone client as a page in Chromium next to limits (6 minutes, a machine without other work); writes bench/results/mobile.md
	npm run export --prefix mobile -- android ios
	npx playwright test -c e2e/mobile/playwright.measure.config.ts

.PHONY: bench-post
bench-post: deps ## Measure POST /api/tasks next to the bare writes (5 minutes, a machine without other work); writes bench/results/post.md
	$(CARGO) run --locked --release -p codex-bench -- post

.PHONY: bench-tasks
bench-tasks: ## Measure thousands of CodexTasks on a real Kubernetes API (15 minutes, a machine without other work, Go); writes bench/results/tasks.md
	scripts/install-kubernetes-tools
	$(CARGO) run --locked --release -p codex-bench -- tasks

.PHONY: pictures
pictures: build web test-tools ## Take the pictures of the web client in docs/images again
	CODEX_PICTURES=$(CURDIR)/docs/images npm exec -w e2e/browser -- playwright test screens

.PHONY: lint
lint: lint-js ## Formatting, clippy and ESLint with warnings denied
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

# The rules look at types, and those of the SDK and of what the clients share are what was built of them.
.PHONY: lint-js
lint-js: node_modules/.workspaces ## ESLint for the TypeScript parts
	npm run build -w sdk -w view
	npm run lint

.PHONY: fmt
fmt: ## Format the code
	$(CARGO) fmt --all

.PHONY: generate
generate: node_modules/.workspaces ## Write the generated files again
	$(CARGO) run --locked -q -p codex-test-postgres --bin prepare-queries
	$(CARGO) run --locked -q -p codex-crds --bin crdgen > crds/generated/crds.yaml
	cp crds/generated/crds.yaml charts/codex-remote-runner/files/crds.yaml
	$(CARGO) run --locked -q -p codex-gateway --bin gateway-openapi > gateway/openapi.json
	npm run generate -w sdk
	scripts/generate-configuration > target/configuration.md && cp target/configuration.md docs/configuration.md

.PHONY: audit
audit: ## Check licenses, sources and known vulnerabilities of the dependencies (needs cargo-deny)
	cargo deny check
