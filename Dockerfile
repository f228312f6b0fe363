# The image of matrix-rendezvous: the binary, the four libraries that it links, CA certificates, and nothing else.
#
# It is built on glibc, because glibc's allocator needs no replacement (musl's is slow when threads share it). It runs FROM
# scratch: no shell, no package manager, no base image to update. The libraries are copied from the image in which the
# binary was linked. distroless/cc has the same libraries, plus OpenSSL and a time zone database that the server does not
# use.
#
# It builds for x86-64 and arm64: no instruction below depends on the architecture.
#   docker build --build-arg REVISION="$(git rev-parse HEAD)" -t matrix-rendezvous .

# Name of the build stage below. To use another copy of that image, set it to the name of the copy: a mirror, or a stand-in
# as in tests/image.
ARG BUILD_IMAGE=rust
# Written in full, because Dependabot cannot read a version from an ARG. It is not pulled if BUILD_IMAGE is another image.
FROM rust:1.95-slim-bookworm AS rust
FROM ${BUILD_IMAGE} AS build
WORKDIR /build

# Dependencies are built in a separate layer, because they take most of the time. Only these two files invalidate it.
COPY Cargo.toml Cargo.lock ./
# A workspace member. Cargo reads its manifest to check the lock file, but does not build it.
COPY tests/testkit/Cargo.toml tests/testkit/
RUN mkdir src tests/testkit/src && echo 'fn main() {}' >src/main.rs && touch src/lib.rs tests/testkit/src/lib.rs \
    && cargo build --release --locked --lib --bin matrix-rendezvous \
    && rm -r src

COPY config config
COPY src src
# The commit, for /version and rendezvous_build_info. Declared after the dependencies, because it changes with each commit.
ARG REVISION=unknown
# Makes the sources newer than the empty ones above. Otherwise cargo would consider them built.
RUN find src -name '*.rs' -exec touch {} + \
    && MATRIX_RENDEZVOUS_REVISION="$REVISION" cargo build --release --locked --bin matrix-rendezvous

# The content of the image. ldd lists the loader and the libraries, so none can be forgotten. Name resolution needs no
# further files: glibc has files and DNS built in since 2.34. The Debian packages of these files are listed in the same
# place as in distroless images, where scanners look for them.
RUN set -eu; root=/image; binary=target/release/matrix-rendezvous; \
    mkdir -p $root/usr/bin $root/etc/ssl/certs $root/var/lib/dpkg/status.d; \
    cp $binary $root/usr/bin/; \
    ldd $binary | grep -o '/[^ ]*' | xargs -I{} cp --parents -L {} $root; \
    cp -L /etc/ssl/certs/ca-certificates.crt $root/etc/ssl/certs/; \
    printf 'hosts: files dns\n' >$root/etc/nsswitch.conf; \
    printf 'nonroot:x:65532:65532:nonroot:/:/nonexistent\n' >$root/etc/passwd; \
    printf 'nonroot:x:65532:\n' >$root/etc/group; \
    for package in libc6 libgcc-s1 ca-certificates; do \
        dpkg-query --status $package >$root/var/lib/dpkg/status.d/$package; \
    done; \
    find $root -exec touch --no-dereference --date=@0 {} +

FROM scratch
ARG VERSION=unknown
ARG REVISION=unknown
# URL of the repository that contains this commit.
ARG SOURCE=unknown
# No creation date, because each build would then be a different image (tests/image/run compares two builds).
LABEL org.opencontainers.image.title="matrix-rendezvous" \
      org.opencontainers.image.description="The rendezvous server for Matrix sign-in by QR code (MSC4388, MSC4108)" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /image /
# Numeric, because Kubernetes cannot check a user name for runAsNonRoot. distroless uses the same UID.
USER 65532:65532
# A container has its own network, and probes and scrapes come from outside, so both listeners use all addresses: IPv6 and
# IPv4, or IPv4 alone if the container has no IPv6. The admin listener has no authentication: publish port 8080 only.
ENV RENDEZVOUS_HTTP__LISTEN=:8080 \
    RENDEZVOUS_ADMIN__LISTEN=:8081
EXPOSE 8080 8081
# The subcommand itself times out after 3 s. The interval is 10 s, because it is also how long compose's depends_on may wait.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["/usr/bin/matrix-rendezvous", "healthcheck"]
# The server is PID 1, without a shell, so it receives SIGTERM. It starts no processes, so it has none to reap.
ENTRYPOINT ["/usr/bin/matrix-rendezvous"]
