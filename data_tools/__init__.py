"""Command line tools around VehicleDINO: prepare, train, export, evaluate, benchmark. Run `python -m data_tools`."""
