package schemas

import "embed"

// WS holds ws/<frame>.json, a JSON Schema (2020-12) of each frame of the socket
// protocol track.v1, with ws/common.json, what they share, and ws/client.json and
// ws/server.json, any frame of either side.
//
//go:embed ws/*.json
var WS embed.FS
