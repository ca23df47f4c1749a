package share

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/waybill-io/waybill/events"
)

// ErrNotFound says that nothing is to be seen with a secret: no link has it, or
// the link has expired or was revoked, or its shipment is not there. Which of
// them is not for the one who asks.
var ErrNotFound = errors.New("no such link")

// Link shows one shipment to whoever has its secret.
type Link struct {
	ID       string // names it where it is listed and revoked; it opens nothing
	Tenant   events.TenantID
	Shipment events.ShipmentID
	Created  time.Time
	Expires  time.Time
	Revoked  time.Time // zero while it was not
}

// Secret is what opens a link. It is in the link's URL and nowhere else.
type Secret string

// Path is where a link's page is: its secret follows.
const Path = "/t/"

// prefix begins every secret, and no token.
const prefix = "wbl_"

// NewSecret returns a secret of 128 random bits.
func NewSecret() Secret {
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails
	return Secret(prefix + base64.RawURLEncoding.EncodeToString(random[:]))
}

// IsSecret reports whether a bearer text is meant as the secret of a link, and
// not as a token.
func IsSecret(bearer string) bool { return strings.HasPrefix(bearer, prefix) }

// maxSecret is longer than any secret.
const maxSecret = 64

// Digest is the hash that links are found by. What is no secret has one too, of
// no link: to look for it takes as long.
func (s Secret) Digest() Digest {
	return sha256.Sum256([]byte(s[:min(len(s), maxSecret)]))
}

// Digest is the SHA-256 of a secret, which is all that is kept of it.
type Digest [sha256.Size]byte

// ID names the link of the secret: some of its digest.
func (d Digest) ID() string { return "lnk_" + hex.EncodeToString(d[:8]) }

// String is the digest in hexadecimal.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }
