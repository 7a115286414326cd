// Package state is what accord remembers: the objects it manages, and the
// syncs it has run.
//
// State holds objects as the bytes that a provider gave; Journal holds syncs:
// memories, runs, exceptions, leases. Store is where both are kept; package
// local keeps them in files, and every backend passes package statetest.
// The package refuses to know any schema: it never decodes a body, and has no
// idea what a sync moves. Start with Store, then State, Lock and Journal.
package state
