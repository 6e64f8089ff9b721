-- What an act was done to, where that is no task: 'user:<id>', 'api_token:<id>'.
ALTER TABLE audit ADD COLUMN IF NOT EXISTS target text;

-- Newest first, with the id to tell rows of one transaction apart: the order of pages. It replaces the index on the time alone.
CREATE INDEX IF NOT EXISTS audit_recent_idx ON audit (at DESC, id DESC);
CREATE INDEX IF NOT EXISTS audit_actor_idx ON audit (lower(actor), at DESC, id DESC);
CREATE INDEX IF NOT EXISTS audit_action_idx ON audit (action, at DESC, id DESC);
CREATE INDEX IF NOT EXISTS audit_target_idx ON audit (target, at DESC, id DESC) WHERE target IS NOT NULL;
DROP INDEX IF EXISTS audit_at_idx;

-- Rows are never changed. They go when they are older than the configured time, which cannot be less than 30 days, and only by the job
-- that says so; whatever else a gateway is made to run, the last 30 days stay.
DROP TRIGGER audit_append_only ON audit;

CREATE FUNCTION refuse_audit_deletion() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(current_setting('codex.audit_expiry', true), '') <> 'on' OR OLD.at > now() - interval '30 days' THEN
        RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN OLD;
END;
$$;

CREATE TRIGGER audit_append_only
    BEFORE UPDATE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();

CREATE TRIGGER audit_expiry
    BEFORE DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION refuse_audit_deletion();
