"""The whole console in a real browser, before web server, workers and services that are real too."""
