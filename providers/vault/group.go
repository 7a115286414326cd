package vault

import (
	"context"

	"accord/providers"
)

// groupRecords reads the stream "groups". There are some hundreds of countries
// and of products: whatever is asked for, all are read.
func (p *Provider) groupRecords(ctx context.Context, r *reading) (last providers.Batch, err error) {
	now, err := r.v.now(ctx)
	if err != nil {
		return last, err
	}
	c := r.v.caller()
	var records []providers.Record
	for _, of := range []struct{ part, object string }{{partCountry, objCountry}, {partProduct, objProduct}} {
		rows, err := c.all(ctx, "SELECT id, name__v FROM "+of.object)
		if err != nil {
			return last, err
		}
		for _, row := range rows {
			records = append(records, providers.Record{Part: of.part, Key: row.text("id"), Title: row.text("name__v"), Standing: standPresent})
		}
	}
	return providers.Batch{Records: records, Horizon: now, Calls: c.took()}, nil
}
