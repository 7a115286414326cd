package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"accord/lang/addrs"
)

// document is the written form.
type document struct {
	FormatVersion int               `json:"format_version"`
	Tool          string            `json:"tool"`
	Lineage       string            `json:"lineage"`
	Serial        uint64            `json:"serial"`
	Outputs       map[string]Output `json:"outputs"`
	Objects       []*Object         `json:"objects"`
}

// Encode returns the written form of a state: pretty JSON in a stable order,
// so that versions of it can be compared line by line. Bodies keep their
// bytes, but for space that Decode takes out again.
func Encode(s *State) ([]byte, error) {
	doc := document{
		FormatVersion: FormatVersion,
		Tool:          s.Tool,
		Lineage:       s.Lineage,
		Serial:        s.Serial,
		Outputs:       make(map[string]Output, len(s.Outputs)),
		Objects:       s.Sorted(),
	}
	for _, o := range doc.Objects {
		if err := o.Valid(); err != nil {
			return nil, fmt.Errorf("writing the state as JSON: %w", err)
		}
	}
	for name, o := range s.Outputs {
		doc.Outputs[name] = o.kept()
	}
	var flat, pretty bytes.Buffer
	enc := json.NewEncoder(&flat)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(doc); err != nil {
		return nil, fmt.Errorf("writing the state as JSON: %w", err)
	}
	if err := json.Indent(&pretty, flat.Bytes(), "", "  "); err != nil {
		return nil, fmt.Errorf("writing the state as JSON: %w", err)
	}
	return pretty.Bytes(), nil
}

// kept is what may be written of an output.
func (o Output) kept() Output {
	if o.Sensitive {
		o.Value = nil
	}
	return o
}

// migrations turn a document of one format version into one of the next. A
// state is read in any version that leads here, and written in the present one.
var migrations = map[int]migration{}

// migration gets and returns a whole document, format_version included.
type migration func(doc map[string]json.RawMessage) error

// Decode is the inverse of Encode. Whatever it does not fully understand is
// an error: it could not be written back.
func Decode(data []byte) (*State, error) { return decode(data, migrations) }

func decode(data []byte, steps map[int]migration) (*State, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, errors.New("it is empty")
	}
	data, err := migrate(data, steps)
	if err != nil {
		return nil, err
	}
	doc, ok := scan(data)
	if !ok {
		if doc, err = parse(data); err != nil {
			return nil, err
		}
	}
	if doc.FormatVersion == 0 || doc.Lineage == "" {
		return nil, errors.New("it is not a state: it has no format_version or no lineage")
	}

	s := New(doc.Tool, doc.Lineage)
	s.Serial = doc.Serial
	for name, o := range doc.Outputs {
		o.Value = compact(o.Value)
		s.Outputs[name] = o
	}
	s.Objects = make(map[addrs.Instance]*Object, len(doc.Objects))
	for n, o := range doc.Objects {
		switch {
		case o.Valid() != nil:
			return nil, fmt.Errorf("it is not a state: object %d: %w", n+1, o.Valid())
		case s.Objects[o.Addr] != nil:
			return nil, fmt.Errorf("it holds %s twice", o.Addr)
		}
		s.Objects[o.Addr] = o
	}
	return s, nil
}

// parse reads a document in any form, and says what is wrong with it.
func parse(data []byte) (doc document, err error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	err = dec.Decode(&doc)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return doc, errors.New("it ends too early: it was cut short")
	case err != nil:
		return doc, fmt.Errorf("it is not a state: %w", err)
	case len(bytes.TrimSpace(data[dec.InputOffset():])) > 0:
		return doc, fmt.Errorf("it is not a state: something follows its end at byte %d", dec.InputOffset())
	}
	for _, o := range doc.Objects {
		if o != nil {
			o.Body = compact(o.Body)
		}
	}
	return doc, nil
}

// migrate brings a document to the present format version, step by step.
// Whatever has no version, or cannot be read, is left to who reads it.
func migrate(data []byte, steps map[int]migration) ([]byte, error) {
	version, ok := versionOf(data)
	if !ok || version == FormatVersion {
		return data, nil
	}
	if version > FormatVersion || steps[version] == nil {
		return nil, fmt.Errorf("its format version is %d, and this accord knows only version %d", version, FormatVersion)
	}
	doc := map[string]json.RawMessage{}
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("it is not a state: %w", err)
	}
	for ; version < FormatVersion; version++ {
		step := steps[version]
		if step == nil {
			return nil, fmt.Errorf("nothing leads from its format version %d to %d", version, FormatVersion)
		}
		if err := step(doc); err != nil {
			return nil, fmt.Errorf("bringing it from format version %d to %d: %w", version, version+1, err)
		}
		doc["format_version"] = json.RawMessage(strconv.Itoa(version + 1))
	}
	return json.Marshal(doc)
}

// versionOf finds the format version of something that may be from a later accord.
func versionOf(data []byte) (int, bool) {
	dec := json.NewDecoder(bytes.NewReader(data))
	for _, want := range []json.Token{json.Delim('{'), "format_version"} {
		if got, err := dec.Token(); err != nil || got != want {
			return 0, false
		}
	}
	var version int
	err := dec.Decode(&version)
	return version, err == nil
}

// compact takes the space between tokens out of valid JSON, in place.
func compact(data []byte) []byte {
	out := data[:0]
	quoted := false
	for n := 0; n < len(data); n++ {
		c := data[n]
		switch {
		case quoted && c == '\\':
			out = append(out, c)
			n++
			c = data[n]
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ' ' || c == '\n' || c == '\t' || c == '\r'):
			continue
		}
		out = append(out, c)
	}
	return out
}
