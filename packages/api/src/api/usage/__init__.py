"""What the gateway has booked."""
