-- What the second reading of accounts, teams and the console asked for.

-- A part of every refresh token of a session, the same from the first to the last. Who presents it held a token that was
-- good once; who does not knows no more than the session's id, which is no secret.
ALTER TABLE sessions
    ADD COLUMN family_hash bytea CONSTRAINT sessions_family_hash CHECK (octet_length(family_hash) = 32);

-- What the platform answered when somebody last looked at a shop, so that not every look asks it.
CREATE TABLE platform_looks (
    merchant_id uuid NOT NULL,
    shop_id uuid NOT NULL,
    looked_at timestamptz NOT NULL,
    -- Whose answer it is: another token deserves another look.
    token_version bigint NOT NULL,
    -- What cures it; NULL is green.
    credentials text,
    clock text,
    PRIMARY KEY (merchant_id, shop_id),
    FOREIGN KEY (merchant_id, shop_id) REFERENCES shops (merchant_id, id)
);
CALL tenant_table('platform_looks', 'SELECT, INSERT, UPDATE');
