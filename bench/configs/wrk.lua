-- Prints what wrk counted as one line of plain numbers: its own words round.
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("counted %d %d %d %d %d %d %d %d %d %d\n",
    summary.requests, summary.bytes, summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect, e.read, e.write, e.status, e.timeout))
end
