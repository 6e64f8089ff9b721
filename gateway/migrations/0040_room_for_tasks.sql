-- Whether a user may have one more task queued or running. Requests of one user that come at once must not all find the last place free, so
-- whoever asks has the user's lock until the end of the transaction; other users do not wait.
--
-- A function, because it has to be VOLATILE: only then does the count see what was committed while the lock was waited for. The statement
-- that calls it was begun before, and would not. So that the row can be written in the statement that looks for room, and the lock is
-- held for no longer than that statement and its commit.
CREATE FUNCTION has_room_for_task(owner_id uuid, most bigint) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- The first number, 'task' in ASCII, tells these locks from others.
    PERFORM pg_advisory_xact_lock(1952543595, hashtext(owner_id::text));
    RETURN (SELECT count(*) FROM tasks WHERE user_id = owner_id AND state IN ('queued', 'running')) < most;
END;
$$;
