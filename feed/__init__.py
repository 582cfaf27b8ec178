"""What the keeper tells the world: a websocket of what happens and a REST view of what is."""
