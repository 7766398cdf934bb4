-- Health of the kinds of integrations.netbird.io. Their conditions follow kstatus (sigs.k8s.io/cli-utils/pkg/kstatus);
-- in addition, a suspended resource is distinguished from one that is being reconciled.
local metadata, status = obj.metadata, obj.status or {}
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end

local function is_true(name)
  return conditions[name] ~= nil and conditions[name].status == "True"
end

local ready = conditions.Ready
local message = "Waiting for the operator"
if ready ~= nil then
  message = ready.reason .. ": " .. ready.message
end

local function health(word)
  return { status = word, message = message }
end

if metadata.deletionTimestamp ~= nil then
  return health("Progressing")
end
if status.observedGeneration ~= nil and status.observedGeneration ~= metadata.generation then
  message = "Waiting for the operator to see the last change"
  return health("Progressing")
end
if is_true("Stalled") then
  return health("Degraded")
end
if is_true("Reconciling") then
  return health("Progressing")
end
if is_true("Suspended") then
  return health("Suspended")
end
if is_true("Ready") then
  return health("Healthy")
end
return health("Progressing")
