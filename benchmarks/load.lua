-- The requests of one load run.
--   wrk -s load.lua URL -- FILE METHOD EXPECTED_STATUS [BODY]
-- Each line of FILE is one request: path, bearer token and an If-None-Match value, which may be
-- empty, separated by tabs. They are sent in turn. At the end, one line of JSON.

local thread
local requests, next_one = {}, 0
bad = {}

function setup(only_one)
  thread = only_one
end

function init(args)
  local file, method, body = args[1], args[2], args[4]
  expected = tonumber(args[3])
  for line in io.lines(file) do
    local path, token, etag = line:match("^([^\t]*)\t([^\t]*)\t([^\t]*)$")
    local headers = {["Authorization"] = "Bearer " .. token}
    if body then headers["Content-Type"] = "application/json" end
    if etag ~= "" then headers["If-None-Match"] = etag end
    requests[#requests + 1] = wrk.format(method, path, headers, body)
  end
end

function request()
  next_one = next_one % #requests + 1
  return requests[next_one]
end

function response(status)
  if status ~= expected then
    bad[status] = (bad[status] or 0) + 1
  end
end

function done(summary, latency, _)
  local errors = summary.errors
  local counts = {'"none": ' .. errors.connect + errors.read + errors.write + errors.timeout}
  for status, count in pairs(thread:get("bad")) do
    counts[#counts + 1] = string.format('"%d": %d', status, count)
  end
  io.write(string.format(
    '{"requests": %d, "duration_us": %d, "p50_us": %d, "p99_us": %d, "bad": {%s}}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    table.concat(counts, ", ")))
end
