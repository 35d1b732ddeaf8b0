DROP TABLE platform_looks;
ALTER TABLE sessions DROP COLUMN family_hash;
