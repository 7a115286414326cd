package lang

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"net/netip"
	"net/url"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/gocty"
)

var (
	base64EncodeFunc = textFunc(cty.String, "str", func(a []string) (cty.Value, error) {
		return cty.StringVal(base64Text([]byte(a[0]))), nil
	})
	base64DecodeFunc = textFunc(cty.String, "str", func(a []string) (cty.Value, error) {
		b, err := base64.StdEncoding.DecodeString(a[0])
		if err != nil {
			return cty.NilVal, function.NewArgErrorf(0, "this is not base64")
		}
		if !utf8.Valid(b) {
			return cty.NilVal, function.NewArgErrorf(0, "what is encoded is not text in UTF-8")
		}
		return cty.StringVal(string(b)), nil
	})
	urlEncodeFunc = textFunc(cty.String, "str", func(a []string) (cty.Value, error) {
		return cty.StringVal(url.QueryEscape(a[0])), nil
	})
)

func base64Text(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
func hexText(b []byte) string    { return hex.EncodeToString(b) }

func md5Sum(b []byte) []byte    { s := md5.Sum(b); return s[:] }
func sha1Sum(b []byte) []byte   { s := sha1.Sum(b); return s[:] }
func sha256Sum(b []byte) []byte { s := sha256.Sum256(b); return s[:] }
func sha512Sum(b []byte) []byte { s := sha512.Sum512(b); return s[:] }

func hashFunc(sum func([]byte) []byte, text func([]byte) string) function.Function {
	return textFunc(cty.String, "str", func(a []string) (cty.Value, error) {
		return cty.StringVal(text(sum([]byte(a[0])))), nil
	})
}

// uuidSpaces are the name spaces of RFC 4122 that have a name.
var uuidSpaces = map[string]string{
	"dns":  "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
	"url":  "6ba7b811-9dad-11d1-80b4-00c04fd430c8",
	"oid":  "6ba7b812-9dad-11d1-80b4-00c04fd430c8",
	"x500": "6ba7b814-9dad-11d1-80b4-00c04fd430c8",
}

var uuidV5Func = textFunc(cty.String, "namespace name", func(a []string) (cty.Value, error) {
	space := a[0]
	if named := uuidSpaces[space]; named != "" {
		space = named
	}
	b := make([]byte, 0, 36)
	for n, c := range []byte(space) {
		if c != '-' {
			b = append(b, c)
		} else if n != 8 && n != 13 && n != 18 && n != 23 {
			b = nil
			break
		}
	}
	id := make([]byte, 16)
	if n, err := hex.Decode(id, b); err != nil || n != 16 || len(space) != 36 {
		return cty.NilVal, function.NewArgErrorf(0, "a UUID, or one of dns, url, oid, x500, is required")
	}
	u := sha1Sum(append(id, a[1]...))[:16]
	u[6] = u[6]&0x0f | 0x50
	u[8] = u[8]&0x3f | 0x80
	return cty.StringVal(fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])), nil
})

func prefixOf(arg int, s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, function.NewArgErrorf(arg, "an address range as in 10.0.0.0/16 is required")
	}
	return p.Masked(), nil
}

// within is the address at an offset into a range of the given number of bits.
func within(p netip.Prefix, offset *big.Int) netip.Addr {
	base := new(big.Int).SetBytes(p.Addr().AsSlice())
	b := make([]byte, p.Addr().BitLen()/8)
	addr, _ := netip.AddrFromSlice(base.Add(base, offset).FillBytes(b))
	return addr
}

var (
	cidrContainsFunc = textFunc(cty.Bool, "range address", func(a []string) (cty.Value, error) {
		p, err := prefixOf(0, a[0])
		if err != nil {
			return cty.NilVal, err
		}
		if addr, err := netip.ParseAddr(a[1]); err == nil {
			return cty.BoolVal(p.Contains(addr)), nil
		}
		inner, err := prefixOf(1, a[1])
		if err != nil {
			return cty.NilVal, err
		}
		return cty.BoolVal(inner.Bits() >= p.Bits() && p.Contains(inner.Addr())), nil
	})
	cidrNetmaskFunc = textFunc(cty.String, "range", func(a []string) (cty.Value, error) {
		p, err := prefixOf(0, a[0])
		if err != nil {
			return cty.NilVal, err
		}
		if !p.Addr().Is4() {
			return cty.NilVal, function.NewArgErrorf(0, "only ranges of IPv4 have a netmask")
		}
		full := new(big.Int).Lsh(big.NewInt(1), 32)
		mask := full.Sub(full, new(big.Int).Lsh(big.NewInt(1), uint(32-p.Bits())))
		return cty.StringVal(within(netip.PrefixFrom(netip.IPv4Unspecified(), 0), mask).String()), nil
	})
	cidrHostFunc = function.New(&function.Spec{
		Params: []function.Parameter{{Name: "range", Type: cty.String}, {Name: "number", Type: cty.Number}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			p, err := prefixOf(0, args[0].AsString())
			if err != nil {
				return cty.NilVal, err
			}
			number, accuracy := args[1].AsBigFloat().Int(nil)
			size := new(big.Int).Lsh(big.NewInt(1), uint(p.Addr().BitLen()-p.Bits()))
			if number.Sign() < 0 { // from the end
				number.Add(number, size)
			}
			if accuracy != big.Exact || number.Sign() < 0 || number.Cmp(size) >= 0 {
				return cty.NilVal, function.NewArgErrorf(1, "the range has only %s addresses", size)
			}
			return cty.StringVal(within(p, number).String()), nil
		},
	})
	cidrSubnetsFunc = function.New(&function.Spec{
		Params:   []function.Parameter{{Name: "range", Type: cty.String}},
		VarParam: &function.Parameter{Name: "bits", Type: cty.Number},
		Type:     function.StaticReturnType(cty.List(cty.String)),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			p, err := prefixOf(0, args[0].AsString())
			if err != nil {
				return cty.NilVal, err
			}
			if len(args) == 1 {
				return cty.ListValEmpty(cty.String), nil
			}
			all := p.Addr().BitLen()
			end := new(big.Int).Lsh(big.NewInt(1), uint(all-p.Bits()))
			next := new(big.Int)
			var subnets []cty.Value
			for n, arg := range args[1:] {
				var bits int
				if err := gocty.FromCtyValue(arg, &bits); err != nil || bits < 1 || p.Bits()+bits > all {
					return cty.NilVal, function.NewArgErrorf(n+1, "the range has only %d bits left", all-p.Bits())
				}
				length := p.Bits() + bits
				// A subnet begins at a multiple of its size.
				size := new(big.Int).Lsh(big.NewInt(1), uint(all-length))
				if rest := new(big.Int).Mod(next, size); rest.Sign() > 0 {
					next.Add(next, size).Sub(next, rest)
				}
				subnets = append(subnets, cty.StringVal(netip.PrefixFrom(within(p, new(big.Int).Set(next)), length).String()))
				if next.Add(next, size); next.Cmp(end) > 0 {
					return cty.NilVal, function.NewArgErrorf(n+1, "the range has no room for a subnet of %d bits more", bits)
				}
			}
			return cty.ListVal(subnets), nil
		},
	})
	cidrSubnetFunc = function.New(&function.Spec{
		Params: []function.Parameter{{Name: "range", Type: cty.String}, {Name: "bits", Type: cty.Number}, {Name: "number", Type: cty.Number}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			p, err := prefixOf(0, args[0].AsString())
			if err != nil {
				return cty.NilVal, err
			}
			var bits int
			if err := gocty.FromCtyValue(args[1], &bits); err != nil || bits < 0 || p.Bits()+bits > p.Addr().BitLen() {
				return cty.NilVal, function.NewArgErrorf(1, "the range has only %d bits left", p.Addr().BitLen()-p.Bits())
			}
			number, accuracy := args[2].AsBigFloat().Int(nil)
			if accuracy != big.Exact || number.Sign() < 0 || number.BitLen() > bits {
				return cty.NilVal, function.NewArgErrorf(2, "%d bits cannot hold this number", bits)
			}
			length := p.Bits() + bits
			number.Lsh(number, uint(p.Addr().BitLen()-length))
			return cty.StringVal(netip.PrefixFrom(within(p, number), length).String()), nil
		},
	})
)
