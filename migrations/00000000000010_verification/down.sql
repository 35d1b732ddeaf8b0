DROP TABLE mailed_notices;
DROP TABLE notification_addresses;
DROP TABLE handled_outside;
DROP FUNCTION system_ask_take_over(uuid, text, bigint, timestamptz);
REVOKE INSERT ON outbox FROM kamiflow_system;
DROP TABLE take_over_requests;
ALTER TABLE credentials
    DROP COLUMN issued_at,
    DROP COLUMN r1_expires_at,
    DROP COLUMN r2_expires_at,
    DROP COLUMN w1_expires_at,
    DROP COLUMN w2_expires_at;
DROP TABLE wizard_places;
DROP TABLE own_applications;
DROP TABLE authorization_requests;
DROP TABLE authorization_links;
DROP FUNCTION system_merchants_of_identity(uuid);
DROP FUNCTION system_count_identity(bytea);
DROP FUNCTION system_verification_queue(integer);
DROP TABLE verification_looks;
DROP TABLE verification_pictures;
DROP TABLE verifications;
DROP FUNCTION verifications_guard();
