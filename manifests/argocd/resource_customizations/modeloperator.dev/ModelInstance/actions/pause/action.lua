if obj.spec.replicas ~= nil then
  error("spec.replicas is set already; change it where it was set", 0)
end
obj.spec.replicas = 0
return obj
