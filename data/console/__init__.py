"""What every command shares: how it ends, what its options say, how it shows its work."""
