-- What the scripts share. KEYS: the stream of the log, which is also its channel; its state; the ledger, which says how many bytes
-- are set aside for each log, and under '*' for all; when logs expire.
local STREAM, STATE, LEDGER, EXPIRY = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local TASK = ARGV[1]

local function now()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The last number that was ever added: the stream remembers it even when it is empty.
local function last_of_stream()
    local info = redis.call('XINFO', 'STREAM', STREAM)
    for i = 1, #info, 2 do
        if info[i] == 'last-generated-id' then
            return tonumber(string.match(info[i + 1], '^%d+'))
        end
    end
end

-- The log as it is: whether it exists, its last number, what is safe in the archive, whether it was removed, and how many of the
-- bytes that are set aside for it are free.
local function read_log()
    if redis.call('EXISTS', STREAM) == 0 then
        return { exists = false, last = 0, safe = 0, removed = false, room = 0 }
    end
    local state = redis.call('HMGET', STATE, 'last', 'safe', 'removed', 'room')
    return {
        exists = true,
        last = tonumber(state[1]) or last_of_stream(),
        safe = tonumber(state[2]) or 0,
        removed = state[3] == '1',
        room = tonumber(state[4]) or 0,
    }
end

-- Gives the bytes of logs that expired back. Each call does a little of it. A key is gone when its time lies before now.
local function forget_expired()
    for _, task in ipairs(redis.call('ZRANGEBYSCORE', EXPIRY, '-inf', '(' .. now(), 'LIMIT', 0, 16)) do
        -- Not the negative of it: that of 0 would be written as -0, which is no integer to Redis.
        redis.call('HINCRBY', LEDGER, '*', 0 - (tonumber(redis.call('HGET', LEDGER, task)) or 0))
        redis.call('HDEL', LEDGER, task)
        redis.call('ZREM', EXPIRY, task)
    end
end

-- What is set aside for the log, what of it is used, how much of that is free, and what is set aside for the others.
local function read_account(log)
    local ledger = redis.call('HMGET', LEDGER, TASK, '*')
    local held = tonumber(ledger[1]) or 0
    local account = { held = held, bytes = math.max(0, held - log.room), room = log.room }
    account.others = math.max(0, (tonumber(ledger[2]) or 0) - held)
    if not log.exists then
        -- It is new, or the stream went without us: evicted, or deleted by hand.
        redis.call('DEL', STATE)
        account.bytes, account.room = 0, 0
    end
    return account
end

-- Says how many bytes the log has now, and how many more are set aside for it.
local function settle(account, bytes, room)
    local difference = bytes + room - account.held
    if difference ~= 0 then
        redis.call('HINCRBY', LEDGER, '*', difference)
        redis.call('HINCRBY', LEDGER, TASK, difference)
    end
    redis.call('HSET', STATE, 'room', room)
end

-- Drops the oldest entries that are safe in the archive, as long as `is_over(dropped bytes)`. Answers with the bytes dropped.
local function drop_safe(safe, is_over)
    local dropped = 0
    while is_over(dropped) do
        local oldest = redis.call('XRANGE', STREAM, '-', '+', 'COUNT', 1)[1]
        if not oldest or tonumber(string.match(oldest[1], '^%d+')) > safe then
            break
        end
        redis.call('XDEL', STREAM, oldest[1])
        dropped = dropped + #oldest[2][2]
    end
    return dropped
end

local function expire_in(milliseconds)
    local at = now() + milliseconds
    redis.call('PEXPIREAT', STREAM, at)
    redis.call('PEXPIREAT', STATE, at)
    redis.call('ZADD', EXPIRY, at, TASK)
end
