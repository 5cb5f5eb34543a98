"""What an image with defects is: records, readers and writers, checks, splits, the demo parts."""
