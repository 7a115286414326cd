package devvault

// platformSchema is what schema is for the services of a vault beside its content.
const platformSchema = `
-- a file that a job made
CREATE TABLE IF NOT EXISTS job_files (job INTEGER PRIMARY KEY, name TEXT NOT NULL, media TEXT NOT NULL, content BLOB NOT NULL);

-- what was done, by whom: a row is a line of an audit trail. Trails are numbered in audit.go, and n counts the lines of a trail of a vault.
-- target is the id of the document or record; detail the columns of the line that are not empty, as JSON.
CREATE TABLE IF NOT EXISTS audit (
	slot INTEGER NOT NULL,
	trail INTEGER NOT NULL,
	n INTEGER NOT NULL,
	at INTEGER NOT NULL,
	user INTEGER NOT NULL,
	target TEXT NOT NULL,
	detail TEXT NOT NULL,
	PRIMARY KEY (slot, trail, n)
) WITHOUT ROWID;

-- what is known of a user beside name, password and memberships: JSON by the name of the users API
CREATE TABLE IF NOT EXISTS profiles (user INTEGER PRIMARY KEY, fields TEXT NOT NULL);
-- groups of users; members and security_profiles are JSON arrays
CREATE TABLE IF NOT EXISTS groups (
	id INTEGER PRIMARY KEY,
	slot INTEGER NOT NULL,
	name TEXT NOT NULL,
	label TEXT NOT NULL,
	description TEXT NOT NULL,
	active INTEGER NOT NULL,
	members TEXT NOT NULL,
	profiles TEXT NOT NULL,
	created INTEGER NOT NULL,
	created_by INTEGER NOT NULL,
	modified INTEGER NOT NULL,
	modified_by INTEGER NOT NULL,
	UNIQUE (slot, name)
);
-- who has a role on a document beside its owner; kind is user or group
CREATE TABLE IF NOT EXISTS roles (
	slot INTEGER NOT NULL,
	doc INTEGER NOT NULL,
	role TEXT NOT NULL,
	kind TEXT NOT NULL,
	member INTEGER NOT NULL,
	PRIMARY KEY (slot, doc, role, kind, member)
) WITHOUT ROWID;
-- documents that are checked out
CREATE TABLE IF NOT EXISTS locks (slot INTEGER NOT NULL, doc INTEGER NOT NULL, user INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (slot, doc)) WITHOUT ROWID;
-- attachments of documents: a row is a version of one
CREATE TABLE IF NOT EXISTS attachments (
	slot INTEGER NOT NULL,
	doc INTEGER NOT NULL,
	id INTEGER NOT NULL,
	version INTEGER NOT NULL,
	filename TEXT NOT NULL,
	description TEXT NOT NULL,
	media TEXT NOT NULL,
	size INTEGER NOT NULL,
	md5 TEXT NOT NULL,
	created INTEGER NOT NULL,
	created_by INTEGER NOT NULL,
	content BLOB,
	UNIQUE (slot, doc, id, version)
);
CREATE INDEX IF NOT EXISTS attachments_id ON attachments (slot, id);
-- files and folders of file staging; paths begin with a slash and end without one
CREATE TABLE IF NOT EXISTS staging (
	slot INTEGER NOT NULL,
	path TEXT NOT NULL,
	folder INTEGER NOT NULL,
	size INTEGER NOT NULL,
	md5 TEXT NOT NULL,
	modified INTEGER NOT NULL,
	content BLOB,
	UNIQUE (slot, path)
);
CREATE TABLE IF NOT EXISTS uploads (
	id TEXT PRIMARY KEY,
	slot INTEGER NOT NULL,
	path TEXT NOT NULL,
	size INTEGER NOT NULL,
	overwrite INTEGER NOT NULL,
	owner INTEGER NOT NULL,
	created INTEGER NOT NULL,
	used INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS upload_parts (upload TEXT NOT NULL, n INTEGER NOT NULL, size INTEGER NOT NULL, md5 TEXT NOT NULL, content BLOB NOT NULL, UNIQUE (upload, n));
`
