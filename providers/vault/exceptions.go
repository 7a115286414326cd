package vault

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"accord/lang/schema"
	"accord/providers"
	"accord/providers/vaultapi"
)

// exceptions are the user exceptions of one point in its target vault (ERR-4):
// messages, and items below them. Those of accord carry a mark of the point in
// their message; all items of a point hang on one message of it.
type exceptions struct {
	v     *vault
	scope scope
	point string // the point's record in this vault; "" where it has none

	message, item   *vaultapi.Object
	messages, items map[string]string // ours → API name; "" where the vault has none
}

// exceptionsOf finds out what the vault calls things. Without a point's id it
// is looked for by the names of the scope.
func (v *vault) exceptionsOf(ctx context.Context, s scope, point string) (*exceptions, error) {
	x := &exceptions{v: v, scope: s, point: point}
	var err error
	if x.message, err = v.object(ctx, exceptionNames.message); err != nil {
		return nil, err
	}
	if x.item, err = v.object(ctx, exceptionNames.item); err != nil {
		return nil, err
	}
	x.messages, x.items = exceptionFields(x.message), exceptionFields(x.item)
	if x.point != "" {
		return x, nil
	}
	x.point, err = v.points.get(fmt.Sprintf("%s %d", s.Point, s.CRM), func() (string, error) {
		read := v.pointRecords
		if s.CRM != 0 {
			read = func(ctx context.Context) ([]statusRecord, error) { return v.pointsBeside(ctx, s.CRM) }
		}
		list, err := read(ctx)
		switch r := findRecord(list, s.Point, s.Title); {
		case vaultapi.KindOf(err) == vaultapi.Permission: // a content vault need not show its points to whoever syncs
			return "", nil
		case err != nil, r == nil:
			return "", err
		default:
			return r.ID, nil
		}
	})
	return x, err
}

func exceptionFields(o *vaultapi.Object) map[string]string {
	found := map[string]string{}
	for ours, names := range exceptionNames.fields {
		if f, err := o.Field(names[0]); err == nil {
			found[ours] = f.Name
			continue
		}
		for _, label := range names[1:] {
			if f, err := o.FieldByLabel(label); err == nil {
				found[ours] = f.Name
				break
			}
		}
	}
	return found
}

// mark begins the processor of accord's own messages of the point.
func (x *exceptions) mark() string {
	return fmt.Sprintf("%s%s:%d:", markOurs, x.scope.Point, max(x.scope.Source, x.scope.CRM))
}

// related is a field of an item's message, seen from the item.
func (x *exceptions) related(field string) string {
	parent := x.items["parent"]
	for _, suffix := range []string{"__sys", "__v", "__c"} {
		if stem, ok := strings.CutSuffix(parent, suffix); ok {
			return stem + suffix + "r." + field
		}
	}
	return ""
}

func (x *exceptions) fields(part string) map[string]string {
	if part == partItem {
		return x.items
	}
	return x.messages
}

// selected is the statement of one part, without its condition.
func (x *exceptions) selected(part string) string {
	o, columns := x.message, []string{"id", "name__v", "created_date__v"}
	wanted := []string{"text", "type", "processor", "failed"}
	if part == partItem {
		o, wanted = x.item, []string{"text", "type", "item", "data", "state"}
	}
	for _, ours := range wanted {
		if name := x.fields(part)[ours]; name != "" {
			columns = append(columns, name)
		}
	}
	if part == partItem && x.messages["processor"] != "" {
		columns = append(columns, x.related(x.messages["processor"]))
	}
	return "SELECT " + strings.Join(columns, ", ") + " FROM " + o.Name
}

// where is the condition of those that are open; "" where the vault ties none
// of the part to a point.
func (x *exceptions) where(part string) string {
	var any []string
	fields := x.fields(part)
	if x.point != "" {
		if fields["point"] != "" {
			any = append(any, fields["point"]+" = "+vaultapi.Quote(x.point))
		}
		if part == partItem && x.messages["point"] != "" {
			any = append(any, x.related(x.messages["point"])+" = "+vaultapi.Quote(x.point))
		}
	}
	if ours := x.messages["processor"]; ours != "" {
		if part == partItem {
			ours = x.related(ours)
		}
		any = append(any, fmt.Sprintf("(%s > %s AND %[1]s < %[3]s)", ours, vaultapi.Quote(x.mark()), vaultapi.Quote(x.mark()+"~")))
	}
	if len(any) == 0 || fields["text"] == "" {
		return ""
	}
	where := "status__v = 'active__v' AND (" + strings.Join(any, " OR ") + ")"
	if part == partItem {
		if fields["item"] == "" || fields["state"] == "" {
			return ""
		}
		where += " AND " + fields["state"] + " CONTAINS " + vaultapi.QuoteList(append([]string{knownStatus}, openStatuses...)...)
	}
	return where
}

// itemData is what accord keeps in an item's data: which record of the source
// it is about, and the kind of failure.
type itemData struct {
	Part string `json:"part"`
	Key  string `json:"key"`
	Kind string `json:"kind"`
}

// exception is what a row says.
func (x *exceptions) exception(part string, r row) providers.Exception {
	fields := x.fields(part)
	e := providers.Exception{ID: r.text("id"), Title: r.text("name__v"), Message: r.text(fields["text"]), Kind: r.one(fields["type"]), At: r.time("created_date__v")}
	processor := r.text(x.messages["processor"])
	if part == partMessage {
		e.General, e.Items = true, int(r.int(fields["failed"]))
		var own string
		if own, e.Own = strings.CutPrefix(processor, x.mark()); e.Own {
			e.Kind = own
		}
		return e
	}
	e.Key = r.text(fields["item"])
	e.Known = r.one(fields["state"]) == knownStatus
	processor = r.text(x.related(x.messages["processor"]))
	var data itemData
	own := r.text(fields["data"])
	if e.Own = own != "" && strings.HasPrefix(processor, x.mark()); e.Own && json.Unmarshal([]byte(own), &data) == nil && data.Key != "" {
		e.Part, e.Key, e.Kind = data.Part, data.Key, data.Kind
		return e // else somebody has edited what accord wrote: no run meets it, so it goes
	}
	if _, err := strconv.ParseUint(e.Key, 10, 64); err == nil {
		e.Key = keyOf(e.Key)
	}
	return e
}

// record is an exception as a record of the stream. Those of others have their
// id as their key.
func (x *exceptions) record(part string, e providers.Exception) (providers.Record, error) {
	r := providers.Record{Part: part, Key: e.ID, ID: e.ID, Title: e.Title, Standing: providers.Published}
	switch {
	case e.Own && part == partItem:
		r.Key = e.RecordKey()
	case e.Own:
		r.Key = e.Kind
	}
	raw, err := json.Marshal(e)
	if err == nil {
		r.Fields, err = schema.Canonical(raw, nil)
	}
	return r, err
}

// exceptionRecords reads the stream "exceptions": those that are open, of
// whatever engine.
func (p *Provider) exceptionRecords(ctx context.Context, r *reading) (last providers.Batch, err error) {
	s, err := scopeOf(r.End)
	if err != nil {
		return last, err
	}
	x, err := r.v.exceptionsOf(ctx, s, "")
	if err != nil {
		return last, err
	}
	now, err := r.v.now(ctx)
	if err != nil {
		return last, err
	}
	c := r.v.caller()
	emit := r.emit(c)
	for _, part := range []string{partMessage, partItem} {
		where := x.where(part)
		if where == "" {
			continue
		}
		pages := newScan(c, "id", "", func(after string) string {
			return limited(fmt.Sprintf("%s WHERE id > %s AND %s ORDER BY id", x.selected(part), vaultapi.Quote(after), where))
		})
		for {
			page, err := pages.page(ctx)
			if err != nil {
				return last, err
			}
			if len(page) == 0 {
				break
			}
			records := make([]providers.Record, len(page))
			for n, row := range page {
				if records[n], err = x.record(part, x.exception(part, row)); err != nil {
					return last, err
				}
			}
			if err := emit(records); err != nil {
				return last, err
			}
		}
	}
	return providers.Batch{Horizon: now, Calls: c.took()}, nil
}

// writeExceptions writes to the stream "exceptions". Of the platform's own
// engine it does one thing, which is the vault's own action on a message, done
// in the name of whoever asks: Reprocess Request (ERR-1, INT-7).
func (p *Provider) writeExceptions(ctx context.Context, v *vault, req providers.WriteRequest) []providers.WriteResult {
	results := make([]providers.WriteResult, len(req.Writes))
	if len(results) == 0 {
		return results
	}
	if req.Sync.Engine == providers.EnginePlatform {
		for n, w := range req.Writes {
			results[n] = providers.WriteResult{ID: w.ID, Err: v.requestReprocess(ctx, w)}
		}
		return results
	}
	fail := func(err error) []providers.WriteResult {
		return failAll(len(results), contractError("write user exceptions to "+v.addr.String(), err))
	}
	if err := p.guard(ctx, req.Sync); err != nil {
		return fail(err)
	}
	s, err := scopeOf(req.Sync.Target)
	if err != nil {
		return fail(err)
	}
	x, err := v.exceptionsOf(ctx, s, "")
	if err != nil {
		return fail(err)
	}
	write := x.writeMessages
	if req.Writes[0].Part == partItem {
		write = x.writeItems
	}
	rows, err := write(ctx, req.Writes)
	if err != nil {
		return fail(err)
	}
	object := x.message.Name
	if req.Writes[0].Part == partItem {
		object = x.item.Name
	}
	var make, change []int
	for n, row := range rows {
		switch {
		case row == nil:
			results[n].Same = true
		case row["id"] == nil:
			make = append(make, n)
		default:
			change = append(change, n)
			results[n].ID = fmt.Sprint(row["id"])
		}
	}
	settle := func(of []int, call func(context.Context, string, []vaultapi.Fields, ...vaultapi.WriteOption) []vaultapi.Result) {
		if len(of) == 0 {
			return
		}
		list := []vaultapi.Fields{}
		for _, n := range of {
			list = append(list, rows[n])
		}
		for i, r := range call(ctx, object, list) {
			if r.Err != nil {
				results[of[i]].Err = contractError("write the user exception of "+req.Writes[of[i]].Title, r.Err)
			} else if r.ID != "" {
				results[of[i]].ID = string(r.ID)
			}
		}
	}
	settle(make, v.client.CreateRecords)
	settle(change, v.client.UpdateRecords)
	return results
}

// requestReprocess runs the action of a message that people run, found by its
// label.
func (v *vault) requestReprocess(ctx context.Context, w providers.Write) *providers.Error {
	if w.Part != partMessage || w.Verb != providers.WriteWithdraw {
		return providers.Errorf(providers.Refused, "INT-7: accord writes no exception of the platform's own engine")
	}
	o, err := v.object(ctx, exceptionNames.message)
	if err != nil {
		return contractError("find the user exceptions of "+v.addr.String(), err)
	}
	actions, err := v.reader.RecordActions(ctx, o.Name, vaultapi.ID(w.ID))
	if err != nil {
		return contractError("find the actions of message "+w.ID, err)
	}
	for _, a := range actions {
		if a.Label == labelReprocess {
			if err := v.client.ExecuteRecordAction(ctx, o.Name, vaultapi.ID(w.ID), a.Name, nil); err != nil {
				return contractError(labelReprocess+" of message "+w.ID, err)
			}
			return nil
		}
	}
	return &providers.Error{Kind: providers.NotFound, Op: "reprocess message " + w.ID, Message: fmt.Sprintf("%s offers no action %q for it", v.addr, labelReprocess),
		Advice: "Deactivate the message in the vault, under User Exception Messages."}
}

// exceptionOf is what a write wants to say.
func exceptionOf(w providers.Write) (e providers.Exception, err error) {
	if len(w.Fields) > 0 {
		err = json.Unmarshal(w.Fields, &e)
	}
	return e, err
}

// writeMessages makes the row of each message: without an id to make it, nil
// where there is nothing to do. What was made before is found by its mark.
func (x *exceptions) writeMessages(ctx context.Context, writes []providers.Write) ([]vaultapi.Fields, error) {
	there, err := x.own(ctx, writes)
	if err != nil {
		return nil, err
	}
	rows := make([]vaultapi.Fields, len(writes))
	for n, w := range writes {
		id, open := there[w.Key].id, there[w.Key].open
		if w.Verb == providers.WriteWithdraw {
			if w.ID != "" && w.ID != id { // a double
				id, open = w.ID, true
			}
			if open {
				rows[n] = vaultapi.Fields{"id": id, "status__v": "inactive__v"}
			}
			continue
		}
		e, err := exceptionOf(w)
		if err != nil {
			return nil, err
		}
		kind := typeOfGeneral
		if w.Key == providers.ItemsMessage {
			kind = typeOfItems
		}
		row := vaultapi.Fields{"name__v": e.Title, x.messages["text"]: e.Message, x.messages["processor"]: x.mark() + w.Key, "status__v": "active__v"}
		if name := x.messages["failed"]; name != "" {
			row[name] = e.Items
		}
		x.classify(ctx, row, x.message, x.messages, kind)
		if id != "" {
			row["id"] = id
		}
		rows[n] = row
	}
	return rows, nil
}

// madeMessage is a message that accord made before.
type madeMessage struct {
	id   string
	open bool
}

// own finds the messages of the point that have the keys of writes, open or
// not; of several with one key one that is open.
func (x *exceptions) own(ctx context.Context, writes []providers.Write) (map[string]madeMessage, error) {
	processor := x.messages["processor"]
	if processor == "" || x.messages["text"] == "" {
		return nil, providers.Errorf(providers.NotFound, "its object %s has no field %s, so nothing can be told there", x.message.Name, exceptionNames.fields["processor"][0])
	}
	marks := map[string]bool{}
	for _, w := range writes {
		marks[x.mark()+w.Key] = true
	}
	there := map[string]madeMessage{}
	err := x.v.caller().lists(ctx, slices.Sorted(maps.Keys(marks)), markList, func(list string) string {
		return fmt.Sprintf("SELECT id, status__v, %s FROM %s WHERE %[1]s CONTAINS %[3]s ORDER BY id", processor, x.message.Name, list)
	}, func(r row) error {
		key := strings.TrimPrefix(r.text(processor), x.mark())
		if m := (madeMessage{r.text("id"), r.one("status__v") == "active__v"}); !there[key].open {
			there[key] = m
		}
		return nil
	})
	return there, err
}

// classify says where a record belongs, as far as the vault has words for it.
func (x *exceptions) classify(ctx context.Context, row vaultapi.Fields, o *vaultapi.Object, fields map[string]string, kind string) {
	if name := fields["point"]; name != "" && x.point != "" {
		row[name] = x.point
	}
	if f, err := o.Field(fields["type"]); err == nil && x.v.hasValue(ctx, f.Picklist, kind) {
		row[f.Name] = kind
	}
}

// hasValue reports whether a picklist has an entry.
func (v *vault) hasValue(ctx context.Context, picklist, name string) bool {
	values, err := v.picklist(ctx, picklist)
	return err == nil && slices.ContainsFunc(values, func(l vaultapi.Labelled) bool { return l.Name == name })
}

// writeItems makes the row of each item, below the message that holds them.
func (x *exceptions) writeItems(ctx context.Context, writes []providers.Write) ([]vaultapi.Fields, error) {
	holder, err := x.own(ctx, []providers.Write{{Key: providers.ItemsMessage}})
	if err != nil {
		return nil, err
	}
	parent := holder[providers.ItemsMessage].id
	for _, ours := range []string{"parent", "item", "data", "text", "state"} {
		if x.items[ours] == "" {
			return nil, providers.Errorf(providers.NotFound, "its object %s has no field labelled %q, so nothing can be told there", x.item.Name, exceptionNames.fields[ours][1])
		}
	}
	rows := make([]vaultapi.Fields, len(writes))
	wanted, read := map[string]bool{}, map[string]string{} // read: by key, the id that was read
	parsed := make([]providers.Exception, len(writes))
	for n, w := range writes {
		if w.Verb == providers.WriteWithdraw { // it was read, with its id
			rows[n] = vaultapi.Fields{"id": w.ID, "status__v": "inactive__v"}
			if f, err := x.item.Field(x.items["state"]); err == nil && x.v.hasValue(ctx, f.Picklist, doneStatus) {
				rows[n][f.Name] = doneStatus
			}
			continue
		}
		if parsed[n], err = exceptionOf(w); err != nil {
			return nil, err
		}
		wanted[itemOf(parsed[n])], read[w.Key] = true, w.ID
	}
	if len(wanted) == 0 {
		return rows, nil
	}
	if parent == "" {
		return nil, providers.Errorf(providers.Internal, "the message that holds the items is not there")
	}
	there := map[string]row{}
	err = x.v.caller().lists(ctx, slices.Sorted(maps.Keys(wanted)), markList, func(list string) string {
		return fmt.Sprintf("%s WHERE %s = %s AND %s CONTAINS %s ORDER BY id", x.selected(partItem), x.items["parent"], vaultapi.Quote(parent), x.items["item"], list)
	}, func(r row) error {
		e := x.exception(partItem, r)
		if key := e.RecordKey(); e.Own && (there[key] == nil || read[key] == r.text("id")) {
			there[key] = r
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for n, w := range writes {
		if rows[n] != nil {
			continue
		}
		e := parsed[n]
		data, err := json.Marshal(itemData{e.Part, e.Key, e.Kind})
		if err != nil {
			return nil, err
		}
		row := vaultapi.Fields{"name__v": e.Title, x.items["text"]: e.Message, x.items["item"]: itemOf(e), x.items["data"]: string(data), "status__v": "active__v"}
		x.classify(ctx, row, x.item, x.items, typeOfItems)
		if old := there[w.Key]; old != nil {
			row["id"] = old.text("id")
			if now := old.one(x.items["state"]); now != knownStatus && !slices.Contains(openStatuses, now) {
				row[x.items["state"]] = openStatus
			}
		} else {
			row[x.items["parent"]], row[x.items["state"]] = parent, openStatus
		}
		rows[n] = row
	}
	return rows, nil
}

// itemOf is what people know the source record by: its id.
func itemOf(e providers.Exception) string {
	if _, err := strconv.ParseUint(e.Key, 10, 64); err == nil && len(e.Key) == keyWidth {
		return idOf(e.Key)
	}
	return e.Key
}
