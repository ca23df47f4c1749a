// Package web holds the dashboard: its TypeScript source and, in dist, the
// files that a server sends to a browser. What of it speaks to the server is in
// client, which is published as a package of its own.
//
// The page is built by `npm ci && npm run build` in this folder. What that
// writes to dist is committed, so that building the Go programs needs no Node;
// the same source gives the same bytes.
//
// # Promises
//
// Dist serves index.html at its root. Every other file that the page asks for
// is in the same tree, under a name that changes with its content, apart from
// favicon.svg. The page asks no other host for anything, and works under
//
//	default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';
//	font-src 'self'; connect-src 'self'; worker-src 'self'; base-uri 'none';
//	form-action 'self'; frame-ancestors 'none';
//	require-trusted-types-for 'script'; trusted-types 'none'
//
// # Concurrency
//
// The files are read-only and may be read from any goroutine.
//
// # Not here
//
// Headers, caching and the policy itself belong to the server that sends the
// files.
package web
