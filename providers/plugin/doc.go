// Package plugin carries the contract across a process boundary: Serve is a
// provider's end, Open the engine's. What Open returns is a providers.Provider
// like any other, whose process ends with it, and with the host.
//
// The two talk gRPC over a unix socket in a folder of their own (mode 0700),
// started and shaken hands with by go-plugin; the messages are those of package
// proto. Batches travel in parts, so no batch is too large; bodies are bytes
// that nobody reads on the way. A provider that panics answers with an internal
// error that carries the stack. A process that dies makes every call in flight
// answer at once: transient where nothing was asked to change, ambiguous where
// something may have been, with its exit status and last words.
//
// The package knows no provider and no engine. Start with Serve and Open;
// convert.go is where a new field of the contract is added, and a test finds it
// where it was forgotten.
package plugin
