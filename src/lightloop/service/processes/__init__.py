"""The processes of a service: a supervisor that holds the sockets, workers that answer. No HTTP of their own."""
