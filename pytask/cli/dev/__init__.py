"""`pytask dev`: a supervisor, its child worker and the file watcher."""
