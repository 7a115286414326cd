package vaultapi

import (
	"context"
	"sync/atomic"
)

type countKey struct{}

// Counting returns a context whose calls are counted, each attempt of each,
// and a function that says how many there were so far.
func Counting(ctx context.Context) (context.Context, func() int) {
	n := new(atomic.Int64)
	return context.WithValue(ctx, countKey{}, n), func() int { return int(n.Load()) }
}

type patientKey struct{}

// Patiently returns a context whose calls wait for an answer as long as Vault itself
// may take, whatever Config.Answer says.
func Patiently(ctx context.Context) context.Context {
	return context.WithValue(ctx, patientKey{}, true)
}

func isPatient(ctx context.Context) bool { return ctx.Value(patientKey{}) != nil }

// counted adds an attempt to the count of its context, if it has one.
func counted(ctx context.Context) {
	if n, ok := ctx.Value(countKey{}).(*atomic.Int64); ok {
		n.Add(1)
	}
}
