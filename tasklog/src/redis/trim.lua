-- Says that the archive has all frames up to a number. ARGV: task, channel, the number, bytes to keep, milliseconds after which
-- a log that nobody appends to expires.
local up_to, keep = tonumber(ARGV[3]), tonumber(ARGV[4])

local log = read_log()
if log.removed or up_to <= log.safe then
    return log.last
end
forget_expired()
local bytes = read_bytes(log)
if up_to <= log.last then
    redis.call('HSET', STATE, 'last', log.last, 'safe', up_to)
    drop_safe(up_to, function(dropped) return bytes - dropped > keep end)
    return log.last
end

-- The store lost what the archive has. An entry that is dropped at once moves the stream's last number.
drop_safe(up_to, function() return true end)
redis.call('XADD', STREAM, 'MAXLEN', 0, ARGV[3] .. '-0', 'frames', '')
redis.call('HSET', STATE, 'last', up_to, 'safe', up_to)
expire_in(tonumber(ARGV[5]))
redis.call('PUBLISH', ARGV[2], 'look')
return up_to
