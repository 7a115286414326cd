package vault

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"accord/providers"
	"accord/providers/resource"
	"accord/providers/vaultapi"
)

// statusRecord is an integration or an integration point in a CRM vault.
type statusRecord struct {
	ID, Name, API string
	Active        bool
	row           row
}

func (r *statusRecord) word() string {
	if r.Active {
		return active
	}
	return inactive
}

// integrationRecords and pointRecords read all of a CRM vault in one query.
func (v *vault) integrationRecords(ctx context.Context) ([]statusRecord, error) {
	return v.statusRecords(ctx, objIntegration, "integration_api_name__sys")
}

func (v *vault) pointRecords(ctx context.Context) ([]statusRecord, error) {
	lrt, lsrt, err := v.timeFields(ctx)
	if err != nil {
		return nil, err
	}
	return v.statusRecords(ctx, objPoint, "integration_point_api_name__sys", lrt, lsrt)
}

// pointsBeside reads the points of a content vault without those of its connections with
// other CRM vaults: each connection has points of its own, under the same labels.
func (v *vault) pointsBeside(ctx context.Context, crm int64) ([]statusRecord, error) {
	const connection = "integration__sysr.connection__sys"
	list, err := v.statusRecords(ctx, objPoint, "integration_point_api_name__sys", connection)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	connections, err := v.connectionRecords(ctx)
	if err != nil {
		return nil, err
	}
	others := map[string]bool{}
	for _, c := range connections {
		others[c.ID] = c.Remote != "" && c.Remote != strconv.FormatInt(crm, 10)
	}
	return slices.DeleteFunc(list, func(r statusRecord) bool { return others[r.row.one(connection)] }), nil
}

func (v *vault) statusRecords(ctx context.Context, object, api string, more ...string) ([]statusRecord, error) {
	columns := strings.Join(append([]string{"id", "name__v", "status__v", api}, more...), ", ")
	rows, err := v.caller().all(ctx, "SELECT "+columns+" FROM "+object)
	if err != nil {
		return nil, err
	}
	list := make([]statusRecord, len(rows))
	for n, r := range rows {
		list[n] = statusRecord{ID: r.text("id"), Name: r.text("name__v"), API: r.text(api), Active: r.one("status__v") == "active__v", row: r}
	}
	v.sawStatuses(object, list)
	return list, nil
}

// findRecord finds a record by its API name, else by its label, which is the
// only name that the platform publishes.
func findRecord(list []statusRecord, api, label string) *statusRecord {
	for n := range list {
		if list[n].API == api {
			return &list[n]
		}
	}
	for n := range list {
		if list[n].Name == label {
			return &list[n]
		}
	}
	return nil
}

// leaving reports whether a plan deactivates an integration or a point, or takes its
// block out.
func leaving[T any](c *resource.Change[T], status func(*T) string) bool {
	return c.Recorded != nil && (c.Desired == nil || status(c.Desired) == inactive && c.Live != nil && status(c.Live) == active)
}

// noRecord answers a change whose record could not be read, or is not there.
func noRecord[T any](c *resource.Change[T], r *statusRecord, err error, what string) bool {
	switch {
	case err != nil:
		c.Fail(err)
	case r != nil:
		return false
	case c.Action == providers.Remove:
		c.Gone()
	default:
		c.Fail(providers.Errorf(providers.NotFound, "%s is not there any more", what))
	}
	return true
}

// statusWriter gathers changes of statuses, and writes them in one batch for
// each vault. What is so already is not written.
type statusWriter struct {
	object string
	rows   map[*vault][]vaultapi.Fields
	then   map[*vault][]func(error)
}

func (w *statusWriter) add(v *vault, r *statusRecord, status string, done func(), fail func(error)) {
	if r.word() == status {
		done()
		return
	}
	if w.rows == nil {
		w.rows, w.then = map[*vault][]vaultapi.Fields{}, map[*vault][]func(error){}
	}
	w.rows[v] = append(w.rows[v], vaultapi.Fields{"id": r.ID, "status__v": statusName(status)})
	w.then[v] = append(w.then[v], func(err error) {
		if err != nil {
			fail(contractError("write "+r.Name, err))
			return
		}
		done()
	})
}

func (w *statusWriter) write(ctx context.Context) {
	for v, rows := range w.rows {
		for n, result := range v.client.UpdateRecords(ctx, w.object, rows) {
			w.then[v][n](result.Err)
		}
	}
}
