-- The status follows kstatus: Stalled and Reconciling are present only while they are true. If observedGeneration differs
-- from metadata.generation, the status is about an earlier spec, or none was written yet (-1).
local hs = {}

if obj.metadata.deletionTimestamp ~= nil then
  hs.status = "Progressing"
  hs.message = "Being deleted"
  return hs
end

if obj.status == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  hs.status = "Progressing"
  hs.message = "Waiting for the operator to reconcile the current spec"
  return hs
end

local found = {}
for _, condition in ipairs(obj.status.conditions or {}) do
  found[condition.type] = condition
end

local function is_true(condition)
  return condition ~= nil and condition.status == "True"
end

local function describe(condition)
  return condition.reason .. ": " .. condition.message
end

-- A template whose edits roll out in steps; an instance has no such condition. What is at the stable revision has been
-- rolled out before.
local function health_of_roll_out()
  local rolled_out, rollout = found.RolledOut, obj.status.rollout
  if rolled_out == nil or rollout == nil or obj.spec.rollout == nil or is_true(rolled_out) then
    return nil
  end
  local under_way = rollout.revision ~= obj.status.stable_revision
  local health = {
    Halted = "Degraded",
    Paused = "Suspended",
    AwaitingApproval = "Suspended",
    RollingOut = under_way and "Progressing" or nil,
    Soaking = under_way and "Progressing" or nil,
  }
  return health[rolled_out.reason]
end

if is_true(found.Stalled) then
  hs.status = "Degraded"
  hs.message = describe(found.Stalled)
elseif is_true(found.Reconciling) then
  hs.status = "Progressing"
  hs.message = describe(found.Reconciling)
elseif is_true(found.Ready) then
  hs.status = health_of_roll_out() or "Healthy"
  hs.message = describe(hs.status == "Healthy" and found.Ready or found.RolledOut)
else
  hs.status = "Progressing"
  hs.message = "Waiting for the operator"
end
return hs
