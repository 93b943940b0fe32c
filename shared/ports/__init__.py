"""What the lifecycle needs from the world: one Protocol and one contract suite for each."""
