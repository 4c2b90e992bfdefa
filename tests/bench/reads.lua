-- GETs of one URL; one machine line at the end, as that of load.lua.
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"p50_us":%d,"p99_us":%d,"bad":%d}\n',
    summary.requests, latency:percentile(50), latency:percentile(99),
    errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
