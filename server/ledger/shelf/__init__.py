"""The public log as a plain file tree that any web server or object store can serve."""
