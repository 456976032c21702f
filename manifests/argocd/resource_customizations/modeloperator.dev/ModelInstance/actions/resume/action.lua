if obj.spec.replicas ~= 0 then
  error("the model is not paused: spec.replicas is not 0", 0)
end
obj.spec.replicas = nil
return obj
