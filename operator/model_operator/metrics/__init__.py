"""What the metrics of operator and gateway share: how one is declared, registered and served."""
