-- The load, for every scenario and server alike: POST one alert per request.
--
--   wrk -tTHREADS … URL -- PREFIX KEYS THREADS
--
-- The dedup keys are PREFIX and one of KEYS numbers, of which each thread goes through its own share, again and
-- again: a large KEYS makes every key new, a small one makes them repeat. Ids have a fixed width, so the request
-- is formatted once and each one costs a single concatenation, whatever the scenario.

local FIRST = 1000000000
local head, tail, first_key, share
local n = 0

-- Called for each thread in turn, in a state that they do not see.
local threads = 0
function setup(thread)
  thread:set("place", threads)
  threads = threads + 1
end

function init(args)
  local prefix = args[1]
  share = math.floor(tonumber(args[2]) / tonumber(args[3]))
  first_key = FIRST + place * share
  local sample = prefix .. FIRST
  local body = '{"title":"Disk usage above 90%","service_id":"SER-00001","severity":"SEV3","dedup_key":"' .. sample
    .. '","description":"/var/lib/postgresql on web-17 is at 93%, growing 2% an hour.",'
    .. '"metadata":{"host":"web-17","region":"eu-west-1"}}'
  local request = wrk.format("POST", nil, { ["Content-Type"] = "application/json" }, body)
  local first, last = request:find(sample, 1, true)
  head = request:sub(1, first - 1) .. prefix
  tail = request:sub(last + 1)
end

function request()
  n = n + 1
  return head .. (first_key + n % share) .. tail
end

-- One machine line. wrk counts as `status` each answer above 399; neither server redirects.
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"refused":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect, errors.read, errors.write, errors.timeout))
end
