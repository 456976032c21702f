"""The roll-out of an edited template over its instances: in steps, with budgets, soak times and approvals."""
