// Package readmodel keeps orders, shipments and their timeline in Postgres: it
// is the projector's store, the gateway's feed and what the read API asks.
//
// A [Store] applies batches for the projector. A [Reader] answers the gateway
// and the read API. Both run as roles that row level security binds. [Rebuild]
// folds all of a new version from the timeline and makes it live; [Verify] holds
// stored rows against such a fold.
//
// # Promises
//
//   - One batch, one transaction: position, timeline, folds, rows and change
//     feed commit together or not at all.
//   - One order of locks everywhere, each step sorted by key: positions → parked keys →
//     timeline → numbers → shipments → orders → change feed.
//   - A lock statement only locks; rows are read by a later statement, which
//     sees what the transaction that we waited for has committed.
//   - What the feed reports is of one snapshot: positions, changes and rows
//     agree.
//   - A reader sees only the tenants it names in its own transaction.
//   - Versions are swapped under running stores and readers: a store is fenced
//     and writes the new one with its next claim, a reader reads the version
//     that was live in its snapshot.
//
// # Concurrency
//
// A Store and a Reader may be used from any number of goroutines; each call
// uses one connection of their pools.
//
// # Not here
//
// What events mean (package tracking), which records make a batch and what to
// do about errors (package projector), who may ask (package auth).
package readmodel
