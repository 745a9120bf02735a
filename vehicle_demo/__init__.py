"""VehicleDINO Studio: recognise, search, correct and retrain on pictures of vehicles."""
