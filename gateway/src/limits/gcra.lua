-- The generic cell rate algorithm: one number for each limit, the time at which its bucket would be full again (TAT).
-- KEYS[1] the limit. ARGV[1] microseconds between two requests, ARGV[2] how many may come at once.
-- Answers with whether the request passes, how many more would pass now, after how many microseconds one would, and after how many
-- the bucket is full.
local interval = tonumber(ARGV[1])
local capacity = interval * tonumber(ARGV[2])
-- The clock of Redis, so that gateways whose clocks differ agree.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local tat = tonumber(redis.call('GET', KEYS[1]) or now)
-- A time past the capacity comes from a clock that was set back, or from a limit that was raised.
tat = math.min(math.max(tat, now), now + capacity)
local full = tat + interval - now
if full > capacity then
    return { 0, 0, full - capacity, tat - now }
end
redis.call('SET', KEYS[1], string.format('%.0f', tat + interval), 'PX', math.ceil(full / 1000))
return { 1, math.floor((capacity - full) / interval), 0, full }
