"""The pages that people look at: templates, scripts, style, and the client library for other pages."""
