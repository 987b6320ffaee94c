"""What a ladder of sizes says: the plan it was trained by, what it measured, the laws fitted to that."""
