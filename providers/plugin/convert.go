package plugin

import (
	"fmt"
	"time"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"
	"accord/providers/plugin/proto"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// wire writes messages.
type wire struct{ bodies *bodies }

// reader reads messages, and keeps the first thing that cannot be read.
type reader struct {
	err    error
	bodies *bodies
}

// ends are both directions of an exchange in which each body travels once; there
// may be about as many.
func ends(room int) (wire, reader) {
	b := newBodies(room)
	return wire{b}, reader{bodies: b}
}

func (r *reader) addr(s string) (a addrs.Instance) {
	if s == "" {
		return a
	}
	a, err := addrs.ParseInstance(s)
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("reading a message: %w", err)
	}
	return a
}

func convert[A, B any](list []A, f func(A) B) []B {
	if len(list) == 0 {
		return nil
	}
	out := make([]B, len(list))
	for n := range list {
		out[n] = f(list[n])
	}
	return out
}

// convertAt is convert for values too large to pass by value.
func convertAt[A, B any](list []A, f func(*A) B) []B {
	if len(list) == 0 {
		return nil
	}
	out := make([]B, len(list))
	for n := range list {
		out[n] = f(&list[n])
	}
	return out
}

func pathOf(s string) addrs.Path       { return addrs.Path(s) }
func pathString(p addrs.Path) string   { return string(p) }
func paths(list []string) []addrs.Path { return convert(list, pathOf) }

func (wire) time(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func (*reader) time(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

func (w wire) object(o *providers.Object) *proto.Object {
	if o == nil {
		return nil
	}
	body, same := w.bodies.send(o.Body)
	return &proto.Object{
		Addr: o.Addr.String(), Type: o.Type, Id: o.ID, Body: body, Same: same,
		Unknown: convert(o.Unknown, pathString), Sensitive: convert(o.Sensitive, pathString),
	}
}

func (r *reader) object(o *proto.Object) *providers.Object {
	if o == nil {
		return nil
	}
	body, err := r.bodies.receive(o.Body, o.Same)
	if err != nil && r.err == nil {
		r.err = err
	}
	return &providers.Object{
		Addr: r.addr(o.Addr), Type: o.Type, ID: o.Id, Body: body,
		Unknown: paths(o.Unknown), Sensitive: paths(o.Sensitive),
	}
}

// side is an object of an item, which has its address.
func (w wire) side(item addrs.Instance, o *providers.Object) *proto.Object {
	if o == nil || o.Addr != item {
		return w.object(o)
	}
	bare := *o
	bare.Addr = addrs.Instance{}
	return w.object(&bare)
}

func (r *reader) side(item addrs.Instance, m *proto.Object) *providers.Object {
	o := r.object(m)
	if o != nil && o.Addr.IsZero() {
		o.Addr = item
	}
	return o
}

func (r *reader) objects(list []*proto.Object) []providers.Object {
	return convert(list, func(o *proto.Object) providers.Object { return *r.object(o) })
}

func (w wire) refs(refs providers.Refs) []*proto.Object {
	if len(refs) == 0 {
		return nil
	}
	out := make([]*proto.Object, 0, len(refs))
	for addr, o := range refs {
		o.Addr = addr
		out = append(out, w.object(&o))
	}
	return out
}

func (r *reader) refs(refs []*proto.Object, into providers.Refs) providers.Refs {
	if into == nil && len(refs) > 0 {
		into = make(providers.Refs, len(refs))
	}
	for _, m := range refs {
		o := r.object(m)
		into[o.Addr] = *o
	}
	return into
}

func (wire) err(e *providers.Error) *proto.Error {
	if e == nil {
		return nil
	}
	return &proto.Error{Kind: string(e.Kind), Op: e.Op, Addr: e.Addr.String(), Path: string(e.Path), Message: e.Message, Advice: e.Advice, Trace: e.Trace, Stack: e.Stack}
}

func (r *reader) error(e *proto.Error) *providers.Error {
	if e == nil {
		return nil
	}
	return &providers.Error{Kind: providers.Kind(e.Kind), Op: e.Op, Addr: r.addr(e.Addr), Path: addrs.Path(e.Path), Message: e.Message, Advice: e.Advice, Trace: e.Trace, Stack: e.Stack}
}

func (wire) diagnostic(d *providers.Diagnostic) *proto.Diagnostic {
	return &proto.Diagnostic{
		Severity: string(d.Severity), Code: d.Code, Addr: d.Addr.String(), Path: string(d.Path),
		Summary: d.Summary, Detail: d.Detail, Refused: d.Refused,
	}
}

func (r *reader) diagnostic(d *proto.Diagnostic) providers.Diagnostic {
	return providers.Diagnostic{
		Severity: providers.Severity(d.Severity), Code: d.Code, Addr: r.addr(d.Addr), Path: addrs.Path(d.Path),
		Summary: d.Summary, Detail: d.Detail, Refused: d.Refused,
	}
}

func (w wire) result(r *providers.Result) *proto.Result {
	return &proto.Result{
		Object: w.object(r.Object), Missing: r.Missing, Same: r.Same, Stays: r.Stays, Err: w.err(r.Err),
		Diagnostics: convertAt(r.Diagnostics, w.diagnostic), Touched: w.touch(r.Touched),
	}
}

func (r *reader) result(m *proto.Result) providers.Result {
	return providers.Result{
		Object: r.object(m.Object), Missing: m.Missing, Same: m.Same, Stays: m.Stays, Err: r.error(m.Err),
		Diagnostics: convert(m.Diagnostics, r.diagnostic), Touched: r.touch(m.Touched),
	}
}

func (w wire) touch(t *providers.Touch) *proto.Touch {
	if t == nil {
		return nil
	}
	return &proto.Touch{Who: t.Who, At: w.time(t.At), What: t.What, Entry: t.Entry}
}

func (r *reader) touch(m *proto.Touch) *providers.Touch {
	if m == nil {
		return nil
	}
	return &providers.Touch{Who: m.Who, At: r.time(m.At), What: m.What, Entry: m.Entry}
}

func (wire) endpoint(e providers.Endpoint) *proto.Endpoint {
	return &proto.Endpoint{Url: e.URL, Id: e.ID, User: e.User, PasswordFile: e.PasswordFile}
}

func (*reader) endpoint(e *proto.Endpoint) providers.Endpoint {
	return providers.Endpoint{URL: e.Url, ID: e.Id, User: e.User, PasswordFile: e.PasswordFile}
}

func (w wire) planItem(i *providers.PlanItem) *proto.PlanItem {
	m := &proto.PlanItem{Addr: i.Addr.String(), Desired: w.side(i.Addr, i.Desired), Live: w.side(i.Addr, i.Live), Removal: string(i.Removal)}
	if m.RecordedAsLive = alike(i.Recorded, i.Live); !m.RecordedAsLive {
		m.Recorded = w.side(i.Addr, i.Recorded)
	}
	return m
}

func (r *reader) planItem(i *proto.PlanItem) providers.PlanItem {
	addr := r.addr(i.Addr)
	item := providers.PlanItem{Addr: addr, Desired: r.side(addr, i.Desired), Live: r.side(addr, i.Live), Removal: schema.Removal(i.Removal)}
	if i.RecordedAsLive && item.Live != nil {
		recorded := *item.Live
		item.Recorded = &recorded
	} else {
		item.Recorded = r.side(addr, i.Recorded)
	}
	return item
}

func (w wire) planned(p *providers.PlanResponse) *proto.Planned {
	return &proto.Planned{
		Planned: w.object(p.Planned), Replace: convert(p.Replace, pathString), Consequences: p.Consequences,
		After:       convert(p.After, func(r providers.Ref) *proto.Ref { return &proto.Ref{Addr: r.Addr.String(), Sync: r.Sync} }),
		Diagnostics: convertAt(p.Diagnostics, w.diagnostic),
	}
}

func (r *reader) planned(p *proto.Planned) providers.PlanResponse {
	return providers.PlanResponse{
		Planned: r.object(p.Planned), Replace: paths(p.Replace), Consequences: p.Consequences,
		After:       convert(p.After, func(m *proto.Ref) providers.Ref { return providers.Ref{Addr: r.addr(m.Addr), Sync: m.Sync} }),
		Diagnostics: convert(p.Diagnostics, r.diagnostic),
	}
}

func (w wire) applyItem(i *providers.ApplyItem) *proto.ApplyItem {
	return &proto.ApplyItem{
		Addr: i.Addr.String(), Action: string(i.Action), Live: w.object(i.Live), Recorded: w.object(i.Recorded),
		Planned: w.object(i.Planned), Removal: string(i.Removal),
	}
}

func (r *reader) applyItem(i *proto.ApplyItem) providers.ApplyItem {
	return providers.ApplyItem{
		Addr: r.addr(i.Addr), Action: providers.Action(i.Action), Live: r.object(i.Live), Recorded: r.object(i.Recorded),
		Planned: r.object(i.Planned), Removal: schema.Removal(i.Removal),
	}
}

func (w wire) change(c *providers.Change) *proto.Change {
	return &proto.Change{Addr: c.Addr.String(), Before: w.object(c.Before), After: w.object(c.After), Live: w.object(c.Live)}
}

func (r *reader) change(c *proto.Change) providers.Change {
	return providers.Change{Addr: r.addr(c.Addr), Before: r.object(c.Before), After: r.object(c.After), Live: r.object(c.Live)}
}

func (wire) member(m providers.Member) *proto.Member { return &proto.Member{Part: m.Part, Key: m.Key} }

func (*reader) member(m *proto.Member) providers.Member {
	return providers.Member{Part: m.Part, Key: m.Key}
}

func (wire) end(e *providers.End) *proto.End {
	return &proto.End{Instance: e.Instance.String(), Stream: e.Stream, Scope: e.Scope}
}

func (r *reader) end(e *proto.End) providers.End {
	return providers.End{Instance: r.addr(e.GetInstance()), Stream: e.GetStream(), Scope: e.GetScope()}
}

func (w wire) recordsRequest(q *providers.RecordsRequest) *proto.RecordsRequest {
	return &proto.RecordsRequest{
		End: w.end(&q.End), Also: convertAt(q.Also, w.end),
		Variants: q.Variants, Fields: q.Fields, Since: w.time(q.Since), Keys: convert(q.Keys, w.member),
		Only: q.Only, Confirm: q.Confirm, Holders: q.Holders, After: q.After, UpTo: q.UpTo,
	}
}

func (r *reader) recordsRequest(q *proto.RecordsRequest) providers.RecordsRequest {
	return providers.RecordsRequest{
		End: r.end(q.End), Also: convert(q.Also, r.end),
		Variants: q.Variants, Fields: q.Fields, Since: r.time(q.Since), Keys: convert(q.Keys, r.member),
		Only: q.Only, Confirm: q.Confirm, Holders: q.Holders, After: q.After, UpTo: q.UpTo,
	}
}

func (w wire) write(c *providers.Write) *proto.Write {
	return &proto.Write{
		Verb: string(c.Verb), Part: c.Part, Key: c.Key, Id: c.ID, Title: c.Title, Fields: c.Fields, Changed: c.Changed,
		Members: convert(c.Members, w.member), Reorder: c.Reorder, Was: convert(c.Was, w.member),
	}
}

func (r *reader) write(c *proto.Write) providers.Write {
	return providers.Write{
		Verb: providers.Verb(c.Verb), Part: c.Part, Key: c.Key, ID: c.Id, Title: c.Title, Fields: c.Fields, Changed: c.Changed,
		Members: convert(c.Members, r.member), Reorder: c.Reorder, Was: convert(c.Was, r.member),
	}
}

func (w wire) writeResult(r *providers.WriteResult) *proto.WriteResult {
	return &proto.WriteResult{Id: r.ID, Same: r.Same, Err: w.err(r.Err), Calls: int32(r.Calls)}
}

func (r *reader) writeResult(m *proto.WriteResult) providers.WriteResult {
	return providers.WriteResult{ID: m.Id, Same: m.Same, Err: r.error(m.Err), Calls: int(m.Calls)}
}
