-- Version 6.

-- What a run that is owed may do beyond the limits stands beside the reason.
ALTER TABLE owed ADD COLUMN withdraw BIGINT NOT NULL DEFAULT 0; -- so many items
ALTER TABLE owed ADD COLUMN publish  BIGINT NOT NULL DEFAULT 0;
DELETE FROM owed WHERE reason LIKE 'allow%'; -- in the words of earlier versions

-- Not everything that people are told of is a failure.
ALTER TABLE failure RENAME TO exception;
ALTER TABLE exception ADD COLUMN type TEXT NOT NULL DEFAULT '';
UPDATE exception SET type = 'kept' WHERE kept <> 0;
UPDATE exception SET type = 'message' WHERE general <> 0;
ALTER TABLE exception DROP COLUMN kept;
ALTER TABLE exception DROP COLUMN general;
