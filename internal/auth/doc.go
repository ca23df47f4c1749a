// Package auth turns tokens into principals.
//
// A [Verifier] reads a JWT and answers who sent it, for which tenant, with which
// scope and until when. A [Signer] mints the tokens of development and of tests;
// in production they come from an identity provider. A [Guard] is a Verifier that
// also knows which tokens were taken back.
//
// # Promises
//
//   - One answer. Every refused token is [ErrInvalidToken], whatever was wrong
//     with it. [Reason] gives the cause, as one word of a fixed set, for logs and
//     counters; it is not for the client.
//   - Strict. The algorithm must be the configured one and the key is looked up,
//     never taken from the token; exp and iat are required, issuer and audience
//     must be equal to ours and not merely contain it, a token lives for at most
//     an hour, and the type must say that it is an access token.
//   - Revocation. A Guard refuses a revoked token as soon as it has read of it,
//     which it does about three times a second. While the list cannot be read the
//     one that is known holds: a failure never opens the door wider.
//   - Cheap. A token above 8 KiB is refused before anything is decoded.
//
// # Concurrency
//
// Verifiers and signers do not change after New; they and guards may be used from
// any goroutine. A guard's Run uses its caller's goroutine.
//
// # Not here
//
// What a scope allows, where the token travels (a header, the first message of a
// socket), how it is answered, where revocations are kept (package readmodel) and
// how a live connection learns of them (package gateway).
package auth
