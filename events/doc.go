// Package events is the vocabulary of Waybill: the envelope and every order and
// shipment event as Go types, with their codec.
//
// Upstream Go programs import it to publish; every other package imports it to
// speak of the same things. The JSON Schemas under schemas/events are the same
// contract for everybody else, and tests hold the two together.
//
// An [Event] is a CloudEvents 1.0 event: an envelope (tenant, source, id, type,
// subject, times) and a typed [Data]. [Decode] and [Encode] turn it from and
// into a Kafka [Message] in binary mode; [Parse] reads structured mode, which
// [Decode] accepts as well.
//
// # Promises
//
//   - Strict. Unknown and duplicate fields, invalid UTF-8, trailing data, NUL
//     characters, nesting deeper than 32 and values above 256 KiB are refused
//     with an [Error] that has a stable code and names the field.
//   - Lossless. Body keeps the data as the producer wrote it; what is stored,
//     hashed and shown comes from there.
//   - Open. Codes of carriers, reasons and services are strings: a new one never
//     makes an event undecodable.
//
// # Concurrency
//
// Values are plain data and functions keep no state: everything may be used
// from any goroutine.
//
// # Not here
//
// What an event means (package internal/tracking), how it travels
// (internal/topic), whether its sender may send it (internal/ingest).
package events
