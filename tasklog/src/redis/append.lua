-- Appends one entry. ARGV: task, first number of the entry, number of its first frame, last number, bytes to keep, limit of the
-- log, limit of all logs, milliseconds after which a log that nobody grows expires, payload. Answers with the last number of the
-- log when it has the entry.

-- The usual case: the entry follows what is there, and fits into what is set aside for the log. It takes four commands, and
-- stands before everything else, so that nothing is prepared that it does not need. Without a stream, NOMKSTREAM does nothing.
local state = redis.call('HMGET', KEYS[2], 'last', 'room')
if tonumber(state[1]) == ARGV[2] - 1 then
    local room = (tonumber(state[2]) or 0) - #ARGV[9]
    if room >= 0 and type(redis.pcall('XADD', KEYS[1], 'NOMKSTREAM', ARGV[4], 'frames', ARGV[9])) == 'string' then
        redis.call('HSET', KEYS[2], 'last', ARGV[4], 'room', room)
        redis.call('PUBLISH', KEYS[1], ARGV[9])
        return tonumber(ARGV[4])
    end
end
