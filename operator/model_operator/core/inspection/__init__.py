"""What people ask about instances and templates of a cluster, answered from the objects that it has."""
