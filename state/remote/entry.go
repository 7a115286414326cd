package remote

import (
	"bytes"
	"encoding/json"

	"accord/state"
)

// entry is one step of the log.
type entry struct {
	Lineage  string                   `json:"lineage"` // of the state, for one that was never saved
	Intents  []state.Intent           `json:"intents,omitempty"`
	Outcomes []state.Outcome          `json:"outcomes,omitempty"`
	Outputs  *map[string]state.Output `json:"outputs,omitempty"`
}

// replay does to s what the entry says was done.
func (e entry) replay(s *state.State) {
	s.Begin(e.Intents)
	s.Settle(e.Outcomes)
	if e.Outputs != nil {
		s.Outputs = *e.Outputs
	}
}

func (s *Store) write(e entry) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // bodies keep their bytes
	if err := enc.Encode(e); err != nil {
		return nil, err
	}
	data := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if !state.Seals(s.opts.Cipher) {
		return data, nil
	}
	return s.opts.Cipher.Seal(data)
}

// parse reads an entry, sealed or not.
func (s *Store) parse(data []byte) (e entry, err error) {
	if len(data) > 0 && data[0] != '{' && s.opts.Cipher != nil {
		if data, err = s.opts.Cipher.Open(data); err != nil {
			return e, state.Unopened(err)
		}
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err = dec.Decode(&e); err == nil {
		err = state.ValidEntry(e.Intents, e.Outcomes)
	}
	return e, err
}
