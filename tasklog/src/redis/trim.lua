-- Says that the archive has all frames up to a number. ARGV: task, the number, bytes to keep, milliseconds after which a log that
-- nobody grows expires.
local up_to, keep = tonumber(ARGV[2]), tonumber(ARGV[3])

local log = read_log()
if log.removed or up_to <= log.safe then
    return log.last
end
forget_expired()
local account = read_account(log)
if up_to <= log.last then
    local bytes = account.bytes - drop_safe(up_to, function(dropped) return account.bytes - dropped > keep end)
    -- What is set aside beyond the bytes to keep would let the log grow past them without a look at what can be dropped.
    settle(account, bytes, math.max(0, math.min(account.room, keep - bytes)))
    redis.call('HSET', STATE, 'last', log.last, 'safe', up_to)
    expire_in(tonumber(ARGV[4]))
    return log.last
end

-- The store lost what the archive has. An entry that is dropped at once moves the stream's last number.
redis.call('XADD', STREAM, 'MAXLEN', 0, ARGV[2], 'frames', '')
settle(account, 0, 0)
redis.call('HSET', STATE, 'last', up_to, 'safe', up_to)
expire_in(tonumber(ARGV[4]))
redis.call('PUBLISH', STREAM, 'look')
return up_to
