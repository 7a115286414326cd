// Package seal is a state.Cipher: age, to the recipients that the accord block
// names. It seals state and plan files, so that a backend keeps bytes that it
// cannot read.
//
// Whatever is written is sealed to the present recipients; whatever was sealed
// is opened by any identity that is given. So keys are rotated: add the new
// recipient, keep the old identity until everything was written again, then
// take it away. What is sealed is not signed: who may write a backend can put
// another state there. The package refuses to know what it seals. Start with New.
package seal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"filippo.io/age"
)

// The variables that identities come from.
const (
	Identities     = "ACCORD_AGE_IDENTITY"      // one AGE-SECRET-KEY-… or more, a line each
	IdentitiesFile = "ACCORD_AGE_IDENTITY_FILE" // a file of such lines, as age-keygen writes it
)

// Seal is a state.Cipher.
type Seal struct {
	to         []string
	recipients []age.Recipient
	identities []age.Identity
}

// Environment reads identities from the two variables, neither of which need be set.
func Environment(getenv func(string) string) ([]age.Identity, error) {
	var all []age.Identity
	add := func(from string, r io.Reader) error {
		identities, err := age.ParseIdentities(r)
		if err != nil {
			return fmt.Errorf("%s holds no age identity: it needs lines such as AGE-SECRET-KEY-1…", from) // the error could repeat one
		}
		all = append(all, identities...)
		return nil
	}
	if text := getenv(Identities); text != "" {
		if err := add(Identities, strings.NewReader(text)); err != nil {
			return nil, err
		}
	}
	if path := getenv(IdentitiesFile); path != "" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", IdentitiesFile, err)
		}
		defer f.Close()
		if err := add(IdentitiesFile+" ("+path+")", f); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// New returns what seals to recipients, and opens with identities. One of these
// must belong to one of those: nobody is locked out by what he writes. Without
// recipients it opens, and seals nothing.
func New(recipients []string, identities []age.Identity) (*Seal, error) {
	s := &Seal{to: slices.Compact(slices.Sorted(slices.Values(recipients))), identities: identities}
	for _, text := range s.to {
		parsed, err := age.ParseRecipients(strings.NewReader(text))
		switch {
		case strings.HasPrefix(strings.ToUpper(text), "AGE-SECRET-KEY"):
			return nil, errors.New("a recipient is a public key, such as age1…, and this is a secret one: treat it as known to others from now on")
		case err != nil || len(parsed) != 1:
			return nil, fmt.Errorf("%q is not an age recipient, such as age1…", text)
		}
		s.recipients = append(s.recipients, parsed...)
	}
	if len(s.to) == 0 {
		return s, nil
	}
	if len(identities) == 0 {
		return nil, fmt.Errorf("an identity is needed to read what is encrypted: set %s, or %s", Identities, IdentitiesFile)
	}
	sealed, err := s.Seal([]byte("mine"))
	if err == nil {
		_, err = s.Open(sealed)
	}
	if err != nil {
		return nil, fmt.Errorf("none of the identities belongs to a recipient, so that what is written now could not be read again: %w", err)
	}
	return s, nil
}

// Is reports whether bytes are what Seal returns.
func Is(data []byte) bool { return bytes.HasPrefix(data, []byte("age-encryption.org/")) }

// To implements state.Cipher.
func (s *Seal) To() []string { return s.to }

// Seal implements state.Cipher.
func (s *Seal) Seal(plain []byte) ([]byte, error) {
	if len(s.recipients) == 0 {
		return nil, errors.New("there are no recipients")
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, s.recipients...)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// Open implements state.Cipher.
func (s *Seal) Open(sealed []byte) ([]byte, error) {
	if len(s.identities) == 0 {
		return nil, fmt.Errorf("no identity is given: set %s, or %s", Identities, IdentitiesFile)
	}
	r, err := age.Decrypt(bytes.NewReader(sealed), s.identities...)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return nil, errors.New("none of the identities opens it")
	}
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
