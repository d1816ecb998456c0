# docker build -t vakhta . && docker run --rm vakhta --version
FROM rust:1.95-slim-bookworm AS build
# Without versions: a build takes the security updates of its day.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
ARG VAKHTA_COMMIT=""
RUN VAKHTA_COMMIT="$VAKHTA_COMMIT" cargo build --profile dist --locked

FROM debian:bookworm-slim
# Authorities for TLS, and the plugins that checks of the kind `command` run.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates monitoring-plugins-basic \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 999 --home-dir /var/lib/vakhta --shell /usr/sbin/nologin vakhta \
    && install -d -o vakhta -g vakhta -m 0700 /var/lib/vakhta \
    && install -d -o vakhta -g vakhta -m 0750 /var/log/vakhta \
    && install -d -m 0755 /etc/vakhta
COPY --from=build /src/target/dist/vakhta /usr/bin/vakhta
COPY packaging/checks.yaml /etc/vakhta/checks.yaml
USER 999
VOLUME ["/var/lib/vakhta", "/var/log/vakhta"]
HEALTHCHECK --interval=30s --start-period=10s CMD ["sh", "-c", "vakhta status --state-dir /var/lib/vakhta > /dev/null; [ $? -le 1 ]"]
ENTRYPOINT ["vakhta"]
CMD ["run", "--config", "/etc/vakhta/checks.yaml"]
