-- Pausing sets spec.replicas. It is offered only while that is unset, so a number from Git, an autoscaler or kubectl
-- scale is never overwritten; an instance with a list of deployments has no such field.
local spec = obj.spec
local runs_here = spec.model_template_id ~= nil and spec.deployments == nil

local actions = {}
actions["pause"] = {
  ["disabled"] = not runs_here or spec.replicas ~= nil,
  ["displayName"] = "Pause: scale to zero",
  ["iconClass"] = "fa fa-fw fa-pause-circle",
}
actions["resume"] = {
  ["disabled"] = spec.replicas ~= 0,
  ["displayName"] = "Resume: scale as the template says",
  ["iconClass"] = "fa fa-fw fa-play-circle",
}
return actions
