"""How output looks: tables, errors, tracebacks, live lists."""
