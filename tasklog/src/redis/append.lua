-- Appends one entry. ARGV: task, channel, first number of the entry, number of its first frame, last number, payload,
-- bytes to keep, limit of the log, limit of all logs, milliseconds after which a log that nobody appends to expires.
local CHANNEL, PAYLOAD = ARGV[2], ARGV[6]
local first, head, last = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local keep, limit, limit_of_all = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])

local log = read_log()
if last <= log.last then
    return { 'there', log.last }
elseif first > log.last + 1 then
    return { 'hole', log.last }
elseif head <= log.last then
    return { 'overlap', log.last }
elseif log.removed then
    return { 'removed', log.last }
end

forget_expired()
local size = #PAYLOAD
local bytes, total = read_bytes(log)
local dropped = drop_safe(log.safe, function(dropped)
    local held = bytes - dropped + size
    return held > keep or held > limit or total - dropped + size > limit_of_all
end)
bytes, total = bytes - dropped, total - dropped
if bytes + size > limit then
    return { 'full', bytes, limit }
elseif total + size > limit_of_all then
    return { 'full', total, limit_of_all }
end

local added = redis.pcall('XADD', STREAM, ARGV[5] .. '-0', 'frames', PAYLOAD)
if type(added) == 'table' and added.err then
    -- The stream knows more than the state beside it, which was lost; the stream is right.
    redis.call('HSET', STATE, 'last', last_of_stream())
    return { 'overlap', last_of_stream() }
end
redis.call('HSET', STATE, 'last', ARGV[5])
add_bytes(size)
expire_in(tonumber(ARGV[10]))
redis.call('PUBLISH', CHANNEL, PAYLOAD)
return { 'added', last }
