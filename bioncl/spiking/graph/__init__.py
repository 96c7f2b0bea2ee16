"""Any torch network as populations of spiking neurons, joined by paths of linear operations."""
