package vaultapi

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind says what an error means to a caller. It is itself an error, so that
// errors.Is(err, vaultapi.NotFound) works on whatever wraps an *Error.
//
// For a write every kind but Ambiguous means: it was not executed.
type Kind string

const (
	Invalid    Kind = "invalid"     // the call was understood and refused; the same call will be refused again
	NotFound   Kind = "not found"   // what the call names does not exist
	Exists     Kind = "exists"      // what the call would create exists
	Permission Kind = "permission"  // the user may not, or the client is read-only
	Throttled  Kind = "throttled"   // over a limit, also after waiting
	Transient  Kind = "transient"   // might work later; was tried as often as allowed
	Ambiguous  Kind = "ambiguous"   // a write that may have happened: read before writing again
	Auth       Kind = "auth"        // no session to be had: password, user, certificate
	WrongVault Kind = "wrong vault" // the session or the answer is another vault's; the client sends nothing any more
	Internal   Kind = "internal"    // an answer that this client cannot read, or a mistake in how it was called
)

func (k Kind) Error() string { return string(k) }

// ErrReadOnly is the cause of what a read-only client refuses to send.
var ErrReadOnly = errors.New("the client is read-only")

// Error is what any call of this package fails with. It never holds a secret.
type Error struct {
	Op          string // what was attempted: "create records of country__v"
	Kind        Kind
	Type        string // Vault's errors[].type; empty when Vault did not answer
	Message     string // for people; never branch on it
	ExecutionID string // Vault's id of the call, for its support; may be empty
	VaultID     string // the vault that answered, as it said; may be empty
	Cause       error  // what the network said, or the context; may be nil

	// down is how long the vault says its maintenance lasts; the call was
	// then not processed.
	down time.Duration
	// final: no other attempt, whatever the kind.
	final bool
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	b.WriteString(": ")
	if e.Kind == Ambiguous {
		b.WriteString("may or may not have happened: ")
	}
	switch {
	case e.Type != "" && e.Message != "":
		fmt.Fprintf(&b, "%s: %s", e.Type, e.Message)
	case e.Type != "" || e.Message != "":
		b.WriteString(e.Type + e.Message)
	case e.Cause == nil:
		b.WriteString(string(e.Kind))
	}
	if e.Cause != nil {
		if e.Type != "" || e.Message != "" {
			b.WriteString(": ")
		}
		b.WriteString(e.Cause.Error())
	}
	if e.ExecutionID != "" {
		fmt.Fprintf(&b, " (vault %s, execution %s)", e.VaultID, e.ExecutionID)
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Cause }

// Is matches the error's Kind.
func (e *Error) Is(target error) bool {
	kind, ok := target.(Kind)
	return ok && kind == e.Kind
}

// KindOf gives the kind of err, Internal where it is none of ours, and "" for nil.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// retryable: by the contract of Kind, neither of the two was executed.
func (k Kind) retryable() bool { return k == Transient || k == Throttled }

const invalidSession = "INVALID_SESSION_ID"

// kindOfType sorts Vault's documented error types. What is not here is Invalid
// in a FAILURE, and unknown (kindOfFailure) in an EXCEPTION.
var kindOfType = map[string]Kind{
	"MALFORMED_URL":                  NotFound,
	"METHOD_NOT_SUPPORTED":           Invalid,
	"INACTIVE_USER":                  Auth,
	"NO_PASSWORD_PROVIDED":           Auth,
	"USERNAME_OR_PASSWORD_INCORRECT": Auth,
	"USER_LOCKED_OUT":                Auth,
	"PASSWORD_CHANGE_REQUIRED":       Auth,
	"AUTHENTICATION_FAILED":          Auth,
	invalidSession:                   Auth,
	"PARAMETER_REQUIRED":             Invalid,
	"INVALID_DATA":                   Invalid,
	"INSUFFICIENT_ACCESS":            Permission,
	"OPERATION_NOT_ALLOWED":          Invalid,
	"ATTRIBUTE_NOT_SUPPORTED":        Invalid,
	"INVALID_FILTER":                 Invalid,
	"INCORRECT_QUERY_SYNTAX_ERROR":   Invalid,
	"RACE_CONDITION":                 Transient,
	"EXCEEDS_FILE_MAX_SIZE":          Invalid,
	"API_LIMIT_EXCEEDED":             Throttled,
	"CONFIGURATION_MODE_ENABLED":     Transient,
	"SDK_ERROR":                      Invalid,
	"OPERATION_IN_PROGRESS":          Transient,
	"ITEM_NAME_EXISTS":               Exists,
	"USER_NOT_FOUND":                 NotFound,
	"FEDERATED_ID_ALREADY_EXISTS":    Exists,
	"PROCESSING_ERROR":               Invalid,
}

// kindOfFailure decides what a status and a type mean. The catch-all type and
// every system error leave a write in doubt.
func kindOfFailure(status, typ string, write bool) Kind {
	unknown := Transient
	if write {
		unknown = Ambiguous
	}
	if typ == "UNEXPECTED_ERROR" {
		return unknown
	}
	kind, known := kindOfType[typ]
	switch {
	case status == statusException && (!known || kind == Invalid):
		return unknown
	case known:
		return kind
	}
	return Invalid
}
