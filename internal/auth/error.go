package auth

import "errors"

// ErrInvalidToken is the one error of a token that was refused.
var ErrInvalidToken = errors.New("invalid token")

// refusal is ErrInvalidToken with its cause.
type refusal struct {
	reason string
	cause  error // may be nil; never shown to the client
}

func refuse(reason string, cause error) error {
	return &refusal{reason: reason, cause: cause}
}

// Error says only what every refusal says; the cause is for Reason and Unwrap.
func (r *refusal) Error() string { return ErrInvalidToken.Error() + ": " + r.reason }

// Is makes every refusal an ErrInvalidToken.
func (r *refusal) Is(target error) bool { return target == ErrInvalidToken }

// Unwrap returns the cause.
func (r *refusal) Unwrap() error { return r.cause }

// Reason names why a token was refused: size, malformed, type, algorithm, key,
// signature, missing, expired, early, lifetime, issuer, audience, subject, tenant,
// scope, id, revoked or link. It is "" for an error that is no refusal. It belongs
// in logs and metrics, not in answers; that a token was revoked is the one cause
// that a client may be told.
func Reason(err error) string {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r.reason
	}
	return ""
}
