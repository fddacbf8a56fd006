# One image for every command of catchment. The default one serves what is in /data.
#
#   docker build --tag catchment:local .
#   docker run --rm --publish 127.0.0.1:8000:8000 catchment:local demo --host 0.0.0.0 --port 8000

FROM python:3.11.14-slim-bookworm AS build
WORKDIR /build
RUN python -m pip install --no-cache-dir --quiet --root-user-action=ignore uv
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY src src
RUN uv build --quiet --wheel --out-dir /wheels
# The lock holds the tools of development too. As a constraint it adds no package, and each one installed must match its hashes.
RUN uv venv --quiet /opt/catchment \
    && uv pip install --quiet --python /opt/catchment/bin/python --verify-hashes --constraint requirements.lock "$(echo /wheels/*.whl)[postgres]"

FROM python:3.11.14-slim-bookworm AS runtime
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin catchment \
    && install --directory --owner=10001 --group=10001 --mode=0700 /data
COPY --from=build /opt/catchment /opt/catchment
ENV PATH=/opt/catchment/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    CATCHMENT_DATA=/data \
    CATCHMENT_PORT=8000
WORKDIR /data
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"CATCHMENT_PORT\"]}/health/live', timeout=2)"]
ENTRYPOINT ["catchment"]
CMD ["serve", "police", "stocks", "incidents", "episodes", "providers", "--host", "0.0.0.0", "--port", "8000"]
