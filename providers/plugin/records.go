package plugin

import (
	"errors"
	"sync"
	"unsafe"

	"accord/providers"
	"accord/providers/plugin/proto"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
)

// Records pass by the million, so that their messages are written and read here,
// without the values that generated code makes of each: what proto.Records is on
// the wire, no more and no less. TestRecordsOnTheWire holds it against that.

// Fields of proto.Record; members and groups have two each, a name and a value.
const (
	fieldPart protowire.Number = iota + 1
	fieldKey
	fieldID
	fieldTitle
	fieldStanding
	fieldVariant
	fieldRoute
	fieldGroup
	fieldMember
	fieldFields
	fieldProblem
)

// recordsWriter writes messages of records, one after the other in one place.
type recordsWriter struct{ message, record []byte }

// recordsWriters wait for the next stream.
var recordsWriters = sync.Pool{New: func() any { return new(recordsWriter) }}

// send sends a batch in parts; what is said of the batch comes with the
// last.
func (w *recordsWriter) send(stream grpc.ServerStreamingServer[proto.RecordsResponse], b *providers.Batch) error {
	sent := 0
	for some := range parts(b.Records, sizeOfRecord) {
		answer := &proto.RecordsResponse{Records: w.write(some), Of: int64(b.Of)}
		if sent += len(some); sent == len(b.Records) {
			answer.End, answer.Horizon, answer.Calls, answer.Titles = b.End, wire{}.time(b.Horizon), int64(b.Calls), b.Titles
			answer.Failed = wire{}.err(b.Err)
		}
		if err := stream.Send(answer); err != nil {
			return err
		}
	}
	return nil
}

// write returns a message, which is good until the next.
func (w *recordsWriter) write(records []providers.Record) []byte {
	w.message = w.message[:0]
	for n := range records {
		w.record = appendRecord(w.record[:0], &records[n])
		w.message = appendText(w.message, 1, w.record)
	}
	return w.message
}

func appendRecord(b []byte, r *providers.Record) []byte {
	b = appendNotEmpty(b, fieldPart, r.Part)
	b = appendNotEmpty(b, fieldKey, r.Key)
	b = appendNotEmpty(b, fieldID, r.ID)
	b = appendNotEmpty(b, fieldTitle, r.Title)
	b = appendNotEmpty(b, fieldStanding, r.Standing)
	for _, v := range r.Variants {
		b = appendText(b, fieldVariant, v)
	}
	for _, v := range r.Routes {
		b = appendText(b, fieldRoute, v)
	}
	for group, name := range r.Groups {
		b = appendPair(b, fieldGroup, group, name)
	}
	for _, m := range r.Members {
		b = appendPair(b, fieldMember, m.Part, m.Key)
	}
	b = appendNotEmpty(b, fieldFields, r.Fields)
	return appendNotEmpty(b, fieldProblem, r.Problem)
}

func appendText[S ~string | ~[]byte](b []byte, field protowire.Number, text S) []byte {
	b = protowire.AppendTag(b, field, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(len(text)))
	return append(b, text...)
}

func appendNotEmpty[S ~string | ~[]byte](b []byte, field protowire.Number, text S) []byte {
	if len(text) == 0 {
		return b
	}
	return appendText(b, field, text)
}

func appendPair(b []byte, field protowire.Number, name, value string) []byte {
	b = protowire.AppendTag(b, field, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(2+protowire.SizeBytes(len(name))+protowire.SizeBytes(len(value))))
	return appendText(appendText(b, 1, name), 2, value)
}

var errRecords = errors.New("a message of records is damaged")

// recordsReader takes a message of records apart. The records share its bytes,
// and lists among them: whoever keeps one of many for long copies it.
type recordsReader struct {
	message []byte
	text    string // the same, which nobody changes
	at      int

	members          []providers.Member
	variants, routes []string
}

func readRecords(message []byte) ([]providers.Record, error) {
	r := recordsReader{message: message, text: unsafe.String(unsafe.SliceData(message), len(message))}
	n := 0
	for ; r.at < len(message); n++ {
		if field, _, _, err := r.next(len(message)); err != nil || field != 1 {
			return nil, errRecords
		}
	}
	records := make([]providers.Record, n)
	r.at = 0
	for n := range records {
		_, from, to, err := r.next(len(message))
		if err != nil {
			return nil, err
		}
		r.at = from
		if err := r.record(&records[n], to); err != nil {
			return nil, err
		}
	}
	return records, nil
}

func (r *recordsReader) record(into *providers.Record, end int) error {
	members, variants, routes := len(r.members), len(r.variants), len(r.routes)
	for r.at < end {
		field, from, to, err := r.next(end)
		if err != nil {
			return err
		}
		text := r.text[from:to]
		switch field {
		case fieldPart:
			into.Part = text
		case fieldKey:
			into.Key = text
		case fieldID:
			into.ID = text
		case fieldTitle:
			into.Title = text
		case fieldStanding:
			into.Standing = text
		case fieldVariant:
			r.variants = append(r.variants, text)
		case fieldRoute:
			r.routes = append(r.routes, text)
		case fieldGroup:
			group, name, err := r.pair(from, to)
			if err != nil {
				return err
			}
			if into.Groups == nil {
				into.Groups = map[string]string{}
			}
			into.Groups[group] = name
		case fieldMember:
			part, key, err := r.pair(from, to)
			if err != nil {
				return err
			}
			r.members = append(r.members, providers.Member{Part: part, Key: key})
		case fieldFields:
			into.Fields = r.message[from:to:to]
		case fieldProblem:
			into.Problem = text
		}
	}
	into.Members, into.Variants, into.Routes = since(r.members, members), since(r.variants, variants), since(r.routes, routes)
	return nil
}

// since is what was appended to a list; nil: nothing.
func since[E any](list []E, from int) []E {
	if from == len(list) {
		return nil
	}
	return list[from:len(list):len(list)]
}

// pair reads a message of two texts.
func (r *recordsReader) pair(from, end int) (name, value string, err error) {
	for r.at = from; r.at < end; {
		field, from, to, err := r.next(end)
		if err != nil {
			return "", "", err
		}
		switch field {
		case 1:
			name = r.text[from:to]
		case 2:
			value = r.text[from:to]
		}
	}
	return name, value, nil
}

// next passes the next field, and says where it lies. There are none that are
// not text.
func (r *recordsReader) next(end int) (field protowire.Number, from, to int, err error) {
	rest := r.message[r.at:end]
	field, kind, n := protowire.ConsumeTag(rest)
	if n < 0 || kind != protowire.BytesType {
		return 0, 0, 0, errRecords
	}
	size, m := protowire.ConsumeVarint(rest[n:])
	if m < 0 || size > uint64(len(rest)-n-m) {
		return 0, 0, 0, errRecords
	}
	from = r.at + n + m
	to = from + int(size)
	r.at = to
	return field, from, to, nil
}
