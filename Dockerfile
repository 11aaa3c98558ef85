# Two stages: build with the whole toolchain, run with nothing but the binary.
FROM rust:1-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
RUN useradd --system --create-home --home-dir /camhook camhook
COPY --from=build /src/target/release/camhook /usr/local/bin/camhook
COPY routes.yaml /camhook/routes.yaml
RUN mkdir /camhook/data && chown -R camhook /camhook
USER camhook
WORKDIR /camhook
# Cameras post to 8001; to 8002 when it runs on the variables of the vendor's own middleware. The admin address is
# 127.0.0.1:9001 inside the container unless routes.yaml says otherwise.
EXPOSE 8001 8002
# The store is /camhook/data: mount it, or /camhook with your routes.yaml. There is no VOLUME, which would lie over the latter.
STOPSIGNAL SIGTERM
ENTRYPOINT ["camhook"]
CMD ["run", "--config", "/camhook/routes.yaml"]
