package providers

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"accord/lang/addrs"
)

// Kind says what can be done about an error.
type Kind string

// The kinds of error.
const (
	Invalid    Kind = "invalid"    // what was asked for cannot be; change the configuration
	NotFound   Kind = "not_found"  // it is not there
	Exists     Kind = "exists"     // it is there already, and not ours
	Permission Kind = "permission" // the user may not
	Throttled  Kind = "throttled"  // later
	Transient  Kind = "transient"  // again; nothing was done
	Ambiguous  Kind = "ambiguous"  // it may or may not have been done: read before trying again
	Refused    Kind = "refused"    // a protection of accord's own: exit 5
	Access     Kind = "access"     // credentials, or the wrong vault: exit 8
	Internal   Kind = "internal"   // a bug, or a plugin that died
)

// Error is a failure that survives the plugin boundary.
type Error struct {
	Kind    Kind           `json:"kind"`
	Op      string         `json:"op,omitempty"`   // what was being attempted, lower case
	Addr    addrs.Instance `json:"addr,omitzero"`  // whose
	Path    addrs.Path     `json:"path,omitempty"` // where in its body
	Message string         `json:"message"`
	Advice  string         `json:"advice,omitempty"` // what to do
	Trace   string         `json:"trace,omitempty"`  // the system's execution id, for its support
	Stack   string         `json:"stack,omitempty"`  // of a panic: for the log
}

func (e *Error) Error() string {
	s := e.Message
	if e.Op != "" {
		s = e.Op + ": " + s
	}
	if e.Trace != "" && !strings.Contains(s, e.Trace) {
		s += " (execution " + e.Trace + ")"
	}
	return s
}

// Crashed reports whether it is of a panic.
func (e *Error) Crashed() bool { return e.Stack != "" }

// Panic is a panic of a goroutine, for the one that waits for it to panic with.
type Panic struct {
	Value any
	Stack []byte
}

func (p *Panic) String() string { return fmt.Sprint(p.Value) }

// Panicked makes the Error of what was recovered: a bug of a provider.
func Panicked(v any) *Error {
	e := Errorf(Internal, "the provider panicked: %v", v)
	if p, ok := v.(*Panic); ok {
		e.Stack = string(p.Stack)
	} else {
		e.Stack = string(debug.Stack())
	}
	return e
}

// Errorf makes an Error of a kind.
func Errorf(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// KindOf returns the kind of err, Internal for an error without one, "" for nil.
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

// Advised is what an error says, with what to do about it, in one line.
func Advised(err error) string {
	var e *Error
	if errors.As(err, &e) && e.Advice != "" {
		return err.Error() + " (" + strings.ReplaceAll(e.Advice, "\n", "; ") + ")"
	}
	return err.Error()
}
