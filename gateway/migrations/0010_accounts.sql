-- Sign-in beyond a password: other providers, API tokens, and sessions that end at once.

-- Who signs in elsewhere needs no password here.
ALTER TABLE users ALTER COLUMN password_hash DROP NOT NULL;
ALTER TABLE users
    -- Access tokens say which epoch they are from. Disabling a user and setting another password begin a new one, which ends
    -- every session before it.
    ADD COLUMN session_epoch bigint NOT NULL DEFAULT 0,
    ADD COLUMN last_login_at timestamptz;

-- From what the successor of a used refresh token is derived, together with the token itself, which is not stored. Two requests that use
-- the same token at once thereby get the same successor.
ALTER TABLE refresh_tokens ADD COLUMN successor_salt bytea;
-- Asked for every request with an access token: is the session of that token over? Revoked rows are few.
CREATE INDEX refresh_tokens_revoked_idx ON refresh_tokens (family) WHERE revoked_at IS NOT NULL;

-- People as other providers know them. Addresses change; issuer and subject together do not.
CREATE TABLE user_identities (
    issuer     text        NOT NULL,
    subject    text        NOT NULL,
    user_id    uuid        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (issuer, subject)
);

CREATE INDEX user_identities_user_idx ON user_identities (user_id);

-- A sign-in elsewhere that is done, until the client that began it collects its tokens. Good for a minute and for one use.
CREATE TABLE login_codes (
    code_hash  bytea       PRIMARY KEY,
    user_id    uuid        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- SHA-256 of the secret that only the client that began the sign-in has.
    challenge  bytea       NOT NULL,
    expires_at timestamptz NOT NULL
);

-- Tokens for programs: named, limited to scopes, and good for a time. Only the hash is stored.
CREATE TABLE api_tokens (
    id           uuid        PRIMARY KEY,
    user_id      uuid        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name         text        NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    token_hash   bytea       NOT NULL,
    scopes       text[]      NOT NULL CHECK (cardinality(scopes) > 0),
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    -- Exact to a minute, so that reading is not writing.
    last_used_at timestamptz
);

CREATE UNIQUE INDEX api_tokens_hash_key ON api_tokens (token_hash);
CREATE UNIQUE INDEX api_tokens_name_key ON api_tokens (user_id, lower(name));

-- Failed logins, which slow further ones down; shared by all gateways. Not worth a write-ahead log: a crash forgives.
CREATE UNLOGGED TABLE login_attempts (
    -- SHA-256 of what is counted: an address, an account, or both together.
    key      bytea       PRIMARY KEY,
    failures integer     NOT NULL,
    last_at  timestamptz NOT NULL
);

CREATE INDEX login_attempts_last_idx ON login_attempts (last_at);

-- What an act was done to: user:ID or api_token:ID. Tasks have a column of their own.
ALTER TABLE audit ADD COLUMN IF NOT EXISTS target text;

-- Tells every gateway to look whether those who watch something still may.
CREATE FUNCTION tell_access_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('codex_access', '');
    RETURN NULL;
END;
$$;

CREATE TRIGGER users_access_changed
    AFTER UPDATE OF disabled, role, session_epoch OR DELETE ON users
    FOR EACH STATEMENT EXECUTE FUNCTION tell_access_changed();

CREATE TRIGGER api_tokens_access_changed
    AFTER DELETE ON api_tokens
    FOR EACH STATEMENT EXECUTE FUNCTION tell_access_changed();

CREATE TRIGGER refresh_tokens_access_changed
    AFTER UPDATE OF revoked_at ON refresh_tokens
    FOR EACH STATEMENT EXECUTE FUNCTION tell_access_changed();
