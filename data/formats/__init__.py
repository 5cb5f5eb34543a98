"""What labelling tools and trainers read and write: one format a file."""
