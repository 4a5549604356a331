"""What an author of tasks writes against, and how tasks are found and checked."""
