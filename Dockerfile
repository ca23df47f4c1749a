# syntax=docker/dockerfile:1

# One stage builds, and each command has an image of its own that holds nothing but
# its static binary, certificates and time zones: no shell, no root.
#
#   docker build --target consumer --tag waybill-consumer .

FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY . .
ARG VERSION=unknown
RUN --mount=type=cache,target=/go/pkg/mod \
    --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -trimpath -ldflags "-X main.version=${VERSION}" \
        -o /out/ ./cmd/producer ./cmd/consumer ./cmd/tracker-ws

FROM gcr.io/distroless/static-debian12:nonroot AS producer
COPY --from=build /out/producer /producer
USER 65532:65532
ENTRYPOINT ["/producer"]

FROM gcr.io/distroless/static-debian12:nonroot AS consumer
COPY --from=build /out/consumer /consumer
USER 65532:65532
ENTRYPOINT ["/consumer"]

FROM gcr.io/distroless/static-debian12:nonroot AS tracker-ws
COPY --from=build /out/tracker-ws /tracker-ws
USER 65532:65532
ENTRYPOINT ["/tracker-ws"]
