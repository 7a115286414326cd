package vaultapi

import (
	"fmt"
	"strconv"
	"strings"
)

// Holder is what has attachments and a history: a document, a version of one,
// or a record. Make one with OfDocument, OfVersion or OfRecord.
type Holder struct {
	path []string
	name string
}

// OfDocument is a document or binder as a whole.
func OfDocument(f Family, id ID) Holder {
	return Holder{[]string{"objects", string(f), seg(id)}, fmt.Sprintf("%s %s", strings.TrimSuffix(string(f), "s"), id)}
}

// OfVersion is one version of a document or binder.
func OfVersion(f Family, v Version) Holder {
	return Holder{[]string{"objects", string(f), seg(v.ID), "versions", strconv.Itoa(v.Major), strconv.Itoa(v.Minor)}, fmt.Sprintf("%s %s", strings.TrimSuffix(string(f), "s"), v)}
}

// OfRecord is a record.
func OfRecord(object string, id ID) Holder {
	return Holder{[]string{"vobjects", seg(object), seg(id)}, fmt.Sprintf("%s %s", object, id)}
}

func (c *conn) held(h Holder, more ...string) string {
	return c.path(append(append([]string(nil), h.path...), more...)...)
}
