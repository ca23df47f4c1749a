package topic

import (
	"crypto/tls"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
)

// Security says how to connect to the brokers.
type Security struct {
	// TLS is the client's configuration. Defaults to plain TCP.
	TLS *tls.Config
	// User and Password are sent by SASL/PLAIN, which wants TLS below it.
	// Defaults to no authentication.
	User, Password string
}

func (s Security) mechanism() sasl.Mechanism {
	if s.User == "" {
		return nil
	}
	return plain.Mechanism{Username: s.User, Password: s.Password}
}
