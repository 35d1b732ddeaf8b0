DROP TABLE coverage;
DROP TABLE credentials;
DROP TABLE shop_sync;
DROP TABLE shops;
DROP TABLE applications;
