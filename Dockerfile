# One file for every package: `make image` builds all three, `make image ARGS=api` one.
#
# A tag may be moved to another image, a digest not. To pin one, look it up and give it as BASE:
#   docker buildx imagetools inspect python:3.13.16-slim-bookworm
#   make image BASE=docker.io/library/python:3.13.16-slim-bookworm@sha256:…
ARG BASE=docker.io/library/python:3.13.16-slim-bookworm
ARG PACKAGE=api

FROM ${BASE} AS build
WORKDIR /build
ENV UV_LINK_MODE=copy PYC_INVALIDATION_MODE=UNCHECKED_HASH
# Where packages come from, and whom to trust, is the secrets' to say: so it is in no layer.
COPY requirements/dev.txt requirements/
COPY tools/locked.sh tools/pip_settings.sh tools/uv.sh tools/
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=certificates,target=/run/secrets/certificates \
    --mount=type=cache,target=/root/.cache/uv \
    python3 -m venv .venv && tools/locked.sh uv >uv.txt && tools/locked.sh cyclonedx-bom >sbom.txt \
    && .venv/bin/python -m pip install --quiet --no-cache-dir --require-hashes --only-binary :all: \
        -r uv.txt \
    && tools/uv.sh pip install --python .venv --require-hashes --no-build -r sbom.txt \
        --constraint requirements/dev.txt \
    && python3 -m venv --without-pip /srv
ARG PACKAGE
# EXTRAS=litellm brings the API's litellm client (LLM_CLIENT=litellm).
ARG EXTRAS=
COPY requirements requirements
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=certificates,target=/run/secrets/certificates \
    --mount=type=cache,target=/root/.cache/uv \
    set -- --python /srv --require-hashes --no-build --compile-bytecode \
    && tools/uv.sh pip sync "$@" "requirements/${PACKAGE}.txt" \
    && if [ -n "${EXTRAS}" ]; then tools/locked.sh "${EXTRAS}" >extras.txt \
        && tools/uv.sh pip install "$@" -r extras.txt --constraint requirements/dev.txt; fi
COPY packages packages
# The gateway's image is run by packages/local; both services stand on the chassis.
RUN folder=${PACKAGE} \
    && if [ "${PACKAGE}" = gateway ]; then folder=local; fi \
    && set -- "./packages/${folder}" \
    && if [ "${PACKAGE}" != gateway ]; then set -- "$@" ./packages/chassis; fi \
    && tools/uv.sh pip install --python /srv --offline --no-deps --no-sources --compile-bytecode "$@" \
    && mkdir /sbom \
    && .venv/bin/cyclonedx-py environment --output-reproducible --short-PURLs \
        --pyproject "packages/${folder}/pyproject.toml" -o "/sbom/${PACKAGE}.json" /srv/bin/python \
    && rm /srv/.lock

# What every image has: Python without pip, all of it compiled, no program that runs as somebody else,
# and curl for `kubectl exec`. tini is process 1: to that the kernel delivers no signal without a
# handler, and a server that is still importing has none.
FROM ${BASE} AS run
# A pinned version is gone from Debian's archive with the next security update.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates curl tini \
    && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* \
    && library=$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))') \
    && rm -rf "${library}"/ensurepip "${library}"/site-packages/pip* /usr/local/bin/pip* \
        /usr/share/python-wheels /root/.cache \
    && python3 -m compileall -q -x /test/ "${library}" \
    && find / -xdev -type f -perm /6000 -exec chmod a-s {} +
COPY --from=build /srv /srv
COPY --from=build /sbom /usr/share/sbom
ENV PATH=/srv/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
ENTRYPOINT ["tini", "--"]

FROM run AS api
ENV HOST=0.0.0.0 PORT=8000
WORKDIR /srv
EXPOSE 8000
CMD ["python", "-m", "api"]
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["sh", "-c", "curl --fail --silent --output /dev/null http://127.0.0.1:${PORT}/health/live"]

# The record is in the working folder, unless DATABASE_URL says otherwise; a volume there is its user's.
FROM run AS runtime-mcp
USER 0:0
RUN install --directory --owner 10001 --group 10001 /var/lib/runtime-mcp
USER 10001:10001
ENV HOST=0.0.0.0 PORT=8004
WORKDIR /var/lib/runtime-mcp
EXPOSE 8004
CMD ["python", "-m", "runtime_mcp"]
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["sh", "-c", "curl --fail --silent --output /dev/null http://127.0.0.1:${PORT}/health/live"]

# `python -m local` finds the gateway's folder here, and writes what it runs into the working folder.
FROM run AS gateway
USER 0:0
# llama.cpp's library, which its wheel does not bring.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/*
USER 10001:10001
COPY charts/*/gateway /srv/charts/solution/gateway
WORKDIR /tmp
EXPOSE 4000
CMD ["python", "-m", "local", "serve"]
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
    CMD ["sh", "-c", "curl --fail --silent --output /dev/null http://127.0.0.1:${GATEWAY_PORT:-4000}/health/readiness"]

FROM ${PACKAGE}
ARG PACKAGE
ARG BASE
LABEL org.opencontainers.image.base.name="${BASE}"
