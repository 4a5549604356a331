"""`pytask dev`: a supervisor, its worker process and the file watcher."""
