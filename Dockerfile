# syntax=docker/dockerfile:1
# Both images must have the same minor of Python (3.11 or newer) and the same C library: compiled wheels go from one to
# the other. The second needs no shell and no pip, so it has neither.
ARG BUILD_IMAGE=docker.io/library/python:3.13-slim-trixie
ARG RUNTIME_IMAGE=gcr.io/distroless/python3-debian13:nonroot

FROM ${BUILD_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
# The dependencies alone first: this layer changes only when the lock does. Wheels only, since building one from source
# would run code that no hash covers. The secret is for who reaches the package index through a proxy with an authority
# of its own; without it nothing differs.
COPY requirements/runtime.lock requirements/runtime.lock
RUN --mount=type=secret,id=ca \
    if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi; \
    python3 -m pip install --no-compile --require-hashes --no-deps --only-binary=:all: \
        --target=/build/lib --requirement=requirements/runtime.lock
COPY operator/netbird_streaming lib/netbird_streaming
COPY pyproject.toml deploy/image/finish.py ./
RUN ["python3", "finish.py", "install", "lib"]

FROM ${RUNTIME_IMAGE}
# USER, since Python is asked for the user's name, and the number that a platform chooses may have none.
ENV PYTHONPATH=/app/lib \
    USER=operator \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /app
COPY --from=build /build/lib lib
# The base has the standard library as source alone, and a read-only root file system would have each start compile it.
# It also proves that the program is whole here: every module that it needs is imported.
USER 0:0
RUN --mount=type=bind,from=build,source=/build/finish.py,target=/tmp/finish.py \
    ["python3", "/tmp/finish.py", "warm"]
# By number, so that `runAsNonRoot` can be checked without the image's user database.
USER 65532:65532
EXPOSE 8080 8081
# No shell: signals reach the operator itself.
ENTRYPOINT ["python3", "-m", "netbird_streaming"]
CMD ["run"]
# Last, since what they say changes with each commit.
ARG RUNTIME_IMAGE
ARG VERSION=unknown
ARG REVISION=unknown
ARG SOURCE=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="netbird-streaming-operator" \
      org.opencontainers.image.description="Manages NetBird event-streaming integrations as Kubernetes resources." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="${RUNTIME_IMAGE}"
