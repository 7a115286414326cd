package vaultapi

import (
	"encoding/json"
	"fmt"
	"log/slog"
)

// Secret is a text that prints as "(secret)" wherever it turns up: in fmt with
// any verb, in JSON, in slog. The zero value is an empty secret.
type Secret struct{ text string }

// NewSecret wraps text.
func NewSecret(text string) Secret { return Secret{text} }

// Reveal gives the text itself, for the one place that must send it.
func (s Secret) Reveal() string { return s.text }

// Empty tells whether there is no text.
func (s Secret) Empty() bool { return s.text == "" }

func (Secret) String() string               { return "(secret)" }
func (Secret) GoString() string             { return "(secret)" }
func (Secret) Format(f fmt.State, _ rune)   { _, _ = f.Write([]byte("(secret)")) }
func (Secret) LogValue() slog.Value         { return slog.StringValue("(secret)") }
func (Secret) MarshalJSON() ([]byte, error) { return json.Marshal("(secret)") }
func (Secret) MarshalText() ([]byte, error) { return []byte("(secret)"), nil }
