"""What is printed: tables, cards, trees."""
