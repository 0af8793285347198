# The programs, the audit and all locked packages in one image; docs/setup.md says how to build and use it.
#
#   docker build --tag nanobragg-audit .                          (--build-arg TORCH=cuda: torch for GPUs)
#   docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/work" nanobragg-audit
FROM python:3.12-slim-bookworm

RUN apt-get update \
 && apt-get install --yes --no-install-recommends gcc git libc6-dev make openssh-client \
 && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/nanobragg-audit
COPY . .

# cpu, or cuda for a host with NVIDIA's container toolkit (docker run --gpus all, apptainer --nv)
ARG TORCH=cpu
RUN git config --system --add safe.directory /opt/nanobragg-audit \
 && UV_CACHE_DIR=/tmp/uv make setup TORCH="$TORCH" \
 && rm -rf /tmp/uv

# Any user may run it; what a run writes goes to the folder it was started in.
ENV PATH=/opt/nanobragg-audit/.venv/bin:$PATH \
    HOME=/tmp
WORKDIR /work
CMD ["snakemake", "--snakefile", "/opt/nanobragg-audit/Snakefile", "--cores", "all"]
