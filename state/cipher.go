package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Cipher keeps what is written from those who may not read it. A nil Cipher
// does nothing.
type Cipher interface {
	Seal(plain []byte) ([]byte, error)
	Open(sealed []byte) ([]byte, error)

	// To names those whom Seal seals to, sorted: none where it only opens. It is
	// no secret, and is written beside what is sealed.
	To() []string
}

// Seals reports whether what is written is to be sealed.
func Seals(c Cipher) bool { return c != nil && len(c.To()) > 0 }

// sealedDocument is the written form of a state that is sealed.
type sealedDocument struct {
	FormatVersion int      `json:"format_version"`
	Lineage       string   `json:"lineage"`
	Serial        uint64   `json:"serial"`
	SealedTo      []string `json:"sealed_to"`
	Sealed        []byte   `json:"sealed"` // what Encode returns
}

// EncodeWith is Encode, with all but lineage and serial sealed.
func EncodeWith(c Cipher, s *State) ([]byte, error) {
	data, err := Encode(s)
	if err != nil || !Seals(c) {
		return data, err
	}
	sealed, err := c.Seal(data)
	if err != nil {
		return nil, fmt.Errorf("encrypting the state: %w", err)
	}
	doc := sealedDocument{FormatVersion: FormatVersion, Lineage: s.Lineage, Serial: s.Serial, SealedTo: c.To(), Sealed: sealed}
	data, err = json.MarshalIndent(doc, "", "  ")
	return append(data, '\n'), err
}

// DecodeWith is the inverse of EncodeWith. What was not sealed is read, too.
func DecodeWith(c Cipher, data []byte) (*State, error) {
	doc, ok := sealedOf(data)
	if !ok {
		return Decode(data)
	}
	if doc.FormatVersion != FormatVersion {
		return nil, fmt.Errorf("its format version is %d, and this accord knows only version %d", doc.FormatVersion, FormatVersion)
	}
	if c == nil {
		return nil, ErrSealed
	}
	plain, err := c.Open(doc.Sealed)
	if err != nil {
		return nil, &SealedError{To: doc.SealedTo, Err: Unopened(err)}
	}
	s, err := Decode(plain)
	if err == nil && (s.Lineage != doc.Lineage || s.Serial != doc.Serial) {
		err = errors.New("what is encrypted in it is of another version than it says")
	}
	return s, err
}

// SealedTo returns whose identity a written state needs, and which serial it has;
// ok is false where it is not sealed.
func SealedTo(data []byte) (to []string, serial uint64, ok bool) {
	doc, ok := sealedOf(data)
	return doc.SealedTo, doc.Serial, ok
}

// ErrSealed says that a state is there, and for others to read.
var ErrSealed = errors.New("it is encrypted, and cannot be decrypted")

// SealedError is an ErrSealed that knows whose identity is needed.
type SealedError struct {
	To  []string
	Err error
}

func (e *SealedError) Error() string {
	return fmt.Sprintf("%v; it needs an identity of %s", e.Err, strings.Join(e.To, " or "))
}

func (e *SealedError) Unwrap() error { return e.Err }

// Unopened is what a Cipher said of what it could not open, as an ErrSealed.
func Unopened(err error) error { return fmt.Errorf("%w: %w", ErrSealed, err) }

// SealedAsBy reports whether a written state is sealed to those whom c seals to,
// or not at all for nil: whether writing it again would change nothing.
func SealedAsBy(c Cipher, data []byte) bool {
	doc, ok := sealedOf(data)
	return ok == Seals(c) && (!ok || slices.Equal(doc.SealedTo, c.To()))
}

// Reseal returns a written state sealed to those whom c seals to, nil where it is
// already, or where c only opens.
func Reseal(c Cipher, data []byte) ([]byte, error) {
	if !Seals(c) || SealedAsBy(c, data) {
		return nil, nil
	}
	s, err := DecodeWith(c, data)
	if err != nil {
		return nil, err
	}
	return EncodeWith(c, s)
}

func sealedOf(data []byte) (doc sealedDocument, ok bool) {
	if !maySeal(data) {
		return doc, false
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	return doc, dec.Decode(&doc) == nil && len(doc.Sealed) > 0 && len(bytes.TrimSpace(data[dec.InputOffset():])) == 0
}

// maySeal reports whether a document has no other member than one that is
// sealed: the first tells, and a state that is not may be long.
func maySeal(data []byte) bool {
	dec := json.NewDecoder(bytes.NewReader(data))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return false
	}
	for dec.More() {
		switch key, _ := dec.Token(); key {
		case "format_version", "lineage", "serial", "sealed_to", "sealed":
		default:
			return false
		}
		if dec.Decode(new(json.RawMessage)) != nil {
			return false
		}
	}
	return true
}
