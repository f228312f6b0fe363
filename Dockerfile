# The image of matrix-rendezvous: the binary, the four libraries it links, certificates, and nothing else.
#
# Built on glibc, as its allocator needs no replacement (musl's is slow when threads share it), and run FROM scratch:
# no shell, no package manager, no base image to follow. The libraries are copied from the very image that the binary
# was linked in. distroless/cc would bring the same ones, and OpenSSL and a time zone database that nothing here uses.
#
# For x86-64 and arm64 alike: nothing below names an architecture.
#   docker build --build-arg REVISION="$(git rev-parse HEAD)" -t matrix-rendezvous .

# The stage below; or where another copy of that image is to be used, its name: a mirror, or a look-alike as in
# tests/image.
ARG BUILD_IMAGE=rust
# Written out, as Dependabot finds no version behind an ARG. Nothing pulls it where another is used.
FROM rust:1.95-slim-bookworm AS rust
FROM ${BUILD_IMAGE} AS build
WORKDIR /build

# Dependencies in a layer of their own, which changes with these two files alone: they take most of the time.
COPY Cargo.toml Cargo.lock ./
# A member of the workspace. Cargo reads its manifest to check the lock file; nothing of it is built.
COPY tests/testkit/Cargo.toml tests/testkit/
RUN mkdir src tests/testkit/src && echo 'fn main() {}' >src/main.rs && touch src/lib.rs tests/testkit/src/lib.rs \
    && cargo build --release --locked --lib --bin matrix-rendezvous \
    && rm -r src

COPY config config
COPY src src
# The commit, for /version and rendezvous_build_info. Below the dependencies, as each commit has another.
ARG REVISION=unknown
# Newer than the empty sources above, or cargo would take those for built.
RUN find src -name '*.rs' -exec touch {} + \
    && MATRIX_RENDEZVOUS_REVISION="$REVISION" cargo build --release --locked --bin matrix-rendezvous

# What the image holds. The loader and the libraries are those that the loader itself names, so that none is
# forgotten; name resolution needs no more, as glibc has had files and DNS built in since 2.34. Scanners find the
# Debian packages that these files are of where distroless images have them.
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
# Where that commit is: the repository's URL.
ARG SOURCE=unknown
# When it was made is not said: it would be another image each time (tests/image/run compares two).
LABEL org.opencontainers.image.title="matrix-rendezvous" \
      org.opencontainers.image.description="The rendezvous server for Matrix sign-in by QR code (MSC4388, MSC4108)" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /image /
# A number: Kubernetes cannot tell of a name that it is not root's (runAsNonRoot). distroless has the same.
USER 65532:65532
# In a container the network is the container's own, and probes and scrapes come from outside of it. The admin
# listener needs no credentials: publish 8080 alone.
ENV RENDEZVOUS_HTTP__LISTEN=0.0.0.0:8080 \
    RENDEZVOUS_ADMIN__LISTEN=0.0.0.0:8081
EXPOSE 8080 8081
# It waits 3 s for an answer itself. 10 s a look: compose's depends_on is held up by no more than that.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["/usr/bin/matrix-rendezvous", "healthcheck"]
# PID 1 itself, with no shell before it, so SIGTERM arrives. It starts no process, so there is nothing to reap.
ENTRYPOINT ["/usr/bin/matrix-rendezvous"]
