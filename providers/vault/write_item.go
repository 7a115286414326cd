package vault

import (
	"context"
	"fmt"

	"accord/providers"
	"accord/providers/vaultapi"
)

// writeItem is one write of a batch on its way, whatever it makes.
type writeItem struct {
	write   *providers.Write
	fields  vaultapi.Fields // as they shall be, once they are read
	changed bool
	err     error // the first
}

// newWriteItem begins the write at n of a batch, all of which are of one part
// and verb.
func newWriteItem(writes []providers.Write, n int) writeItem {
	i := writeItem{write: &writes[n]}
	if i.write.Part != writes[0].Part || i.write.Verb != writes[0].Verb {
		i.fail(providers.Errorf(providers.Internal, "a batch of writes has one part and one verb"))
	}
	return i
}

// item is what is written.
func (i *writeItem) item() providers.Member {
	return providers.Member{Part: i.write.Part, Key: i.write.Key}
}

func (i *writeItem) fail(err error) {
	if i.err == nil {
		i.err = err
	}
}

// settle notes how the row went that was written for it.
func (i *writeItem) settle(r vaultapi.Result) {
	switch {
	case r.Err != nil:
		i.fail(r.Err)
	case !r.Unchanged:
		i.changed = true
	}
}

// result is what became of it; id is that of the item in the vault, if it is there.
func (i *writeItem) result(id string) providers.WriteResult {
	r := providers.WriteResult{ID: id, Same: !i.changed}
	if i.err != nil {
		r.Same, r.Err = false, contractError(fmt.Sprintf("%s %s %s", i.write.Verb, i.write.Part, i.write.Title), i.err)
	}
	return r
}

// readFields reads the fields of a batch's writes, and resolves references.
func readFields[T any](ctx context.Context, c *caller, refs map[string]refMap, items []T, of func(T) *writeItem) error {
	writes := make([]*providers.Write, len(items))
	for n, i := range items {
		writes[n] = of(i).write
	}
	x := &resolver{caller: c}
	fields, failed, err := x.fieldsOf(ctx, refs, writes)
	if err != nil {
		return err
	}
	for n := range items {
		i := of(items[n])
		if i.fields = fields[n]; failed[n] != nil {
			i.fail(failed[n])
		}
	}
	return nil
}
