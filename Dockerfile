# syntax=docker/dockerfile:1
# The images of gateway, operator and pod proxy: one build, three targets.
#
#     docker build --target gateway --tag codex-gateway .
#
# The image of task Pods has a file of its own, runner-image/Dockerfile. Both have been checked with hadolint and not built where this repository is made: there is
# no container runtime.

# The toolchain of rust-toolchain.toml, which is left out of the context: it would make rustup fetch the same one again.
FROM rust:1.95.0-slim-trixie AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends build-essential \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The caches keep crates and what was compiled of them between builds, so a change of the code compiles what changed. They are no part of an image: what is
# built has to be copied out. One build of all three shares their dependencies.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --locked --release --package codex-gateway --package codex-operator --package codex-pod-proxy \
    && install -D --mode=0755 --target-directory=/out target/release/codex-gateway target/release/codex-operator target/release/codex-pod-proxy

FROM node:22-trixie-slim AS web
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
COPY sdk/package.json sdk/
COPY view/package.json view/
COPY web/package.json web/
COPY e2e/browser/package.json e2e/browser/
RUN --mount=type=cache,target=/root/.npm npm ci --ignore-scripts --no-audit --no-fund --workspace=sdk --workspace=view --workspace=web
COPY sdk sdk
COPY view view
COPY web web
COPY gateway/openapi.json gateway/openapi.json
RUN npm run build --workspace=sdk --workspace=view && NEXT_TELEMETRY_DISABLED=1 npm run build --workspace=web

# glibc and the certificates of authorities, no shell, no package manager; user 65532. Static programs would need musl, whose allocator costs the gateway a
# multiple in its busiest paths.
FROM gcr.io/distroless/cc-debian13:nonroot AS base
USER 65532:65532

FROM base AS gateway
COPY --from=web /src/web/out /usr/share/codex/web
COPY --from=build /out/codex-gateway /usr/local/bin/codex-gateway
ENV CODEX_WEB_DIR=/usr/share/codex/web
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/codex-gateway"]

FROM base AS operator
COPY --from=build /out/codex-operator /usr/local/bin/codex-operator
EXPOSE 9090
ENTRYPOINT ["/usr/local/bin/codex-operator"]

FROM base AS pod-proxy
COPY --from=build /out/codex-pod-proxy /usr/local/bin/codex-pod-proxy
EXPOSE 8787 9090
ENTRYPOINT ["/usr/local/bin/codex-pod-proxy"]
