"""Access to projects, asked of OpenFGA."""
