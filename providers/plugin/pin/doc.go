// Package pin says which binary a provider is that is not built in.
//
// Folders offer binaries (Find). Which one was chosen is on record in the lock
// file (Lock): its version, and the checksum of its bytes on every platform.
// Nothing is run where it lies: Take makes a private copy and holds the bytes of
// that copy against their checksum, so that what was checked is what runs,
// whoever exchanges the file meanwhile. Install keeps a copy beside the
// configuration, where every command finds it.
//
// The package knows no network, no configuration, and not how a plugin is
// spoken to. Start with Lock, then Take.
package pin
