# syntax=docker/dockerfile:1
# Both images must have the same Python (3.11 or newer) and the same C library: compiled wheels go from one to the other.
ARG BUILD_IMAGE=docker.io/library/python:3.13-slim-bookworm
ARG RUNTIME_IMAGE=docker.io/library/python:3.13-slim-bookworm

FROM ${BUILD_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
WORKDIR /build
# The dependencies alone first: this layer changes only when the lock does. Wheels only, since building one from source
# would run code that no hash covers.
COPY requirements/runtime.lock requirements/runtime.lock
RUN ["python3", "-m", "pip", "install", "--require-hashes", "--no-deps", "--only-binary=:all:", \
     "--target=/build/lib", "--requirement=requirements/runtime.lock"]
COPY operator/netbird_streaming lib/netbird_streaming
# What `--version` reads. Building a wheel for it would fetch a build backend that the lock does not cover.
COPY pyproject.toml pyproject.toml
RUN ["python3", "-c", "import pathlib, tomllib; \
project = tomllib.loads(pathlib.Path('pyproject.toml').read_text())['project']; \
folder = pathlib.Path('lib') / f\"{project['name'].replace('-', '_')}-{project['version']}.dist-info\"; \
folder.mkdir(); \
(folder / 'METADATA').write_text(f\"Metadata-Version: 2.1\\nName: {project['name']}\\nVersion: {project['version']}\\n\")"]
# Compiled here, since the root file system is read-only when it runs.
RUN ["python3", "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash", \
     "-s", "/build/lib", "-p", "/app/lib", "/build/lib"]

FROM ${RUNTIME_IMAGE}
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="netbird-streaming-operator" \
      org.opencontainers.image.description="Manages NetBird event-streaming integrations as Kubernetes resources." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV PYTHONPATH=/app/lib \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /app
COPY --from=build /build/lib lib
# By number, so that `runAsNonRoot` can be checked without the image's user database.
USER 65532:65532
EXPOSE 8081
# No shell: signals reach the operator itself.
ENTRYPOINT ["python3", "-m", "netbird_streaming"]
CMD ["run"]
