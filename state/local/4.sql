-- Version 4: items that stay as they are, and of which people are told until that ends (CLM-1).
ALTER TABLE failure ADD COLUMN kept INTEGER NOT NULL DEFAULT 0; -- 1: it does not fail
