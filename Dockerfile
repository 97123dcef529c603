# One Dockerfile for BuildKit and for the legacy builder, for amd64 and arm64: hence no RUN --mount, no
# COPY --link and no here-documents.

# fuse3 and libglib are for sshfs, which comes below.
FROM debian:trixie-slim AS base
# hadolint ignore=DL3008
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        ca-certificates python3 fuse3 libglib2.0-0t64 \
    && apt-get clean \
    && rm -rf /var/lib/apt/lists/* /var/log/* /var/cache/debconf/*-old

FROM base AS build
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends python3-pip
# Authorities of the building machine, for pip alone: this stage is thrown away.
COPY image/ca/ /usr/local/share/ca-certificates/
RUN update-ca-certificates
COPY requirements.txt /opt/red-connectors/
RUN PIP_CERT=/etc/ssl/certs/ca-certificates.crt python3 -m pip install --no-cache-dir --no-compile \
        --require-hashes --only-binary :all: --target /opt/red-connectors/lib -r /opt/red-connectors/requirements.txt \
    && rm -rf /opt/red-connectors/lib/bin
# Debian's sshfs depends on openssh-client: 7 MB more, and a setuid program. Ours brings its own connection
# (connectors/ssh/mount/bridge.py), so the program is taken without the package.
WORKDIR /sshfs
RUN apt-get download sshfs && dpkg-deb --extract sshfs_*.deb .
COPY LICENSE entrypoint.sh /opt/red-connectors/
COPY bin/ /opt/red-connectors/bin/
COPY connectors/ /opt/red-connectors/connectors/
# Compiled here, since a read-only container never could; unchecked, since nothing changes any more. Group 0
# may read everything, so that any user id of a container platform works; nobody may write.
RUN python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/red-connectors \
    && chmod -R u=rwX,go=rX /opt/red-connectors

FROM base
ARG VERSION=unknown
LABEL org.opencontainers.image.title="red-connectors" \
      org.opencontainers.image.description="RED connectors: move one file or directory between a data store and the local file system" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /sshfs/usr/bin/sshfs /usr/bin/
COPY --from=build /sshfs/usr/share/doc/sshfs/copyright /usr/share/doc/sshfs/
COPY --from=build /opt/red-connectors /opt/red-connectors
# For transfers without a volume: the default user, and any user of group 0, may write here.
RUN mkdir /data && chown 1000:0 /data && chmod 0775 /data
ENV PATH=/opt/red-connectors/bin:$PATH
WORKDIR /data
# Numbers, for Kubernetes' runAsNonRoot; not group 0, which may not read the files that the RED agent brings (mode 0005).
USER 1000:1000
ENTRYPOINT ["/opt/red-connectors/entrypoint.sh"]
