"""What is refused in a gateway's config before anything is started."""
