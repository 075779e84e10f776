"""The needs of a web server of this project: bounds on clients, and the names of metrics."""
