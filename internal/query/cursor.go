package query

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"

	"github.com/waybill-io/waybill/events"
)

// sealer turns places of timelines into cursors and back.
type sealer struct{ key []byte }

// timeline is what a cursor is good for.
type timeline struct {
	tenant events.TenantID
	of     events.Stream
	asOf   string // the view of the past; empty for now
}

// seal returns a cursor that only the same tenant can use, on the same timeline.
func (s sealer) seal(t timeline, place string) string {
	if place == "" {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(append(s.sign(t, place), place...))
}

// open returns the place that a cursor names.
func (s sealer) open(t timeline, cursor string) (string, *Problem) {
	if cursor == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err == nil && len(raw) > sha256.Size {
		place := string(raw[sha256.Size:])
		if hmac.Equal(raw[:sha256.Size], s.sign(t, place)) {
			return place, nil
		}
	}
	p := refuse(http.StatusBadRequest, CodeBadCursor, "The cursor is none of this timeline's.")
	p.Parameter = "cursor"
	return "", p
}

// sign separates its parts by a byte that no id has.
func (s sealer) sign(t timeline, place string) []byte {
	mac := hmac.New(sha256.New, s.key)
	parts := []string{"waybill timeline cursor v1", string(t.tenant), string(t.of.Kind), t.of.ID, place}
	if t.asOf != "" {
		parts = append(parts, t.asOf)
	}
	for _, part := range parts {
		mac.Write([]byte(part))
		mac.Write([]byte{0})
	}
	return mac.Sum(nil)
}
