# Two images of one static binary.
#
#   docker build -t myelin .                        on an empty base: for servers that are reached over HTTP
#   docker build -t myelin:tools --target tools .   with Node and Python: for servers started by npx and uvx
#
# Both run as an unprivileged user, write nothing outside a home that only the second one has, and so run with
# `--read-only --cap-drop all`. They read /etc/myelin/myelin.yaml, which must say where to listen: `listen: 0.0.0.0:8808`, and
# `anonymous: allow` for as long as nothing authenticates clients. Publish the port accordingly.
#
# The same program gives the same layers of the first image with `--timestamp 0` (buildah), or SOURCE_DATE_EPOCH and rewrite-timestamp
# (BuildKit); the second one has what the registries of Debian and Python have on that day. A release says which it is:
# `--build-arg REVISION=$(git rev-parse HEAD) --build-arg SOURCE=https://…`.

# The bases by version and digest, so that a build tomorrow starts where this one did. A mirror: `--build-arg RUST=mirror/rust:…@sha256:…`.
ARG RUST=docker.io/library/rust:1.95.0-slim-bookworm@sha256:d7482085ff5b415f84dba5647ae71606650bdef00db7aeb69f4b3d170c3e4082
ARG NODE=docker.io/library/node:24.20.0-bookworm-slim@sha256:ba849c60be29959425b8734d57b8b4b7d56f98edd9504c9af091d5281095a71e

FROM ${RUST} AS build
WORKDIR /build
COPY . .
# Linked against a static glibc, so that it runs where there is nothing else. Name lookup needs only /etc/resolv.conf then.
# A target of its own keeps the flags away from build scripts.
RUN target=$(rustc -vV | sed -n 's/^host: //p') \
    && RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked --bin myelin --target "$target" \
    && install -D "target/$target/release/myelin" /out/usr/local/bin/myelin \
    && install -D -m 644 LICENSE /out/usr/local/share/doc/myelin/LICENSE

FROM ${NODE} AS tools
# The day that useradd writes down; logs, caches and compiled Python would be others in each build.
ARG SOURCE_DATE_EPOCH=0
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates git python3 python3-pip python3-venv \
    && pip install --no-cache-dir --no-compile --break-system-packages "uv==0.13.9" \
    && apt-get clean \
    && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/*.log /var/cache/ldconfig/aux-cache /var/cache/debconf/*-old /var/lib/dpkg/*-old
# npx and uvx keep what they download below the home directory; mount a volume there to keep it.
RUN useradd --uid 65532 --create-home myelin
COPY --from=build /out/ /
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="Myelin with Node and Python" \
      org.opencontainers.image.description="An MCP gateway: one front door between AI agents and their tool servers" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV HOME=/home/myelin
USER 65532:65532
WORKDIR /home/myelin
EXPOSE 8808
# Of the image format of Docker; Kubernetes has probes of its own.
HEALTHCHECK --interval=10s --timeout=10s --start-period=30s --retries=3 CMD ["/usr/local/bin/myelin", "health"]
ENTRYPOINT ["/usr/local/bin/myelin"]
CMD ["run", "/etc/myelin/myelin.yaml"]

FROM scratch AS gateway
# The authorities that HTTPS servers are verified with.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/ /
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="Myelin" \
      org.opencontainers.image.description="An MCP gateway: one front door between AI agents and their tool servers" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
USER 65532:65532
EXPOSE 8808
HEALTHCHECK --interval=10s --timeout=10s --start-period=30s --retries=3 CMD ["/usr/local/bin/myelin", "health"]
ENTRYPOINT ["/usr/local/bin/myelin"]
CMD ["run", "/etc/myelin/myelin.yaml"]
