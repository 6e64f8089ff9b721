-- With what somebody acted: 'session:<id>', 'api_token:<id>'. NULL for parts of the system, for refused logins, and for rows that are older
-- than this column. No foreign key: the record outlives sessions and tokens.
ALTER TABLE audit
    ADD COLUMN IF NOT EXISTS credential text,
    -- What the API token was called at that time.
    ADD COLUMN IF NOT EXISTS credential_name text;

-- Everything that was done with a token that got lost. Rows without a credential, all that there are when this runs, are not in it.
CREATE INDEX IF NOT EXISTS audit_credential_idx ON audit (credential, at DESC, id DESC) WHERE credential IS NOT NULL;

-- From where the token was handed out, so that a session that goes on elsewhere can be told. NULL: an older gateway did not say.
ALTER TABLE refresh_tokens ADD COLUMN IF NOT EXISTS ip text;
