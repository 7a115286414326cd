package vault

import (
	"context"

	"accord/providers"
)

// groupRecords reads the stream "groups". There are some hundreds of countries
// and of products: whatever is asked for, all are read.
func (p *Provider) groupRecords(ctx context.Context, v *vault, req providers.RecordsRequest, yield func(providers.Batch, error) bool) {
	fail := func(err error) { yield(providers.Batch{}, contractError("read countries and products", err)) }
	now, err := v.now(ctx)
	if err != nil {
		fail(err)
		return
	}
	c := v.caller()
	var records []providers.Record
	for _, of := range []struct{ part, object string }{{partCountry, objCountry}, {partProduct, objProduct}} {
		rows, err := c.all(ctx, "SELECT id, name__v FROM "+of.object)
		if err != nil {
			fail(err)
			return
		}
		for _, r := range rows {
			records = append(records, providers.Record{Part: of.part, Key: r.text("id"), Title: r.text("name__v"), Standing: standPresent})
		}
	}
	yield(providers.Batch{Records: records, End: true, Horizon: now, Calls: c.took()}, nil)
}
