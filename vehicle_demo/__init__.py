"""VehicleDINO Studio: recognise, search, correct and retrain."""
