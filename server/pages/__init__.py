"""What is fetched as files, by anybody: the public log, and the pages with whatever they load."""
