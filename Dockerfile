# windrow in a container: built in one image, run in a small one, by a user without rights.
#
#   docker build -t windrow .
#   docker run -d -p 127.0.0.1:8080:8080 -v windrow:/data windrow
#
# Both base images can be others: any with Rust, a C compiler and make to build in, and any with the
# same or a newer glibc to run in.
ARG BUILD_IMAGE=rust:1-bookworm
ARG RUNTIME_IMAGE=debian:bookworm-slim

FROM ${BUILD_IMAGE} AS build
WORKDIR /build

# The dependencies alone first, without windrow's own sources: this layer is rebuilt only when a manifest
# changes. Tests and benchmarks aren't built here, so the manifest needn't name them.
COPY Cargo.toml Cargo.lock ./
RUN mv Cargo.toml whole.toml \
    && awk '/^\[\[/ { skip = 1 } /^\[[^[]/ { skip = 0 } !skip' whole.toml > Cargo.toml \
    && mkdir src && echo 'fn main() {}' > src/main.rs && touch src/lib.rs \
    && cargo build --release --locked \
    && rm -r src whole.toml target/release/windrow target/release/deps/*windrow*

COPY src src
# COPY keeps the files' times, which may be older than the empty sources' above.
RUN touch src/main.rs src/lib.rs && cargo build --release --locked --bin windrow

FROM ${RUNTIME_IMAGE}
RUN groupadd --system --gid 10001 windrow \
    && useradd --system --uid 10001 --gid windrow --home-dir /data --shell /usr/sbin/nologin windrow \
    && install -d -o windrow -g windrow /data
COPY --from=build /build/target/release/windrow /usr/local/bin/windrow

# In a container only the container's own port is reachable, and only as far as it is published.
ENV WINDROW_DATA_DIR=/data \
    WINDROW_LISTEN=0.0.0.0:8080
# The container's own layer is no place for a log: without a mount, this is at least a volume.
VOLUME /data
EXPOSE 8080
USER windrow
HEALTHCHECK --interval=5s --timeout=6s --start-period=30s --retries=3 CMD ["windrow", "health"]
ENTRYPOINT ["windrow"]
CMD ["serve"]
