package auth

import (
	"slices"
	"time"
)

// Principal is who a valid token speaks for.
type Principal struct {
	Subject string    // the user or program
	Tenant  string    // the only tenant that it may see
	Scope   []string  // what it may do, sorted, without duplicates
	Expires time.Time // when the token stops being valid
	ID      string    // of the token (jti); "" when it has none
	Issued  time.Time // when the token was made
}

// Has reports whether the scope names what.
func (p Principal) Has(what string) bool {
	return slices.Contains(p.Scope, what)
}
