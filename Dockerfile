# syntax=docker/dockerfile:1
# One small image for every worker and command: no compiler, no root, kernels compiled while building.
#
#   docker build -t faultline .
#   docker run --rm faultline --help

ARG PYTHON=3.12-slim-bookworm
# `worker-onnx` for workers that score by networks or by models of your own: about 95 MB more.
ARG LOCK=worker

FROM python:${PYTHON} AS build
ARG LOCK
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY requirements requirements
RUN python -m venv /opt/uv && /opt/uv/bin/pip install --quiet --require-hashes -r requirements/bootstrap.txt
ENV PATH=/opt/uv/bin:$PATH
RUN python -m venv --without-pip /opt/faultline \
    && uv pip install --python /opt/faultline/bin/python --no-cache --compile-bytecode \
        --require-hashes -r requirements/${LOCK}.txt
# What trains a model stays behind here: it is needed once, for something that scores by models to be compiled with.
RUN uv pip install --python /opt/faultline/bin/python --target /opt/train --no-cache \
        --require-hashes -r requirements/run.txt

COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY models models
COPY workers workers
RUN uv pip install --python /opt/faultline/bin/python --no-cache --compile-bytecode --no-deps --no-build-isolation . \
    && uv pip uninstall --quiet --python /opt/faultline/bin/python setuptools

# Kernels compiled for a plain CPU run on every machine of the architecture. A fleet of one kind gains by its name
# (--build-arg CPU=x86-64-v3); the promise of equal bytes holds within one choice.
ARG CPU=generic
ENV NUMBA_CPU_NAME=${CPU} NUMBA_CPU_FEATURES="" NUMBA_CACHE_DIR=/opt/faultline/kernels
RUN PYTHONPATH=/opt/train /opt/faultline/bin/faultline compile

FROM python:${PYTHON}
ARG CPU=generic
LABEL org.opencontainers.image.title="faultline" \
      org.opencontainers.image.description="Kafka workers that turn telemetry into anomaly scores and incidents" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin faultline \
    && mkdir /models /history /archive /alerts && chown 10001 /models /history /archive /alerts
COPY --from=build /opt/faultline /opt/faultline
COPY --chmod=0755 deploy/entrypoint.sh /usr/local/bin/entrypoint.sh
ENV PATH=/opt/faultline/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    NUMBA_CPU_NAME=${CPU} \
    NUMBA_CPU_FEATURES="" \
    NUMBA_CACHE_DIR=/opt/faultline/kernels \
    FAULTLINE_HTTP__HOST=0.0.0.0 \
    FAULTLINE_HTTP__PORT=8080 \
    FAULTLINE_LOG__FORMAT=json \
    FAULTLINE_REGISTRY__URL=/models \
    FAULTLINE_HISTORY__URL=sqlite:////history/faultline-history.db \
    FAULTLINE_ARCHIVE__URL=/archive
USER 10001
WORKDIR /tmp
EXPOSE 8080
ENTRYPOINT ["entrypoint.sh"]
CMD ["--help"]
