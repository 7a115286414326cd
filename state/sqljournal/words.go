package sqljournal

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"accord/state"
)

// words are what is said of an exception that came from a vault. With a Cipher
// they lie sealed in the place of its title, and nowhere else.
type words struct {
	Title   string            `json:"title,omitempty"`
	Message string            `json:"message,omitempty"`
	Routes  []string          `json:"routes,omitempty"`
	Groups  map[string]string `json:"groups,omitempty"`
}

// sealedWords begins a title that is none: then come whom it is sealed to, and
// what is sealed.
const sealedWords = "sealed:"

// sealed returns exceptions as they are written.
func (j *Journal) sealed(exceptions []state.Exception) ([]state.Exception, error) {
	if !state.Seals(j.at.Cipher) || len(exceptions) == 0 {
		return exceptions, nil
	}
	out := slices.Clone(exceptions)
	for i := range out {
		f := &out[i]
		plain, err := json.Marshal(words{Title: f.Title, Message: f.Message, Routes: f.Routes, Groups: f.Groups})
		if err != nil {
			return nil, err
		}
		if f.Title, err = j.seal(plain); err != nil {
			return nil, err
		}
		f.Message, f.Routes, f.Groups = "", nil, nil
	}
	return out, nil
}

// open gives an exception its words back, and reports whether there is an identity
// for them; else it says whose it needs.
func (j *Journal) open(f *state.Exception) bool {
	plain, to, ok := j.unsealed(f.Title)
	if to == "" {
		return true
	}
	f.Title, f.Message = "(encrypted)", "it is encrypted, and needs an identity of "+strings.ReplaceAll(to, ",", " or ")
	var w words
	if !ok || json.Unmarshal([]byte(plain), &w) != nil {
		return false
	}
	f.Title, f.Message, f.Routes, f.Groups = w.Title, w.Message, w.Routes, w.Groups
	return true
}

// seal returns text as it lies sealed.
func (j *Journal) seal(plain []byte) (string, error) {
	secret, err := j.at.Cipher.Seal(plain)
	if err != nil {
		return "", fmt.Errorf("encrypting what is said of items: %w", err)
	}
	return j.sealedTo() + base64.StdEncoding.EncodeToString(secret), nil
}

// unsealed returns text that may be sealed, and to whom it is ("": to nobody); ok is
// false where no identity opens it.
func (j *Journal) unsealed(text string) (plain, to string, ok bool) {
	rest, sealed := strings.CutPrefix(text, sealedWords)
	if !sealed {
		return text, "", true
	}
	to, text, _ = strings.Cut(rest, ":")
	secret, err := base64.StdEncoding.DecodeString(text)
	if err != nil || j.at.Cipher == nil {
		return "", to, false
	}
	opened, err := j.at.Cipher.Open(secret)
	return string(opened), to, err == nil
}

// Reseal seals what was written otherwise than exceptions and references are written
// now, and returns how many that were. What no identity opens stays as it is.
func (j *Journal) Reseal(ctx context.Context) (n int, err error) {
	if !state.Seals(j.at.Cipher) {
		return 0, nil
	}
	now := j.sealedTo()
	var after state.Exception
	for {
		var some, open []state.Exception
		err := j.tx(ctx, func(tx tx) (err error) {
			some, err = scan(ctx, tx, written, selectExceptions+"WHERE (sync, part, key) > (?1, ?2, ?3) AND substr(title, 1, ?4) <> ?5 ORDER BY sync, part, key LIMIT ?6",
				after.Sync.String(), after.Part, after.Key, len(now), now, pageSize)
			if err != nil {
				return err
			}
			open = nil
			for _, f := range some {
				if j.open(&f) {
					open = append(open, f)
				}
			}
			sealed, err := j.sealed(open)
			if err != nil {
				return err
			}
			return each(ctx, tx, "UPDATE exception SET title = ?4, message = ?5, routes = ?6, names = ?7 WHERE sync = ?1 AND part = ?2 AND key = ?3", sealed, func(f state.Exception) []any {
				return []any{f.Sync.String(), f.Part, f.Key, f.Title, f.Message, text(f.Routes), text(f.Groups)}
			})
		})
		if err != nil {
			return n, j.fail("encrypting what fails", err)
		}
		if n += len(open); len(some) < pageSize {
			more, err := j.resealReferences(ctx)
			return n + more, err
		}
		after = some[len(some)-1]
	}
}

// sealedTo begins what is sealed now.
func (j *Journal) sealedTo() string { return sealedWords + strings.Join(j.at.Cipher.To(), ",") + ":" }
