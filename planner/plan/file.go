package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// fileFormat is the version of the form in which a plan is kept.
const fileFormat = 1

// File is a saved plan: the plan, and the inputs that apply evaluates again to
// fill what was unknown. It holds no secret.
type File struct {
	Plan     *Plan             `json:"plan"`
	Sources  map[string][]byte `json:"sources"`
	Whole    map[string]string `json:"whole,omitempty"` // digests of sources from which something sensitive was cut
	Vars     []string          `json:"vars,omitempty"`
	VarFiles []string          `json:"var_files,omitempty"`
	Desired  string            `json:"desired"`             // digest of what the sources wanted, with all variables
	Lock     string            `json:"lock_file,omitempty"` // digest of .accord.lock.hcl; "" where there was none

	digest string
}

// Digest is the identity of the file, once it was encoded or decoded.
func (f *File) Digest() string { return f.digest }

// Encode writes the file: a line with the format, a line with the digest of
// what follows, and one line of JSON.
func (f *File) Encode() ([]byte, error) {
	body, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	f.digest = Digest(body)
	var out bytes.Buffer
	fmt.Fprintf(&out, "%s%d\n%s\n", fileHead, fileFormat, f.digest)
	out.Write(body)
	out.WriteByte('\n')
	return out.Bytes(), nil
}

const fileHead = "accord plan "

// Is reports whether data looks like a plan file, of whatever format.
func Is(data []byte) bool { return bytes.HasPrefix(data, []byte(fileHead)) }

// Decode reads what Encode wrote, and refuses what is truncated, edited, or of
// another format: every byte counts.
func Decode(b []byte) (*File, error) {
	head, rest, ok := strings.Cut(string(b), "\n")
	number, is := strings.CutPrefix(head, fileHead)
	format, err := strconv.Atoi(number)
	switch {
	case !ok || !is || err != nil || number != strconv.Itoa(format):
		return nil, fmt.Errorf("this is not a saved plan")
	case format != fileFormat:
		return nil, fmt.Errorf("the plan has format %d, and this accord reads format %d; plan again with this version", format, fileFormat)
	}
	digest, body, _ := strings.Cut(rest, "\n")
	body, whole := strings.CutSuffix(body, "\n")
	if !whole || Digest([]byte(body)) != digest {
		return nil, fmt.Errorf("the plan file is incomplete or was edited; plan again")
	}
	f := &File{digest: digest}
	if err := json.Unmarshal([]byte(body), f); err != nil {
		return nil, fmt.Errorf("the plan file cannot be read: %w", err)
	}
	if f.Plan == nil {
		return nil, fmt.Errorf("the plan file holds no plan; plan again")
	}
	for _, s := range f.Plan.Steps {
		if s.Ref.Sync && s.Decision == nil || !s.Ref.Sync && s.Item == nil { // its digest fits, and yet accord did not make it
			return nil, fmt.Errorf("the plan file has a step %s that says nothing; plan again", s.Ref.Addr)
		}
	}
	return f, nil
}

// Digest names bytes: sha256:….
func Digest(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}
