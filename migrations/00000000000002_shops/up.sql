-- Applications on the Open Platform, shops connected through them, their tokens, and how far each shop is read.

CREATE TABLE applications (
    id uuid PRIMARY KEY,
    -- The platform itself for hosted applications.
    merchant_id uuid NOT NULL REFERENCES merchants (id),
    gateway text NOT NULL CONSTRAINT applications_gateway CHECK (gateway IN ('production', 'sandbox')),
    client_id text NOT NULL CONSTRAINT applications_client_id_length CHECK (char_length(client_id) BETWEEN 1 AND 128),
    data_key_id uuid NOT NULL,
    client_secret_sealed bytea NOT NULL,
    app_type text NOT NULL DEFAULT '',
    packages text[] NOT NULL DEFAULT '{}',
    state text NOT NULL DEFAULT 'active' CONSTRAINT applications_state CHECK (state IN ('active', 'stopped')),
    -- The platform's code, never its text: every merchant with a shop on a hosted application reads it.
    stop_reason text,
    stopped_at timestamptz,
    resumed_at timestamptz,
    -- Stops and failed probes in a row; how long the next probe waits.
    probes integer NOT NULL DEFAULT 0,
    -- APIs this application was told it may not call (20031), so that they are not tried for every order.
    denied_apis text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (merchant_id, id),
    CONSTRAINT applications_client_once UNIQUE (gateway, client_id),
    CONSTRAINT applications_stopped_has_reason CHECK ((state = 'stopped') = (stop_reason IS NOT NULL)),
    CONSTRAINT applications_denied_apis_count CHECK (cardinality(denied_apis) <= 64),
    FOREIGN KEY (merchant_id, data_key_id) REFERENCES data_keys (merchant_id, id)
);
CALL tenant_table('applications', 'SELECT, INSERT, UPDATE');
CREATE POLICY hosted ON applications FOR SELECT TO kamiflow_app
    USING (merchant_id = '00000000-0000-0000-0000-000000000000');

CREATE TABLE shops (
    id uuid PRIMARY KEY,
    merchant_id uuid NOT NULL REFERENCES merchants (id),
    -- The merchant's own application or a hosted one, never another merchant's.
    application_merchant_id uuid NOT NULL,
    application_id uuid NOT NULL,
    gateway text NOT NULL CONSTRAINT shops_gateway CHECK (gateway IN ('production', 'sandbox')),
    mall_id bigint NOT NULL CONSTRAINT shops_mall_id_positive CHECK (mall_id > 0),
    name text NOT NULL,
    state text NOT NULL DEFAULT 'trial_run' CONSTRAINT shops_state CHECK (state IN ('trial_run', 'live', 'stopped', 'disconnected')),
    stop_reason text,
    -- Orders paid before it are held as backlog. NULL until the shop goes live.
    deliver_from timestamptz,
    connected_at timestamptz NOT NULL DEFAULT now(),
    -- Set by a restore: the moment the backup shows, when it was restored, and when reconciling had read what lies between.
    restored_snapshot_at timestamptz,
    restored_at timestamptz,
    reconciled_at timestamptz,
    UNIQUE (merchant_id, id),
    CONSTRAINT shops_restored_has_snapshot CHECK ((restored_at IS NULL) = (restored_snapshot_at IS NULL)),
    CONSTRAINT shops_live_is_reconciled CHECK (state <> 'live' OR restored_at IS NULL OR reconciled_at IS NOT NULL),
    -- What was paid before a restore may have been delivered by what was lost; a person releases it order by order.
    CONSTRAINT shops_live_since_restore CHECK (state <> 'live' OR restored_at IS NULL OR deliver_from >= restored_at),
    CONSTRAINT shops_application_is_ours CHECK (
        application_merchant_id IN (merchant_id, '00000000-0000-0000-0000-000000000000')),
    CONSTRAINT shops_live_has_start CHECK (state <> 'live' OR deliver_from IS NOT NULL),
    FOREIGN KEY (application_merchant_id, application_id) REFERENCES applications (merchant_id, id)
);
-- A mall is connected once in the whole service.
CREATE UNIQUE INDEX shops_mall_once ON shops (gateway, mall_id) WHERE state <> 'disconnected';
CREATE INDEX shops_of_merchant ON shops (merchant_id, connected_at);
CREATE INDEX shops_of_application ON shops (application_id);
CALL tenant_table('shops', 'SELECT, INSERT, UPDATE');

-- Hot columns apart from the shop's own row. fillfactor and few indexes keep updates heap-only.
CREATE TABLE shop_sync (
    shop_id uuid PRIMARY KEY,
    merchant_id uuid NOT NULL,
    -- Everything updated before it has been read; moved by windows only.
    orders_watermark timestamptz NOT NULL,
    refunds_watermark timestamptz NOT NULL,
    interval_ms integer NOT NULL DEFAULT 15000,
    next_due_at timestamptz NOT NULL DEFAULT now(),
    -- Circuit breaker: consecutive failures, and until when the shop is left alone.
    failures integer NOT NULL DEFAULT 0,
    breaker_until timestamptz,
    last_peek_at timestamptz,
    last_window_at timestamptz,
    last_ok_at timestamptz,
    last_error text,
    FOREIGN KEY (merchant_id, shop_id) REFERENCES shops (merchant_id, id)
) WITH (fillfactor = 50);
CALL tenant_table('shop_sync', 'SELECT, INSERT, UPDATE');

CREATE TABLE credentials (
    id uuid PRIMARY KEY,
    merchant_id uuid NOT NULL,
    shop_id uuid NOT NULL,
    data_key_id uuid NOT NULL,
    access_token_sealed bytea NOT NULL,
    refresh_token_sealed bytea NOT NULL,
    token_version bigint NOT NULL DEFAULT 1,
    expires_at timestamptz NOT NULL,
    refresh_expires_at timestamptz NOT NULL,
    scopes text[] NOT NULL DEFAULT '{}',
    -- The refresh job's row: who is at it, until when nobody else may start, which version was already tried.
    refresh_holder uuid,
    refresh_deadline timestamptz,
    refresh_tried_version bigint NOT NULL DEFAULT 0,
    refresh_unknown_retries integer NOT NULL DEFAULT 0,
    -- Set when a refresh did not extend the lifetime: from here only the owner's authorization helps.
    needs_reauthorization_at timestamptz,
    reminded text[] NOT NULL DEFAULT '{}',
    dead_reason text,
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (merchant_id, id),
    CONSTRAINT credentials_one_per_shop UNIQUE (shop_id),
    FOREIGN KEY (merchant_id, shop_id) REFERENCES shops (merchant_id, id),
    FOREIGN KEY (merchant_id, data_key_id) REFERENCES data_keys (merchant_id, id)
);
CREATE INDEX credentials_by_expiry ON credentials (expires_at) WHERE dead_reason IS NULL;
CALL tenant_table('credentials', 'SELECT, INSERT, UPDATE');

-- Merged spans that prove which part of a shop's history was read, by what, and how much was found.
CREATE TABLE coverage (
    id uuid PRIMARY KEY,
    merchant_id uuid NOT NULL,
    shop_id uuid NOT NULL,
    kind text NOT NULL CONSTRAINT coverage_kind CHECK (kind IN ('orders', 'refunds')),
    source text NOT NULL CONSTRAINT coverage_source CHECK (source IN ('window', 'reconcile')),
    from_at timestamptz NOT NULL,
    to_at timestamptz NOT NULL,
    windows integer NOT NULL DEFAULT 1,
    -- Distinct numbers read, what the platform said there were, and which of them push had announced before.
    found integer NOT NULL DEFAULT 0,
    announced integer NOT NULL DEFAULT 0,
    fresh integer NOT NULL DEFAULT 0,
    opened_at timestamptz NOT NULL DEFAULT now(),
    closed boolean NOT NULL DEFAULT false,
    UNIQUE (merchant_id, id),
    CONSTRAINT coverage_forward CHECK (to_at > from_at),
    FOREIGN KEY (merchant_id, shop_id) REFERENCES shops (merchant_id, id)
) WITH (fillfactor = 50);
-- from_at never changes after the insert, so extending the open span stays heap-only.
CREATE INDEX coverage_of_shop ON coverage (merchant_id, shop_id, kind, from_at);
CALL tenant_table('coverage', 'SELECT, INSERT, UPDATE');
