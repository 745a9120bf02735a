"""Training of VehicleDINO: cached pictures, batched augmentation, losses with a mask per task, one loop."""
