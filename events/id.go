package events

// Ids are ASCII letters, digits and . _ : - and 1 to 64 characters long.
type (
	// TenantID names the customer of the platform whom a fact belongs to.
	TenantID string
	// EventID is unique for its source within one stream.
	EventID string
	// OrderID names an order within a tenant.
	OrderID string
	// LineID names a line within an order.
	LineID string
	// ShipmentID names a shipment within a tenant.
	ShipmentID string
	// ParcelID names a parcel within a shipment.
	ParcelID string
	// ExceptionID names a case within a shipment.
	ExceptionID string
	// ReturnID names a return within an order.
	ReturnID string
)

// Source is the URI of the system that knew the fact, such as "urn:acme:wms-1":
// 1 to 128 visible ASCII characters.
type Source string

// SCAC is a carrier's code: a known Standard Carrier Alpha Code or a short name,
// in upper case.
type SCAC string

// TrackingNumber is a carrier's number for a parcel, in upper case, without
// spaces, dots and hyphens.
type TrackingNumber string

const (
	maxID     = 64
	maxSource = 128
	maxText   = 1024     // characters of a free text
	maxRaw    = 16 << 10 // characters of a foreign message's text
)

func validID(s string) bool {
	if len(s) == 0 || len(s) > maxID {
		return false
	}
	for i := range len(s) {
		if !idByte(s[i]) {
			return false
		}
	}
	return true
}

func idByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '.' || c == '_' || c == ':' || c == '-'
}

func validSource(s string) bool {
	if len(s) == 0 || len(s) > maxSource {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// validSCAC accepts 2 to 32 upper-case letters, digits, _ and -.
func validSCAC(s string) bool {
	return validCode(s, 2, 32, "_-")
}

// validNumber accepts 1 to 48 upper-case letters and digits.
func validNumber(s string) bool {
	return validCode(s, 1, 48, "")
}

func validCode(s string, least, most int, also string) bool {
	if len(s) < least || len(s) > most {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if ('A' <= c && c <= 'Z') || ('0' <= c && c <= '9') {
			continue
		}
		if also == "" || (c != also[0] && c != also[len(also)-1]) {
			return false
		}
	}
	return true
}
