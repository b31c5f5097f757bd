# unmask scan on a Ray cluster: head, workers and driver run the same image. Build from the root of the repository:
#   docker build -f deploy/scan.Dockerfile -t unmask-scan .
# For GPUs start from an image with CUDA and cuDNN, and replace onnxruntime by onnxruntime-gpu of the same version.
# Pin the base image by digest in your own registry.

FROM python:3.11-slim-bookworm AS package
# Without the service's page, which would need Node.
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1 UNMASK_WITHOUT_PAGE=1
WORKDIR /build
COPY constraints.txt pyproject.toml README.md LICENSE THIRD_PARTY_NOTICES ./
COPY tools/build_hook.py tools/build_version.py tools/
COPY src/ src/
# ray[default] has the dashboard, through which jobs are submitted.
RUN python -m venv /opt/unmask \
 && /opt/unmask/bin/pip install -c constraints.txt ".[scale,heic]" "ray[default]" \
 && /opt/unmask/bin/python -m compileall -q /opt/unmask/lib

FROM python:3.11-slim-bookworm
# KubeRay asks by wget whether a node is well.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends wget \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --create-home --shell /bin/bash unmask \
 && install --directory --owner=unmask --group=unmask --mode=0700 /scans
COPY --from=package /opt/unmask /opt/unmask
ENV PATH=/opt/unmask/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    RAY_USAGE_STATS_ENABLED=0
USER 10001:10001
WORKDIR /scans
CMD ["unmask", "scan", "--help"]
