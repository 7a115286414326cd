-- Version 2: failures of whole syncs (ERR-1), what items they are, and what people say of them.
ALTER TABLE failure ADD COLUMN general    INTEGER NOT NULL DEFAULT 0; -- 1: of the whole sync
ALTER TABLE failure ADD COLUMN routes     TEXT NOT NULL DEFAULT 'null';
ALTER TABLE failure ADD COLUMN names      TEXT NOT NULL DEFAULT 'null'; -- of the groups that the item is in
ALTER TABLE failure ADD COLUMN ack        TEXT NOT NULL DEFAULT 'null';
ALTER TABLE failure ADD COLUMN retried    BIGINT NOT NULL DEFAULT 0;
ALTER TABLE failure ADD COLUMN retried_by TEXT NOT NULL DEFAULT '';
