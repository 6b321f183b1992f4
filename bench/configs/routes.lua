-- Asks for {count} routes in a fixed random order: each is host number i / 100 with path number i % 100.
math.randomseed(42)
local wanted = {}
init = function(args)
  for i = 0, {count} - 1 do
    wanted[i] = wrk.format("GET", "/r/" .. (i % 100), { ["Host"] = "h" .. math.floor(i / 100) .. ".bench.test" })
  end
end
request = function()
  return wanted[math.random(0, {count} - 1)]
end
