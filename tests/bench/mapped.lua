-- Alerts, each of a problem of its own, in either of two formats:
--
--   wrk … URL -- custom|alertmanager PREFIX GROUP
--
-- GROUP is how many are in one body; the custom webhook takes one. What the alerts say is the same.

local form, prefix, group
local n = 0

local function custom(key)
  return '{"title":"Disk of web-17 is almost full","service_id":"SER-00001","severity":"SEV2","dedup_key":"' .. key
    .. '","description":"Only 3.1% of / on web-17:9100 is left.",'
    .. '"source_url":"http://prometheus.example.org:9090/graph?g0.expr=node_filesystem_avail_bytes&g0.tab=1",'
    .. '"metadata":{"alertname":"HostOutOfDiskSpace","device":"/dev/sda1","instance":"web-17:9100","job":"node",'
    .. '"mountpoint":"/","severity":"warning"}}'
end

local function alertmanager(key)
  return '{"status":"firing","labels":{"alertname":"HostOutOfDiskSpace","device":"/dev/sda1","instance":"web-17:9100",'
    .. '"job":"node","mountpoint":"/","severity":"warning"},"annotations":{"description":"Only 3.1% of / on web-17:9100 '
    .. 'is left.","summary":"Disk of web-17 is almost full"},"startsAt":"2026-11-25T03:10:00.000Z",'
    .. '"endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://prometheus.example.org:9090/graph?'
    .. 'g0.expr=node_filesystem_avail_bytes&g0.tab=1","fingerprint":"' .. key .. '"}'
end

function init(args)
  form, prefix, group = args[1], args[2], tonumber(args[3])
end

local function key()
  n = n + 1
  return prefix .. n
end

function request()
  local body
  if form == "custom" then
    body = custom(key())
  else
    local alerts = {}
    for i = 1, group do alerts[i] = alertmanager(key()) end
    body = '{"receiver":"firebell","status":"firing","alerts":[' .. table.concat(alerts, ",")
      .. '],"groupLabels":{"alertname":"HostOutOfDiskSpace"},"commonLabels":{},"commonAnnotations":{},'
      .. '"externalURL":"http://alertmanager.example.org:9093","version":"4","groupKey":"{}:{}","truncatedAlerts":0}'
  end
  return wrk.format("POST", nil, { ["Content-Type"] = "application/json" }, body)
end

function done(summary, latency)
  io.write(string.format('{"requests":%d,"refused":%d}\n', summary.requests, summary.errors.status))
end
