-- All other cases of appending: the log is new, lost, removed or needs more room, or the entry does not follow it.
-- Room is set aside in steps, so that few appends have to look at what all logs take. A step is small against their limit.
local STEPS = 262144
local PAYLOAD = ARGV[9]
local first, head, last = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local keep, limit, limit_of_all = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])

local log = read_log()
if last <= log.last then
    return log.last
elseif first > log.last + 1 then
    return { 'hole', log.last }
elseif head <= log.last then
    return { 'overlap', log.last }
elseif log.removed then
    return { 'removed', log.last }
end

forget_expired()
local size = #PAYLOAD
local account = read_account(log)
local most = math.min(limit, limit_of_all - account.others)
local step = math.max(size, math.floor(limit_of_all / STEPS))
local bytes = account.bytes - drop_safe(log.safe, function(dropped)
    return account.bytes - dropped + step > math.min(keep, most)
end)
if bytes + size > most then
    settle(account, bytes, 0)
    if bytes + size > limit then
        return { 'full', bytes, limit }
    end
    return { 'full', account.others + bytes, limit_of_all }
end

local added = redis.pcall('XADD', STREAM, ARGV[4], 'frames', PAYLOAD)
if type(added) == 'table' then
    -- The stream knows more than the state beside it, which was lost; the stream is right.
    settle(account, bytes, 0)
    redis.call('HSET', STATE, 'last', last_of_stream())
    return { 'overlap', last_of_stream() }
end
settle(account, bytes + size, math.max(0, math.min(step, keep - bytes, most - bytes) - size))
redis.call('HSET', STATE, 'last', ARGV[4])
expire_in(tonumber(ARGV[8]))
redis.call('PUBLISH', STREAM, PAYLOAD)
return last
