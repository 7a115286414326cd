package syncer

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"
)

// references knows which references and values of the source have no match at one
// target (RULE-2, RULE-3), and what follows from it. What it keeps grows with what does not
// match, and, by eight bytes, with what is matched by its Link.
type references struct {
	without  map[uint64]string // reference → NoMatch or ManyMatches
	linked   map[uint64]struct{}
	problems map[uint64]lack // items whose own reference is an exception
	gaps     map[uint64]lack // containers of such items (CLM-12)
}

// lack is why an item cannot be published.
type lack struct {
	label, why string
	cause      addrs.Instance // the rule whose reference it is
}

// lookUp asks the target, in batches and each once, for all that the fields of
// publishable records refer to.
func (j *job) lookUp(ctx context.Context, p *pass) error {
	byEnd := map[string]*sorter{}
	ends := map[string]providers.End{}
	narrow := false
	for q := range p.parts {
		narrow = narrow || j.mappings[q].limited()
		rules := j.mappings[q].references()
		if len(rules) == 0 {
			continue
		}
		var fields parser
		if err := j.publishable(p, q, func(r *record) error {
			source, err := fields.parse(r.fields)
			if err != nil {
				return err
			}
			for _, rule := range rules {
				name := endName(rule.Reference.Records)
				if byEnd[name] == nil {
					byEnd[name], ends[name] = p.scratch.set(), rule.Reference.Records
				}
				for _, element := range elements(value(rule, source)) {
					if err := byEnd[name].note(string(element)); err != nil {
						return err
					}
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	if len(byEnd) == 0 && !narrow {
		return nil
	}
	refs := &references{without: map[uint64]string{}, linked: map[uint64]struct{}{}, problems: map[uint64]lack{}, gaps: map[uint64]lack{}}
	for name, set := range byEnd {
		if err := j.ask(ctx, ends[name], set, func(r *providers.Record) {
			switch r.Standing {
			case providers.NoMatch, providers.ManyMatches:
				refs.without[hash(name, r.Key)] = r.Standing
			case providers.Linked:
				refs.linked[hash(name, r.Key)] = struct{}{}
			}
		}); err != nil {
			return err
		}
	}
	j.refs = refs
	if len(refs.without) == 0 && !narrow {
		return nil
	}
	for q := range p.parts {
		if err := j.publishable(p, q, func(r *record) error { return refs.judge(j.mappings[q], r) }); err != nil {
			return err
		}
	}
	return nil
}

// publishable calls f for the records of one part that this target would be
// given, were they routed there.
func (j *job) publishable(p *pass, q int, f func(*record) error) error {
	w := walkSource(p.library[q], p.parts[q].Name, j.class.variant)
	defer w.close()
	for ; w.rec != nil; w.next() {
		if j.class.meaning(w.rec) != providers.Publish || j.class.problem(w.rec) != "" {
			continue
		}
		if err := cmp.Or(w.whole(), f(w.rec)); err != nil {
			return err
		}
	}
	return w.err
}

// ask reads how references stand at the target.
func (j *job) ask(ctx context.Context, end providers.End, set *sorter, each func(*providers.Record)) error {
	_, stream, err := j.s.stream(end)
	if err != nil {
		return err
	}
	keys := make([]frames, len(stream.Parts))
	if keys[0], err = set.sorted(); err != nil {
		return err
	}
	defer keys[0].remove()
	return keyBatches(keys, stream.Parts, keysARequest, func(members []providers.Member) error {
		return j.s.records(ctx, providers.RecordsRequest{End: end, Keys: members, Only: true}, &j.read, func(r *providers.Record) error {
			each(r)
			return nil
		})
	})
}

// judge finds what cannot be published for a reference of its own, or of a
// member. Parts come in their order, members before their containers.
func (refs *references) judge(m mapping, r *record) error {
	at := hash(r.part, r.key)
	for member := range r.members.members() {
		of := hash(member.Part, member.Key)
		if bad := cmp.Or(refs.problems[of], refs.gaps[of]); bad.why != "" {
			refs.gaps[at] = lack{label(r), fmt.Sprintf("%s %s: %s", words(member.Part), bad.label, bad.why), bad.cause}
			break
		}
	}
	var fields parser
	source, err := fields.parse(r.fields)
	if err != nil {
		return err
	}
	for _, rule := range m {
		if why := refs.unfit(rule.Rule, source); why != "" {
			refs.problems[at] = lack{label(r), why, rule.Addr}
			return nil
		}
	}
	for _, rule := range m.references() {
		for _, element := range elements(value(rule, source)) {
			standing := refs.without[hash(endName(rule.Reference.Records), string(element))]
			if why := exception(rule, element, standing); why != "" {
				refs.problems[at] = lack{label(r), why, rule.Addr}
				return nil
			}
		}
	}
	return nil
}

// unfit says why a value cannot be written into its target field (RULE-3); "": it can.
func (refs *references) unfit(rule *providers.Rule, source fields) string {
	if !limited(rule) {
		return ""
	}
	values, blank := 0, true
	for _, element := range elements(value(rule, source)) {
		var text string
		if rule.MaxLength > 0 && json.Unmarshal(element, &text) == nil && utf8.RuneCountInString(text) > rule.MaxLength {
			return fmt.Sprintf("RULE-3: %s takes %d characters, and %s has %d", rule.To, rule.MaxLength, rule.From, utf8.RuneCountInString(text))
		}
		standing := ""
		if rule.Reference != nil {
			standing = refs.without[hash(endName(rule.Reference.Records), string(element))]
		}
		if standing == "" {
			values++
		}
		blank = blank && standing != "" && exception(rule, element, standing) == ""
	}
	switch {
	case rule.Single && values > 1:
		return fmt.Sprintf("RULE-3: %s takes one value, and %s has %d", rule.To, rule.From, values)
	case rule.Required && blank:
		return fmt.Sprintf("RULE-3: %s must not be blank, and nothing comes from %s", rule.To, rule.From)
	}
	return ""
}

// limited reports whether there is something that a source may have, or lack, and the
// target does not take.
func limited(r *providers.Rule) bool { return r.MaxLength > 0 || r.Single || r.Required }

// exception says why a reference makes its item an exception; "": it does not.
// Where several records match, it is never one of them.
func exception(rule *providers.Rule, element json.RawMessage, standing string) string {
	switch {
	case standing == providers.NoMatch && rule.Reference.Picklist != "":
		return fmt.Sprintf("RULE-3: %s is no value of %s", bytes.Trim(element, `"`), rule.To)
	case standing == providers.ManyMatches:
		return fmt.Sprintf("RULE-2: several records of %s match %s, for %s", rule.Reference.Object, known(element), rule.To)
	case standing == providers.NoMatch && rule.Reference.NoMatch != "blank":
		return fmt.Sprintf("RULE-2: no record of %s has the Link or External ID of %s, for %s", rule.Reference.Object, known(element), rule.To)
	}
	return ""
}

// known is what people know a reference by.
func known(element json.RawMessage) string {
	var of struct {
		External string `json:"external_id"`
		Link     string `json:"link"`
	}
	if json.Unmarshal(element, &of) != nil {
		return string(element)
	}
	for _, name := range []string{of.External, of.Link} {
		if name != "" {
			return name
		}
	}
	return string(element)
}

// settle takes out of the target fields the references that have no match and
// shall be blank then, and of those that are matched by their Link all but that:
// the record that has only the same External ID is another one. What is left of
// them is what will be there. blank is told of the former, and may be nil.
func (refs *references) settle(m mapping, shall fields, blank func(end providers.End, element string)) fields {
	if refs == nil {
		return shall
	}
	for _, rule := range m.references() {
		at := slices.IndexFunc(shall, func(f schema.Member) bool { return string(f.Name) == rule.To })
		if at < 0 {
			continue
		}
		all := elements(shall[at].Value)
		var left []json.RawMessage
		same := true
		for _, element := range all {
			at := hash(endName(rule.Reference.Records), string(element))
			if refs.without[at] == providers.NoMatch {
				same = false
				if blank != nil {
					blank(rule.Reference.Records, string(element))
				}
				continue
			}
			if _, linked := refs.linked[at]; linked {
				bare := byLink(element)
				element, same = bare, same && bytes.Equal(bare, element)
			}
			left = append(left, element)
		}
		switch {
		case same:
		case len(left) == 0:
			shall = slices.Delete(shall, at, at+1)
		default:
			shall[at].Value = encode(left)
		}
	}
	return shall
}

// byLink is a reference without anything but its Link.
func byLink(element json.RawMessage) json.RawMessage {
	var of struct {
		Link string `json:"link"`
	}
	if json.Unmarshal(element, &of) != nil || of.Link == "" {
		return element
	}
	return encode(of)
}

// references are the rules whose values are looked up at the target.
func (m mapping) references() []*providers.Rule {
	var list []*providers.Rule
	for _, rule := range m {
		if rule.Reference != nil && rule.Reference.Records.Stream != "" {
			list = append(list, rule.Rule)
		}
	}
	return list
}

// limited reports whether one of the rules is.
func (m mapping) limited() bool {
	return slices.ContainsFunc(m, func(r mapped) bool { return limited(r.Rule) })
}

// elements are the members of a list, or the one value, as canonical JSON.
func elements(v json.RawMessage) []json.RawMessage {
	if blank(v) {
		return nil
	}
	var list []json.RawMessage
	if bytes.HasPrefix(v, []byte("[")) && json.Unmarshal(v, &list) == nil {
		return list
	}
	return []json.RawMessage{v}
}

func endName(end providers.End) string {
	return end.Instance.String() + " " + end.Stream + " " + string(end.Scope)
}
