package schemas

import "embed"

// Events holds events/<type>.json, a JSON Schema (2020-12) of the data of each
// event type and version, with events/common.json, what they share, and
// events/envelope.json, a whole event in CloudEvents structured mode.
//
//go:embed events/*.json
var Events embed.FS

// AsyncAPI describes the two topics (AsyncAPI 3).
//
//go:embed asyncapi.yaml
var AsyncAPI []byte

// AsyncAPILive describes the live socket track.v1 (AsyncAPI 3).
//
//go:embed asyncapi-live.yaml
var AsyncAPILive []byte

// Postgres holds the migrations postgres/NNNNN_what.sql, forward only.
//
//go:embed postgres/*.sql
var Postgres embed.FS

// OpenAPI describes the read API (OpenAPI 3.1). It is written from the code.
//
//go:embed openapi.yaml
var OpenAPI []byte
