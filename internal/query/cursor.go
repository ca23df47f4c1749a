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

// seal returns a cursor that only the same tenant can use, on the same timeline.
func (s sealer) seal(tenant events.TenantID, of events.Stream, place string) string {
	if place == "" {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(append(s.sign(tenant, of, place), place...))
}

// open returns the place that a cursor names.
func (s sealer) open(tenant events.TenantID, of events.Stream, cursor string) (string, *Problem) {
	if cursor == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err == nil && len(raw) > sha256.Size {
		place := string(raw[sha256.Size:])
		if hmac.Equal(raw[:sha256.Size], s.sign(tenant, of, place)) {
			return place, nil
		}
	}
	p := refuse(http.StatusBadRequest, CodeBadCursor, "The cursor is none of this timeline's.")
	p.Parameter = "cursor"
	return "", p
}

// sign separates its parts by a byte that no id has.
func (s sealer) sign(tenant events.TenantID, of events.Stream, place string) []byte {
	mac := hmac.New(sha256.New, s.key)
	for _, part := range []string{"waybill timeline cursor v1", string(tenant), string(of.Kind), of.ID, place} {
		mac.Write([]byte(part))
		mac.Write([]byte{0})
	}
	return mac.Sum(nil)
}
