"""Learning how a defect looks and painting it: networks, training, shapes, placement, blending, generation."""
