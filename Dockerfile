# The operator's image: dependencies from locks with hashes, no build tools and no pip, not root. It writes nothing, so
# its root file system can be read-only. The base is named by digest; Dependabot proposes newer ones.
FROM python:3.13-slim-trixie@sha256:9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285 AS build
WORKDIR /src
COPY requirements-build.lock requirements-runtime.lock ./
# The lock is complete, and without what flask-swagger-ui needs beside its files.
# Half of the Kubernetes client, a fifth of the image, is a second copy of it for asyncio, which nothing imports.
RUN python -m venv /build && /build/bin/pip install --no-cache-dir --require-hashes -r requirements-build.lock \
 && python -m venv --without-pip /app \
 && /build/bin/pip --python /app/bin/python install --no-cache-dir --no-deps --require-hashes -r requirements-runtime.lock \
 && rm -r /app/lib/python3.13/site-packages/kubernetes/aio
COPY pyproject.toml LICENSE ./
COPY operator operator
# The package's description is for an index, and a change of it no reason for another image.
RUN touch README.md \
 && /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /build/bin/pip --python /app/bin/python install --no-cache-dir --no-deps --no-index /wheels/*.whl

FROM python:3.13-slim-trixie@sha256:9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285
# The commit it is built from; whoever builds a release gives it.
ARG REVISION=""
LABEL org.opencontainers.image.title="model-operator" \
      org.opencontainers.image.description="A Kubernetes operator that deploys models from templates." \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="docker.io/library/python:3.13-slim-trixie" \
      org.opencontainers.image.base.digest="sha256:9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285"
COPY --from=build /app /app
# Said by number, so that a kubelet can tell that it is not root.
USER 65532:65532
EXPOSE 8080 9443
ENTRYPOINT ["/app/bin/model-operator"]
CMD ["run"]
