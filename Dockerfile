# The workers of acoustic-workers: `docker run --init IMAGE evaluator`, or docker-compose.yml.

FROM python:3.11-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1

# The compiler of the native engine; the version is Debian's of this release.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /source
RUN python -m venv /opt/acoustic

# What the project and its build need, in the files that were tried and no others, in a layer that a
# change of its code leaves alone.
COPY requirements-build.txt requirements-run.txt ./
RUN pip install --require-hashes --requirement requirements-build.txt \
    && /opt/acoustic/bin/pip install --require-hashes --requirement requirements-run.txt

COPY LICENSE README.md pyproject.toml ./
COPY examples examples
COPY migrations migrations
COPY schema schema
COPY trainer trainer
COPY worker worker
RUN pip wheel --no-build-isolation --no-deps --wheel-dir /wheels . \
    && /opt/acoustic/bin/pip install --no-deps /wheels/*.whl \
    && /opt/acoustic/bin/pip check \
    # Not an image that is slow because a compiler failed.
    && /opt/acoustic/bin/python -c "import trainer.grid.native._native"

FROM python:3.11-slim-bookworm

LABEL org.opencontainers.image.title="acoustic-workers" \
      org.opencontainers.image.licenses="MIT"

# A fixed number, so that the owner of a mounted folder can be set from outside.
RUN groupadd --gid 10001 acoustic \
    && useradd --uid 10001 --gid acoustic --no-log-init --no-create-home \
        --home-dir /var/lib/acoustic --shell /usr/sbin/nologin acoustic \
    && install --directory --owner=acoustic --group=acoustic \
        /var/lib/acoustic /var/lib/acoustic/models /var/lib/acoustic/projects

COPY --from=build /opt/acoustic /opt/acoustic

ENV PATH=/opt/acoustic/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    ACOUSTIC_MODEL_DIR=/var/lib/acoustic/models \
    ACOUSTIC_PROJECT_DIR=/var/lib/acoustic/projects \
    ACOUSTIC_HEARTBEAT=/tmp/acoustic-turns \
    ACOUSTIC_LOG_FORMAT=json

USER 10001:10001
WORKDIR /var/lib/acoustic
STOPSIGNAL SIGTERM

# Whether the daemon's loop turns. It says more than that the database answers, costs next to nothing,
# and needs no open port; `acoustic doctor` is for people.
HEALTHCHECK --interval=60s --timeout=10s --start-period=60s --retries=3 \
    CMD ["acoustic", "doctor", "--alive"]

ENTRYPOINT ["acoustic"]
CMD ["evaluator"]
