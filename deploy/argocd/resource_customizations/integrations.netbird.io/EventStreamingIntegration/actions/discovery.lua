-- The actions of a resource. Only an EventStreamingIntegration can be suspended.
local actions = { reconcile = { disabled = false } }
if obj.kind == "EventStreamingIntegration" then
  local suspended = obj.spec.suspend == true
  actions.suspend = { disabled = suspended }
  actions.resume = { disabled = not suspended }
end
return actions
