"""Pictures that the project draws itself: flat-shaded vehicles on streets, with the labels of everything drawn."""

from data_tools.drawing.scene import UNSEEN, DrawnScene, draw_scene, write_parquet

__all__ = ["UNSEEN", "DrawnScene", "draw_scene", "write_parquet"]
