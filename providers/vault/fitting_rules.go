package vault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"accord/lang/addrs"
	"accord/providers"
	"accord/providers/resource"
	"accord/providers/vaultapi"
)

// fittingRules are the field rules of a connection as the engine applies them. Those
// whose fields are gone, or do not fit any more, are broken (RULE-3): of their
// connection nothing is run, and all others go on.
type fittingRules struct {
	rules   []providers.Rule
	targets []string // fields that they fill
	refs    []refMap // how references among those are resolved
	broken  []providers.Diagnostic
}

func (s *syncMaker) fieldRules(ctx context.Context, l *link) (*fittingRules, error) {
	f := &fittingRules{}
	for _, addr := range s.types["field_rule"] {
		b, _, err := resource.Ref[fieldRuleBody](s.after, addr)
		if err != nil {
			return nil, err
		}
		if b.Connection != l.addr {
			continue
		}
		misfit, source, target, err := l.misfit(ctx, b)
		if err != nil {
			return nil, err
		}
		if misfit != nil {
			misfit.Addr = addr
			f.broken = append(f.broken, *misfit)
			continue
		}
		rule, err := b.rule(addr, target)
		if err != nil {
			return nil, err
		}
		refers := rule.Reference != nil
		switch most := int(target.MaxLength); {
		case refers:
			s.refers(sourceField{l.content, b.Source}, source.ObjectType)
			rule.Reference.Records = l.crm.references(scope{Object: rule.Reference.Object})
		case target.Type == "Picklist" && target.Picklist != "":
			rule.Reference = l.crm.valueOf(target.Picklist)
		case isText(target.Type) && most > 0 && int(source.MaxLength) > most:
			rule.MaxLength = most
		}
		rule.Required = bool(target.Required)
		f.rules = append(f.rules, rule)
		if !slices.Contains(f.targets, b.Target) {
			f.targets = append(f.targets, b.Target)
			if refers {
				f.refs = append(f.refs, refMap{Field: b.Target, Object: rule.Reference.Object, Blank: rule.Reference.NoMatch == "blank"})
			}
		}
	}
	slices.Sort(f.targets)
	return f, nil
}

// misfit is why a rule cannot be applied to the vaults as they are now, nil when it
// can; and its two fields.
func (l *link) misfit(ctx context.Context, b *fieldRuleBody) (wrong *providers.Diagnostic, source, target vaultapi.DocumentField, err error) {
	for _, side := range []struct {
		v    *vault
		name string
		at   addrs.Path
		to   *vaultapi.DocumentField
	}{{l.content, b.Source, "/source", &source}, {l.crm, b.Target, "/target", &target}} {
		*side.to, err = side.v.documentField(ctx, side.name)
		if errors.Is(err, vaultapi.NotFound) {
			return &providers.Diagnostic{Severity: providers.SeverityError, Code: "RULE-3", Path: side.at, Summary: fmt.Sprintf("%s has no document field %s", side.v.addr, side.name),
				Detail: "The field was there when the rule was applied. Create it again, or take the rule out and apply that."}, source, target, nil
		}
		if err != nil {
			return nil, source, target, contractError("read the document fields of "+side.v.addr.String(), err)
		}
	}
	for _, m := range (&fit{source: source, target: target}).check(b) {
		if !m.warning {
			return &providers.Diagnostic{Severity: providers.SeverityError, Code: "RULE-3", Path: m.at, Summary: m.summary, Detail: m.detail}, source, target, nil
		}
	}
	return nil, source, target, nil
}

// valueOf is the reference to a value of a picklist: one that the CRM vault does not
// have is an exception of its item before anything is written (RULE-3).
func (v *vault) valueOf(picklist string) *providers.Reference {
	return &providers.Reference{Picklist: picklist, NoMatch: "exception", Records: v.references(scope{Picklist: picklist})}
}

func (v *vault) references(to scope) providers.End {
	return providers.End{Instance: v.addr, Stream: streamReference, Scope: to.raw()}
}

func (s *syncMaker) refers(field sourceField, object string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.referred[field] = object
}

// refersTo is the object that a reference of a content vault refers to; "": not known.
func (s *syncMaker) refersTo(field sourceField) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.referred[field]
}

// rulesOfObjects are field rules as the object model takes them: for those of its
// objects that have such a field.
func (s *syncMaker) rulesOfObjects(ctx context.Context, l *link, rules []providers.Rule) ([]providers.Rule, error) {
	var out []providers.Rule
	for _, r := range rules {
		fields, err := l.crm.objectFields(ctx, r)
		if err != nil {
			return nil, err
		}
		for _, part := range slices.Sorted(maps.Keys(fields)) {
			one, f := r, fields[part]
			one.Parts, one.Required = []string{part}, bool(f.Required)
			switch {
			case isText(f.Type):
				one.MaxLength = int(f.MaxLength)
			case f.Type == "Picklist" && f.Picklist != "":
				one.Reference = l.crm.valueOf(f.Picklist)
			}
			one.Single = one.Reference != nil && !bool(f.MultiValue)
			out = append(out, one)
		}
	}
	return out, nil
}

// objectFields are the target fields of a rule in the objects that have one, of the
// same kind, by part.
func (v *vault) objectFields(ctx context.Context, r providers.Rule) (map[string]vaultapi.ObjectField, error) {
	document, err := v.documentField(ctx, r.To)
	if errors.Is(err, vaultapi.NotFound) {
		return nil, nil // RULE-3 has said so
	}
	if err != nil {
		return nil, contractError("read the document fields of "+v.addr.String(), err)
	}
	fields := map[string]vaultapi.ObjectField{}
	for _, part := range []string{partShared, partSlide, partPresentation} {
		o, err := v.object(ctx, objectOfPart[part])
		if err != nil {
			return nil, contractError("read the object "+objectOfPart[part]+" of "+v.addr.String(), err)
		}
		f, err := o.Field(r.To)
		if err != nil || documentTypeOf(f) != document.Type || f.Object.Name != document.ObjectType || len(r.Parts) > 0 && !slices.Contains(r.Parts, part) {
			continue
		}
		fields[part] = f
	}
	return fields, nil
}

// writtenRules are the field rules of a connection as they are written, whatever their
// blocks are called and whether or not they still fit: what a full run follows from
// (RULE-5).
func (s *syncMaker) writtenRules(l *link) ([]fieldRuleBody, error) {
	var list []fieldRuleBody
	for _, addr := range s.types["field_rule"] {
		b, _, err := resource.Ref[fieldRuleBody](s.after, addr)
		if err != nil {
			return nil, err
		}
		if b.Connection == l.addr {
			one := *b
			one.Connection, one.Rule = addrs.Instance{}, ""
			list = append(list, one)
		}
	}
	slices.SortFunc(list, func(a, b fieldRuleBody) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Target, b.Target))
	})
	return list, nil
}
