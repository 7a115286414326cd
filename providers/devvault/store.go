package devvault

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/crc32"
	"net/url"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite"
)

// schema is the whole storage of a data folder: one file for all vaults, so that a write is one transaction
// and the source of a CrossLink is a row away.
//
// Rows of a vault carry its slot, a small number that stands for the vault. Times are milliseconds since 1970, UTC.
// `fields` is a JSON object of the values that have no column of their own; a field without a value is absent from it, never null.
// Inside it, and in no other form: String, LongText, URL → string; Number → number; Boolean → true or false; Date → "2026-01-31";
// DateTime → "2026-01-31T00:00:00.000Z"; Picklist → array of value names, single ones too; a document's ObjectReference → array of
// record ids; an object's reference → the record id as a string.
const schema = `
CREATE TABLE IF NOT EXISTS vaults (
	slot INTEGER PRIMARY KEY,
	id INTEGER NOT NULL UNIQUE,
	name TEXT NOT NULL UNIQUE,
	kind TEXT NOT NULL,
	environment TEXT NOT NULL,
	domain TEXT NOT NULL,
	created INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS users (
	id INTEGER PRIMARY KEY,
	name TEXT NOT NULL UNIQUE,
	digest TEXT NOT NULL,
	domain TEXT NOT NULL,
	active INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS members (
	user INTEGER NOT NULL,
	slot INTEGER NOT NULL,
	profile TEXT NOT NULL,
	active INTEGER NOT NULL,
	last_login INTEGER NOT NULL,
	PRIMARY KEY (user, slot)
) WITHOUT ROWID;
-- settings of the server itself, such as how far its clock is set ahead
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- components that differ from the standard content of the vault's kind, as canonical MDL; an empty text is a dropped one
CREATE TABLE IF NOT EXISTS components (
	slot INTEGER NOT NULL,
	type TEXT NOT NULL,
	name TEXT NOT NULL,
	mdl TEXT NOT NULL,
	PRIMARY KEY (slot, type, name)
) WITHOUT ROWID;

-- an extent is all records of one object of one vault
CREATE TABLE IF NOT EXISTS extents (
	extent INTEGER PRIMARY KEY,
	slot INTEGER NOT NULL,
	object TEXT NOT NULL,
	UNIQUE (slot, object)
);
CREATE TABLE IF NOT EXISTS records (
	key INTEGER PRIMARY KEY,
	extent INTEGER NOT NULL,
	id TEXT NOT NULL,               -- "V0A000000000001", 15 characters, in the order of creation
	name TEXT,                      -- name__v
	status TEXT NOT NULL,           -- status__v: active__v | inactive__v
	type TEXT NOT NULL,             -- object type by name: base__v, clm_integration_settings__v
	state TEXT,                     -- state__v
	external_id TEXT,               -- external_id__v
	link TEXT,                      -- link__sys
	created INTEGER NOT NULL,       -- created_date__v
	created_by INTEGER NOT NULL,
	modified INTEGER NOT NULL,      -- modified_date__v
	modified_by INTEGER NOT NULL,
	fields TEXT NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS records_id ON records (extent, id);
CREATE INDEX IF NOT EXISTS records_name ON records (extent, name);
CREATE INDEX IF NOT EXISTS records_external ON records (extent, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS records_link ON records (extent, link) WHERE link IS NOT NULL;
CREATE INDEX IF NOT EXISTS records_modified ON records (extent, modified);
-- one row for each value of a unique field that is not a column
CREATE TABLE IF NOT EXISTS uniques (
	extent INTEGER NOT NULL,
	field TEXT NOT NULL,
	value TEXT NOT NULL,
	id TEXT NOT NULL,
	PRIMARY KEY (extent, field, value)
) WITHOUT ROWID;
-- one row for each reference from a record to a record: target is the referred id, id the referring record
CREATE TABLE IF NOT EXISTS refs (
	extent INTEGER NOT NULL,
	field TEXT NOT NULL,
	target TEXT NOT NULL,
	id TEXT NOT NULL,
	PRIMARY KEY (extent, field, target, id)
) WITHOUT ROWID;

-- one row for each version of each document or binder; key = slot<<48 | doc<<16 | seq, so the table lies in the order of id
CREATE TABLE IF NOT EXISTS versions (
	key INTEGER PRIMARY KEY,
	slot INTEGER NOT NULL,
	doc INTEGER NOT NULL,           -- id
	seq INTEGER NOT NULL,           -- 1, 2, 3… the last part of global_version_id__sys; stays when 0.2 becomes 1.0
	major INTEGER NOT NULL,
	minor INTEGER NOT NULL,
	latest INTEGER NOT NULL,        -- 1 on the row with the highest seq of a document
	binder INTEGER NOT NULL,        -- binder__v
	crosslink INTEGER NOT NULL,     -- crosslink__v
	name TEXT NOT NULL,             -- name__v
	number TEXT NOT NULL,           -- document_number__v
	type TEXT NOT NULL,             -- names, never labels: type__v
	subtype TEXT,
	classification TEXT,
	lifecycle TEXT NOT NULL,
	status TEXT NOT NULL,           -- the state's name
	external_id TEXT,
	link TEXT,                      -- link__sys
	version_link TEXT,              -- version_link__sys
	source INTEGER,                 -- of a CrossLink: slot<<32 | doc of what it links to
	created INTEGER NOT NULL,       -- document_creation_date__v
	created_by INTEGER NOT NULL,
	version_created INTEGER NOT NULL,
	version_created_by INTEGER NOT NULL,
	modified INTEGER NOT NULL,      -- version_modified_date__v
	modified_by INTEGER NOT NULL,   -- last_modified_by__v
	fields TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS versions_modified ON versions (slot, modified);
CREATE INDEX IF NOT EXISTS versions_external ON versions (slot, external_id) WHERE external_id IS NOT NULL AND latest = 1;
CREATE INDEX IF NOT EXISTS versions_link ON versions (slot, link) WHERE link IS NOT NULL AND latest = 1;
CREATE INDEX IF NOT EXISTS versions_source ON versions (source) WHERE source IS NOT NULL;
-- in order of id within a type, and enough to count by
CREATE INDEX IF NOT EXISTS versions_type ON versions (slot, type, key, latest, lifecycle, status);
CREATE INDEX IF NOT EXISTS versions_binders ON versions (slot, key, latest, type, lifecycle, status) WHERE binder = 1;

-- nodes of a binder version, in order; a new draft copies them, ids and all
CREATE TABLE IF NOT EXISTS nodes (
	version INTEGER NOT NULL,       -- versions.key
	ord INTEGER NOT NULL,           -- order__sys: 1, 2, 3… among the nodes of one parent
	id TEXT NOT NULL,               -- "1457556160448:810987462"
	slot INTEGER NOT NULL,
	parent TEXT NOT NULL,           -- "rootNode" or the id of a section node
	kind TEXT NOT NULL,             -- document | section | binder
	content INTEGER,                -- content_id__sys: the document
	major INTEGER,                  -- content_major_version__sys, for a specific binding
	minor INTEGER,
	name TEXT NOT NULL,
	number TEXT,                    -- section_number__v
	rule TEXT,                      -- binding_rule__v: default | steady-state | current | specific
	created INTEGER NOT NULL,
	PRIMARY KEY (version, ord, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS nodes_content ON nodes (slot, content) WHERE content IS NOT NULL;

CREATE TABLE IF NOT EXISTS relationships (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	slot INTEGER NOT NULL,
	type TEXT NOT NULL,             -- related_shared_resource__v
	source INTEGER NOT NULL,
	source_major INTEGER NOT NULL,
	source_minor INTEGER NOT NULL,
	target INTEGER NOT NULL,
	target_major INTEGER,           -- null: the relationship is to the document, not to a version
	target_minor INTEGER,
	created INTEGER NOT NULL,
	created_by INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS relationships_source ON relationships (slot, source);
CREATE INDEX IF NOT EXISTS relationships_target ON relationships (slot, target);

CREATE TABLE IF NOT EXISTS renditions (
	version INTEGER NOT NULL,       -- versions.key
	type TEXT NOT NULL,             -- viewable_rendition__v; the source file is a row of type "file"
	filename TEXT NOT NULL,
	media TEXT NOT NULL,
	size INTEGER NOT NULL,
	md5 TEXT NOT NULL,
	content BLOB,
	UNIQUE (version, type)
);

-- what was deleted: kind document__sys or document_version__sys with the document's id, else the object's name with the record's id
CREATE TABLE IF NOT EXISTS deletions (
	slot INTEGER NOT NULL,
	kind TEXT NOT NULL,
	at INTEGER NOT NULL,
	id TEXT NOT NULL,
	major INTEGER,
	minor INTEGER,
	global_id TEXT NOT NULL,
	external_id TEXT
);
CREATE INDEX IF NOT EXISTS deletions_at ON deletions (slot, kind, at);

CREATE TABLE IF NOT EXISTS jobs (
	id INTEGER PRIMARY KEY,
	slot INTEGER NOT NULL,
	title TEXT NOT NULL,
	status TEXT NOT NULL,
	user INTEGER NOT NULL,
	created INTEGER NOT NULL,
	finished INTEGER,
	result TEXT NOT NULL            -- what the job's artifacts link answers
);
CREATE TABLE IF NOT EXISTS loads (slot INTEGER NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (slot, name)) WITHOUT ROWID;
`

const (
	slotShift = 48
	docShift  = 16
	maxDoc    = 1<<32 - 1
	maxSeq    = 1<<16 - 1
)

// versionKey is the key of a version of a document, and, with seq 0, what is just below its first.
func versionKey(slot, doc, seq int64) int64 { return slot<<slotShift | doc<<docShift | seq }

// sourceKey is what versions.source holds for a CrossLink to doc of the vault in slot.
func sourceKey(slot, doc int64) int64 { return slot<<32 | doc }

// store is the embedded database: a pool of readers, and one writer that commits what came in together.
// A reader sees what was committed when its statement began, and never waits for a writer.
type store struct {
	read  *sql.DB
	write *sql.DB
	*writer
}

// openStore opens or creates the database in dir. With lax, a commit may be lost when the machine loses power, never when the process is
// killed: that is what tests want.
func openStore(dir string, lax bool) (*store, error) {
	pragmas := []string{"journal_mode(wal)", "busy_timeout(10000)", "wal_autocheckpoint(4000)"}
	if lax {
		pragmas = append(pragmas, "synchronous(off)")
	} else {
		pragmas = append(pragmas, "synchronous(normal)")
	}
	open := func(more ...string) (*sql.DB, error) {
		q := url.Values{"_pragma": append(append([]string{}, pragmas...), more...), "_txlock": {"immediate"}}
		return sql.Open("sqlite", "file:"+filepath.ToSlash(filepath.Join(dir, "vaults.db"))+"?"+q.Encode())
	}
	w, err := open("cache_size(-65536)")
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	w.SetMaxOpenConns(1)
	if err := makeTables(w); err != nil {
		w.Close()
		return nil, fmt.Errorf("create tables in %s: %w", dir, err)
	}
	r, err := open("query_only(true)", "mmap_size(17179869184)") // a page of a query is half as fast without
	if err != nil {
		w.Close()
		return nil, fmt.Errorf("open database: %w", err)
	}
	r.SetMaxOpenConns(8)
	r.SetMaxIdleConns(8)
	wr, err := startWriter(w)
	if err != nil {
		r.Close()
		w.Close()
		return nil, err
	}
	return &store{read: r, write: w, writer: wr}, nil
}

// makeTables makes the tables of a new data folder, marked by a digest of how they are
// made. A folder with others is refused: development vaults are made again, not
// carried over.
func makeTables(w *sql.DB) error {
	made := schema + recordSchema + platformSchema
	mark := int64(crc32.ChecksumIEEE([]byte(made)) >> 1)
	var tables, found int64
	if err := w.QueryRow("SELECT (SELECT count(*) FROM sqlite_master), user_version FROM pragma_user_version").Scan(&tables, &found); err != nil {
		return err
	}
	if tables > 0 {
		if found != mark {
			return errors.New("the vaults there were made by another version of accord, and have other tables; remove the folder, and the vaults are made again")
		}
		return nil
	}
	_, err := w.Exec(fmt.Sprintf("BEGIN; %s; PRAGMA user_version = %d; COMMIT", made, mark))
	return err
}

// close waits for writes under way and closes the database.
func (s *store) close() error {
	return errors.Join(s.writer.stop(), s.read.Close(), s.write.Close())
}

// one reads a single row into dest; found is false when there is none.
func one(ctx context.Context, q querier, dest []any, stmt string, args ...any) (found bool, err error) {
	rows, err := q.QueryContext(ctx, stmt, args...)
	if err != nil {
		return false, fmt.Errorf("query %s: %w", strings.Join(strings.Fields(stmt), " "), err)
	}
	defer rows.Close()
	if !rows.Next() {
		return false, rows.Err()
	}
	return true, rows.Scan(dest...)
}

// querier is what reads are done on: the pool of readers, or the transaction of a write.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}
