"""What there is to know of one genome: its scores, its origin, its costs, its recipe."""
