# One static program, not run as root.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -tags nomsgpack -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/concord ./cmd/concord \
    && cp "$(go env GOROOT)/lib/time/zoneinfo.zip" /out/zoneinfo.zip

# Alpine for its root certificates and the wget of the health check; nothing is installed.
FROM alpine:3.22
COPY --from=build /out/concord /usr/local/bin/concord
COPY --from=build /out/zoneinfo.zip /usr/share/zoneinfo.zip
ENV ZONEINFO=/usr/share/zoneinfo.zip
# Volumes mounted here take over this owner.
RUN mkdir -p /var/lib/concord/keys /var/lib/concord/witness \
    && chmod 700 /var/lib/concord/keys \
    && chown -R 65532:65532 /var/lib/concord
USER 65532:65532
EXPOSE 8440 9440
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s CMD wget -q -O /dev/null http://127.0.0.1:8440/readyz || exit 1
ENTRYPOINT ["concord"]
CMD ["serve"]
