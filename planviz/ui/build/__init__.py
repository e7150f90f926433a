"""The Build page: editor, settings, files, split and what they come to."""
