// Package vaultapi is a typed client of the Vault REST API, made to be trusted
// with production vaults.
//
// What it promises:
//
//   - Nothing is sent to a vault that is not the expected one. Login may
//     succeed in another vault than the one asked for; the client compares and
//     stops for good (kind WrongVault).
//   - An error tells whether a write happened. Every kind but Ambiguous means
//     that it did not; Ambiguous means that nobody knows, and that the caller
//     must read before it writes again.
//   - Only what is certainly safe is repeated: reads, and writes that certainly
//     were not executed.
//   - It branches on responseStatus and on errors[].type. Never on a message,
//     never on the HTTP status alone: Vault answers 200 to everything it
//     processed, and what comes with another status comes from a proxy.
//   - All goroutines of one client share one session, one pace (a share of the
//     vault's burst limit) and one budget of retries.
//   - Long results are streamed; neither a body nor a page is held whole.
//   - Session ids and passwords never appear in an error, a trace or a print.
//
// What it refuses to know: connections, integrations, content and what any of
// it is for; resource types, plans and state; the development server, which is
// to this package a vault like any other. It decides nothing about the names of
// objects and fields, and it keeps nothing on disk.
//
// Where to start reading: Open in client.go; then call.go, one attempt and
// whether there is another; error.go, the kinds; pace.go, session.go and page.go
// (the stream of rows). The rest is one file a noun, each a list of calls.
package vaultapi
