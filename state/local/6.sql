-- Version 6: what a run that is owed may do beyond the limits stands beside the reason.
ALTER TABLE owed ADD COLUMN withdraw INTEGER NOT NULL DEFAULT 0; -- so many items
ALTER TABLE owed ADD COLUMN publish  INTEGER NOT NULL DEFAULT 0;
DELETE FROM owed WHERE reason LIKE 'allow%'; -- in the words of earlier versions
