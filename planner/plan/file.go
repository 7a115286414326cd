package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// fileFormat is the version of the form in which a plan is kept.
const fileFormat = 1

// File is a saved plan: the plan, and the inputs that apply evaluates again to
// fill what was unknown. It holds no secret.
type File struct {
	Plan     *Plan             `json:"plan"`
	Sources  map[string][]byte `json:"sources"`
	Vars     []string          `json:"vars,omitempty"`
	VarFiles []string          `json:"var_files,omitempty"`
	Desired  string            `json:"desired"` // digest of what the sources wanted, with all variables
}

// Encode writes the file: a line with the format, a line with the digest of
// what follows, and JSON.
func (f *File) Encode() ([]byte, error) {
	body, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "accord plan %d\n%s\n", fileFormat, Digest(body))
	out.Write(body)
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// Decode reads what Encode wrote, and refuses what is truncated, edited, or of
// another format.
func Decode(b []byte) (*File, error) {
	head, rest, ok := bytes.Cut(b, []byte("\n"))
	var format int
	if n, _ := fmt.Sscanf(string(head), "accord plan %d", &format); !ok || n != 1 {
		return nil, fmt.Errorf("this is not a saved plan")
	}
	if format != fileFormat {
		return nil, fmt.Errorf("the plan has format %d, and this accord reads format %d; plan again with this version", format, fileFormat)
	}
	digest, body, ok := bytes.Cut(rest, []byte("\n"))
	body = bytes.TrimSuffix(body, []byte("\n"))
	if !ok || Digest(body) != string(digest) {
		return nil, fmt.Errorf("the plan file is incomplete or was edited; plan again")
	}
	f := &File{}
	if err := json.Unmarshal(body, f); err != nil {
		return nil, fmt.Errorf("the plan file cannot be read: %w", err)
	}
	if f.Plan == nil {
		return nil, fmt.Errorf("the plan file holds no plan; plan again")
	}
	return f, nil
}

// Digest names bytes: sha256:….
func Digest(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}
