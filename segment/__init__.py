"""The downstream segmenter: model, training, metrics, inference, and the report that judges them."""
