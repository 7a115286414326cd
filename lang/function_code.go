package lang

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"io"
	"net/url"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/ianaindex"
)

// maxUnpacked is the most that base64gunzip makes of a text.
const maxUnpacked = 64 << 20

var (
	base64GzipFunc = textFunc(cty.String, "str", func(a []string) (cty.Value, error) {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		if _, err := io.WriteString(w, a[0]); err != nil {
			return cty.NilVal, err
		}
		if err := w.Flush(); err != nil { // Terraform does: the same bytes come of the same text
			return cty.NilVal, err
		}
		if err := w.Close(); err != nil {
			return cty.NilVal, err
		}
		return cty.StringVal(base64Text(b.Bytes())), nil
	})
	base64GunzipFunc = textFunc(cty.String, "str", func(a []string) (cty.Value, error) {
		packed, err := base64.StdEncoding.DecodeString(a[0])
		if err != nil {
			return cty.NilVal, function.NewArgErrorf(0, "this is not base64")
		}
		r, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			return cty.NilVal, function.NewArgErrorf(0, "what is encoded is not gzip")
		}
		text, err := io.ReadAll(io.LimitReader(r, maxUnpacked+1))
		switch {
		case err != nil:
			return cty.NilVal, function.NewArgErrorf(0, "what is encoded is not gzip to its end")
		case len(text) > maxUnpacked:
			return cty.NilVal, function.NewArgErrorf(0, "this is more than %d MiB", maxUnpacked>>20)
		case !utf8.Valid(text):
			return cty.NilVal, function.NewArgErrorf(0, "what is packed is not text in UTF-8")
		}
		return cty.StringVal(string(text)), nil
	})
	textEncodeBase64Func = textFunc(cty.String, "str encoding", func(a []string) (cty.Value, error) {
		enc, err := encodingNamed(a[1])
		if err != nil {
			return cty.NilVal, err
		}
		text, err := enc.NewEncoder().String(a[0])
		if err != nil {
			return cty.NilVal, function.NewArgErrorf(0, "a character cannot be written in %s", a[1])
		}
		return cty.StringVal(base64Text([]byte(text))), nil
	})
	textDecodeBase64Func = textFunc(cty.String, "str encoding", func(a []string) (cty.Value, error) {
		enc, err := encodingNamed(a[1])
		if err != nil {
			return cty.NilVal, err
		}
		b, err := base64.StdEncoding.DecodeString(a[0])
		if err != nil {
			return cty.NilVal, function.NewArgErrorf(0, "this is not base64")
		}
		text, err := enc.NewDecoder().Bytes(b)
		if err != nil {
			return cty.NilVal, function.NewArgErrorf(0, "what is encoded is not text in %s", a[1])
		}
		return cty.StringVal(string(text)), nil
	})
	urlDecodeFunc = textFunc(cty.String, "str", func(a []string) (cty.Value, error) {
		text, err := url.QueryUnescape(a[0])
		if err != nil || !utf8.ValidString(text) {
			return cty.NilVal, function.NewArgErrorf(0, "this is not text that was encoded for a URL")
		}
		return cty.StringVal(text), nil
	})
)

// encodingNamed is an encoding by its IANA name or one of its other names.
func encodingNamed(name string) (encoding.Encoding, error) {
	enc, err := ianaindex.IANA.Encoding(name)
	if err != nil || enc == nil {
		return nil, function.NewArgErrorf(1, "%q is no encoding that is known here; the names are IANA's, as UTF-8, UTF-16LE, ISO-8859-1 and windows-1252", name)
	}
	return enc, nil
}
