package devvault

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"sync"
	"sync/atomic"

	"accord/providers/devvault/mdl"
)

// vault is one vault of a server.
type vault struct {
	s                               *Server
	slot, id                        int64
	name, kind, environment, domain string
	created                         int64
	engine                          atomic.Bool // see engine.go

	cat    atomic.Pointer[catalog]
	schema sync.Mutex // held by who changes the catalog, until it is committed

	extents sync.Map // object → int64

	// Only writes touch these.
	lastDoc    int64
	lastRecord map[int64]int64 // by extent
}

// VaultSpec describes a vault, for AddVault.
type VaultSpec struct {
	Name        string `json:"name"`        // also the first part of its path
	Kind        string `json:"kind"`        // promomats, medcomms, crm, align
	Environment string `json:"environment"` // production or sandbox; sandbox when empty
	Domain      string `json:"domain"`      // dev when empty
	ID          int64  `json:"id"`          // the next free one when zero
}

var vaultName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)

// AddVault makes a vault with the standard content of its kind, and its admin, admin@NAME.dev, with the server's password.
// A vault of that name and kind that is there already is left as it is.
func (s *Server) AddVault(spec VaultSpec) error {
	if spec.Environment == "" {
		spec.Environment = "sandbox"
	}
	if spec.Domain == "" {
		spec.Domain = "dev"
	}
	if old := s.vault(spec.Name); old != nil {
		if old.kind != spec.Kind || old.environment != spec.Environment || old.domain != spec.Domain || spec.ID != 0 && spec.ID != old.id {
			return fmt.Errorf("the vault %s is there already, and is another: %s, %s, domain %s, id %d", old.name, old.kind, old.environment, old.domain, old.id)
		}
		return nil
	}
	if !vaultName.MatchString(spec.Name) {
		return fmt.Errorf("%q cannot be the name of a vault: small letters, digits and hyphens only", spec.Name)
	}
	standard := standardCatalogs[spec.Kind]
	if standard == nil {
		return fmt.Errorf("there is no kind of vault %q; there are promomats, medcomms, crm and align", spec.Kind)
	}
	if spec.Environment != "production" && spec.Environment != "sandbox" {
		return fmt.Errorf("%q is no environment of a vault: production or sandbox", spec.Environment)
	}
	return s.store.update(func(t *tx) error {
		v := &vault{s: s, name: spec.Name, kind: spec.Kind, environment: spec.Environment, domain: spec.Domain,
			created: s.clock.now().UnixMilli(), lastRecord: map[int64]int64{}}
		ctx := context.Background()
		if _, err := one(ctx, t, []any{&v.slot, &v.id}, `SELECT coalesce(max(slot), 0) + 1, max(coalesce(max(id), 0) + 1, 1001) FROM vaults`); err != nil {
			return err
		}
		if spec.ID != 0 {
			v.id = spec.ID
		}
		if s.vaultByID(v.id) != nil || s.vault(v.name) != nil {
			return fmt.Errorf("there is a vault %s or a vault with id %d already", v.name, v.id)
		}
		v.cat.Store(standard())
		if err := t.exec(`INSERT INTO vaults VALUES (?, ?, ?, ?, ?, ?, ?)`, v.slot, v.id, v.name, v.kind, v.environment, v.domain, v.created); err != nil {
			return err
		}
		id, err := s.nextUser(t)
		if err != nil {
			return err
		}
		admin := &user{ID: id, Name: "admin@" + v.name + ".dev", Domain: v.domain, enabled: true,
			members: map[int64]*member{v.slot: {profile: "system_admin__v", active: true}}}
		if err := t.exec(`INSERT INTO users VALUES (?, ?, '', ?, 1)`, admin.ID, admin.Name, admin.Domain); err != nil {
			return err
		}
		if err := t.exec(`INSERT INTO members VALUES (?, ?, 'system_admin__v', 1, 0)`, admin.ID, v.slot); err != nil {
			return err
		}
		if err := v.makeExtents(t, v.catalog()); err != nil {
			return err
		}
		if err := v.addStandardRecords(t, admin.ID); err != nil {
			return fmt.Errorf("make standard records: %w", err)
		}
		t.then(func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.vaults[v.name], s.slots[v.slot], s.users[admin.Name] = v, v, admin
		})
		return nil
	})
}

// open reads what is kept of a vault beside its content.
func (v *vault) open(ctx context.Context) error {
	standard := standardCatalogs[v.kind]
	if standard == nil {
		return fmt.Errorf("there is no kind of vault %q", v.kind)
	}
	v.lastRecord = map[int64]int64{}
	v.cat.Store(standard())
	rows, err := v.s.store.read.QueryContext(ctx, `SELECT extent, object FROM extents WHERE slot = ?`, v.slot)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var n int64
		var object string
		if err := rows.Scan(&n, &object); err != nil {
			return err
		}
		v.extents.Store(object, n)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if err := v.loadComponents(ctx); err != nil {
		return err
	}
	return v.s.store.update(func(t *tx) error { return v.makeExtents(t, v.catalog()) })
}

// loadComponents lays the components that were changed over the standard catalog.
func (v *vault) loadComponents(ctx context.Context) error {
	rows, err := v.s.store.read.QueryContext(ctx, `SELECT type, name, mdl FROM components WHERE slot = ?
		ORDER BY CASE type WHEN 'Picklist' THEN 0 WHEN 'Objectlifecycle' THEN 1 WHEN 'Object' THEN 2 WHEN 'Doclifecycle' THEN 3 ELSE 4 END, type, name`, v.slot)
	if err != nil {
		return err
	}
	defer rows.Close()
	cat := v.catalog()
	var list []mdl.Component
	for rows.Next() {
		var typ, name, text string
		if err := rows.Scan(&typ, &name, &text); err != nil {
			return err
		}
		if cat == v.catalog() {
			cat = cat.clone()
		}
		if text == "" {
			list = append(list, mdl.Component{Command: mdl.Drop, Type: typ, Name: name})
			continue
		}
		script, err := mdl.Parse(text)
		if err != nil || len(script) != 1 {
			return fmt.Errorf("read component %s.%s: %w", typ, name, err)
		}
		x := script[0].Component
		if typ == "Object" && cat.objects[name] == nil { // others may refer to it before it is read
			cat.objects[name] = newObject(name, x.Text("label"), x.Text("label_plural"), cat.customPrefix(name))
		}
		list = append(list, x)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	// What one component needs may come after it: those that fail are tried again after the others.
	for len(list) > 0 {
		var later []mdl.Component
		var failed error
		for _, x := range list {
			var err error
			if x.Command == mdl.Drop {
				if _, exists := cat.component(x.Type, x.Name); exists {
					err = cat.drop(x.Type, x.Name)
				}
			} else {
				err = cat.conform(x)
			}
			if err != nil {
				later, failed = append(later, x), fmt.Errorf("read component %s: %w", x.Key(), err)
			}
		}
		if len(later) == len(list) {
			return failed
		}
		list = later
	}
	v.cat.Store(cat)
	return nil
}

func (v *vault) catalog() *catalog { return v.cat.Load() }

// extent is the number under which the records of an object are kept. Every object of the catalog has one.
func (v *vault) extent(object string) int64 {
	if n, found := v.extents.Load(object); found {
		return n.(int64)
	}
	return 0
}

// makeExtents gives numbers to the objects of a catalog that have none yet.
func (v *vault) makeExtents(t *tx, cat *catalog) error {
	for _, object := range names(cat.objects) {
		if v.extent(object) != 0 {
			continue
		}
		var n int64
		if _, err := one(bg, t, []any{&n}, `INSERT INTO extents (slot, object) VALUES (?, ?) ON CONFLICT (slot, object) DO UPDATE SET object = excluded.object
			RETURNING extent`, v.slot, object); err != nil {
			return err
		}
		t.then(func() { v.extents.Store(object, n) })
		if v.s.vault(v.name) != v { // nobody sees the vault yet, and its first records come in this write
			v.extents.Store(object, n)
		}
	}
	return nil
}

// recordID is a record's id: a prefix of three characters, and a number of twelve digits.
func recordID(prefix string, n int64) string {
	b := []byte(prefix + "000000000000")
	for i := len(b) - 1; n > 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
	return string(b)
}

// nextRecord gives out the next id of an object; an id is never given out twice.
func (v *vault) nextRecord(t *tx, o *object, extent int64) (string, error) {
	last, known := v.lastRecord[extent]
	if !known {
		var highest string
		_, err := one(context.Background(), t, []any{&highest}, `SELECT max(coalesce((SELECT max(id) FROM records WHERE extent = ?), ''),
			coalesce((SELECT max(id) FROM deletions WHERE slot = ? AND kind = ?), ''))`, extent, v.slot, o.Name)
		if err != nil {
			return "", err
		}
		if len(highest) == 15 {
			fmt.Sscanf(highest[3:], "%d", &last)
		}
	}
	v.lastRecord[extent] = last + 1
	return recordID(o.Prefix, last+1), nil
}

// nextDoc gives out the next document id; an id is never given out twice.
func (v *vault) nextDoc(t *tx) (int64, error) {
	if v.lastDoc == 0 {
		var live, gone sql.NullInt64
		ctx := context.Background()
		if _, err := one(ctx, t, []any{&live}, `SELECT max(key) FROM versions WHERE key < ?`, versionKey(v.slot+1, 0, 0)); err != nil {
			return 0, err
		}
		if live.Int64>>slotShift == v.slot {
			v.lastDoc = live.Int64 >> docShift & maxDoc
		}
		if _, err := one(ctx, t, []any{&gone}, `SELECT max(CAST(id AS INTEGER)) FROM deletions WHERE slot = ? AND kind = 'document__sys'`, v.slot); err != nil {
			return 0, err
		}
		v.lastDoc = max(v.lastDoc, gone.Int64)
	}
	if v.lastDoc >= maxDoc {
		return 0, fmt.Errorf("the vault is full: %d documents", v.lastDoc)
	}
	v.lastDoc++
	return v.lastDoc, nil
}
