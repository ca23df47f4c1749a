// Package schemas holds the written contracts, as files to be embedded: the JSON
// Schemas of the events and of the frames of the live socket, the AsyncAPI
// documents of the topics and of the socket, the OpenAPI document of the read API,
// and the SQL migrations of the read model.
//
// # Promises
//
//   - The files are the contract for everybody who does not program in Go. Tests
//     of the packages that implement them hold file and code together, in both
//     directions.
//   - A published version of an event type never changes its meaning; another
//     meaning is another version, in another file.
//
// # Not here
//
// Code. Reading a schema belongs to whoever needs it.
package schemas
