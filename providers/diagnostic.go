package providers

import (
	"accord/lang/addrs"
)

// Severity of a diagnostic.
type Severity string

// The severities.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
)

// Diagnostic is a problem in a configuration. Addr and Path lead to the line.
type Diagnostic struct {
	Severity Severity       `json:"severity"`
	Code     string         `json:"code,omitempty"` // stable, for `accord explain`; often the rule: "CONN-3"
	Addr     addrs.Instance `json:"addr,omitzero"`
	Path     addrs.Path     `json:"path,omitempty"`
	Summary  string         `json:"summary"`           // what is wrong
	Detail   string         `json:"detail,omitempty"`  // what to do
	Refused  bool           `json:"refused,omitempty"` // a protection, not a mistake: exit 5
}
