"""What any service of ours stands on; it knows no model, no gateway and no tool."""
