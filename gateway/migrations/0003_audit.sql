-- Who did what. Written in the transaction of the act itself, and never changed.
CREATE TABLE audit (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT now(),
    -- An email address, or the name of a part of the system.
    actor      text        NOT NULL,
    -- No foreign key: the record outlives the user.
    user_id    uuid,
    action     text        NOT NULL,
    task_id    uuid,
    ip         text,
    request_id text
);

CREATE INDEX audit_task_idx ON audit (task_id) WHERE task_id IS NOT NULL;
CREATE INDEX audit_at_idx ON audit (at DESC);

CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END;
$$;

CREATE TRIGGER audit_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
