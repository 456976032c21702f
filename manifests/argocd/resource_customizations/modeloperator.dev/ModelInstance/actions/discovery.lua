-- Pausing takes what autoscaling and Git leave open: spec.replicas. Where somebody has set it (Git, an autoscaler,
-- kubectl scale) the number is theirs, and a list of deployments has no such field.
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
