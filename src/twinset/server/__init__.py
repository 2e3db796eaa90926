"""A catalogue behind HTTP: `twinset.server.app.create_app` makes the application."""
