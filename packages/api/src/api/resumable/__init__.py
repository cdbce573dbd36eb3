"""`Last-Event-ID`: a reader comes back to its stream."""
