"""What is measured, as ratios within one run, and the recorded results."""
