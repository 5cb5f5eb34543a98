"""The models that can be trained, behind one interface: networks for masks, instances and grades, and a threshold."""
